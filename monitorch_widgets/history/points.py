"""Sixteen points of a distribution, from which quartiles are read and which merge with those of another one.

Up to sixteen readings are kept themselves. Of more, each point stands for an equal share: merging sorts the points of
both halves and keeps every second one, the odd ones and the even ones by turns. So the error of a merge, half a point
up, is taken back by that of its neighbour, half a point down, as soon as these two merge; whatever the readings are, a
point is off by at most 1/64 in rank for each doubling beyond 32 readings.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

POINTS = 16
MANY = 8
QUARTILES = (0.25, 0.5, 0.75)


def describe_sorted(ordered: Floats, count: Ints, turn: Ints) -> tuple[Floats, Floats]:
    """Quartiles, shape (K, 3), and points, shape (K, 16), of K sorted sets of readings.

    Parameters
    ----------
    ordered : numpy.ndarray, shape (K, W)
        Sorted, gaps last.
    count : numpy.ndarray of int, shape (K,)
        Readings in each.
    turn : numpy.ndarray of int, shape (K,)
        0 or 1, by turns: to which side ranks are rounded.
    """
    width = ordered.shape[1]
    gaps = np.flatnonzero(count < width)
    if len(gaps) == len(count):
        return _described(ordered, count, turn)
    whole = np.full((1,), width)
    quartiles = np.stack([_at(ordered, q * (whole - 1)) for q in QUARTILES], axis=-1)
    points = _chosen(ordered, whole, turn)
    if len(gaps):
        quartiles[gaps], points[gaps] = _described(ordered[gaps], count[gaps], turn[gaps])
    return quartiles, points


def merge_points(both: Floats, some: Ints, others: Ints, turn: Ints) -> tuple[Floats, Floats]:
    """Quartiles and points of K pairs of sets, which hold `some` and `others` readings; `both` has shape (K, 2, 16)."""
    quartiles, points = np.full((len(both), len(QUARTILES)), np.nan), np.full((len(both), POINTS), np.nan)
    left = np.ones(len(both), bool)
    for count in _usual(some[some == others]):
        alike = (some == count) & (others == count)
        if alike.all():
            return _merged_alike(both, count, turn)
        quartiles[alike], points[alike] = _merged_alike(both[alike], count, turn[alike])
        left &= ~alike
    if left.any():
        part = both[left].reshape(-1, 2 * POINTS), some[left], others[left], turn[left]
        quartiles[left], points[left] = _merged_by_weight(*part)
    return quartiles, points


def _usual(counts: Ints) -> list[int]:
    """The counts that come most often: for these there is a quick way."""
    times = np.bincount(counts)
    times[:1] = 0
    return [int(count) for count in np.argsort(-times, kind="stable")[:MANY] if times[count]]


def _described(ordered: Floats, count: Ints, turn: Ints) -> tuple[Floats, Floats]:
    quartiles = np.stack([_at(ordered, q * np.maximum(count - 1, 0)) for q in QUARTILES], axis=-1)
    return quartiles, _chosen(ordered, count, turn)


def _chosen(ordered: Floats, count: Ints, turn: Ints) -> Floats:
    """The readings themselves, or where there are more than sixteen those in the middle of equal shares."""
    if len(count) == 1 and ordered.shape[1] <= POINTS:
        return np.pad(ordered, ((0, 0), (0, POINTS - ordered.shape[1])), constant_values=np.nan)
    shares = np.maximum(count, POINTS)[:, None] * (np.arange(POINTS) + 0.5) / POINTS
    down, up = np.ceil(shares).astype(int) - 1, np.floor(shares).astype(int)
    few = (count <= POINTS)[:, None]
    down, up = (np.minimum(np.where(few, np.arange(POINTS), place), ordered.shape[1]) for place in (down, up))
    if len(count) > 1:
        ordered = np.pad(ordered, ((0, 0), (0, 1)), constant_values=np.nan)
    return _taken(ordered, down, up, turn)


def _taken(ordered: Floats, even: Ints, odd: Ints, turn: Ints) -> Floats:
    """From each row the places in `even` or `odd`, as its turn is; one row of places may be for all."""
    if len(even) == 1:
        return np.where(turn[:, None] == 0, ordered[:, _regular(even[0])], ordered[:, _regular(odd[0])])
    return np.take_along_axis(ordered, np.where(turn[:, None] == 0, even, odd), axis=1)


def _regular(places: Ints) -> Ints | slice:
    """Places at equal distances as a slice, which is read faster."""
    step = int(places[1] - places[0])
    equal = step > 0 and (np.diff(places) == step).all()
    return slice(int(places[0]), int(places[-1]) + 1, step) if equal else places


def _at(ordered: Floats, place: Floats) -> Floats:
    """Straight between the two readings beside `place`; one place may be for all rows."""
    low = np.floor(place).astype(int)
    high = np.minimum(np.ceil(place).astype(int), ordered.shape[1] - 1)
    if len(place) == 1:
        below, above = ordered[:, low[0]], ordered[:, high[0]]
    else:
        rows = np.arange(len(ordered))
        below, above = ordered[rows, low], ordered[rows, high]
    found: Floats = below + (above - below) * (place - low)
    return found


def _merged_alike(both: Floats, count: int, turn: Ints) -> tuple[Floats, Floats]:
    """Both sets of each pair hold `count` readings, so all points weigh the same."""
    kept = min(count, POINTS)
    number = 2 * kept
    ordered = np.sort(both[:, :, :kept].reshape(-1, number), axis=1)
    ranks = [q * (number - 1) if count <= POINTS else q * number - 0.5 for q in QUARTILES]
    quartiles = np.stack([_at(ordered, np.array([rank])) for rank in ranks], axis=-1)
    if number <= POINTS:
        return quartiles, np.pad(ordered, ((0, 0), (0, POINTS - number)), constant_values=np.nan)
    even, odd = (((np.arange(POINTS) + part) * number / POINTS).astype(int)[None] for part in (0.25, 0.75))
    return quartiles, _taken(ordered, even, odd, turn)


def _merged_by_weight(values: Floats, some: Ints, others: Ints, turn: Ints) -> tuple[Floats, Floats]:
    """Sets of any size, the points of one beside those of the other."""
    weight = [np.repeat((n / np.clip(n, 1, POINTS))[:, None], POINTS, axis=1) for n in (some, others)]
    weights = np.where(np.isnan(values), 0.0, np.concatenate(weight, axis=1))
    order = np.argsort(values, axis=1)  # NaN last
    values, weights = np.take_along_axis(values, order, axis=1), np.take_along_axis(weights, order, axis=1)
    reached, total = np.cumsum(weights, axis=1), some + others
    exact = np.maximum(some, others) <= POINTS
    quartiles = [_weighted(values, weights, reached, total, exact, q) for q in QUARTILES]
    part = np.where(turn == 0, 0.25, 0.75)[:, None]
    ranks = (np.arange(POINTS) + part) / POINTS * total[:, None]
    ranks = np.where((total <= POINTS)[:, None], np.arange(POINTS) + 0.5, ranks)
    places = (reached[:, None, :] <= ranks[:, :, None]).sum(axis=2)
    padded = np.pad(values, ((0, 0), (0, 1)), constant_values=np.nan)
    return np.stack(quartiles, axis=-1), np.take_along_axis(padded, places, axis=1)


def _weighted(
    values: Floats, weights: Floats, reached: Floats, total: Ints, exact: npt.NDArray[np.bool_], q: float
) -> Floats:
    """The quantile `q` of weighted points: straight between the middles of the two beside it."""
    centres = reached - weights / 2
    target = np.where(exact, q * np.maximum(total - 1, 0) + 0.5, q * total)[:, None]
    right = np.maximum(((centres < target) & (weights > 0)).sum(axis=1), 1)
    right = np.minimum(right, np.maximum((weights > 0).sum(axis=1) - 1, 0))
    left, rows = np.maximum(right - 1, 0), np.arange(len(values))
    width = np.maximum(centres[rows, right] - centres[rows, left], 1e-300)
    share = np.clip((target[:, 0] - centres[rows, left]) / width, 0.0, 1.0)
    found: Floats = values[rows, left] + (values[rows, right] - values[rows, left]) * share
    return found
