"""Bins: several steps of every series in eight numbers each, and the rule by which they merge.

The eight numbers are, in this order, those of :data:`STATS`. Count, mean, variance, minimum and maximum of a merged
bin are exact. Its quartiles are exact for bins made from readings; for merged bins they are read off the two quantile
functions of its halves, taken as straight between the quartiles and, in the outer quarters, towards the extremes, but
no wider than the quarter beside: within the neighbouring quartiles, and with little drift over many merges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

STATS = ("count", "mean", "var", "min", "max", "q1", "median", "q3")
_QUARTILES = (0.25, 0.5, 0.75)
_SAMPLES = 16  # points taken from each half's quantile function


@dataclass(frozen=True, slots=True)
class Bins:
    """Bins of all series of one tag.

    Attributes
    ----------
    last_step : numpy.ndarray of int64, shape (B,)
        Last step that each bin holds.
    seconds : numpy.ndarray of float64, shape (B,)
        Seconds since the start of the run at that step.
    stats : numpy.ndarray of float64, shape (B, M, 8)
        The numbers of :data:`STATS`; count 0 and NaN where a bin holds no reading of a series.
    """

    last_step: Ints
    seconds: Floats
    stats: Floats

    @staticmethod
    def empty(width: int) -> Bins:
        """No bins, for `width` series."""
        return Bins(np.zeros(0, np.int64), np.zeros(0), np.zeros((0, width, len(STATS))))

    def __len__(self) -> int:
        return len(self.last_step)

    def then(self, newer: Bins) -> Bins:
        """These bins followed by `newer` ones."""
        return Bins(
            np.concatenate([self.last_step, newer.last_step]),
            np.concatenate([self.seconds, newer.seconds]),
            np.concatenate([self.stats, newer.stats]),
        )

    def widened(self, width: int) -> Bins:
        """The same bins for `width` series, the new ones without readings."""
        missing = width - self.stats.shape[1]
        fresh = np.full((len(self), missing, len(STATS)), np.nan)
        fresh[..., 0] = 0
        return Bins(self.last_step, self.seconds, np.concatenate([self.stats, fresh], axis=1))


def fold_rows(steps: Ints, seconds: Floats, values: Floats, width: int) -> Bins:
    """Bins of `width` rows each; the number of rows must be a multiple of it."""
    groups = values.reshape(len(steps) // width, width, values.shape[1])
    return Bins(steps[width - 1 :: width].copy(), seconds[width - 1 :: width].copy(), _describe(groups))


def merge_pairs(bins: Bins) -> Bins:
    """Merge each bin with its right neighbour, the left one of an odd number staying as it is."""
    odd = len(bins) % 2
    alone = Bins(bins.last_step[:odd], bins.seconds[:odd], bins.stats[:odd])
    left, right = bins.stats[odd::2], bins.stats[odd + 1 :: 2]
    merged = Bins(bins.last_step[odd + 1 :: 2], bins.seconds[odd + 1 :: 2], _merge(left, right))
    return alone.then(merged)


def _describe(groups: Floats) -> Floats:
    ordered = np.sort(groups, axis=1)  # NaN last
    count = np.isfinite(groups).sum(axis=1)
    some = np.maximum(count, 1)
    filled = np.where(np.isfinite(groups), groups, 0.0)
    mean = filled.sum(axis=1) / some
    spread = np.where(np.isfinite(groups), groups - mean[:, None], 0.0)
    var = (spread**2).sum(axis=1) / some
    points = [_pick(ordered, count, q) for q in (0.0, 1.0, *_QUARTILES)]
    stats = np.stack([mean, var, *points], axis=-1)
    stats[count == 0] = np.nan
    return np.concatenate([count[..., None].astype(float), stats], axis=-1)


def _pick(ordered: Floats, count: Ints, q: float) -> Floats:
    place = q * np.maximum(count - 1, 0)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    at_low = np.take_along_axis(ordered, low[:, None], axis=1)[:, 0]
    at_high = np.take_along_axis(ordered, high[:, None], axis=1)[:, 0]
    picked: Floats = at_low + (at_high - at_low) * (place - low)
    return picked


def _merge(a: Floats, b: Floats) -> Floats:
    count = a[..., 0] + b[..., 0]
    share = b[..., 0] / np.maximum(count, 1)
    gap = b[..., 1] - a[..., 1]
    mean = a[..., 1] + gap * share
    var = a[..., 2] * (1 - share) + b[..., 2] * share + gap**2 * share * (1 - share)
    low, high = np.minimum(a[..., 3], b[..., 3]), np.maximum(a[..., 4], b[..., 4])
    both = np.stack([count, mean, var, low, high, *_merged_quartiles(a, b)], axis=-1)
    one = np.where(a[..., :1] == 0, b, a)  # where the other half has no reading: as it was
    merged: Floats = np.where((a[..., :1] == 0) | (b[..., :1] == 0), one, both)
    return merged


def _merged_quartiles(a: Floats, b: Floats) -> list[Floats]:
    samples = np.concatenate([_samples(a), _samples(b)], axis=-1)
    weights = np.concatenate([np.repeat(s[..., :1] / _SAMPLES, _SAMPLES, axis=-1) for s in (a, b)], axis=-1)
    order = np.argsort(samples, axis=-1)  # NaN last, with weight 0
    samples = np.take_along_axis(samples, order, axis=-1)
    weights = np.take_along_axis(weights, order, axis=-1)
    reached = np.cumsum(weights, axis=-1)
    centres = reached - weights / 2
    return [_between(samples, centres, q * reached[..., -1:]) for q in _QUARTILES]


def _between(samples: Floats, centres: Floats, target: Floats) -> Floats:
    """Samples at rank `target`, straight between the two beside it: taking one of them would drift with each merge."""
    right = np.maximum((centres >= target).argmax(axis=-1), 1)[..., None]
    low, high = (np.take_along_axis(centres, place, axis=-1) for place in (right - 1, right))
    share = (target - low) / np.maximum(high - low, 1e-300)
    below, above = (np.take_along_axis(samples, place, axis=-1) for place in (right - 1, right))
    found: Floats = (below + (above - below) * share)[..., 0]
    return found


def _samples(stats: Floats) -> Floats:
    knots = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    known = stats[..., [3, 5, 6, 7, 4]]
    # an outer quarter is as wide as the one beside it at most: a spike is one reading, not a quarter of them
    known[..., 0] = np.maximum(known[..., 0], 2 * known[..., 1] - known[..., 2])
    known[..., 4] = np.minimum(known[..., 4], 2 * known[..., 3] - known[..., 2])
    at = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    right = np.clip(np.searchsorted(knots, at), 1, 4)
    share = (at - knots[right - 1]) / 0.25
    sampled: Floats = known[..., right - 1] * (1 - share) + known[..., right] * share
    return sampled
