"""The quantile sketch against NumPy: exact while it keeps everything, within its stated error afterwards."""

from __future__ import annotations

import numpy as np
import pytest

from monitorch_widgets.numerical import QuantileSketch

RANKS = (0.05, 0.25, 0.5, 0.75, 0.95)
SIZE = 64


def stream(kind: str, size: int) -> np.ndarray:
    draw = np.random.RandomState(3)
    values = draw.standard_normal(size)
    return {
        "normal": values,
        "rising": np.arange(float(size)),
        "falling": -np.arange(float(size)),
        "many decades": np.exp(5 * values),
        "two peaks": np.where(values < 0, 0.0, 1.0) + 0.01 * draw.uniform(size=size),
        "all equal": np.full(size, 7.0),
        "saw": np.arange(size) % 100.0,
        "first zeros": np.where(np.arange(size) < size / 2, 0.0, draw.uniform(size=size)),
    }[kind]


KINDS = ["normal", "rising", "falling", "many decades", "two peaks", "all equal", "saw", "first zeros"]


def rank_error(value: float, rank: float, values: np.ndarray) -> float:
    """How far `rank` is from the ranks that `value` has, or would have, among `values`."""
    ordered = np.sort(values)
    slack = 1e-12 * np.abs(ordered).max()
    low, high = np.searchsorted(ordered, [value - slack, value + slack], side="left")
    high = max(high, np.searchsorted(ordered, value + slack, side="right"))
    return max(0.0, low / len(values) - rank, rank - high / len(values))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8, 100, 2 * SIZE])
@pytest.mark.parametrize("kind", KINDS)
def test_exact_as_long_as_everything_is_kept(size: int, kind: str) -> None:
    values = stream(kind, size)
    sketch = QuantileSketch(SIZE)
    sketch.extend(values.tolist())
    assert sketch.exact
    assert len(sketch) == size
    for rank in (0.0, *RANKS, 1.0):
        closest = np.quantile(values, rank, method="closest_observation")
        assert sketch.quantile(rank) == closest
        assert sketch.quantile(rank, interpolate=True) == pytest.approx(np.quantile(values, rank), rel=1e-12)


def kept_at_most(count: int) -> int:
    """Values that a sketch of `count` readings may keep: it grows with the doublings alone."""
    return SIZE * (2 + max(0, int(np.ceil(np.log2(count / SIZE)))))


@pytest.mark.parametrize("size", [2 * SIZE + 1, 500 * SIZE, 500 * SIZE + 77])
@pytest.mark.parametrize("interpolate", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_within_its_stated_error_afterwards(kind: str, interpolate: bool, size: int) -> None:
    values = stream(kind, size)
    sketch = QuantileSketch(SIZE)
    for value in values.tolist():
        sketch.append(value)
    assert not sketch.exact
    assert len(sketch) <= kept_at_most(size)
    assert sketch.rank_error <= (np.log2(size / SIZE) / 4 + 3) / SIZE
    for rank in RANKS:
        error = rank_error(sketch.quantile(rank, interpolate=interpolate), rank, values)
        assert error <= min(sketch.rank_error, 1.5 / SIZE)  # the second is what it usually is


@pytest.mark.parametrize("kind", KINDS)
def test_a_million_values_at_its_usual_size(kind: str) -> None:
    values = stream(kind, 1_000_000)
    sketch = QuantileSketch()
    for part in np.array_split(values, 777):
        sketch.extend(part)
    assert sketch.rank_error < 0.011
    assert len(sketch) < 7000
    assert max(rank_error(sketch.quantile(rank), rank, values) for rank in RANKS) < 0.002


@pytest.mark.parametrize("cuts", [[], [1], [2 * SIZE], [2 * SIZE + 1], [5, 300, 301, 4000]])
def test_in_parts_as_one_by_one(cuts: list[int]) -> None:
    values = stream("normal", 100 * SIZE)
    one_by_one, parts = QuantileSketch(SIZE), QuantileSketch(SIZE)
    for value in values.tolist():
        one_by_one.append(value)
    for part in np.split(values, cuts):
        parts.extend(part)
    assert parts.state() == one_by_one.state()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("parts", [2, 5, 33])
def test_merged_in_any_order_within_the_stated_error(kind: str, parts: int) -> None:
    values = stream(kind, 100 * SIZE)
    sketches = []
    for part in np.array_split(values, parts):
        sketches.append(QuantileSketch(SIZE))
        sketches[-1].extend(part.tolist())
    for order in (sketches, sketches[::-1]):
        merged = QuantileSketch(SIZE)
        for sketch in order:
            merged.merge(sketch)
        assert len(merged) <= kept_at_most(len(values))
        assert max(rank_error(merged.quantile(rank), rank, values) for rank in RANKS) <= merged.rank_error


def test_merging_small_sketches_stays_exact() -> None:
    one, other = QuantileSketch(SIZE), QuantileSketch(SIZE)
    one.extend([5.0, 1.0])
    other.extend([3.0, 2.0, 4.0])
    one.merge(other)
    assert one.exact
    assert [one.quantile(rank) for rank in (0, 0.5, 1)] == [1, 2, 5]  # closest observation prefers even ranks
    assert one.quantile(0.5, interpolate=True) == 3


def test_nothing_has_no_quantiles() -> None:
    assert np.isnan(QuantileSketch().quantile(0.5))
    assert np.isnan(QuantileSketch().quantile(0.5, interpolate=True))


def test_restored_from_its_state() -> None:
    sketch = QuantileSketch(SIZE)
    sketch.extend(range(1000))
    back = QuantileSketch(SIZE)
    back.restore(sketch.state())
    back.append(1.0)
    assert len(back) == len(sketch) + 1  # a copy, not the same lists
    assert back.quantile(0.75) == sketch.quantile(0.75)
