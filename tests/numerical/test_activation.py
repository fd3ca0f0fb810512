"""Activation and death rates against their definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from monitorch_widgets.numerical import (
    Streaks,
    activation_and_death,
    count_active,
    neuron_rates,
    reduce_activation_to_activation_rates,
)
from monitorch_widgets.numerical.marks import Marks, marked

from .reference import COMPLEX, EMPTY, REAL, SHAPES, exact, neurons_first, rates, tensor

pytestmark = pytest.mark.usefixtures("arithmetic")

NAN = float("nan")


@pytest.mark.parametrize("dtype", REAL + COMPLEX, ids=str)
@pytest.mark.parametrize("shape", [(), *SHAPES], ids=str)
@pytest.mark.parametrize(("batch", "channel_last"), [(False, False), (True, False), (True, True)])
def test_rates_are_those_of_the_definition(
    dtype: torch.dtype, shape: tuple[int, ...], batch: bool, channel_last: bool
) -> None:
    values = tensor(shape, dtype, zeros=0.6)
    if values.dim() > 1:
        values[:, 0] = 0  # a neuron that is dead, wherever neurons are
        values[0] = 0
        values[..., 0] = 0
    got = activation_and_death(values, 1e-8, batch=batch, channel_last=channel_last)
    assert got.tolist() == pytest.approx(rates(exact(values), batch=batch, channel_last=channel_last), rel=1e-6)


def test_one_value_is_one_neuron() -> None:
    assert activation_and_death(torch.tensor(2.0), 1e-8, batch=False).tolist() == [1, 0]
    assert activation_and_death(torch.tensor(0.0), 1e-8, batch=True).tolist() == [0, 1]


def test_one_dimension_is_a_batch_of_one_neuron_or_one_value_per_neuron() -> None:
    values = torch.tensor([0.0, 1.0, 0.0, 2.0])
    assert activation_and_death(values, 1e-8, batch=True).tolist() == [0.5, 0]
    assert activation_and_death(values, 1e-8, batch=False).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("shape", EMPTY, ids=str)
@pytest.mark.parametrize("batch", [False, True])
def test_nothing_has_no_rates(dtype: torch.dtype, shape: tuple[int, ...], batch: bool) -> None:
    assert all(map(math.isnan, activation_and_death(torch.zeros(shape, dtype=dtype), 1e-8, batch=batch).tolist()))


@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("poison", [NAN, math.inf, -math.inf])
def test_a_value_that_is_not_finite_leaves_no_rates(dtype: torch.dtype, poison: float) -> None:
    values = tensor((4, 3, 2), dtype)
    values[1, 2, 0] = poison
    assert all(map(math.isnan, activation_and_death(values, 1e-8, batch=True).tolist()))


def test_infinities_of_both_signs_do_not_cancel() -> None:
    values = torch.tensor([[math.inf, -math.inf]])
    assert all(map(math.isnan, activation_and_death(values, 1e-8, batch=True).tolist()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=str)
def test_huge_but_finite_values_have_rates(dtype: torch.dtype) -> None:
    values = torch.full((64, 3), 3e38).to(dtype)  # their sum is beyond the dtype
    assert activation_and_death(values, 1e-8, batch=True).tolist() == [1, 0]


def test_eps_is_the_largest_magnitude_that_counts_as_zero() -> None:
    values = torch.tensor([[0.5, -0.5, 0.25, -0.6]], dtype=torch.float64)
    assert activation_and_death(values, 0.5, batch=True).tolist() == [0.25, 0.75]


def test_a_small_float16_is_not_zero() -> None:
    smallest = torch.full((2, 2), 2.0**-24, dtype=torch.float16)
    assert activation_and_death(smallest, 1e-8, batch=True).tolist() == [1, 0]


def test_a_complex_value_is_one_value() -> None:
    values = torch.tensor([[[1j, 0j], [1 + 0j, 0j]]])  # (B, T, C) with one dead channel of two
    assert activation_and_death(values, 1e-8, batch=True, channel_last=True).tolist() == [0.5, 0.5]


def test_rows_that_a_sparse_gradient_leaves_out_are_dead() -> None:
    gradient = torch.sparse_coo_tensor([[3, 1]], [[1.0, 0.0], [2.0, 3.0]], (8, 2), check_invariants=False)
    got = activation_and_death(gradient, 1e-8, batch=False)
    assert got.tolist() == [3 / 16, 6 / 8] == list(rates(exact(gradient), batch=False))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("batch", [False, True])
def test_rates_of_each_neuron(shape: tuple[int, ...], batch: bool) -> None:
    active = tensor(shape, torch.float32, zeros=0.5) != 0
    expected = neurons_first(active.numpy(), batch=batch, channel_last=False).mean(axis=1)
    got = reduce_activation_to_activation_rates(active, batch)
    assert got.dtype is torch.float32
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-6)


def test_streaks_against_their_definition() -> None:
    draw, streaks, dead = np.random.RandomState(0), Streaks(window=3), []
    for i in range(12):
        each = torch.from_numpy(draw.uniform(size=5) * (draw.uniform(size=5) < 0.5)).float()
        dead.append((each == 0).numpy())
        expected = np.mean(np.all(dead[-3:], axis=0)) if i >= 2 else math.nan
        assert streaks.update(["fc"], each[None], each[None] == 0).item() == pytest.approx(expected, nan_ok=True)


def test_streaks_are_kept_by_name_and_begin_anew() -> None:
    streaks, dead = Streaks(window=2), torch.zeros(3)

    def one(name: str, each: torch.Tensor) -> float:
        return streaks.update([name], each[None], each[None] == 0).item()

    assert math.isnan(one("a", dead)) and math.isnan(one("b", dead)) and one("a", dead) == 1
    assert math.isnan(one("a", dead[:2])) and one("a", dead[:2]) == 1  # another number of neurons
    streaks.forget()
    assert math.isnan(one("a", dead[:2]))


def test_streaks_of_many_names_at_once_are_those_of_each_by_itself() -> None:
    """Several of one name, names in any order, and not all of them each time."""
    draw, together, alone = np.random.RandomState(0), Streaks(window=3), Streaks(window=3)
    for _ in range(60):
        names = [str(name) for name in draw.choice(list("abcd"), size=draw.randint(1, 9))]
        each = torch.from_numpy(draw.uniform(size=(len(names), 4)) * (draw.uniform(size=(len(names), 4)) < 0.4)).float()
        expected = [alone.update([n], row[None], row[None] == 0).item() for n, row in zip(names, each, strict=True)]
        assert together.update(names, each, each == 0).tolist() == pytest.approx(expected, nan_ok=True)


def test_streaks_pass_over_what_is_not_known() -> None:
    streaks, unknown = Streaks(window=2), torch.full((2,), math.nan)
    for each in (torch.zeros(2), unknown, unknown):
        assert math.isnan(streaks.update(["a"], each[None], each[None] == 0).item())
    assert streaks.update(["a"], torch.zeros(1, 2), torch.ones(1, 2) > 0).item() == 1


def test_neurons_of_an_empty_tensor_have_no_rates() -> None:
    assert neuron_rates(torch.zeros(0, 3), 1e-8, batch=True).shape == (0,)


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_gradients_that_are_marked_together_are_counted_as_each_by_itself(poison: float) -> None:
    shapes = [(), (1,), (70,), (5, 17), (5, 17), (17, 5), (3, 4, 2), (64, 64)]
    tensors = [tensor(shape, torch.float32, zeros=0.5) for shape in shapes]
    tensors[-1].view(-1)[100] = tensors[-4].view(-1)[3] = poison
    names = [str(i) for i in range(len(shapes))]
    plans: list[Marks] = []
    for _ in range(2):
        found = marked(plans, names, tensors, 1e-8)
        assert len(plans) == 1 and sorted(found.plan.names) == names
        for alike in found.plan.alike:
            blocks = found.counts[alike.start :].split(alike.neurons)
            for name, counts in zip(alike.names, blocks, strict=False):
                one = count_active(tensors[int(name)], 1e-8, batch=False)
                assert one.size == alike.size
                if one.check.isfinite().all():
                    assert counts.tolist() == one.counts.tolist()
                else:
                    assert not counts.isfinite().all()


@pytest.mark.parametrize("steps", [1, 2, 7])
def test_streaks_over_several_steps_at_once_are_those_step_by_step(steps: int) -> None:
    together, apart, names = Streaks(3), Streaks(3), ["a", "b"]
    for _ in range(3):
        shares = (torch.rand(steps, 2, 4) < 0.4).float()
        shares[torch.rand(steps, 2) < 0.2] = math.nan
        rows = [(name, step[row][None]) for step in shares for row, name in enumerate(names)]
        expected = [apart.update([name], row, row == 0).item() for name, row in rows]
        np.testing.assert_allclose(together.update_steps(names, shares).flatten().tolist(), expected)
