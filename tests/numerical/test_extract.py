"""Points and ranges of an epoch: lists and running statistics give the same, and NumPy agrees."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.numerical import (
    POINTS,
    RANGES,
    RunningMeanVar,
    aggregations,
    extract_point,
    extract_range,
    parse_range_name,
)


def closest(values: list[float], rank: float) -> float:
    return float(np.quantile(values, rank, method="closest_observation"))


POINT = {
    "mean": np.mean,
    "median": lambda values: closest(values, 0.5),
    "max": np.max,
    "min": np.min,
    "Q1": lambda values: np.quantile(values, 0.25),
    "Q3": lambda values: np.quantile(values, 0.75),
    "std": np.std,
    "IQR": lambda values: closest(values, 0.75) - closest(values, 0.25),
}
RANGE = {
    "std": lambda values: (np.mean(values) - np.std(values), np.mean(values) + np.std(values)),
    "Q1-Q3": lambda values: (closest(values, 0.25), closest(values, 0.75)),
    "min-max": lambda values: (np.min(values), np.max(values)),
}
SIZES = [1, 2, 3, 4, 5, 7, 100, 1000]


def readings(size: int) -> list[float]:
    return np.random.RandomState(size).standard_normal(size).tolist()


def running(values: list[float]) -> RunningMeanVar:
    made = RunningMeanVar()
    for value in values:
        made.update(value)
    return made


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", POINTS)
def test_points(method: str, size: int) -> None:
    values = readings(size)
    expected = float(POINT[method](values))
    assert extract_point(values, method) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert extract_point(running(values), method) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("method", RANGES)
def test_ranges(method: str, size: int) -> None:
    values = readings(size)
    expected = [float(end) for end in RANGE[method](values)]
    assert extract_range(values, method) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert extract_range(running(values), method) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("method", POINTS)
def test_long_epochs_differ_by_the_sketch_alone(method: str) -> None:
    values = readings(20_000)
    kept, sketched = extract_point(values, method), extract_point(running(values), method)
    if method in ("median", "Q1", "Q3", "IQR"):
        assert sketched == pytest.approx(kept, abs=0.02)  # a rank off by 1/512 in a normal distribution
        assert kept == pytest.approx(float(POINT[method](values)), rel=1e-12)
    else:
        assert sketched == pytest.approx(kept, rel=1e-9)


def test_min_of_a_list_is_the_minimum_and_q3_the_third_quartile() -> None:
    """monitorch gives the maximum for 'min' and the first quartile for 'Q3'."""
    values = [4.0, 1.0, 2.0, 3.0, 5.0]
    assert extract_point(values, "min") == 1
    assert extract_point(values, "Q3") == 4
    assert extract_point(values, "Q1") == 2


@pytest.mark.parametrize("nothing", [[], RunningMeanVar(), [math.nan, math.inf], running([math.nan])], ids=repr)
def test_without_a_finite_reading_there_is_no_number(nothing: list[float] | RunningMeanVar) -> None:
    assert all(math.isnan(extract_point(nothing, method)) for method in POINTS)
    assert all(math.isnan(end) for method in RANGES for end in extract_range(nothing, method))


@pytest.mark.parametrize("method", POINTS)
def test_gaps_are_left_out(method: str) -> None:
    values = readings(9)
    poisoned = [math.nan, *values[:4], math.inf, *values[4:], -math.inf]
    assert extract_point(poisoned, method) == extract_point(values, method)
    assert extract_point(running(poisoned), method) == extract_point(running(values), method)


@pytest.mark.parametrize("accumulator", [[1.0], running([1.0]), []], ids=repr)
def test_an_unknown_method_names_the_nearest(accumulator: list[float] | RunningMeanVar) -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'median'"):
        extract_point(accumulator, "medain")
    with pytest.raises(AttributeError, match="Did you mean 'min-max'"):  # as monitorch's scripts may catch it
        extract_range(accumulator, "minmax")


def test_something_else_is_no_accumulator() -> None:
    with pytest.raises(ArgumentTypeError, match="received tuple"):
        extract_point((1.0, 2.0), "mean")  # type: ignore[arg-type]


def test_names_of_ranges() -> None:
    assert [parse_range_name(name) for name in RANGES] == [("-σ", "+σ"), ("Q1", "Q3"), ("min", "max")]
    with pytest.raises(ArgumentError, match="Did you mean 'Q1-Q3'"):
        parse_range_name("Q1Q3")


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        ("mean", ("mean",)),
        (("mean", "max"), ("mean", "max")),
        ((name for name in ["min"]), ("min",)),
        (None, ()),
        ([], ()),
    ],
)
def test_aggregations_in_any_form(got: object, expected: tuple[str, ...]) -> None:
    assert aggregations("line_aggregation", got, POINTS) == expected  # type: ignore[arg-type]


def test_a_wrong_aggregation_names_the_argument() -> None:
    with pytest.raises(ArgumentError, match=r"line_aggregation .*Did you mean 'mean'"):
        aggregations("line_aggregation", ["maen"], POINTS)
