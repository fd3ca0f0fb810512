"""What a series is after all that came: averages, replacements and withdrawals, with the history's own arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from monitorch_widgets.history.points import Floats, Ints


@dataclass(frozen=True, slots=True)
class Cells:
    """A table with gaps: all rows that there are, and of cells only those with a reading."""

    steps: Ints
    seconds: Floats
    rows: Ints
    columns: Ints
    values: Floats


def replayed(came: Iterable[tuple[str, Any]]) -> Cells:
    """The table after all that came, in order: numbers as :func:`~.format.decoded` gives them, and steps."""
    numbers, parts, results, gone = _laid_out(came)
    columns, steps, seconds, values = numbers
    if not len(steps):
        return Cells(steps, seconds, steps, steps, values)
    made, first, rows = np.unique(steps, return_index=True, return_inverse=True)
    _, cells = np.unique(rows * (int(columns.max()) + 1) + columns, return_inverse=True)
    kept = _not_withdrawn(steps, gone) & _not_replaced(cells, results) & np.isfinite(values)
    places = np.flatnonzero(kept)
    held, cells = np.unique(cells[places], return_inverse=True)
    origin = np.empty(len(held), np.int64)
    origin[cells] = places
    return Cells(made, seconds[first], rows[origin], columns[origin], _averaged(cells, parts[places], values[places]))


def _laid_out(came: Iterable[tuple[str, Any]]) -> tuple[tuple[Ints, Ints, Floats, Floats], Ints, Ints, dict[int, int]]:
    """All numbers behind each other, the part that each belongs to, where results are, and what was withdrawn when."""
    blocks, parts, results, gone = [], [], [np.zeros(0, np.int64)], {}
    readings = part = 0
    for kind, content in came:
        if kind == "withdrawn":
            gone[content] = readings
            continue
        *numbers, sizes = content
        blocks.append(numbers)
        parts.append(part + np.repeat(np.arange(len(sizes)), sizes))
        if kind == "results":
            results.append(np.arange(readings, readings + len(numbers[0])))
        readings, part = readings + len(numbers[0]), part + len(sizes)
    empty = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
    joined = tuple(np.concatenate([none, *(block[i] for block in blocks)]) for i, none in enumerate(empty))
    return joined, np.concatenate([np.zeros(0, np.int64), *parts]), np.concatenate(results), gone  # type: ignore[return-value]


def _not_withdrawn(steps: Ints, gone: dict[int, int]) -> Any:
    """Which readings came after the last time that their step was withdrawn."""
    if not gone:
        return np.ones(len(steps), bool)
    which, since = (np.array(numbers, np.int64) for numbers in zip(*sorted(gone.items()), strict=True))
    place = np.minimum(np.searchsorted(which, steps), len(which) - 1)
    return (which[place] != steps) | (np.arange(len(steps)) >= since[place])


def _not_replaced(cells: Ints, results: Ints) -> Any:
    """Which readings are, or came after, the last result of their cell."""
    since = np.zeros(int(cells.max()) + 1, np.int64)
    np.maximum.at(since, cells[results], results)
    return np.arange(len(cells)) >= since[cells]


def _averaged(cells: Ints, parts: Ints, values: Floats) -> Floats:
    """The mean in each cell: of each part first, then part by part."""
    count = np.bincount(cells)
    if not len(cells) or count.max() == 1:
        means = np.empty(len(count))
        means[cells] = values
        return means
    order = np.lexsort((parts, cells))  # stable: within a part in the order that they came
    owner, part = cells[order], parts[order]
    begins = np.concatenate([[True], (owner[1:] != owner[:-1]) | (part[1:] != part[:-1])])
    group = np.cumsum(begins) - 1
    times = np.bincount(group)
    mean = np.bincount(group, values[order] / times[group]).astype(float)
    return _joined(owner[begins], mean, times, len(count))


def _joined(owner: Ints, mean: Floats, times: Ints, cells: int) -> Floats:
    """Join means of groups, sorted by who owns them: round by round the next group of each that has one more."""
    first = np.searchsorted(owner, np.arange(cells))
    turn = np.arange(len(owner)) - first[owner]
    found, total = mean[first], times[first]
    by_turn = np.argsort(turn, kind="stable")
    bounds = np.searchsorted(turn[by_turn], np.arange(1, int(turn.max()) + 2))
    for start, stop in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        some = by_turn[start:stop]
        of = owner[some]
        total[of] += times[some]
        found[of] += (mean[some] - found[of]) * (times[some] / total[of])
    return found
