"""Counts of active values: the same in every layout, dtype and size, whatever memory they are made in."""

from __future__ import annotations

import itertools
import math
import threading

import numpy as np
import pytest
import torch
from torch import Tensor

from monitorch_widgets.numerical import activation_and_death, count_active, neuron_rates, sample_norms
from monitorch_widgets.numerical.counting import _PIECE
from monitorch_widgets.numerical.tensors import in_order, rounded_down, some_rows

from .reference import REAL, exact, mean_sample_norm, neurons_first, rates, tensor

pytestmark = pytest.mark.usefixtures("arithmetic")

EPS = 1e-8


def layouts(values: Tensor) -> dict[str, Tensor]:
    """The same numbers of four dimensions, in other places of memory."""
    gaps = torch.zeros(*values.shape[:-1], 2 * values.shape[-1], dtype=values.dtype)[..., ::2]
    return {
        "channels last": values.to(memory_format=torch.channels_last),
        "transposed": values.transpose(0, 3).contiguous().transpose(0, 3),
        "with gaps": gaps.copy_(values),
        "from the middle": torch.cat([values, values])[len(values) :],
    }


@pytest.mark.parametrize("dtype", [*REAL, torch.complex64], ids=str)
@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("channel_last", [False, True])
def test_layouts_do_not_matter(dtype: torch.dtype, batch: bool, channel_last: bool) -> None:
    values = tensor((4, 3, 5, 2), dtype, zeros=0.5)
    where = {"batch": batch, "channel_last": channel_last}
    expected = count_active(values, EPS, **where).counts.tolist()
    active = np.abs(neurons_first(exact(values), **where)) > EPS
    assert expected == active.sum(axis=1).tolist()
    for turned in layouts(values).values():
        assert count_active(turned, EPS, **where).counts.tolist() == expected
        assert sample_norms(turned).mean().item() == pytest.approx(mean_sample_norm(exact(values)), rel=1e-5)


def test_expanded_values_count_as_often_as_they_show() -> None:
    values = torch.tensor([[1.0], [0.0]]).expand(2, 6)
    assert count_active(values, EPS, batch=False).counts.tolist() == [6, 0]
    assert count_active(values, EPS, batch=True).counts.tolist() == [1] * 6


@pytest.mark.parametrize("batch", [False, True])
@pytest.mark.parametrize("shape", [(70, 8192), (3, _PIECE + 5), (1, 3, _PIECE), (_PIECE * 2, 2), (2 * _PIECE + 7,)])
def test_large_tensors_are_counted_in_pieces(shape: tuple[int, ...], batch: bool) -> None:
    values = tensor(shape, torch.float32, zeros=0.5)
    counted = count_active(values, EPS, batch=batch)
    active = np.abs(neurons_first(exact(values), batch=batch, channel_last=False)) > EPS
    assert counted.counts.tolist() == active.sum(axis=1).tolist()
    values.view(-1)[-1] = math.nan
    assert all(map(math.isnan, activation_and_death(values, EPS, batch=batch).tolist()))


@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("batch", [False, True])
def test_what_is_not_finite_is_found_anywhere(poison: float, dtype: torch.dtype, batch: bool) -> None:
    shapes = [(1,), (3,), (2, 1), (1, 9), (5, 17), (33, 64), (2, 3, 4, 5)]
    for shape in shapes:
        values = tensor(shape, dtype)
        for place in itertools.islice(range(values.numel()), 0, None, 7):
            for turned in (values, values.to(memory_format=torch.channels_last)) if len(shape) == 4 else (values,):
                bad = turned.clone()
                bad.view(torch.Size([-1]) if bad.is_contiguous() else bad.shape)
                bad[np.unravel_index(place, shape)] = poison
                assert neuron_rates(bad, EPS, batch=batch).isnan().all()


def test_thresholds_are_rounded_down() -> None:
    """A value that exceeds the threshold exceeds it rounded down; rounded to the nearest it need not."""
    for dtype, threshold in itertools.product(REAL, (0.0, 1e-45, 1e-8, 0.01, 0.3, 1.0, 7e4, 1e39, math.inf)):
        down = rounded_down(threshold, dtype)
        assert down <= threshold
        assert torch.tensor(down, dtype=dtype).double().item() == down
    above = torch.tensor([0.3], dtype=torch.bfloat16)  # 0.30078125
    assert count_active(above, 0.3, batch=False).counts.item() == 1
    assert count_active(above, above.double().item(), batch=False).counts.item() == 0


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_autocast_and_deterministic_algorithms_leave_the_numbers_alone(dtype: torch.dtype, deterministic: bool) -> None:
    values = tensor((64, 40), dtype, zeros=0.3)
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(deterministic)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            got = activation_and_death(values, EPS, batch=True)
            norm = sample_norms(values)
    finally:
        torch.use_deterministic_algorithms(before)
    assert got.tolist() == pytest.approx(rates(exact(values), batch=True), rel=1e-6)
    assert norm.dtype is torch.float32
    assert norm.mean().item() == pytest.approx(mean_sample_norm(exact(values)), rel=1e-6)


def test_memory_that_was_made_in_inference_mode_serves_later() -> None:
    values = tensor((5, 11), torch.float32)
    with torch.inference_mode():
        inside = count_active(values * 1, EPS, batch=True).counts.tolist()
    assert count_active(values, EPS, batch=True).counts.tolist() == inside


def test_no_count_is_changed_by_the_next() -> None:
    first, second = torch.ones(4), torch.zeros(4)
    for batch in (False, True):
        counted = count_active(first, EPS, batch=batch)
        count_active(second, EPS, batch=batch)
        assert counted.counts.sum() == 4


def test_threads_do_not_share_memory() -> None:
    values = [torch.full((64, 64), float(i % 2)) for i in range(4)]
    found: list[set[float]] = [set() for _ in values]

    def count(i: int) -> None:
        for _ in range(200):
            found[i].add(count_active(values[i], EPS, batch=True).counts.sum().item())

    threads = [threading.Thread(target=count, args=[i]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{0.0}, {4096.0}, {0.0}, {4096.0}]


def test_rows_are_put_in_order_and_taken_out() -> None:
    numbers = torch.arange(12.0).reshape(6, 2)
    for places in itertools.permutations(range(4)):
        groups = [(sorted(places[:2]), numbers[sorted(places[:2])]), (sorted(places[2:]), numbers[sorted(places[2:])])]
        assert torch.equal(in_order(groups), numbers[:4])
    for rows in ([0], [5], [1, 2, 3], [0, 2, 5]):
        assert torch.equal(some_rows(numbers, rows), numbers[rows])
