"""One number, or a range, out of the statistics of an epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable

from monitorch_widgets.errors import ArgumentTypeError, check_choice

from .running import Accumulator, RunningMeanVar

POINTS = ("mean", "median", "max", "min", "Q1", "Q3", "std", "IQR")
_RANGE_NAMES = {"std": ("-σ", "+σ"), "Q1-Q3": ("Q1", "Q3"), "min-max": ("min", "max")}
RANGES = tuple(_RANGE_NAMES)


def extract_point(raw_val: Accumulator, method: str) -> float:
    """Aggregate the readings of an epoch to one number.

    Parameters
    ----------
    raw_val : RunningMeanVar or list of float
        The readings, or their running statistics; both know every method.
    method : str
        ``"mean"``, ``"median"`` (the closest observation), ``"max"``, ``"min"``, ``"Q1"``, ``"Q3"``
        (interpolated), ``"std"`` (uncorrected) or ``"IQR"`` (between closest observations).

    Returns
    -------
    float
        NaN without a finite reading; NaN and infinite readings are left out.

    Raises
    ------
    ArgumentError
        For an unknown method.

    Examples
    --------
    >>> extract_point([1.0, 2.0, 6.0], "mean"), extract_point([1.0, 2.0, 6.0], "min")
    (3.0, 1.0)
    """
    running = _running(raw_val)
    check_choice("aggregation", method, POINTS)
    if not running.count:
        return math.nan
    quantile = running.sketch.quantile
    simple = {"mean": running.mean, "max": running.max_, "min": running.min_, "std": math.sqrt(running.var)}
    if method in simple:
        return float(simple[method])
    if method == "median":
        return quantile(0.5)
    if method == "IQR":
        return quantile(0.75) - quantile(0.25)
    return quantile({"Q1": 0.25, "Q3": 0.75}[method], interpolate=True)


def extract_range(raw_val: Accumulator, method: str) -> tuple[float, float]:
    """Lower and upper end of a band over the readings of an epoch.

    Parameters
    ----------
    raw_val : RunningMeanVar or list of float
        The readings, or their running statistics.
    method : str
        ``"std"`` (mean ± standard deviation), ``"Q1-Q3"`` (closest observations) or ``"min-max"``.

    Returns
    -------
    tuple of float
        Both NaN without a finite reading.

    Raises
    ------
    ArgumentError
        For an unknown method.
    """
    running = _running(raw_val)
    check_choice("range", method, RANGES)
    if not running.count:
        return math.nan, math.nan
    if method == "std":
        sigma = math.sqrt(running.var)
        return running.mean - sigma, running.mean + sigma
    if method == "min-max":
        return running.min_, running.max_
    return running.sketch.quantile(0.25), running.sketch.quantile(0.75)


def parse_range_name(name: str) -> tuple[str, str]:
    """Labels of the two ends of a range.

    Examples
    --------
    >>> parse_range_name("std")
    ('-σ', '+σ')
    """
    return _RANGE_NAMES[check_choice("range", name, RANGES)]


def aggregations(argument: str, got: str | Iterable[str] | None, valid: Iterable[str]) -> tuple[str, ...]:
    """The names in an aggregation argument: one, several (a generator too) or none, each checked."""
    if got is not None and not isinstance(got, Iterable):
        words = ", ".join(map(repr, valid))
        raise ArgumentTypeError(f"expected {argument} to be one or several of {words}; received {got!r}")
    names = (got,) if isinstance(got, str) else tuple(got or ())
    for name in names:
        check_choice(argument, name, valid)
    return names


def _running(raw_val: Accumulator) -> RunningMeanVar:
    if isinstance(raw_val, RunningMeanVar):
        return raw_val
    if not isinstance(raw_val, list):
        raise ArgumentTypeError(f"expected readings as a list or a RunningMeanVar; received {type(raw_val).__name__}")
    running = RunningMeanVar()
    running.sketch._size = max(len(raw_val), 2)  # a list is all there: every quantile exact
    running.extend(raw_val)
    return running
