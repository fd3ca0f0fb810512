"""Histograms on the host: put into other bins, and merged, without a loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .binned import FIGURES

_LIMIT = float(np.finfo(np.float64).max)
FAR = 1e150  # widths of a range, beyond which numbers could overflow

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram on the host.

    Attributes
    ----------
    counts : numpy.ndarray, shape (bins,)
        How many finite values lie in each bin; parts of them after a change of the bins.
    low, high : float
        Where the first bin begins and the last one ends; NaN where no value is finite.
    nan, inf : int
        Values that are in no bin.
    mean, std : float
        Of the finite values; NaN where there are none.
    """

    counts: Floats
    low: float
    high: float
    nan: int = 0
    inf: int = 0
    mean: float = math.nan
    std: float = math.nan

    @classmethod
    def of_row(cls, row: npt.ArrayLike) -> Histogram:
        """Out of what :func:`~.binned.histogram_row` has made."""
        numbers = np.asarray(row, np.float64)
        low, high, nan, inf, mean, std = numbers[-FIGURES:].tolist()
        return cls(numbers[:-FIGURES], low, high, int(nan), int(inf), mean, std)

    @property
    def count(self) -> float:
        """Number of finite values."""
        return float(self.counts.sum())

    @property
    def edges(self) -> Floats:
        """Where bins begin and end, one more than there are bins."""
        return 2 * np.linspace(self.low / 2, self.high / 2, len(self.counts) + 1)

    def onto(self, low: float, high: float, bins: int | None = None) -> Histogram:
        """The same values in bins of another range.

        The values of a bin are taken as spread evenly over it, those of a range without width stay together; none is
        lost: what lies beyond the range is counted at its ends.

        Examples
        --------
        >>> Histogram(np.array([4.0, 2.0]), 0.0, 2.0).onto(-2.0, 2.0, bins=4).counts.tolist()
        [0.0, 0.0, 4.0, 2.0]
        """
        size = len(self.counts) if bins is None else bins
        if not self.count or (low, high, size) == (self.low, self.high, len(self.counts)):
            counts = np.zeros(size) if not self.count else self.counts
        else:
            counts = self._spread(_place(self.low, low, high), _place(self.high, low, high), size)
        return Histogram(counts, low, high, self.nan, self.inf, self.mean, self.std)

    def _spread(self, begin: float, end: float, size: int) -> Floats:
        if not end > begin:
            together = np.zeros(size)
            together[int(min(max(begin * size, 0), size - 1))] = self.count
            return together
        below = np.concatenate([[0.0], np.cumsum(self.counts)])
        reached = np.interp(np.linspace(0, 1, size + 1), np.linspace(begin, end, len(below)), below)
        reached[[0, -1]] = 0, below[-1]
        found: Floats = np.diff(reached)
        return found

    def merged(self, other: Histogram) -> Histogram:
        """Both together, over the range of both.

        Examples
        --------
        >>> both = Histogram(np.array([4.0, 2.0]), 0.0, 2.0).merged(Histogram(np.array([3.0, 1.0]), 2.0, 4.0))
        >>> both.counts.tolist(), both.low, both.high
        ([6.0, 4.0], 0.0, 4.0)
        """
        low, high = _extreme(min, self.low, other.low), _extreme(max, self.high, other.high)
        bins = max(len(self.counts), len(other.counts))
        counts = self.onto(low, high, bins).counts + other.onto(low, high, bins).counts
        return Histogram(counts, low, high, self.nan + other.nan, self.inf + other.inf, *self._moments_with(other))

    def _moments_with(self, other: Histogram) -> tuple[float, float]:
        kept = [h for h in (self, other) if h.count]
        if len(kept) < 2:
            return (kept[0].mean, kept[0].std) if kept else (math.nan, math.nan)
        share = other.count / (self.count + other.count)
        mean = (1 - share) * self.mean + share * other.mean
        of_each = [(self, 1 - share), (other, share)]
        parts = [math.sqrt(weight) * off for h, weight in of_each for off in (h.std, h.mean - mean)]
        return mean, math.hypot(*parts)  # which squares nothing that is too large

    def with_width(self) -> Histogram:
        """The same over a range that has a width, for drawing: values that are all the same stand in the middle."""
        if not self.count:
            return self.onto(0.0, 1.0)
        if self.low < self.high:
            return self
        around = max(abs(self.low) / 2, 0.5)
        return self.onto(max(self.low - around, -_LIMIT), min(self.high + around, _LIMIT))

    def raw(self) -> dict[str, object]:
        """What ``SummaryWriter.add_histogram_raw`` takes, besides the name and the step."""
        drawn, mean = self.with_width(), 0.0 if math.isnan(self.mean) else self.mean
        std = 0.0 if math.isnan(self.std) else self.std
        return {
            "min": drawn.low if math.isnan(self.low) else self.low,
            "max": drawn.high if math.isnan(self.high) else self.high,
            "num": self.count,
            "sum": mean * self.count,
            "sum_squares": (std * std + mean * mean) * self.count,
            "bucket_limits": drawn.edges[1:].tolist(),
            "bucket_counts": drawn.counts.tolist(),
        }


def _place(value: float, low: float, high: float) -> float:
    """Where a value lies, 0 at the begin of a range and 1 at its end."""
    half = high / 2 - low / 2
    return min(max((value / 2 - low / 2) / half, -FAR), FAR) if half > 0 else 0.0


def _extreme(choose: Callable[[list[float]], float], a: float, b: float) -> float:
    known = [end for end in (a, b) if not math.isnan(end)]
    return choose(known) if known else math.nan
