"""The newest rows of a series, each in a slot of its own that a later row takes over: nothing is moved or resized."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from .points import Floats, Ints

CAPACITY = 4096  # rows at full detail, at most
_MANY = 2**16 - 1  # readings in a cell that are told apart
Number = TypeVar("Number", np.int64, np.float64)


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows at full detail: `values` has shape (n, M), `first` is the absolute number of row 0."""

    first: int
    steps: Ints
    seconds: Floats
    values: Floats


class Ring:
    """Rows `start` to `stop`, counted from the begin of the run; row r is in slot ``r % CAPACITY``.

    The memory is asked for at once and taken up by the operating system as rows come.

    Parameters
    ----------
    width : int
        Number of columns.
    spare : int
        Slots that stay empty.
    """

    def __init__(self, width: int, spare: int = 0) -> None:
        self.start = self.stop = 0
        self._most = CAPACITY - spare
        self._steps = np.empty(CAPACITY, np.int64)
        self._seconds = np.empty(CAPACITY)
        self._values = np.empty((CAPACITY, width))
        # readings averaged in a cell that is not NaN; one in each as long as there is no array
        self._counts: npt.NDArray[np.uint16] | None = None

    @property
    def newest_step(self) -> int:
        """Step of the newest row; -1 before the first."""
        return int(self._steps[(self.stop - 1) % CAPACITY]) if self.stop else -1

    @property
    def room(self) -> int:
        """Rows that can begin before others must go, in slots side by side."""
        free = self._most - (self.stop - self.start)
        return min(free, CAPACITY - self.stop % CAPACITY)

    @property
    def full(self) -> bool:
        """Whether no row can begin."""
        return self.stop - self.start >= self._most

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        counts = 0 if self._counts is None else self._counts.nbytes
        return self._steps.nbytes + self._seconds.nbytes + self._values.nbytes + counts

    def newest(self, since: int = 0) -> Rows:
        """Copies of the rows from number `since` on, or from the oldest that is left."""
        return self._copied(max(since, self.start), self.stop)

    def oldest(self, n: int) -> Rows:
        """Copies of the `n` oldest rows."""
        return self._copied(self.start, self.start + n)

    def drop(self, n: int) -> None:
        """Forget the `n` oldest rows."""
        self.start += n

    def empty(self, step: int, columns: Ints | slice = slice(None)) -> None:
        """Take the readings out of the row of `step`, or of some columns there, if there is one."""
        steps = self._copied_part(self._steps, self.start, self.stop)
        place = int(np.searchsorted(steps, step))
        if place < len(steps) and steps[place] == step:
            slot = (self.start + place) % CAPACITY
            self._values[slot, columns] = np.nan
            if self._counts is not None:
                self._counts[slot, columns] = 1

    def widen(self, width: int) -> None:
        """Make the rows `width` columns wide, the new ones without readings."""
        used = min(self.stop, CAPACITY)
        values = np.empty((CAPACITY, width))
        old = self._values.shape[1]
        values[:used, :old] = self._values[:used]
        values[:used, old:] = np.nan
        if self._counts is not None:
            self._counts = np.concatenate([self._counts, np.ones((CAPACITY, width - old), np.uint16)], axis=1)
        self._values = values

    def begin_one(self, step: int, second: float, columns: Ints, values: Floats) -> None:
        """Add a row with readings of distinct columns."""
        slot = self.stop % CAPACITY
        row = self._values[slot]
        row.fill(np.nan)
        row[columns] = values
        if not np.isfinite(values).all():  # what poisoned them is counted by the preprocessor
            row[~np.isfinite(row)] = np.nan
        if self._counts is not None:
            self._counts[slot] = 1
        self._steps[slot], self._seconds[slot] = step, second
        self.stop += 1

    def add(self, columns: Ints, steps: Ints, seconds: Floats, values: Floats, begun: Ints) -> None:
        """Add readings; `begun` are the places of those that begin a row, as many as there is room for."""
        slots = slice(self.stop % CAPACITY, self.stop % CAPACITY + len(begun))
        self._steps[slots], self._seconds[slots], self._values[slots] = steps[begun], seconds[begun], np.nan
        if self._counts is not None:
            self._counts[slots] = 1
        fresh = np.zeros(len(steps), np.int64)
        fresh[begun] = 1
        rows = np.cumsum(fresh) + (self.stop - 1)
        stop = self.stop + len(begun)
        good = np.isfinite(values)
        late = steps < self._steps[rows % CAPACITY]
        if late.any():
            kept = self._copied_part(self._steps, self.start, stop)
            rows[late] = self.start + np.searchsorted(kept, steps[late])
            if self.start:  # the row of a step before the oldest has gone into a bin
                good &= steps >= kept[0]
        cells = rows % CAPACITY * self._values.shape[1] + columns
        self._average(*((cells, values) if good.all() else (cells[good], values[good])))
        self.stop = stop  # last: another thread may be reading

    def _average(self, cells: Ints, values: Floats) -> None:
        """Average readings into cells, of which some may come several times and some may hold readings already."""
        if not len(cells):
            return
        low, kinds = int(cells.min()), np.zeros(0, np.int64)
        places = cells - low
        if places.max() > 8 * len(cells) + 1024:  # far apart
            kinds, places = np.unique(cells, return_inverse=True)
        times = np.bincount(places)
        held = np.flatnonzero(times)
        targets = kinds if len(kinds) else held + low
        means = np.bincount(places, values / times[places])[held].astype(float)
        self._join(targets, means, times[held])

    def _join(self, cells: Ints, means: Floats, times: Ints) -> None:
        """Average into distinct cells means of several readings each."""
        flat = self._values.reshape(-1)
        old = flat[cells]
        before = old == old
        if not before.any() and times.max() == 1:
            flat[cells] = means
            return
        if self._counts is None:
            self._counts = np.ones(self._values.shape, np.uint16)
        counts = self._counts.reshape(-1)
        total = np.where(before, counts[cells], 0) + times
        flat[cells] = np.where(before, old + (means - old) * (times / total), means)
        counts[cells] = np.minimum(total, _MANY)

    def _copied(self, start: int, stop: int) -> Rows:
        start = min(start, stop)
        steps, seconds, values = self._steps, self._seconds, self._values
        return Rows(
            start,
            self._copied_part(steps, start, stop),
            self._copied_part(seconds, start, stop),
            self._copied_part(values, start, stop),
        )

    @staticmethod
    def _copied_part(kept: npt.NDArray[Number], start: int, stop: int) -> npt.NDArray[Number]:
        if start // CAPACITY == max(stop - 1, start) // CAPACITY:
            first = start % CAPACITY
            return kept[first : first + stop - start].copy()
        return np.concatenate([kept[start % CAPACITY :], kept[: stop % CAPACITY]])
