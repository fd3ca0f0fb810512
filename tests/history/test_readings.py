"""Readings in blocks: the same as one by one, however they are cut."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from monitorch_widgets.history import CAPACITY, Series

NAMES = [f"m{i}" for i in range(6)]
Flat = tuple[list[str], np.ndarray, np.ndarray, np.ndarray]


def readings(seed: int, count: int, *, wild: bool) -> Flat:
    """Steps mostly ascend, with holes; names, repeats and gaps as they like; some readings come late."""
    draw = np.random.RandomState(seed)
    steps = np.cumsum(draw.choice([0, 0, 0, 1, 1, 3], count))
    if wild:
        late = draw.uniform(size=count) < 0.1
        steps = np.where(late, np.maximum(steps - draw.choice([1, 2, 5, 60], count), 0), steps)
    else:
        steps = np.repeat(np.arange(-(-count // len(NAMES))), len(NAMES))[:count]
    names = [NAMES[i] for i in (draw.randint(0, len(NAMES), count) if wild else np.arange(count) % len(NAMES))]
    values = draw.standard_normal(count)
    poisoned = draw.uniform(size=count) < 0.1
    return names, steps, steps / 10, np.where(poisoned, draw.choice([math.nan, math.inf], count), values)


def one_by_one(flat: Flat) -> Series:
    series = Series("Norm", NAMES[:3])
    for name, step, second, value in zip(*flat, strict=True):
        series.record(int(step), float(second), [name], [value])
    return series


def in_blocks(flat: Flat, cuts: np.ndarray) -> Series:
    series = Series("Norm", NAMES[:3])
    names, *numbers = flat
    edges = [0, *sorted(cuts), len(names)]
    for start, stop in itertools.pairwise(edges):
        series.record_readings(names[start:stop], *(part[start:stop] for part in numbers))
    return series


def assert_same(made: Series, expected: Series) -> None:
    order = [made.modules.index(name) for name in expected.modules]
    assert (made.rows, len(made.bins), made.fold_width) == (expected.rows, len(expected.bins), expected.fold_width)
    np.testing.assert_array_equal(made.steps, expected.steps)
    np.testing.assert_array_equal(made.seconds, expected.seconds)
    np.testing.assert_allclose(made.newest().values[:, order], expected.newest().values, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(made.bins.stats[:, order], expected.bins.stats, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(40))
def test_any_cut_gives_the_same(seed: int) -> None:
    draw = np.random.RandomState(seed)
    count = int(draw.randint(1, 400))
    flat = readings(seed, count, wild=seed % 4 > 0)
    cuts = draw.randint(0, count + 1, draw.randint(0, 12))
    assert_same(in_blocks(flat, cuts), one_by_one(flat))


@pytest.mark.parametrize("wild", [False, True])
def test_any_cut_gives_the_same_while_rows_fold(wild: bool) -> None:
    count = 4 * CAPACITY
    flat = readings(0, 2 * count if wild else len(NAMES) * (CAPACITY + 700), wild=wild)
    expected = one_by_one(flat)
    assert len(expected.bins)
    for parts in (0, 1, 40):
        cuts = np.random.RandomState(parts).randint(0, len(flat[0]), parts)
        assert_same(in_blocks(flat, cuts), expected)


@pytest.mark.parametrize("seed", range(20))
def test_a_cell_is_the_mean_of_all_that_came_for_it(seed: int) -> None:
    flat = readings(seed, 300, wild=True)
    series = in_blocks(flat, np.array([100, 101]))
    steps: list[int] = []
    held: dict[tuple[int, str], list[float]] = {}
    for name, step, _, value in zip(*flat, strict=True):
        if not steps or step > steps[-1]:
            steps.append(int(step))
        row = next(known for known in steps if known >= step)
        held.setdefault((row, name), []).extend([value] if math.isfinite(value) else [])
    assert series.steps.tolist() == steps
    for row, values in zip(steps, series.values.tolist(), strict=True):
        for name, value in zip(series.modules, values, strict=True):
            came = held.get((row, name), [])
            assert value == pytest.approx(np.mean(came), rel=1e-12, abs=1e-15) if came else math.isnan(value)


def test_one_step_in_one_call() -> None:
    series = Series("Norm")
    series.record_readings(["a", "b", "a"], [7, 7, 7], [0.5, 0.5, 0.5], [1.0, math.inf, 3.0])
    series.record_readings((), [], [], [])
    series.record_readings(("b",), [7], [0.9], [4.0])
    np.testing.assert_array_equal(series.values, [[2, 4]])
    assert (series.steps.tolist(), series.seconds.tolist()) == ([7], [0.5])


def test_columns_are_found_after_new_ones_came() -> None:
    series = Series("Norm")
    for step, names in enumerate([["a"], ["b", "a"], ["a"], ["c", "b"], ["b", "a"]]):
        series.record_readings(names, [step] * len(names), [0.0] * len(names), [ord(name) for name in names])
    assert series.modules == ["a", "b", "c"]
    for column, name in enumerate(series.modules):
        assert {value for value in series.values[:, column] if value == value} == {ord(name)}


def test_many_lists_of_names_are_not_all_remembered() -> None:
    series = Series("Norm", NAMES)
    for step in range(100):
        series.record(step, 0.0, [NAMES[step % 6], NAMES[(step // 6) % 6 - 1]], [1.0, 2.0])
        series.record_readings(NAMES * 1000, [step] * 6000, [0.0] * 6000, [1.0] * 6000)
    assert len(series._places) < 20


@pytest.mark.parametrize("step", [0, 3, 9])
def test_a_step_is_withdrawn_wherever_its_row_is(step: int) -> None:
    series = Series("Norm")
    series.record_readings(["a"] * 20, np.repeat(np.arange(10), 2), np.zeros(20), np.arange(20.0))
    series.withdraw(step)
    expected = np.arange(10) * 2 + 0.5
    expected[step] = math.nan
    np.testing.assert_array_equal(series.values[:, 0], expected)
    series.record(step, 0.0, ["a"], [3.0])
    series.record(step, 0.0, ["a"], [4.0])
    assert series.values[step, 0] == 3.5  # what was withdrawn does not weigh


def test_a_step_without_a_row_is_withdrawn_in_peace() -> None:
    series = Series("Norm")
    series.withdraw(0)
    series.record(5, 0.0, ["a"], [1.0])
    series.withdraw(4)
    assert series.values.tolist() == [[1]]


def test_a_reading_of_a_step_in_a_bin_is_dropped() -> None:
    series = Series("Norm", ["a"])
    series.record_readings(
        ["a"] * (CAPACITY + 1), np.arange(CAPACITY + 1), np.zeros(CAPACITY + 1), np.ones(CAPACITY + 1)
    )
    before = series.values
    series.record(3, 0.0, ["a"], [1e6])
    np.testing.assert_array_equal(series.values, before)
    series.record(int(series.newest().steps[0]), 0.0, ["a"], [3.0])  # the oldest at full detail
    assert series.newest().values[0, 0] == 2
