"""Bins against brute force over the readings that they hold."""

from __future__ import annotations

import numpy as np
import pytest

from monitorch_widgets.history import STATS, Bins
from monitorch_widgets.history.bins import fold_rows, merge_pairs

COUNT, MEAN, VAR, MIN, MAX, Q1, MEDIAN, Q3 = range(len(STATS))
WIDTHS = [1, 2, 8, 64]


def readings(kind: str, rows: int, modules: int = 3) -> np.ndarray:
    draw = np.random.RandomState(rows)
    values = draw.standard_normal((rows, modules))
    if kind == "with gaps":
        values[draw.uniform(size=values.shape) < 0.4] = np.nan
        values[: rows // 2, 0] = np.nan  # whole bins without a reading
    if kind == "trend":
        values = np.arange(rows)[:, None] * [1.0, -2.0, 0.0] + 0.1 * values
    if kind == "far from zero":
        values += 1e8
    return values


KINDS = ["normal", "with gaps", "trend", "far from zero"]


def folded(values: np.ndarray, width: int) -> Bins:
    steps = np.arange(len(values), dtype=np.int64) * 3
    return fold_rows(steps, steps / 10, values, width)


def parts(values: np.ndarray, width: int) -> list[np.ndarray]:
    """The readings of each bin, one bin after the other and module by module."""
    groups = values.reshape(-1, width, values.shape[1])
    return [column[np.isfinite(column)] for group in groups for column in group.T]


def flat(bins: Bins) -> np.ndarray:
    return bins.stats.reshape(-1, len(STATS))


def assert_exact(stats: np.ndarray, held: np.ndarray) -> None:
    """Count, mean, variance and extremes of one bin."""
    assert stats[COUNT] == len(held)
    if not len(held):
        assert np.isnan(stats[1:]).all()
        return
    assert stats[MEAN] == pytest.approx(held.mean(), rel=1e-9, abs=1e-9)
    scale = max(1.0, np.abs(held).max())
    assert stats[VAR] == pytest.approx(held.var(), rel=1e-9, abs=1e-9 * scale)
    assert stats[VAR] >= 0
    assert (stats[MIN], stats[MAX]) == (held.min(), held.max())


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_folded_rows_are_described_exactly(kind: str, width: int) -> None:
    values = readings(kind, 256)
    bins = folded(values, width)
    assert len(bins) == 256 // width
    for stats, held in zip(flat(bins), parts(values, width), strict=True):
        assert_exact(stats, held)
        if len(held):
            assert stats[[Q1, MEDIAN, Q3]] == pytest.approx(np.quantile(held, [0.25, 0.5, 0.75]), rel=1e-12)


def test_a_bin_stands_under_its_last_step() -> None:
    bins = folded(readings("normal", 32), 8)
    assert bins.last_step.tolist() == [21, 45, 69, 93]
    assert bins.seconds.tolist() == [2.1, 4.5, 6.9, 9.3]


@pytest.mark.parametrize("merges", [1, 3, 5])
@pytest.mark.parametrize("kind", KINDS)
def test_merged_bins_are_exact_but_for_quartiles(kind: str, merges: int) -> None:
    values = readings(kind, 256)
    bins = folded(values, 8)
    for _ in range(merges):
        bins = merge_pairs(bins)
    width = 8 * 2**merges
    assert bins.last_step.tolist() == folded(values, width).last_step.tolist()
    for stats, held in zip(flat(bins), parts(values, width), strict=True):
        assert_exact(stats, held)


@pytest.mark.parametrize("kind", KINDS)
def test_merged_quartiles_lie_between_their_neighbours(kind: str) -> None:
    """A quartile may be off by one quartile at most: the true one lies between the merged ones beside it."""
    values = readings(kind, 512)
    bins, width = folded(values, 8), 8
    while len(bins) > 1:
        bins, width = merge_pairs(bins), 2 * width
        for stats, held in zip(flat(bins), parts(values, width), strict=True):
            if len(held) < 4:  # too few for quarters that differ
                continue
            low, q1, median, q3, high = np.quantile(held, [0, 0.25, 0.5, 0.75, 1])
            assert low <= stats[Q1] <= median
            assert q1 <= stats[MEDIAN] <= q3
            assert median <= stats[Q3] <= high
            assert stats[MIN] <= stats[Q1] <= stats[MEDIAN] <= stats[Q3] <= stats[MAX]


STEADY = {
    "normal": lambda draw: draw.standard_normal((8192, 2)),
    "far from zero": lambda draw: 1e8 + draw.standard_normal((8192, 2)),
    "uniform": lambda draw: draw.uniform(size=(8192, 2)),
    "spikes": lambda draw: draw.standard_cauchy((8192, 2)),
    "trend": lambda draw: np.arange(8192.0)[:, None] / 1000 + draw.uniform(size=(8192, 2)),
}


@pytest.mark.parametrize("kind", STEADY)
def test_quartiles_do_not_drift_over_many_merges(kind: str) -> None:
    """Ten merges, each of them with its error: they don't add up in one direction."""
    values = STEADY[kind](np.random.RandomState(0))
    bins = folded(values, 8)
    while len(bins) > 1:
        bins = merge_pairs(bins)
    for stats, held in zip(flat(bins), parts(values, len(values)), strict=True):
        ranks = [(held <= stats[which]).mean() for which in (Q1, MEDIAN, Q3)]
        # what is left is that of the first quartiles, of eight readings each
        assert ranks == pytest.approx([0.25, 0.5, 0.75], abs=0.1)


@pytest.mark.parametrize("spread", [0.5, 1, 2])
def test_quartiles_of_skewed_readings_stay_in_their_quarters(spread: float) -> None:
    """Gradient norms are skewed: their long tail must not pull the median up."""
    values = np.exp(spread * np.random.RandomState(1).standard_normal((8192, 2)))
    bins = folded(values, 8)
    while len(bins) > 1:
        bins = merge_pairs(bins)
    for stats, held in zip(flat(bins), parts(values, len(values)), strict=True):
        ranks = [(held <= stats[which]).mean() for which in (Q1, MEDIAN, Q3)]
        assert ranks == pytest.approx([0.25, 0.5, 0.75], abs=0.2)


def test_halves_of_different_size_weigh_by_their_readings() -> None:
    few = np.full((8, 1), np.nan)
    few[3] = 100.0
    many = np.zeros((8, 1))
    merged = merge_pairs(folded(np.concatenate([few, many]), 8))
    count, mean, var, low, high, q1, median, q3 = merged.stats[0, 0]
    held = np.array([100.0] + [0.0] * 8)
    assert (count, low, high) == (9, 0, 100)
    assert (mean, var) == pytest.approx((held.mean(), held.var()), rel=1e-12)
    assert (q1, median, q3) == (0, 0, 0)


@pytest.mark.parametrize("gap", ["left", "right", "both"])
def test_a_half_without_readings_changes_nothing(gap: str) -> None:
    values = readings("normal", 16, 1)
    if gap in ("left", "both"):
        values[:8] = np.nan
    if gap in ("right", "both"):
        values[8:] = np.nan
    halves = folded(values, 8)
    (stats,) = merge_pairs(halves).stats[0]
    np.testing.assert_array_equal(stats, halves.stats[int(gap == "left"), 0])
    assert_exact(stats, values[np.isfinite(values)])


@pytest.mark.parametrize("number", [0, 1, 2, 3, 7])
def test_of_an_odd_number_the_oldest_stays_alone(number: int) -> None:
    values = readings("normal", 8 * max(number, 1), 2)
    bins = folded(values, 8) if number else Bins.empty(2)
    merged = merge_pairs(bins)
    assert len(merged) == (number + 1) // 2
    if number % 2:
        np.testing.assert_array_equal(merged.stats[0], bins.stats[0])
        assert merged.last_step[0] == bins.last_step[0]
    assert merged.stats[..., COUNT].sum() == 16 * number
    if number:
        assert merged.last_step[-1] == bins.last_step[-1]


def test_bins_one_after_the_other() -> None:
    values = readings("normal", 64)
    older, newer = folded(values[:32], 8), folded(values[32:], 8)
    joined = older.then(newer)
    np.testing.assert_array_equal(joined.stats, folded(values, 8).stats)
    assert len(Bins.empty(3).then(older)) == len(older) == 4


def test_a_column_that_comes_later_has_no_readings() -> None:
    wider = folded(readings("normal", 16, 2), 8).widened(3)
    assert wider.stats.shape == (2, 3, len(STATS))
    assert (wider.stats[:, 2, COUNT] == 0).all()
    assert np.isnan(wider.stats[:, 2, 1:]).all()
    merged = merge_pairs(wider)
    assert merged.stats[0, :, COUNT].tolist() == [16, 16, 0]
