"""A series: the readings of one tag, every step of the newest ones and bins of the older ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from monitorch_widgets.values import Reading

from .bins import Bins
from .folded import UNIT, Folded
from .frames import frame_of
from .points import Floats, Ints
from .ring import Ring, Rows

if TYPE_CHECKING:
    import pandas as pd

MAX_EPOCHS = 4096
MAX_STAGES = 64
MAX_PLACES = 8  # lists of names whose columns are kept
MAX_NAMES = 4096  # in such a list

Ranges = dict[tuple[str, str], tuple[float, float]]
K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class EpochFigures:
    """What :meth:`tick_epoch` made of one epoch.

    Attributes
    ----------
    values : dict of str to dict of str to float
        Module name to aggregation to value, e.g. ``{"lin1": {"mean": 0.8}}``.
    ranges : dict of str to dict
        Module name to range, e.g. ``{"lin1": {("min", "max"): (0.2, 0.9)}}``.
    """

    values: dict[str, dict[str, float]]
    ranges: dict[str, Ranges]


class Series:
    """The readings of one tag over the steps.

    There is one row per step and one column per module. The newest rows, some four thousand, are kept as they are;
    older ones are folded into at most 512 bins, 64 rows at a time, so neither memory nor the work of a step grows with
    the length of the run. Several readings of one module in one step are averaged.

    Parameters
    ----------
    tag : str
        Name of the series.
    modules : iterable of str
        Names of the columns, in model order; a name that comes later is appended.
    spare : int
        Rows fewer at full detail than 4096, up to 63: series with different numbers fold in different steps.
    """

    def __init__(self, tag: str, modules: Iterable[str] = (), spare: int = 0) -> None:
        self.tag = tag
        self._index = {name: i for i, name in enumerate(modules)}
        self._ring = Ring(len(self._index), spare)
        self._older = Folded(len(self._index))
        self._places: dict[tuple[str, ...], tuple[Ints, bool]] = {}
        self._epochs: deque[tuple[int, EpochFigures]] = deque(maxlen=MAX_EPOCHS)
        self._stages: deque[tuple[int, str]] = deque(maxlen=MAX_STAGES)

    def __repr__(self) -> str:
        return f"Series({self.tag!r}, {len(self.modules)} modules, {self.rows} steps, {len(self._epochs)} epochs)"

    @property
    def modules(self) -> list[str]:
        """Names of the columns, in model order."""
        return list(self._index)

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self._index)

    @property
    def steps(self) -> Ints:
        """Steps of the rows, shape (S,); a bin stands under its last step."""
        return np.concatenate([self.bins.last_step, self._ring.newest().steps])

    @property
    def seconds(self) -> Floats:
        """Seconds since the start of the run, shape (S,)."""
        return np.concatenate([self.bins.seconds, self._ring.newest().seconds])

    @property
    def values(self) -> Floats:
        """Readings, float64 of shape (S, M): NaN where there is none, the mean where a row is a bin."""
        return np.concatenate([self.bins.stats[..., 1], self._ring.newest().values])

    @property
    def bins(self) -> Bins:
        """The older rows, the oldest first; the same object until more of them are folded."""
        return self._older.bins

    @property
    def fold_width(self) -> int:
        """Rows in the oldest bin; 2048 where it holds more. Newer bins may hold fewer."""
        return self._older.rows_in_bin

    @property
    def epochs(self) -> dict[int, EpochFigures]:
        """The epoch figures by number of the epoch."""
        return dict(self._epochs)

    @property
    def rows(self) -> int:
        """Rows that were ever begun, folded ones included."""
        return self._ring.stop

    @property
    def newest_step(self) -> int:
        """Step of the newest row; -1 before the first."""
        return self._ring.newest_step

    @property
    def stage(self) -> str:
        """Where in the step the newest readings were taken, in words; empty before the first."""
        return self._stages[-1][1] if self._stages else ""

    def stage_at(self, step: int) -> str:
        """Where in the step the readings of `step` were taken; the oldest that is known for older ones.

        Examples
        --------
        >>> series = Series("Weight Gradient Norm", ["fc"])
        >>> series.note_stage(0, "as the optimizer used it")
        >>> series.note_stage(7, "as the optimizer used it: accumulated over 4 backward passes")
        >>> series.stage_at(6)
        'as the optimizer used it'
        """
        known = [words for first, words in self._stages if first <= step]
        return known[-1] if known else self._stages[0][1] if self._stages else ""

    def note_stage(self, step: int, words: str) -> None:
        """Keep the stage of the readings from `step` on; changes are kept, the newest 64 of them."""
        if words != self.stage:
            self._stages.append((step, words))

    def to_pandas(self) -> pd.DataFrame:
        """Return the readings as a data frame: one row a step, one column a module.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return frame_of(self.values, self.steps, self.modules)

    def newest(self, since: int = 0) -> Rows:
        """Rows at full detail from absolute row number `since` on, or from the oldest that is left."""
        return self._ring.newest(since)

    def record(self, step: int, second: float, names: Sequence[str], values: Sequence[float] | Floats) -> None:
        """Add readings of one step, or average them into the row that the step already has."""
        columns, distinct = self._find(names)
        new = np.asarray(values, float)
        if distinct and step > self._ring.newest_step:
            if self._ring.full:
                self._fold()
            self._ring.begin_one(step, second, columns, new)
        else:
            self._record_block(columns, np.full(len(new), step), np.full(len(new), second), new)

    def record_readings(
        self,
        names: Sequence[str],
        steps: Sequence[int] | Ints,
        seconds: Sequence[float] | Floats,
        values: Sequence[float] | Floats,
    ) -> None:
        """Add many readings in the order that they came, the same as one by one: four flat lists of equal length.

        A step that is later than all before begins a row. A reading of an older step joins that step, or the next one
        that has a row; it is dropped when its step has gone into a bin. Several readings of one module in one step are
        averaged. NaN and infinity leave a gap.

        Parameters
        ----------
        names : sequence of str
            Column of each reading; unknown ones are appended.
        steps, seconds : sequence of numbers
            When it was taken: the step, and seconds since the start of the run.
        values : sequence of float
            What was read.

        Examples
        --------
        >>> series = Series("Output Norm")
        >>> series.record_readings(["a", "b", "a", "b", "b"], [0, 0, 1, 1, 1], [0.1] * 5, [1.0, 2.0, 3.0, 4.0, 6.0])
        >>> series.values
        array([[1., 2.],
               [3., 5.]])
        """
        when, seconds = np.asarray(steps, np.int64), np.asarray(seconds, float)
        if not len(when):
            return
        if when[0] == when[-1] and (when == when[0]).all():
            self.record(int(when[0]), float(seconds[0]), names, values)
        else:
            self._record_block(self._find(names)[0], when, seconds, np.asarray(values, float))

    def _record_block(self, columns: Ints, steps: Ints, seconds: Floats, values: Floats) -> None:
        """Record block by block: one ends where a row begins for which there is no room."""
        highest = np.maximum.accumulate(steps)
        former = np.concatenate([[self._ring.newest_step], np.maximum(highest[:-1], self._ring.newest_step)])
        begun = np.flatnonzero(steps > former)  # readings that begin a row
        start, done = 0, 0
        while start < len(steps):
            if self._ring.full and done < len(begun) and begun[done] == start:
                self._fold()
            ahead = done + self._ring.room
            stop = int(begun[ahead]) if ahead < len(begun) else len(steps)
            part = slice(start, stop)
            self._ring.add(columns[part], steps[part], seconds[part], values[part], begun[done:ahead] - start)
            start, done = stop, ahead

    def readings(self) -> Iterator[Reading]:
        """The readings at full detail, the oldest first, each with its stage; gaps are left out.

        Examples
        --------
        >>> series = Series("Output Norm", ["fc"])
        >>> series.record(0, 0.1, ["fc"], [2.0])
        >>> list(series.readings())
        [Reading(tag='Output Norm', module='fc', step=0, value=2.0, stage='')]
        """
        rows = self.newest()
        for step, values in zip(rows.steps.tolist(), rows.values.tolist(), strict=True):
            stage = self.stage_at(step)
            for module, value in zip(self.modules, values, strict=True):
                if value == value:
                    yield Reading(self.tag, module, step, value, stage)

    def replace(self, step: int, second: float, names: Sequence[str], values: Sequence[float] | Floats) -> None:
        """Set readings of a step, in place of those that it has; a later result is not averaged with the one before.

        Examples
        --------
        >>> series = Series("Logged")
        >>> for score in (0.5, 0.75):
        ...     series.replace(3, 0.1, ["score"], [score])
        >>> series.values
        array([[0.75]])
        """
        self._ring.empty(step, self._find(names)[0])
        self.record(step, second, names, values)

    def withdraw(self, step: int) -> None:
        """Empty the row of `step`, if it is there at full detail: what was read belongs to no step after all."""
        self._ring.empty(step)

    def record_epoch(self, epoch: int, values: dict[str, dict[str, float]], ranges: dict[str, Ranges]) -> None:
        """Keep the figures of an epoch; the same number again adds to them, and replaces those of the same name."""
        known = EpochFigures({}, {})
        if self._epochs and self._epochs[-1][0] == epoch:
            known = self._epochs.pop()[1]
        self._epochs.append((epoch, EpochFigures(_joined(known.values, values), _joined(known.ranges, ranges))))

    def _find(self, names: Sequence[str]) -> tuple[Ints, bool]:
        """Columns of the names, and whether each is there once; the same names come again and again."""
        key = tuple(names)
        found = self._places.get(key)
        if found is None:
            self.widen(key)
            columns = np.fromiter(map(self._index.__getitem__, key), np.int64, len(key))
            found = columns, len(set(key)) == len(key)
            if len(self._places) >= MAX_PLACES or len(key) > MAX_NAMES:
                self._places.clear()
            if len(key) <= MAX_NAMES:
                self._places[key] = found
        return found

    def widen(self, names: Iterable[str]) -> None:
        """Append columns for the names that have none yet."""
        missing = [name for name in dict.fromkeys(names) if name not in self._index]
        if not missing:
            return
        index = {**self._index, **{name: len(self._index) + i for i, name in enumerate(missing)}}
        self._ring.widen(len(index))
        self._older.widen(len(index))
        self._index = index  # last: an interrupt leaves spare columns rather than names without one

    def _fold(self) -> None:
        self._older.take(self._ring.oldest(UNIT))
        self._ring.drop(UNIT)


def _joined(old: Mapping[str, dict[K, V]], new: Mapping[str, dict[K, V]]) -> dict[str, dict[K, V]]:
    return {name: {**old.get(name, {}), **new.get(name, {})} for name in dict.fromkeys([*old, *new])}
