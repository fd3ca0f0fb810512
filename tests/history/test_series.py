"""Series: the newest steps as they were, older ones in bins, memory that does not grow."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from monitorch_widgets.history import CAPACITY, FOLD, MAX_BINS, STATS, EpochFigures, History, Series
from monitorch_widgets.history.folded import UNIT

LONG = 50_000


def noise(rows: int, modules: int) -> np.ndarray:
    return np.random.RandomState(rows).standard_normal((rows, modules))


def filled(values: np.ndarray, *, first: int = 0, stride: int = 1) -> Series:
    names = [f"m{i}" for i in range(values.shape[1])]
    series = Series("Norm", names)
    for row, reading in enumerate(values.tolist()):
        series.record(first + row * stride, row / 10, names, reading)
    return series


def size_bytes(series: Series) -> int:
    """Everything that the series keeps in arrays."""
    bins = series.bins
    return series._ring.nbytes + sum(kept.nbytes for kept in [bins.last_step, bins.seconds, bins.stats])


@pytest.fixture(scope="module")
def values() -> np.ndarray:
    made = noise(LONG, 3)
    made[10, 0], made[777, 1], made[20_001, 2], made[LONG - 3, 0] = 1e3, -2e3, 3e3, -4e3  # one spike each
    return made


@pytest.fixture(scope="module")
def long(values: np.ndarray) -> Series:
    return filled(values)


# ---------------------------------------------------------------- a short run is there as it was


def test_a_short_run_is_kept_whole() -> None:
    values = noise(CAPACITY, 2)
    series = filled(values, first=5, stride=3)
    np.testing.assert_array_equal(series.values, values)
    np.testing.assert_array_equal(series.steps, 5 + 3 * np.arange(CAPACITY))
    np.testing.assert_allclose(series.seconds, np.arange(CAPACITY) / 10)
    assert (series.steps.dtype, series.values.dtype, series.seconds.dtype) == (np.int64, np.float64, np.float64)
    assert (series.modules, series.rows, len(series.bins)) == (["m0", "m1"], CAPACITY, 0)


def test_nothing_yet() -> None:
    series = Series("Norm", ["a", "b"])
    assert (series.steps.shape, series.values.shape, series.seconds.shape) == ((0,), (0, 2), (0,))
    assert (series.rows, series.epochs, len(series.newest().steps)) == (0, {}, 0)


def test_what_is_handed_out_is_a_copy() -> None:
    series = filled(noise(3, 1))
    series.values[:] = 7
    series.newest().values[:] = 7
    assert not (series.values == 7).any()


# ---------------------------------------------------------------- a long one in bounded memory


def test_memory_and_payload_are_bounded(long: Series) -> None:
    assert len(long.steps) == len(long.values) <= CAPACITY + MAX_BINS
    assert len(long.bins) <= MAX_BINS
    assert len(long.newest().steps) <= CAPACITY
    assert long.rows == LONG
    widest = CAPACITY * (8 + 8 + 3 * 8) + MAX_BINS * (8 + 8 + 3 * 8 * len(STATS))
    assert size_bytes(long) <= widest + 1000
    twice = filled(noise(2 * LONG, 3))
    assert size_bytes(twice) <= widest + 1000


def test_the_newest_steps_are_exact(long: Series, values: np.ndarray) -> None:
    newest = long.newest()
    assert len(newest.steps) >= CAPACITY // 2
    assert newest.first + len(newest.steps) == LONG
    np.testing.assert_array_equal(newest.values, values[newest.first :])
    np.testing.assert_array_equal(newest.steps, np.arange(newest.first, LONG))
    np.testing.assert_array_equal(long.values[-len(newest.steps) :], newest.values)


def test_steps_and_seconds_rise_over_bins_and_rows(long: Series) -> None:
    assert (np.diff(long.steps) > 0).all()
    assert (np.diff(long.seconds) > 0).all()
    assert long.steps[-1] == LONG - 1


def test_bins_hold_every_older_reading_exactly(long: Series, values: np.ndarray) -> None:
    folded = long.newest().first
    edges = np.concatenate([[0], long.bins.last_step + 1])
    assert edges[-1] == folded
    for i, (start, stop) in enumerate(itertools.pairwise(edges)):
        held = values[start:stop]
        count, mean, var, low, high = long.bins.stats[i, :, :5].T
        assert (count == stop - start).all()
        np.testing.assert_allclose(mean, held.mean(0), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(var, held.var(0), rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(low, held.min(0))
        np.testing.assert_array_equal(high, held.max(0))


def test_extremes_survive(long: Series, values: np.ndarray) -> None:
    lows = np.concatenate([long.bins.stats[..., 3], long.newest().values])
    highs = np.concatenate([long.bins.stats[..., 4], long.newest().values])
    np.testing.assert_array_equal(lows.min(0), values.min(0))
    np.testing.assert_array_equal(highs.max(0), values.max(0))


def test_an_older_row_is_the_mean_of_its_bin(long: Series) -> None:
    np.testing.assert_array_equal(long.values[: len(long.bins)], long.bins.stats[..., 1])


@pytest.mark.parametrize("rows", [CAPACITY, CAPACITY + 1, 3 * CAPACITY, 20 * CAPACITY])
def test_bins_are_equally_wide_or_older_ones_twice_as_wide(rows: int) -> None:
    series = filled(noise(rows, 1))
    counts = series.bins.stats[:, 0, 0]
    assert (np.diff(counts) <= 0).all()
    assert series.fold_width == max(counts, default=FOLD)
    assert series.fold_width % FOLD == 0
    wide = counts[counts < series.fold_width]
    assert (wide[:-1] == series.fold_width / 2).all()  # the newest one may not be full yet
    assert counts.sum() + len(series.newest().steps) == rows


def test_no_step_folds_more_than_a_few_rows() -> None:
    series = filled(noise(CAPACITY, 1))
    for step in range(CAPACITY, 3 * CAPACITY):
        before = series.newest().first
        series.record(step, 0.0, ["m0"], [0.0])
        assert series.newest().first - before in (0, UNIT)


def test_series_of_a_history_fold_in_different_steps() -> None:
    history = History()
    tags = [f"tag {i}" for i in range(12)]
    for tag in tags:
        history.declare(tag, ["a"])
    folding: dict[int, int] = {}
    for step in range(CAPACITY + 2 * UNIT):
        for tag in tags:
            series = history[tag]
            before = series.newest(series.rows).first, len(series.bins)
            series.record(step, 0.0, ["a"], [0.0])
            folding[step] = folding.get(step, 0) + (len(series.bins) > before[1])
    assert max(folding.values()) == 1
    assert sum(folding.values()) >= 2 * len(tags)


# ---------------------------------------------------------------- what the page asks for


def test_rows_since() -> None:
    series = filled(noise(10, 2))
    rows = series.newest(7)
    assert (rows.first, rows.steps.tolist(), rows.values.shape) == (7, [7, 8, 9], (3, 2))
    assert series.newest(10).steps.tolist() == []
    assert series.newest(99).steps.tolist() == []
    assert series.newest(-5).first == 0


def test_rows_since_one_that_is_folded_begin_with_the_oldest_left(long: Series) -> None:
    rows = long.newest(5)
    assert rows.first == LONG - len(rows.steps) > 5
    assert rows.steps[0] == rows.first


# ---------------------------------------------------------------- readings that come as they like


def test_several_readings_of_a_step_are_averaged() -> None:
    series = Series("Norm")
    for value in (1.0, 2.0, 6.0):
        series.record(0, 0.0, ["a"], [value])
    series.record(1, 0.1, ["a", "a", "b"], [1.0, 3.0, 5.0])  # a module that is used twice
    np.testing.assert_array_equal(series.values, [[3, np.nan], [2, 5]])


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_a_gap(poison: float) -> None:
    series = Series("Norm")
    series.record(0, 0.0, ["a", "b"], [1.0, poison])
    series.record(1, 0.0, ["a", "b"], [poison, poison])
    series.record(1, 0.0, ["a"], [4.0])  # a reading fills it
    series.record(1, 0.0, ["a"], [poison])  # and a gap leaves a reading alone
    np.testing.assert_array_equal(series.values, [[1, np.nan], [4, np.nan]])


def test_a_step_nobody_listened_to_has_no_row() -> None:
    series = Series("Norm")
    for step in (0, 5, 6, 50):
        series.record(step, float(step), ["a"], [step])
    assert series.steps.tolist() == [0, 5, 6, 50]


def test_a_late_reading_joins_its_step() -> None:
    series = Series("Norm")
    for step in (0, 1, 2):
        series.record(step, step / 10, ["a"], [float(step)])
    series.record(1, 0.9, ["b"], [7.0])
    series.record(1, 0.9, ["a"], [3.0])
    np.testing.assert_array_equal(series.values, [[0, np.nan], [2, 7], [2, np.nan]])
    assert series.steps.tolist() == [0, 1, 2]
    assert series.seconds.tolist() == [0, 0.1, 0.2]  # when the step was


def test_a_late_reading_of_a_step_without_a_row_joins_the_next() -> None:
    series = Series("Norm")
    for step in (0, 10):
        series.record(step, 0.0, ["a"], [float(step)])
    series.record(4, 0.0, ["b"], [7.0])
    np.testing.assert_array_equal(series.values, [[0, np.nan], [10, 7]])
    assert series.steps.tolist() == [0, 10]


def test_a_reading_later_than_its_row_lasts_changes_no_order(values: np.ndarray) -> None:
    series = filled(values[: 2 * CAPACITY])
    before = series.steps
    series.record(3, 0.0, ["m0"], [0.0])  # that step is in a bin by now
    np.testing.assert_array_equal(series.steps, before)


def test_columns_grow_at_the_right_end() -> None:
    names = ["a"]
    series = Series("Metrics", names)
    for step in range(3 * CAPACITY):
        if step == 2 * CAPACITY:
            names = ["b", "a"]
        series.record(step, 0.0, names, [float(step)] * len(names))
    assert series.modules == ["a", "b"]
    assert series.bins.stats.shape == (len(series.bins), 2, len(STATS))
    late = series.steps >= 2 * CAPACITY
    assert np.isfinite(series.values[:, 0]).all()
    np.testing.assert_array_equal(np.isfinite(series.values[:, 1]), late)
    counts = series.bins.stats[..., 0].sum(0) + np.isfinite(series.newest().values).sum(0)
    assert counts.tolist() == [3 * CAPACITY, CAPACITY]


def test_names_in_another_order_find_their_columns() -> None:
    series = Series("Norm", ["a", "b"])
    series.record(0, 0.0, ["b", "a"], [2.0, 1.0])
    series.record(1, 0.0, ("a", "b"), [3.0, 4.0])
    series.record(2, 0.0, ["b"], [5.0])
    np.testing.assert_array_equal(series.values, [[1, 2], [3, 4], [np.nan, 5]])


# ---------------------------------------------------------------- epochs and frames


def test_epochs_are_kept_by_number() -> None:
    series = Series("Norm")
    for epoch in (1, 2, 3):
        series.record_epoch(epoch, {"a": {"mean": epoch}}, {"a": {("min", "max"): (0, epoch)}})
    series.record_epoch(3, {"a": {"mean": 9.0}}, {})
    assert list(series.epochs) == [1, 2, 3]
    assert series.epochs[2] == EpochFigures({"a": {"mean": 2}}, {"a": {("min", "max"): (0, 2)}})
    assert series.epochs[3].values == {"a": {"mean": 9}}


def test_figures_of_an_epoch_may_come_in_parts() -> None:
    """Losses and metrics in one panel are handed over one after the other."""
    series = Series("Loss & Metrics")
    tag = series.tag
    series.record_epoch(1, {tag: {"train_loss mean": 0.5}}, {tag: {("lo", "hi"): (0.4, 0.6)}})
    series.record_epoch(1, {tag: {"accuracy mean": 0.9}}, {tag: {}})
    assert series.epochs[1].values == {tag: {"train_loss mean": 0.5, "accuracy mean": 0.9}}
    assert series.epochs[1].ranges == {tag: {("lo", "hi"): (0.4, 0.6)}}


def test_epochs_are_bounded() -> None:
    series = Series("Norm")
    for epoch in range(10_000):
        series.record_epoch(epoch, {}, {})
    assert len(series.epochs) < 5000
    assert max(series.epochs) == 9999


def test_as_a_data_frame(long: Series) -> None:
    frame = long.to_pandas()
    assert (frame.index.name, list(frame.columns)) == ("step", ["m0", "m1", "m2"])
    np.testing.assert_array_equal(frame.index, long.steps)
    np.testing.assert_array_equal(frame.to_numpy(), long.values)


def test_without_pandas_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        Series("Norm").to_pandas()


def test_it_says_what_it_is(long: Series) -> None:
    assert repr(long) == "Series('Norm', 3 modules, 50000 steps, 0 epochs)"
