"""A series: the readings of one tag, every step of the newest ones and bins of the older ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from monitorch_widgets.values import Reading

from .bins import Bins, Floats, Ints, fold_rows, merge_pairs

if TYPE_CHECKING:
    import pandas as pd

CAPACITY = 4096  # rows at full detail, at most
MAX_BINS = 512
FOLD = 8  # rows in a bin at first; twice as many each time that bins merge
MAX_EPOCHS = 4096
MAX_STAGES = 64

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


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows at full detail: `values` has shape (n, M), `first` is the absolute number of row 0."""

    first: int
    steps: Ints
    seconds: Floats
    values: Floats


class Series:
    """The readings of one tag over the steps.

    There is one row per step and one column per module. The newest rows, some thousands of them, are kept as they are;
    older ones are folded into at most 512 bins, so memory does not grow with the length of the run. Several readings
    of one module in one step are averaged.

    Parameters
    ----------
    tag : str
        Name of the series.
    modules : iterable of str
        Names of the columns, in model order; a name that comes later is appended.
    """

    def __init__(self, tag: str, modules: Iterable[str] = ()) -> None:
        self.tag = tag
        self._index = {name: i for i, name in enumerate(modules)}
        self._size = 256
        self._steps = np.zeros(self._size, np.int64)
        self._seconds = np.zeros(self._size)
        self._values = np.full((self._size, len(self._index)), np.nan)
        self._n = 0
        self._folded = 0
        self.fold_width = FOLD
        # readings in the two newest rows, by parity and column
        self._counts = np.zeros((2, len(self._index)), np.int64)
        self._last: tuple[list[str], Ints] = ([], np.zeros(0, np.int64))
        self.bins = Bins.empty(len(self._index))
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
        return np.concatenate([self.bins.last_step, self._steps[: self._n]])

    @property
    def seconds(self) -> Floats:
        """Seconds since the start of the run, shape (S,)."""
        return np.concatenate([self.bins.seconds, self._seconds[: self._n]])

    @property
    def values(self) -> Floats:
        """Readings, float64 of shape (S, M): NaN where there is none, the mean where a row is a bin."""
        return np.concatenate([self.bins.stats[..., 1], self._values[: self._n]])

    @property
    def epochs(self) -> dict[int, EpochFigures]:
        """The epoch figures by number of the epoch."""
        return dict(self._epochs)

    @property
    def rows(self) -> int:
        """Rows that were ever begun, folded ones included."""
        return self._folded + self._n

    @property
    def newest_step(self) -> int:
        """Step of the newest row; -1 before the first."""
        return int(self._steps[self._n - 1]) if self._n else -1

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
        try:
            import pandas as pd
        except ImportError as error:
            raise ImportError("to_pandas() needs pandas; install it with: pip install pandas") from error
        return pd.DataFrame(self.values, index=pd.Index(self.steps, name="step"), columns=self.modules)

    def newest(self, since: int = 0) -> Rows:
        """Rows at full detail from absolute row number `since` on, or from the oldest that is left."""
        start = max(since - self._folded, 0)
        part = slice(start, self._n)
        return Rows(
            self._folded + start,
            self._steps[part].copy(),
            self._seconds[part].copy(),
            self._values[part].copy(),
        )

    def record(self, step: int, second: float, names: Sequence[str], values: Sequence[float]) -> None:
        """Add readings of one step, or merge them into the row that the step already has."""
        columns = self._columns(names)
        new = np.asarray(values, float)
        new = np.where(np.isfinite(new), new, np.nan)  # what poisoned it is counted by the preprocessor
        row, fresh = self._row(step, second)
        if fresh and len(columns) == len(set(names)):
            self._values[row, columns] = new
            self._counts[row % 2, columns] = new == new
        else:
            self._merge(row, columns, new)

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

    def withdraw(self, step: int) -> None:
        """Empty the newest row if it is the one of `step`: what was read belongs to no step after all."""
        if self._n and self._steps[self._n - 1] == step:
            self._values[self._n - 1] = np.nan
            self._counts[(self._n - 1) % 2] = 0

    def record_epoch(self, epoch: int, values: dict[str, dict[str, float]], ranges: dict[str, Ranges]) -> None:
        """Keep the figures of an epoch; the same number again adds to them, and replaces those of the same name."""
        known = EpochFigures({}, {})
        if self._epochs and self._epochs[-1][0] == epoch:
            known = self._epochs.pop()[1]
        self._epochs.append((epoch, EpochFigures(_joined(known.values, values), _joined(known.ranges, ranges))))

    def _merge(self, row: int, columns: Ints, new: Floats) -> None:
        """Average into a row; how many readings a cell holds is known for the two newest rows only."""
        counts = self._counts[row % 2] if row >= self._n - 2 else np.ones(self.width, np.int64)
        for column, value in zip(columns, new, strict=True):
            old = self._values[row, column]
            seen = 0 if old != old else int(counts[column])
            if value == value:
                self._values[row, column] = value if not seen else old + (value - old) / (seen + 1)
                counts[column] = seen + 1

    def _columns(self, names: Sequence[str]) -> Ints:
        if names != self._last[0]:
            self.widen(names)
            self._last = (list(names), np.array([self._index[name] for name in names], np.int64))
        return self._last[1]

    def widen(self, names: Iterable[str]) -> None:
        """Append columns for the names that have none yet."""
        missing = [name for name in dict.fromkeys(names) if name not in self._index]
        if not missing:
            return
        index = {**self._index, **{name: len(self._index) + i for i, name in enumerate(missing)}}
        self._values = np.concatenate([self._values, np.full((self._size, len(missing)), np.nan)], axis=1)
        self._counts = np.concatenate([self._counts, np.zeros((2, len(missing)), np.int64)], axis=1)
        self.bins = self.bins.widened(len(index))
        self._index = index  # last: an interrupt leaves spare columns rather than names without one

    def _row(self, step: int, second: float) -> tuple[int, bool]:
        if not self._n or step > self._steps[self._n - 1]:
            return self._begin(step, second), True
        # a late reading of an older step joins that step, or the next one that has a row
        return int(np.searchsorted(self._steps[: self._n], step)), False

    def _begin(self, step: int, second: float) -> int:
        if self._n == self._size:
            self._make_room()
        row = self._n
        self._steps[row], self._seconds[row] = step, second
        self._values[row] = np.nan
        self._counts[row % 2] = 0
        self._n += 1
        return row

    def _make_room(self) -> None:
        if self._size < CAPACITY:
            self._size *= 2
            self._steps = np.resize(self._steps, self._size)
            self._seconds = np.resize(self._seconds, self._size)
            self._values = np.resize(self._values, (self._size, self._values.shape[1]))
        else:
            self._fold(CAPACITY // 2)

    def _fold(self, n: int) -> None:
        self.bins = self.bins.then(fold_rows(self._steps[:n], self._seconds[:n], self._values[:n], self.fold_width))
        while len(self.bins) > MAX_BINS:
            self.bins = merge_pairs(self.bins)
            self.fold_width = min(2 * self.fold_width, n)  # bins stay equally wide
        for kept in (self._steps, self._seconds, self._values):
            kept[: self._n - n] = kept[n : self._n].copy()
        self._n -= n
        self._folded += n


def _joined(old: Mapping[str, dict[K, V]], new: Mapping[str, dict[K, V]]) -> dict[str, dict[K, V]]:
    return {name: {**old.get(name, {}), **new.get(name, {})} for name in dict.fromkeys([*old, *new])}
