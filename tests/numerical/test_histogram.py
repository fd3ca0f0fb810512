"""Histograms: every value counted once, wherever it is and whatever it is; merged without a loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from monitorch_widgets.numerical import FIGURES, Histogram, HistogramMap, binned, histogram_row
from monitorch_widgets.numerical.histogram_map import COLUMNS

NAN, INF = math.nan, math.inf


def of(values: Tensor, bins: int = 64) -> Histogram:
    return Histogram.of_row(histogram_row(values, bins).numpy())


def elsewhere(values: Tensor, bins: int = 64) -> Histogram:
    """The way that other devices take, which looks at nothing."""
    flat = binned._numbers(values)
    return Histogram.of_row(binned._elsewhere(flat, bins).numpy())


def sample(kind: str, generator: torch.Generator) -> Tensor:
    normal = torch.randn(7, 13, 11, generator=generator)
    return {
        "normal": normal,
        "far from 0": normal * 1e-3 + 1000,
        "half": normal.half(),
        "bfloat16": normal.bfloat16(),
        "double": normal.double() * 1e200,
        "bool": normal > 0.3,
        "bytes": (normal * 20 + 100).to(torch.uint8),
        "ids": (normal * 1e6).long() + 2**40,
        "huge": normal.sign() * 3e38,
        "tiny": normal.sign() * 1e-40,
        "relu": normal.relu(),
        "heavy tails": normal / torch.rand(normal.shape, generator=generator),
        "not contiguous": normal.transpose(0, 2)[::2],
    }[kind]


KINDS = ["normal", "far from 0", "half", "bfloat16", "double", "bool", "bytes", "ids", "huge", "tiny", "relu"]
KINDS += ["heavy tails", "not contiguous"]


@pytest.mark.parametrize("count", [of, elsewhere], ids=["cpu", "elsewhere"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_value_is_in_its_bin(kind: str, count: object) -> None:
    values = sample(kind, torch.Generator().manual_seed(1))
    found = count(values)  # type: ignore[operator]
    plain = values.double().numpy().ravel()
    assert (found.low, found.high, found.nan, found.inf) == (plain.min(), plain.max(), 0, 0)
    assert found.count == plain.size
    expected = np.histogram(plain / 2, 64, (plain.min() / 2, plain.max() / 2))[0]
    moved = np.abs(np.cumsum(found.counts) - np.cumsum(expected)).max()  # at an edge float32 may round across
    assert moved <= (0 if values.dtype is torch.float64 else 4)
    # numpy's own float64 can't square the largest
    scale = np.abs(plain).max() or 1.0
    assert found.mean / scale == pytest.approx((plain / scale).mean(), abs=1e-6)
    assert found.std / scale == pytest.approx((plain / scale).std(), rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("count", [of, elsewhere], ids=["cpu", "elsewhere"])
def test_A08_nan_and_infinity_are_counted_apart(count: object) -> None:
    found = count(torch.tensor([1.0, NAN, 3.0, INF, NAN, -INF, NAN, 2.0]), 4)  # type: ignore[operator]
    assert (found.nan, found.inf, found.low, found.high, found.mean) == (3, 2, 1, 3, 2)
    assert found.counts.tolist() == [1, 0, 1, 1] and found.std == pytest.approx(math.sqrt(2 / 3))


@pytest.mark.parametrize("count", [of, elsewhere], ids=["cpu", "elsewhere"])
def test_nothing_finite_and_nothing_that_differs(count: object) -> None:
    none = count(torch.tensor([NAN, INF]), 4)  # type: ignore[operator]
    assert (none.count, none.nan, none.inf) == (0, 1, 1) and math.isnan(none.low) and math.isnan(none.mean)
    same = count(torch.full((5,), 3.0), 4)  # type: ignore[operator]
    assert (same.low, same.high, same.count, same.mean, same.std) == (3, 3, 5, 3, 0)
    shown = same.with_width()
    assert (shown.low, shown.high, shown.counts.tolist()) == (1.5, 4.5, [0, 0, 5, 0])
    assert (none.with_width().low, none.with_width().high) == (0, 1)


def test_empty_ones_complex_ones_and_sparse_ones() -> None:
    empty = of(torch.empty(0, 3), 4)
    assert empty.count == empty.nan == empty.inf == 0 and math.isnan(empty.high)
    complex_ = of(torch.tensor([3 + 4j, 0j]), 2)
    assert (complex_.low, complex_.high) == (0, 5)
    sparse = of(torch.eye(3).to_sparse(), 2)
    assert sparse.counts.tolist() == [6, 3]


def test_nothing_waits_and_nothing_is_changed() -> None:
    values = torch.randn(100, requires_grad=True)
    with torch.inference_mode():
        row = histogram_row(values)
    assert row.shape == (64 + FIGURES,) and not row.requires_grad and not row.is_inference()
    assert values.grad is None and values._version == 0


def test_it_is_exact_beyond_what_float32_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(binned, "_EXACT", 1000)  # as 2 ** 24 is
    monkeypatch.setattr(binned, "_PIECE", 1000)
    values = torch.randn(4321, generator=torch.Generator().manual_seed(0))
    assert of(values).counts.sum() == elsewhere(values).counts.sum() == 4321
    np.testing.assert_array_equal(of(values).counts, elsewhere(values).counts)


def test_programs_that_must_be_deterministic_get_the_same() -> None:
    values = torch.randn(999, generator=torch.Generator().manual_seed(0))
    values[::10] = NAN
    expected = elsewhere(values)
    torch.use_deterministic_algorithms(True)
    try:
        found = elsewhere(values)
    finally:
        torch.use_deterministic_algorithms(False)
    assert found.count == expected.count == 899
    assert np.abs(np.cumsum(found.counts) - np.cumsum(expected.counts)).max() <= 1


# ---------------------------------------------------------------------- other ranges


def drawn(rng: np.random.Generator) -> Histogram:
    """A histogram as they come: of any range, also without width or without values."""
    kind = rng.integers(6)
    if kind == 0:
        return Histogram(np.zeros(16), NAN, NAN, int(rng.integers(3)), int(rng.integers(3)))
    scale, size = 10.0 ** rng.integers(-6, 7), int(rng.integers(1, 200))
    values = rng.normal(size=size) * scale + rng.normal() * 10.0 ** rng.integers(-6, 7)
    values = np.full(size, values[0]) if kind == 1 else values
    return of(torch.from_numpy(values), 16)


@pytest.mark.parametrize("seed", range(40))
def test_merging_loses_nothing_and_does_not_mind_the_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [drawn(rng) for _ in range(int(rng.integers(2, 9)))]
    total = parts[0]
    for part in parts[1:]:
        total = total.merged(part)
    back = parts[-1]
    for part in parts[-2::-1]:
        back = back.merged(part)
    known = [part for part in parts if part.count]
    for both in (total, back):
        assert both.count == pytest.approx(sum(part.count for part in parts), rel=1e-12)
        assert (both.nan, both.inf) == (sum(p.nan for p in parts), sum(p.inf for p in parts))
        assert (both.counts >= 0).all()
        if known:
            assert (both.low, both.high) == (min(p.low for p in known), max(p.high for p in known))
            weights = [part.count for part in known]
            mean = np.average([part.mean for part in known], weights=weights)
            square = np.average([part.std**2 + (part.mean - mean) ** 2 for part in known], weights=weights)
            assert both.mean == pytest.approx(mean, rel=1e-9, abs=1e-9 * max(abs(both.low), abs(both.high)))
            assert both.std == pytest.approx(math.sqrt(square), rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("seed", range(40))
def test_other_bins_hold_what_these_held_below_each_edge(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kept = of(torch.from_numpy(rng.normal(size=500)), 32)
    low, high = kept.low - rng.exponential(), kept.high + rng.exponential()
    bins = int(rng.integers(1, 90))
    moved = kept.onto(low, high, bins)
    assert moved.count == pytest.approx(500) and len(moved.counts) == bins
    below = np.interp(moved.edges, kept.edges, np.concatenate([[0], np.cumsum(kept.counts)]))
    np.testing.assert_allclose(np.cumsum(moved.counts), below[1:], atol=1e-6)
    assert kept.onto(kept.low, kept.high) == kept or np.array_equal(kept.onto(kept.low, kept.high).counts, kept.counts)


def test_the_widest_range_there_is_can_be_merged() -> None:
    most = float(np.finfo(np.float64).max)
    both = of(torch.tensor([-most, most], dtype=torch.float64), 4).merged(of(torch.tensor([1.0]), 4))
    assert both.counts.tolist() == [1, 0, 1, 1] and np.isfinite(both.with_width().edges).all()


# ---------------------------------------------------------------------- over the steps


def test_the_map_has_a_fixed_number_of_columns_of_equally_many_readings() -> None:
    kept = HistogramMap(bins=8)
    for step in range(1000):
        kept.add(50 * step, of(torch.linspace(0, 1 + step, 40), 8))
        assert len(kept.steps) <= COLUMNS and len(kept.pixels) == 8 * len(kept.steps)
    assert len(set(np.diff(kept.steps))) == 1 and kept.steps[0] == 0  # 16 readings each, the newest maybe fewer
    assert (kept.low, kept.high) == (0, 1000)
    pixels = np.frombuffer(kept.pixels, np.uint8).reshape(-1, 8)
    assert (pixels.max(1) == 255).all() and pixels[0, 0] == 255 and pixels[0, 1:].max() == 0
    assert pixels[-1].min() > 200  # spread over the whole range


def test_the_map_keeps_nan_and_infinity_by_column_and_takes_a_step_once() -> None:
    kept = HistogramMap(bins=4)
    kept.add(0, of(torch.tensor([NAN, INF]), 4))
    assert (kept.low, kept.high, kept.bad, set(kept.pixels)) == (0, 1, [2], {0})
    kept.add(5, of(torch.tensor([2.0, 6.0]), 4))
    kept.add(5, of(torch.tensor([4.0, NAN]), 4))  # another micro-batch
    assert (kept.steps, kept.bad, kept.low, kept.high) == ([0, 5], [2, 1], 2, 6)
    assert list(kept.pixels) == [0, 0, 0, 0, 255, 0, 255, 255]
    for step in range(6, 300):
        kept.add(step, of(torch.tensor([2.0, NAN]), 4))
    assert sum(kept.bad) == 3 + 294


def test_what_tensorboard_gets_adds_up() -> None:
    raw = of(torch.tensor([1.0, 2.0, 4.0, NAN]), 3).raw()
    assert (raw["num"], raw["sum"], raw["min"], raw["max"]) == (3, pytest.approx(7), 1, 4)
    assert raw["sum_squares"] == pytest.approx(21) and raw["bucket_limits"] == [2, 3, 4]
    assert raw["bucket_counts"] == [1, 1, 1]
    nothing = of(torch.tensor([NAN]), 3).raw()
    assert nothing["num"] == 0 and np.isfinite(nothing["bucket_limits"]).all() and nothing["sum"] == 0  # type: ignore[call-overload]


@pytest.mark.parametrize("seed", range(20))
def test_the_map_draws_what_rebinning_one_by_one_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [drawn(rng) for _ in range(int(rng.integers(1, 60)))]
    kept = HistogramMap(bins=16)
    for step, part in enumerate(parts):
        kept.add(step, part)
    pixels = np.frombuffer(kept.pixels, np.uint8).reshape(-1, 16).astype(int)
    for row, part in zip(pixels, parts, strict=True):
        counts = part.onto(kept.low, kept.high).counts
        assert np.abs(row - 255 * counts / (counts.max() or 1)).max() <= 1


def test_one_exploding_step_leaves_the_others_to_be_seen_and_is_counted_at_the_edges() -> None:
    generator = torch.Generator().manual_seed(0)
    kept = HistogramMap(bins=16)
    for step in range(20):
        kept.add(step, of(torch.randn(200, generator=generator) * (1e6 if step == 11 else 1), 16))
    assert -8 < kept.low < -2 and 2 < kept.high < 8
    pixels = np.frombuffer(kept.pixels, np.uint8).reshape(-1, 16)
    assert (pixels[0] > 0).sum() > 8 and pixels[11, [0, -1]].min() > 100 and pixels[11, 2:-2].max() <= 1
    assert kept.below[11] + kept.above[11] == pytest.approx(200, abs=2)
    assert sum(kept.below) + sum(kept.above) == kept.below[11] + kept.above[11]


def test_a_range_grows_with_what_stays() -> None:
    kept = HistogramMap(bins=16)
    for step in range(40):
        kept.add(step, of(torch.linspace(0, 1 if step < 28 else 1000, 50), 16))
    assert (kept.low, kept.high, sum(kept.above)) == (0, 1000, 0)


@pytest.mark.parametrize("huge", [1e300, 1.7e308])
def test_the_map_takes_the_largest_numbers_beside_the_smallest(huge: float) -> None:
    kept = HistogramMap(bins=4)
    for step in range(12):
        kept.add(step, of(torch.tensor([-1.0, 1.0], dtype=torch.float64) * (huge if step == 5 else 1e-300), 4))
    assert (kept.low, kept.high, kept.below[5], kept.above[5]) == (-1e-300, 1e-300, 1, 1)
    assert list(kept.pixels[20:24]) == [255, 0, 0, 255]


def test_what_lies_beyond_other_bins_is_counted_at_their_ends() -> None:
    found = Histogram(np.array([4.0, 4.0, 4.0, 4.0]), 0.0, 4.0)
    assert found.onto(1.0, 3.0, 2).counts.tolist() == [8, 8] and found.onto(9.0, 10.0, 2).counts.tolist() == [16, 0]
    assert Histogram(np.array([3.0]), 7.0, 7.0).onto(0.0, 1.0, 2).counts.tolist() == [0, 3]
