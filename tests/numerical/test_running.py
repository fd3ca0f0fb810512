"""Running statistics against NumPy over all values, in one pass and merged."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import pytest
import torch

from monitorch_widgets.numerical import RunningMeanVar, append_finite
from monitorch_widgets.numerical.running import extend_finite


def running(values: object) -> RunningMeanVar:
    made = RunningMeanVar()
    for value in np.asarray(values, float).tolist():
        made.update(value)
    return made


def assert_describes(made: RunningMeanVar, values: np.ndarray) -> None:
    finite = values[np.isfinite(values)]
    assert made.count == len(made) == len(finite)
    assert made.nonfinite == len(values) - len(finite)
    assert (made.min_, made.max_) == (finite.min(), finite.max())
    scale = np.abs(finite).max()
    assert made.mean == pytest.approx(finite.mean(), rel=1e-10, abs=1e-12 * scale)
    assert made.var == pytest.approx(finite.var(), rel=1e-8, abs=1e-12 * scale**2)


def draws(kind: str, seed: int, size: int = 700) -> np.ndarray:
    draw = np.random.RandomState(seed)
    values = draw.standard_normal(size)
    if kind == "far from zero":
        return 1e9 + values  # where the textbook formula for the variance cancels to nothing
    if kind == "many decades":
        return np.exp(12 * values)
    if kind == "with gaps":
        return np.where(draw.uniform(size=size) < 0.3, draw.choice([math.nan, math.inf, -math.inf], size), values)
    return values


KINDS = ["plain", "far from zero", "many decades", "with gaps"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_one_pass(kind: str, seed: int) -> None:
    values = draws(kind, seed)
    assert_describes(running(values), values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_merged_in_any_order_is_one_pass(kind: str, seed: int) -> None:
    values = draws(kind, seed)
    cuts = np.sort(np.random.RandomState(seed).randint(0, len(values), 3))
    parts = [*np.split(values, cuts), np.empty(0)]  # one rank saw nothing
    for order in itertools.permutations(range(len(parts)), len(parts)):
        merged = RunningMeanVar()
        for i in order:
            merged.merge(running(parts[i]))
        assert_describes(merged, values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cuts", [[], [1], [0, 0, 350], [1, 2, 3, 699]], ids=str)
@pytest.mark.parametrize("as_list", [False, True])
def test_many_at_once_are_one_by_one(kind: str, cuts: list[int], as_list: bool) -> None:
    values = draws(kind, 7)
    made = RunningMeanVar()
    for part in np.split(values, cuts):
        made.extend(part.tolist() if as_list else part)
    assert_describes(made, values)
    single = running(values)
    assert (made.count, made.nonfinite, made.min_, made.max_) == (
        single.count,
        single.nonfinite,
        single.min_,
        single.max_,
    )
    assert made.mean == pytest.approx(single.mean, rel=1e-12, abs=1e-12)
    assert made.sketch.state() == single.sketch.state()
    if kind != "far from zero":  # where one by one, too, is off in the twelfth place
        assert made.var == pytest.approx(single.var, rel=1e-12)


def test_many_at_once_and_one_by_one_mix() -> None:
    values = draws("with gaps", 3, 5000)
    made = RunningMeanVar()
    for part in np.split(values, 10):
        made.extend(part[:300])
        for value in part[300:].tolist():
            made.update(value)
    assert_describes(made, values)


def test_the_largest_numbers_neither_warn_nor_stop_a_run() -> None:
    made = RunningMeanVar()
    for _ in range(2):
        made.extend([1e308, -1e308, 1e308])
    assert (made.count, made.min_, made.max_) == (6, -1e308, 1e308)


@pytest.mark.parametrize("nothing", [[], np.empty(0), [math.nan], np.full(3, math.inf)], ids=str)
def test_nothing_finite_at_once(nothing: object) -> None:
    made = running([1, 2])
    made.extend(nothing)  # type: ignore[arg-type]
    assert (made.count, made.mean, made.nonfinite) == (2, 1.5, len(nothing))  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(5))
def test_merged_as_a_tree_is_one_pass(seed: int) -> None:
    values = draws("plain", seed, 64)
    parts = [running(part) for part in np.split(values, 8)]
    while len(parts) > 1:
        for left, right in zip(parts[::2], parts[1::2], strict=True):
            left.merge(right)
        parts = parts[::2]
    assert_describes(parts[0], values)
    assert parts[0].sketch.quantile(0.5, interpolate=True) == pytest.approx(np.median(values), rel=1e-12)


def test_merging_leaves_the_other_as_it_is() -> None:
    one, other = running([1, 2]), running([5])
    one.merge(other)
    other.update(7)
    assert (one.count, one.max_, len(one.sketch)) == (3, 5, 3)
    assert (other.count, other.max_) == (2, 7)


def test_nothing_yet() -> None:
    empty = RunningMeanVar()
    assert (empty.count, empty.mean, empty.var, empty.min_, empty.max_) == (0, 0, 0, math.inf, -math.inf)
    empty.merge(RunningMeanVar())
    assert empty == RunningMeanVar()
    assert not empty


def test_one_value_has_no_variance() -> None:
    assert running([3.5]).var == 0


def test_equal_values_have_no_variance_and_never_a_negative_one() -> None:
    assert running([0.1] * 1000).var == pytest.approx(0, abs=1e-30)
    assert running([0.1] * 1000).var >= 0


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_a_poisoned_value_is_counted_and_goes_no_further(poison: float) -> None:
    """monitorch's mean, sigma and extremes of an epoch are NaN or infinite from then on."""
    made = running([1.0, poison, 3.0])
    assert (made.count, made.mean, made.var, made.min_, made.max_, made.nonfinite) == (2, 2, 1, 1, 3, 1)
    assert made.sketch.quantile(1.0) == 3


def test_a_poisoned_value_leaves_a_gap_in_a_list() -> None:
    kept: list[float] = []
    for value in (1.0, math.nan, math.inf, 2.0):
        append_finite(kept, value)
    assert kept == [1, 2]
    extend_finite(kept, np.array([math.nan, 3.0, -math.inf]))
    assert kept == [1, 2, 3]


def test_many_are_added_as_one_by_one() -> None:
    together, alone = RunningMeanVar(), RunningMeanVar()
    values = np.array([1.0, math.nan, 3.0, math.inf])
    extend_finite(together, values)
    for value in values:
        append_finite(alone, value)
    assert together == alone


@pytest.mark.parametrize("value", [torch.tensor(2.0), torch.tensor([[2.0]]), torch.ones(1, requires_grad=True) * 2])
def test_a_tensor_of_one_element_is_a_number(value: torch.Tensor) -> None:
    made = RunningMeanVar()
    made.append(value)  # the list's verb; a graph at the tensor neither warns nor stays alive
    assert (made.mean, type(made.mean)) == (2, float)


def test_it_reads_as_count_mean_and_variance() -> None:
    count, mean, var = running([1, 3])
    assert (count, mean, var) == (2, 2, 1)


@pytest.mark.parametrize("values", [[], [1.0, math.nan, 4.0], list(range(5000))], ids=len)
def test_state_is_plain_and_brings_everything_back(values: list[float]) -> None:
    made = running(values)
    state = pickle.loads(pickle.dumps(made.state()))
    assert set(map(type, state.values())) <= {int, float, tuple}
    back = RunningMeanVar.from_state(state)
    assert back == made
    assert back.sketch.state() == made.sketch.state()
