"""A long run in bins: what they hold, how little is done at once, and how good their quartiles are."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from monitorch_widgets.history import CAPACITY, FOLD, MAX_BINS, STATS, Rows, Series
from monitorch_widgets.history import folded as module
from monitorch_widgets.history.folded import UNIT, Folded

QUARTILES = (0.25, 0.5, 0.75)
LONG = 100_000


def kinds(rows: int) -> dict[str, np.ndarray]:
    draw = np.random.RandomState(5)
    z, step = draw.standard_normal(rows), np.arange(rows)
    return {
        "normal": z,
        "uniform": draw.uniform(size=rows),
        "skewed": np.exp(2 * z),
        "heavy tails": draw.standard_cauchy(rows),
        "two peaks": np.where(draw.uniform(size=rows) < 0.3, 0.0, 10.0) + 0.1 * z,
        "many zeros": np.where(draw.uniform(size=rows) < 0.6, 0.0, np.abs(z)),
        "trend": step / 200 + z,
        "line": step / 1.0,
        "decay": np.exp(-step / 5e4) * (1 + 0.3 * z),
        "wave": np.sin(step / 300) + 0.1 * z,
        "saw": step % 100.0,
        "far from zero": 1e8 + z,
        "many decades": 10.0 ** draw.uniform(-30, 5, rows),
        "gaps": np.where(draw.uniform(size=rows) < 0.3, np.nan, z),
        "long gaps": np.where(step % 9000 < 5000, np.nan, z),
        "nothing": np.full(rows, np.nan),
    }


KINDS = list(kinds(1))


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    return np.stack(list(kinds(LONG).values()), axis=1)


@pytest.fixture(scope="module")
def series(values: np.ndarray) -> Series:
    made = Series("Norm", KINDS)
    for start in range(0, LONG, 200):
        steps = np.repeat(np.arange(start, start + 200), len(KINDS))
        made.record_readings(KINDS * 200, steps, steps / 10, values[start : start + 200].ravel())
    return made


def spans(series: Series) -> list[tuple[int, int]]:
    return list(itertools.pairwise([0, *(series.bins.last_step + 1).tolist()]))


def rank_error(value: float, rank: float, held: np.ndarray) -> float:
    """How far `rank` is from the ranks that `value` has, or would have, among sorted readings."""
    slack = 1e-6 * (held[-len(held) // 4] - held[len(held) // 4])  # points are kept in single precision
    low = np.searchsorted(held, value - slack, side="left") / len(held)
    high = np.searchsorted(held, value + slack, side="right") / len(held)
    return max(0.0, low - rank, rank - high)


@pytest.mark.parametrize("kind", KINDS)
def test_quartiles_are_within_the_stated_error(series: Series, values: np.ndarray, kind: str) -> None:
    column = KINDS.index(kind)
    errors = []
    for bin_, (start, stop) in enumerate(spans(series)):
        held = values[start:stop, column]
        held = np.sort(held[np.isfinite(held)])
        stats = series.bins.stats[bin_, column]
        if not len(held):
            assert np.isnan(stats[1:]).all()
            continue
        assert held[0] <= stats[5] <= stats[6] <= stats[7] <= held[-1]
        errors += [rank_error(stats[5 + i], rank, held) for i, rank in enumerate(QUARTILES)]
        stated = max(np.log2(max(len(held), 16) / 16) / 64, 0) * (2 if "gap" in kind else 1) + 1 / len(held)
        assert max(errors[-3:]) <= stated
    if errors:
        assert max(errors) < 0.06
        assert np.mean(errors) < 0.012


@pytest.mark.parametrize("kind", KINDS)
def test_all_but_quartiles_is_exact(series: Series, values: np.ndarray, kind: str) -> None:
    column = KINDS.index(kind)
    for bin_, (start, stop) in enumerate(spans(series)):
        held = values[start:stop, column]
        held = held[np.isfinite(held)]
        count, mean, var, low, high = series.bins.stats[bin_, column, :5]
        assert count == len(held)
        if len(held):
            scale = np.abs(held).max()
            assert mean == pytest.approx(held.mean(), rel=1e-9, abs=1e-12 * scale)
            assert var == pytest.approx(held.var(), rel=1e-6, abs=1e-14 * scale**2)
            assert (low, high) == (held.min(), held.max())


def test_zeros_stay_zeros(series: Series, values: np.ndarray) -> None:
    """On a logarithmic axis a rounding error of 1e-17 would be a figure."""
    zeros = series.bins.stats[:, KINDS.index("many zeros")]
    assert (zeros[:, [3, 5, 6]] == 0).mean() > 0.9
    assert set(zeros[:, 5]) == {0.0}
    decades = series.bins.stats[:, KINDS.index("many decades"), 5]
    assert 1e-25 < decades.min() < decades.max() < 1e-15


def test_bins_are_aligned_and_never_too_many(series: Series) -> None:
    widths = np.diff([0, *(series.bins.last_step + 1)])
    assert MAX_BINS - 16 <= len(widths) <= MAX_BINS
    assert (np.diff(widths) <= 0).all()
    for width, (start, _) in zip(widths.tolist(), spans(series), strict=True):
        assert width & (width - 1) == 0
        assert start % width == 0
    assert len(np.unique(widths[:-8])) <= 2  # but for the newest, which are still growing


def test_the_same_object_until_something_is_folded() -> None:
    older = Folded(1)
    assert len(older.bins) == 0
    older.take(rows(0))
    bins = older.bins
    assert older.bins is bins
    older.take(rows(UNIT))
    assert older.bins is not bins
    assert (len(bins), len(older.bins)) == (UNIT // FOLD, 2 * UNIT // FOLD)


def rows(first: int) -> Rows:
    steps = np.arange(first, first + UNIT)
    return Rows(first, steps, steps / 10, steps[:, None] / 1.0)


def test_a_fold_merges_no_more_than_a_few_bins(monkeypatch: pytest.MonkeyPatch) -> None:
    merged: list[int] = []

    def counting(bins: module.Bins, first: int = 0) -> module.Bins:
        merged.append(len(bins))
        return merge_pairs(bins, first)

    merge_pairs = module.merge_pairs
    monkeypatch.setattr(module, "merge_pairs", counting)
    older = Folded(1)
    worst, lengths = 0, []
    for first in range(0, 10 * CAPACITY, UNIT):
        merged.clear()
        older.take(rows(first))
        worst = max(worst, sum(merged))
        lengths.append(len(older.bins))
    assert worst <= 2 * UNIT // FOLD
    assert max(lengths) == MAX_BINS
    assert min(lengths[MAX_BINS * FOLD // UNIT :]) >= MAX_BINS - 8  # resolution is never halved at once


def test_bins_go_on_growing_in_the_longest_run() -> None:
    """Beyond a million rows, bins hold more rows than are folded at once."""
    older = Folded(1)
    older._narrow = 4 * CAPACITY
    for first in range(0, 40 * CAPACITY, UNIT):
        older.take(rows(first))
    counts = older.bins.stats[:, 0, 0]
    assert counts.sum() == 40 * CAPACITY
    assert counts[0] == 4 * CAPACITY
    assert older.rows_in_bin == CAPACITY // 2
    assert older.bins.stats.shape[1:] == (1, len(STATS))
    np.testing.assert_allclose(older.bins.stats[0, 0, 6], 2 * CAPACITY, rtol=0.05)


def test_rows_that_an_interrupt_left_behind_are_not_taken_twice() -> None:
    older = Folded(1)
    older.take(rows(0))
    older.take(rows(0))
    older.take(rows(UNIT))
    assert older.bins.stats[:, 0, 0].sum() == 2 * UNIT


def test_columns_that_come_later() -> None:
    older = Folded(1)
    older.take(rows(0))
    older.widen(3)
    assert older.bins.stats.shape == (UNIT // FOLD, 3, len(STATS))
    assert (older.bins.stats[:, 1:, 0] == 0).all()
