"""Where a loss falls fastest while the learning rate grows: arithmetic on two lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEAST = 8  # points that a fit needs
_WIDTHS = (0.03, 0.045, 0.065, 0.09, 0.12)  # of the fit's window, as a part of all points
_NARROWEST = 2.0  # points
_WIDER = 1.8  # a slope wants a wider window than a value does
_SURE = 3.5  # standard errors by which the steepest descent has to differ from a flat line
_SMALLEST = 1e-3  # part of its level by which a loss has to fall


class Fit(NamedTuple):
    """A smooth curve through noisy points: its value and slope at each, and how uncertain the slopes are."""

    values: Floats
    slopes: Floats
    errors: Floats


@dataclass(frozen=True, slots=True)
class Steepest:
    """Where the loss falls fastest: an index into the points, None where there is no such place; and why, in words."""

    index: int | None
    words: str


def smoothed(losses: list[float]) -> list[float | None]:
    """The smooth curve through losses at evenly spaced points; None where there is no number.

    >>> smoothed([3.0, float("nan")])
    [3.0, None]
    """
    places, values = _finite(losses)
    curve: list[float | None] = [None] * len(losses)
    fitted = values if len(values) < LEAST else fit(places, values).values
    for place, value in zip(places.astype(int), fitted, strict=True):
        curve[place] = float(value)
    return curve


def steepest(losses: list[float], skip_begin: int = 10, skip_end: int = 1) -> Steepest:
    """The point where a smooth curve through the losses falls fastest, before its minimum.

    The fit is a line through the neighbours of each point, weighted by how near they are; how many neighbours, is
    chosen by how well each point is foretold by the others. A descent that noise could have made is none.

    Parameters
    ----------
    losses : list of float
        Losses at learning rates that are evenly spaced on the axis on which the descent is seen.
    skip_begin, skip_end : int
        Points to leave out at both ends.

    Examples
    --------
    >>> curve = [3.0] * 30 + [3.0 - 0.1 * i for i in range(20)] + [1.0] * 10 + [9.0] * 5
    >>> 30 <= steepest(curve).index < 50
    True
    """
    places, values = _finite(losses)
    inside = (places >= skip_begin) & (places < len(losses) - skip_end)
    places, values = places[inside], values[inside]
    if len(values) < LEAST:
        return Steepest(None, f"too few points for a suggestion: {len(values)} of {len(losses)} can be used")
    values = _without_blow_up(values)
    curve = fit(places, values)
    lowest = int(np.argmin(curve.values))
    best = int(np.argmin(curve.slopes[: lowest + 1]))
    fall = float(curve.values[: lowest + 1].max() - curve.values[lowest])
    slope, error = float(curve.slopes[best]), float(curve.errors[best])
    if fall <= _SMALLEST * abs(float(np.median(values))) or -slope <= _SURE * error:
        return Steepest(None, "the loss falls nowhere by more than its noise: there is no learning rate to suggest")
    return Steepest(int(places[best]), "")


def fit(places: Floats, values: Floats) -> Fit:
    """A line through the neighbours of each point, with the window that foretells left-out points best."""
    span = float(places[-1] - places[0]) + 1
    widths = sorted({max(part * span, _NARROWEST) for part in _WIDTHS})
    tried = [_weights(places, width)[0] for width in widths]
    best = int(np.argmin([_left_out_error(smoother, values) for smoother in tried]))
    smoother, sloper = tried[best], _weights(places, _WIDER * widths[best])[1]
    noise = _noise(values)
    return Fit(smoother @ values, sloper @ values, noise * np.sqrt((sloper**2).sum(1)))


def _weights(places: Floats, width: float) -> tuple[Floats, Floats]:
    """What each point adds to the value and to the slope of the line at each place."""
    apart = places[None, :] - places[:, None]
    near = np.exp(-0.5 * (apart / width) ** 2)
    first, second = (near * apart).sum(1, keepdims=True), (near * apart**2).sum(1, keepdims=True)
    total = near.sum(1, keepdims=True)
    ground = np.maximum(total * second - first**2, 1e-12)
    return near * (second - first * apart) / ground, near * (total * apart - first) / ground


def _left_out_error(smoother: Floats, values: Floats) -> float:
    """How far, on the whole, each point is from what the others foretell."""
    off = (values - smoother @ values) / np.maximum(1 - np.diag(smoother), 1e-3)
    return float(np.mean(np.minimum(np.abs(off), 3 * np.median(np.abs(off)) + 1e-300) ** 2))


def _noise(values: Floats) -> float:
    """Standard deviation of the noise, by how far points are from the middle of their neighbours."""
    off = values[1:-1] - 0.5 * (values[:-2] + values[2:])
    return float(1.4826 * np.median(np.abs(off)) / np.sqrt(1.5))


def _without_blow_up(values: Floats) -> Floats:
    """Cut off what lies above the loss at the beginning by more than it fell: there it diverges, however far."""
    begin = float(np.median(values[: max(len(values) // 5, 3)]))
    top = begin + max(begin - float(np.quantile(values, 0.02)), 0.0) + 3 * _noise(values)
    return np.minimum(values, top)


def _finite(losses: list[float]) -> tuple[Floats, Floats]:
    values = np.asarray(losses, np.float64)
    places = np.flatnonzero(np.isfinite(values))
    return places.astype(np.float64), values[places]
