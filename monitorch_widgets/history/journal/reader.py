"""A journal that was written: all readings of a run, as they were."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from monitorch_widgets.errors import ArgumentError, unknown_name
from monitorch_widgets.history.frames import frame_of
from monitorch_widgets.history.points import Floats
from monitorch_widgets.history.series import EpochFigures
from monitorch_widgets.values import Event, Reading

from .format import READINGS, Block, decoded, scan
from .places import Place, file_of
from .replay import Cells, replayed

if TYPE_CHECKING:
    import pandas as pd

_DENSE = 2**27  # cells of a table in any case
_SPARSE = 16  # or so many for each reading


class RecordedSeries:
    """All readings of one tag: the face of :class:`Series`, without its bins.

    Attributes
    ----------
    tag : str
        Name of the series.
    modules : list of str
        Names of the columns.
    steps : numpy.ndarray of int64, shape (S,)
        Every step that was read.
    seconds : numpy.ndarray of float64, shape (S,)
        Seconds since the start of the run.
    epochs : dict of int to EpochFigures
        The epoch figures by number of the epoch.
    """

    def __init__(self, tag: str, modules: list[str], cells: Cells, epochs: dict[int, EpochFigures]) -> None:
        self.tag, self.modules, self.epochs = tag, modules, epochs
        self.steps, self.seconds = cells.steps, cells.seconds
        self._cells = cells

    def __repr__(self) -> str:
        return f"RecordedSeries({self.tag!r}, {len(self.modules)} modules, {len(self.steps)} steps)"

    @property
    def values(self) -> Floats:
        """Readings, float64 of shape (S, M): NaN where there is none; several of one step are averaged.

        Raises
        ------
        ArgumentError
            For a table of more than a gigabyte that is nearly empty; :meth:`readings` has them one by one.
        """
        shape = len(self.steps), len(self.modules)
        if shape[0] * shape[1] > max(_DENSE, _SPARSE * len(self._cells.values)):
            raise ArgumentError(
                f"expected a table of a usual size; that of {self.tag!r} has {shape[0]} x {shape[1]} cells for "
                f"{len(self._cells.values)} readings. Go through readings() instead."
            )
        table: Floats = np.full(shape, np.nan)
        table[self._cells.rows, self._cells.columns] = self._cells.values
        return table

    def readings(self) -> Iterator[Reading]:
        """The readings one by one, the oldest step first; gaps are left out."""
        cells = self._cells
        steps = self.steps[cells.rows]
        for i in np.lexsort((cells.columns, cells.rows)).tolist():
            yield Reading(self.tag, self.modules[cells.columns[i]], int(steps[i]), float(cells.values[i]))

    def to_pandas(self) -> pd.DataFrame:
        """Return the readings as a data frame: one row a step, one column a module.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return frame_of(self.values, self.steps, self.modules)


class RecordedRun:
    """What :meth:`Journal.read` found: ``run.tags`` lists it, ``run[tag]`` reads all of one tag.

    Attributes
    ----------
    path : str
        The file.
    began : str
        When the first reading was written, in ISO format, UTC.
    truncated : bool
        Whether the end of the file is not whole, as when a run was killed while it wrote: what stands before is here.
    lost : int
        Readings that the disk was too slow for.
    hyperparams : dict
        Hyper-parameters of the run.
    events : list of Event
        What happened between readings: marks, skipped steps, commands, what ended the run.
    epoch_marks : list of (int, int)
        Epochs, and the number of steps made when each was over.
    """

    def __init__(self, place: Place, name: str) -> None:
        self._place, self._name = place, name
        self.path = place.path(name)
        file, size = place.open(name)
        with file:
            first, self._blocks, self.truncated = scan(file, size, self.path)
        self.began = str(first.get("began", ""))
        self.lost = 0
        self.hyperparams: dict[str, Any] = {}
        self.epoch_marks: list[tuple[int, int]] = []
        self._events: dict[tuple[Any, Any], Event] = {}
        self._figures: dict[int, dict[str, Any]] = {}
        self._columns: dict[str, list[str]] = {}
        for block in self._blocks:
            self._take(block.head)

    def _take(self, head: dict[str, Any]) -> None:
        kind = head.get("kind")
        try:
            if kind == "withdrawn":
                head["step"] = np.int64(head["step"])  # one that no step can be raises
            elif kind == "columns":
                self._columns.setdefault(head["tag"], []).extend(head["names"])
            elif kind == "lost":
                self.lost += int(head["readings"])
            elif kind == "hyperparams":
                self.hyperparams = dict(head["values"])
            elif kind == "event":
                event = Event(head["event"], head["step"], head["last_step"], head["count"], head["words"])
                self._events[event.kind, event.step] = event  # which may have gone on since it was first written
            elif kind == "epoch":
                self.epoch_marks.append((int(head["epoch"]), int(head["step"])))
                self._figures[int(head["epoch"])] = dict(head["figures"])
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            raise _not_ours(self.path) from error

    def __repr__(self) -> str:
        return f"RecordedRun({self.path!r}, {len(self.tags)} tags{', truncated' if self.truncated else ''})"

    @property
    def tags(self) -> list[str]:
        """Names of everything that has readings or epoch figures, in the order that they came."""
        read = [block.head["tag"] for block in self._blocks if _has_readings(block)]
        return list(dict.fromkeys([*read, *(tag for tags in self._figures.values() for tag in tags)]))

    @property
    def events(self) -> list[Event]:
        """What happened between readings, as :class:`Status` has it."""
        return list(self._events.values())

    def __iter__(self) -> Iterator[str]:
        return iter(self.tags)

    def __len__(self) -> int:
        return len(self.tags)

    def __contains__(self, tag: object) -> bool:
        return tag in self.tags

    def __getitem__(self, tag: str) -> RecordedSeries:
        """Read one tag from the file; keep it in a variable, since each time it is read anew."""
        if tag not in self.tags:
            raise ArgumentError(unknown_name("tag", tag, self.tags))
        modules = self._columns.get(tag, [])
        found: list[tuple[str, Any]] = []
        file, _ = self._place.open(self._name)
        with file:
            for block in self._blocks:
                if block.head.get("kind") == "withdrawn":
                    found.append(("withdrawn", block.head["step"]))
                elif _has_readings(block) and block.head["tag"] == tag:
                    file.seek(block.start)
                    found.append((block.head["kind"], decoded(block, file.read(block.size))))
        cells = replayed(found)
        if len(cells.columns) and not 0 <= cells.columns.min() <= cells.columns.max() < len(modules):
            raise _not_ours(self.path)
        return RecordedSeries(tag, modules, cells, self._epochs(tag))

    def _epochs(self, tag: str) -> dict[int, EpochFigures]:
        try:
            return {epoch: _figures(*tags[tag]) for epoch, tags in self._figures.items() if tag in tags}
        except (AttributeError, TypeError, ValueError) as error:
            raise _not_ours(self.path) from error


def read(path: str | os.PathLike[str]) -> RecordedRun:
    """Read a file, or the newest one of a folder."""
    return RecordedRun(*file_of(path))


def _has_readings(block: Block) -> bool:
    return block.head.get("kind") in ("rows", *READINGS)


def _figures(values: Any, ranges: Any) -> EpochFigures:
    bands = {name: {(low, high): (start, end) for low, high, start, end in ends} for name, ends in dict(ranges).items()}
    return EpochFigures({name: dict(of_module) for name, of_module in values.items()}, bands)


def _not_ours(path: str) -> ArgumentError:
    return ArgumentError(f"expected a journal as PyTorchInspector writes it; {path!r} has blocks of another kind.")
