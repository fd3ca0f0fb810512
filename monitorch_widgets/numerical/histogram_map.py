"""Histograms over the steps of a run, in a fixed number of columns."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .binned import BINS
from .histogram import Histogram

COLUMNS = 96
"""Columns at most; when they are full, neighbours merge in pairs."""


@dataclass(slots=True)
class _Column:
    step: int  # the first one
    last: int
    sum: Histogram
    readings: int = 1


class HistogramMap:
    """The history of one tensor's histograms, the range of which grows as it has to.

    Columns stand for equally many readings each, but for the newest, which still grows; each keeps its own range, so
    that nothing is smeared more often than it is merged.

    Parameters
    ----------
    bins : int
        Of the drawn columns.

    Examples
    --------
    >>> drawn = HistogramMap(bins=2)
    >>> drawn.add(0, Histogram(np.array([4.0, 0.0]), 0.0, 2.0))
    >>> drawn.add(50, Histogram(np.array([1.0, 2.0]), 0.0, 4.0))
    >>> drawn.steps, drawn.low, drawn.high, np.frombuffer(drawn.pixels, np.uint8).reshape(2, 2).tolist()
    ([0, 50], 0.0, 4.0, [[255, 0], [128, 255]])
    """

    def __init__(self, bins: int = BINS) -> None:
        self.bins = bins
        self._columns: list[_Column] = []
        self._each = 1
        self._whole = Histogram(np.zeros(1), math.nan, math.nan)  # of all columns, in one bin
        self._range = (math.nan, math.nan)  # that is drawn
        self._rows: list[npt.NDArray[np.uint8]] = []

    def add(self, step: int, histogram: Histogram) -> None:
        """Take the histogram of a step; several of one step are one reading."""
        if len(histogram.counts) != self.bins:
            histogram = histogram.onto(histogram.low, histogram.high, self.bins)
        self._take(step, histogram)
        self._whole = self._whole.merged(histogram.onto(histogram.low, histogram.high, 1))
        self._draw()

    def _take(self, step: int, histogram: Histogram) -> None:
        """Put the histogram into the newest column, or a new one."""
        newest = self._columns[-1] if self._columns else None
        again = newest is not None and step == newest.last
        if newest is None or (newest.readings >= self._each and not again):
            if len(self._columns) == COLUMNS:
                self._halve()
                self._take(step, histogram)
                return
            self._columns.append(_Column(step, step, histogram))
        else:
            newest.sum, newest.last = newest.sum.merged(histogram), step
            newest.readings += not again

    def _halve(self) -> None:
        pairs = zip(self._columns[::2], self._columns[1::2], strict=True)
        self._columns = [_Column(a.step, b.last, a.sum.merged(b.sum), a.readings + b.readings) for a, b in pairs]
        self._each *= 2
        self._rows = []

    def _draw(self) -> None:
        """Draw the newest column, or all where the range has changed."""
        around = self._whole.with_width()
        if (around.low, around.high) != self._range:
            self._range, self._rows = (around.low, around.high), []
        del self._rows[len(self._columns) - 1 :]
        self._rows += list(_pixels([column.sum for column in self._columns[len(self._rows) :]], *self._range))

    @property
    def steps(self) -> list[int]:
        """The first step of each column."""
        return [column.step for column in self._columns]

    @property
    def bad(self) -> list[int]:
        """NaNs and infinities in each column."""
        return [column.sum.nan + column.sum.inf for column in self._columns]

    @property
    def low(self) -> float:
        """Where the first bin of all columns begins."""
        return self._range[0]

    @property
    def high(self) -> float:
        """Where the last bin of all columns ends."""
        return self._range[1]

    @property
    def pixels(self) -> bytes:
        """One byte a bin, column after column, each scaled so that its fullest bin is 255."""
        return b"".join(row.tobytes() for row in self._rows)


def _pixels(histograms: list[Histogram], low: float, high: float) -> npt.NDArray[np.uint8]:
    """All of them put into the bins of one range at once, as :meth:`Histogram.onto` does it one by one."""
    counts = np.stack([h.counts for h in histograms])
    bins = counts.shape[1]
    half = high / 2 - low / 2
    begin, end = (
        np.nan_to_num(np.array(ends) / 2 - low / 2) / half
        for ends in zip(*((h.low, h.high) for h in histograms), strict=True)
    )
    edges = np.linspace(0, 1, bins + 1)
    wide = end > begin
    with np.errstate(invalid="ignore"):
        places = (edges - begin[:, None]) / np.where(wide, end - begin, 1)[:, None] * bins
    places = np.where(wide[:, None], places.clip(0, bins), bins * (edges > begin[:, None]))
    places[:, -1] = bins
    below = np.pad(counts.cumsum(1), ((0, 0), (1, 1)), mode="edge")
    below[:, 0] = 0
    whole = places.astype(int)
    reached = np.take_along_axis(below, whole, 1)
    reached += (places - whole) * (np.take_along_axis(below, whole + 1, 1) - reached)
    found = np.diff(reached, axis=1)
    fullest = found.max(1, keepdims=True)
    pixels: npt.NDArray[np.uint8] = np.rint(255 * found / np.where(fullest > 0, fullest, 1)).astype(np.uint8)
    return pixels
