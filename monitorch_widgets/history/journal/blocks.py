"""From what has come since the last time to blocks: neighbours of one tag become one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from monitorch_widgets.history.points import Floats, Ints

from .format import Head, Numbers, encoded, encoded_readings, encoded_rows

_NAMES = 1000  # in one line
_MOST = 2**20  # readings of one block


class Come(NamedTuple):
    """Readings of one tag that came together; `kind` is ``"readings"``, or ``"results"`` for those that replace."""

    kind: str
    tag: str
    names: Sequence[str]
    steps: Ints
    seconds: Floats
    values: Floats


class Note(NamedTuple):
    """Anything else."""

    head: Head


Item = Come | Note


class Blocks:
    """Makes blocks; knows the columns of each tag, as the file has them."""

    def __init__(self) -> None:
        self._columns: dict[str, dict[str, int]] = {}

    def made(self, batch: Iterable[Item]) -> Iterator[bytes]:
        """The blocks of what has come, in order."""
        for group in _joined(batch):
            if isinstance(group, Note):
                yield from self._noted(group.head)
            else:
                yield from self._written(group)

    def _noted(self, head: Head) -> Iterator[bytes]:
        if head["kind"] == "columns":
            yield from self._widened(head["tag"], head["names"])
        else:
            yield encoded(head)

    def _widened(self, tag: str, names: Iterable[str]) -> Iterator[bytes]:
        index = self._columns.setdefault(tag, {})
        missing = [name for name in dict.fromkeys(names) if name not in index]
        for start in range(0, len(missing), _NAMES):
            some = missing[start : start + _NAMES]
            yield encoded({"kind": "columns", "tag": tag, "names": some})
            index.update({name: len(index) + i for i, name in enumerate(some)})

    def _written(self, group: list[Come]) -> Iterator[bytes]:
        tag, names = group[0].tag, list(chain.from_iterable(come.names for come in group))
        yield from self._widened(tag, names)
        columns = np.fromiter(map(self._columns[tag].__getitem__, names), np.int32, len(names))
        steps, seconds, values = (
            np.concatenate([getattr(come, what) for come in group]) for what in ("steps", "seconds", "values")
        )
        width = _row_width(columns, steps) if group[0].kind == "readings" else 0
        if width:
            yield encoded_rows(tag, columns[:width], steps[::width], seconds[::width], values)
        else:
            parts = [len(come.values) for come in group]
            yield encoded_readings(group[0].kind, tag, parts, columns, steps, seconds, values)


def _joined(batch: Iterable[Item]) -> Iterator[list[Come] | Note]:
    """Readings of one tag and kind together, as far as nothing came between that has to stay there."""
    found: list[list[Come] | Note] = []
    growing: dict[str, tuple[list[Come], int]] = {}
    for item in batch:
        if isinstance(item, Note):
            if item.head["kind"] == "withdrawn":
                growing.clear()
            elif item.head["kind"] == "columns":
                growing.pop(item.head["tag"], None)
            found.append(item)
            continue
        group, size = growing.get(item.tag, ([], 0))
        if not group or group[0].kind != item.kind or size > _MOST:
            group, size = [], 0
            found.append(group)
        group.append(item)
        growing[item.tag] = group, size + len(item.values)
    return iter(found)


def _row_width(columns: Numbers, steps: Numbers) -> int:
    """Readings in a row where each step has the same columns, once, and comes after the one before; 0 otherwise."""
    width = int(np.argmax(steps != steps[0])) or len(steps)
    if len(steps) % width:
        return 0
    times, places = steps.reshape(-1, width), columns.reshape(-1, width)
    same = (times == times[:, :1]).all() and (places == places[0]).all()
    return width if same and (np.diff(times[:, 0]) > 0).all() and len(np.unique(places[0])) == width else 0
