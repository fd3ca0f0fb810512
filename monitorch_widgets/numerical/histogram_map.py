"""Histograms over the steps of a run, in a fixed number of columns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .binned import BINS
from .histogram import FAR, Histogram

COLUMNS = 96
"""Columns at most; when they are full, neighbours merge in pairs."""

_FEW = 4  # columns from which on one of them can be told to be off
_ROOM = 5  # usual widths by which a column may reach beyond most others

Floats = npt.NDArray[np.float64]
Row = tuple[npt.NDArray[np.uint8], int, int]  # pixels, and how many values lie below and above the range


@dataclass(slots=True)
class _Column:
    step: int  # the first one
    last: int
    sum: Histogram
    readings: int = 1


class HistogramMap:
    """The history of one tensor's histograms, the range of which grows as it has to.

    The range holds all columns but for those that reach far beyond most others: one step that explodes would leave
    nothing to be seen of the rest. What lies beyond is counted at the ends, and in :attr:`below` and :attr:`above`;
    where a quarter of the columns has such values, the range grows.

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
        self._range = (math.nan, math.nan)  # that is drawn
        self._rows: list[Row] = []

    def add(self, step: int, histogram: Histogram) -> None:
        """Take the histogram of a step; several of one step are one reading."""
        if len(histogram.counts) != self.bins:
            histogram = histogram.onto(histogram.low, histogram.high, self.bins)
        self._take(step, histogram)
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
        around = usual_range([(column.sum.low, column.sum.high) for column in self._columns])
        if around != self._range:
            self._range, self._rows = around, []
        del self._rows[len(self._columns) - 1 :]
        self._rows += list(_drawn([column.sum for column in self._columns[len(self._rows) :]], *self._range))

    @property
    def steps(self) -> list[int]:
        """The first step of each column."""
        return [column.step for column in self._columns]

    @property
    def bad(self) -> list[int]:
        """NaNs and infinities in each column."""
        return [column.sum.nan + column.sum.inf for column in self._columns]

    @property
    def below(self) -> list[int]:
        """About how many values of each column lie below the range."""
        return [below for _, below, _ in self._rows]

    @property
    def above(self) -> list[int]:
        """About how many values of each column lie above the range."""
        return [above for _, _, above in self._rows]

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
        return b"".join(pixels.tobytes() for pixels, _, _ in self._rows)


def usual_range(ends: list[tuple[float, float]]) -> tuple[float, float]:
    """A range that has a width and holds all ranges, but for those which reach far beyond most others.

    Examples
    --------
    >>> usual_range([(0.0, 1.0), (0.0, 1.5), (0.2, 1.0), (-1e6, 1e6), (0.0, 2.0)])
    (0.0, 2.0)
    """
    known = [(low, high) for low, high in ends if not math.isnan(low)]
    if not known:
        return 0.0, 1.0
    lows, highs = np.sort(np.array(known).T)
    if len(known) >= _FEW:
        # halves, since a width may be above the largest number
        width = float(np.median([high / 2 - low / 2 for low, high in known])) * 2
        lows, highs = -_without_far(-lows[::-1], width), _without_far(highs, width)
    around = Histogram(np.ones(1), float(lows.min()), float(highs.max())).with_width()
    return around.low, around.high


def _without_far(ends: Floats, width: float) -> Floats:
    """Sorted ends, without those at the top that are far from three quarters of them."""
    low, high = ends[[len(ends) // 4, (3 * len(ends) - 1) // 4]]
    with np.errstate(over="ignore"):
        kept: Floats = ends[ends <= high + _ROOM * max(width, high - low)]
    return kept


def _drawn(histograms: list[Histogram], low: float, high: float) -> Iterator[Row]:
    """All of them put into the bins of one range at once, as :meth:`Histogram.onto` does it one by one."""
    counts = np.stack([h.counts for h in histograms])
    reached = _reached(counts, *_places(histograms, low, high))
    below, above = reached[:, 0].copy(), counts.sum(1) - reached[:, -1]
    reached[:, 0], reached[:, -1] = 0, counts.sum(1)  # what lies beyond is counted at the ends
    found = np.diff(reached, axis=1)
    fullest = found.max(1, keepdims=True)
    pixels = np.rint(255 * found / np.where(fullest > 0, fullest, 1)).astype(np.uint8)
    return zip(pixels, *(np.rint(part).astype(int).tolist() for part in (below, above)), strict=True)


def _places(histograms: list[Histogram], low: float, high: float) -> tuple[Floats, Floats]:
    """Where each begins and ends, if the range is 0 to 1."""
    half = high / 2 - low / 2
    ends = np.array([(h.low, h.high) for h in histograms]).T
    with np.errstate(over="ignore"):
        begin, end = (np.nan_to_num(ends / 2 - low / 2) / half).clip(-FAR, FAR)
    return begin, end


def _reached(counts: Floats, begin: Floats, end: Floats) -> Floats:
    """How many values lie below each edge of the bins of the range."""
    bins = counts.shape[1]
    edges = np.linspace(0, 1, bins + 1)
    wide = (end > begin)[:, None]
    there = (edges > begin[:, None]) | ((edges == 1) & (begin[:, None] == 1))
    places = (edges - begin[:, None]) / np.where(wide[:, 0], end - begin, 1)[:, None] * bins
    places = np.where(wide, places.clip(0, bins), bins * there)
    below = np.pad(counts.cumsum(1), ((0, 0), (1, 1)), mode="edge")
    below[:, 0] = 0
    whole = places.astype(int)
    reached: Floats = np.take_along_axis(below, whole, 1)
    reached += (places - whole) * (np.take_along_axis(below, whole + 1, 1) - reached)
    return reached
