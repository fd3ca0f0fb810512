"""Norms and correlations against their definition."""

from __future__ import annotations

import copy
import itertools
import math

import numpy as np
import pytest
import torch

from monitorch_widgets.numerical import (
    ConsecutiveTensors,
    GeometryComputation,
    RunningMeanVar,
    lengths_of,
    precise,
    sample_norm,
    walk,
    wide,
)
from monitorch_widgets.numerical.tensors import dot_into

from .reference import (
    COMPLEX,
    EMPTY,
    REAL,
    SHAPES,
    cosine,
    exact,
    mean_sample_norm,
    norm,
    tensor,
    tolerance,
)

pytestmark = pytest.mark.usefixtures("arithmetic")

EPS = 1e-8


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("dtype", REAL + COMPLEX, ids=str)
@pytest.mark.parametrize("shape", [(), *SHAPES], ids=str)
def test_norm_and_correlation_are_those_of_the_definition(
    shape: tuple[int, ...], dtype: torch.dtype, normalize: bool
) -> None:
    first, second = tensor(shape, dtype, 1), tensor(shape, dtype, 2)
    measured = ConsecutiveTensors(normalize, correlation=True, eps=EPS)
    (before,) = measured.measure(["x"], [first]).tolist()
    (after,) = measured.measure(["x"], [second]).tolist()
    near = {"rel": tolerance(dtype), "abs": tolerance(dtype)}
    assert before[0] == pytest.approx(norm(exact(first), normalize), **near)
    assert math.isnan(before[1])  # nothing came before
    assert after == pytest.approx([norm(exact(second), normalize), cosine(exact(first), exact(second))], **near)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("dtype", REAL + COMPLEX, ids=str)
@pytest.mark.parametrize("shape", [(), *SHAPES], ids=str)
def test_mean_norm_of_samples(shape: tuple[int, ...], dtype: torch.dtype, normalize: bool) -> None:
    output = tensor(shape, dtype)
    expected = mean_sample_norm(exact(output), normalize)
    assert sample_norm(output, normalize=normalize).item() == pytest.approx(expected, rel=tolerance(dtype))


@pytest.mark.parametrize("dtype", REAL + COMPLEX, ids=str)
@pytest.mark.parametrize("shape", EMPTY, ids=str)
@pytest.mark.parametrize("normalize", [False, True])
def test_nothing_has_no_norm(dtype: torch.dtype, shape: tuple[int, ...], normalize: bool) -> None:
    empty = torch.zeros(shape, dtype=dtype)
    assert math.isnan(sample_norm(empty, normalize=normalize).item())
    measured = ConsecutiveTensors(normalize, correlation=True, eps=EPS)
    for _ in range(2):
        assert all(map(math.isnan, measured.measure(["x"], [empty])[0].tolist()))


@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_stays_so(dtype: torch.dtype, poison: float) -> None:
    good, bad = tensor((4, 3), dtype), tensor((4, 3), dtype, 1)
    bad[2, 1] = poison
    assert not math.isfinite(sample_norm(bad).item())
    measured = ConsecutiveTensors(False, correlation=True, eps=EPS)
    rows = [measured.measure(["x"], [each])[0].tolist() for each in (good, bad, good, good)]
    finite = [[math.isfinite(value) for value in row] for row in rows]
    # the poisoned tensor has neither, the one after it no correlation, then all is well again
    assert finite == [[True, False], [False, False], [True, False], [True, True]]


def test_half_types_are_widened_before_they_are_squared() -> None:
    huge = torch.full((1000,), 6e4, dtype=torch.float16)  # the squares are beyond float16
    small = torch.full((1000,), 6e-8, dtype=torch.float16)  # the squares are below it
    for each in (huge, small):
        assert sample_norm(each[None]).item() == pytest.approx(norm(exact(each)), rel=1e-6)
        (row,) = ConsecutiveTensors(True, correlation=False, eps=EPS).measure(["x"], [each]).tolist()
        assert row == pytest.approx([norm(exact(each), True)], rel=1e-6)


def test_many_tensors_at_once_equal_one_by_one() -> None:
    names = [f"{shape}{dtype}" for shape in SHAPES for dtype in REAL]
    together, alone = (ConsecutiveTensors(True, correlation=True, eps=EPS) for _ in range(2))
    for seed in range(3):
        tensors = [tensor(shape, dtype, seed) for shape in SHAPES for dtype in REAL]
        expected = torch.cat([alone.measure([name], [each]) for name, each in zip(names, tensors, strict=True)])
        torch.testing.assert_close(
            together.measure(names, tensors), expected.double(), equal_nan=True, rtol=1e-6, atol=1e-6
        )


def test_a_tensor_that_comes_later_or_changes_shape_starts_anew() -> None:
    measured = ConsecutiveTensors(False, correlation=True, eps=EPS)
    a, b = tensor((4, 3), torch.float32), tensor((5,), torch.float32)
    measured.measure(["a"], [a])
    rows = measured.measure(["a", "b"], [a, b])
    assert rows[0, 1].item() == pytest.approx(1)
    assert math.isnan(rows[1, 1].item())
    rows = measured.measure(["b", "a"], [-b, a[:2]])
    assert rows[0, 1].item() == pytest.approx(-1)
    assert math.isnan(rows[1, 1].item())


def test_nothing_is_kept_of_a_graph() -> None:
    measured = ConsecutiveTensors(False, correlation=True, eps=EPS)
    for values in (torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True) * 2):
        look = measured.look("x", values)
        assert not any(part.requires_grad for part in look[:3])
    assert measured.numbers([look]).tolist() == [pytest.approx([12**0.5, 1])]


def test_after_an_interruption_nothing_is_compared_and_no_new_copy_is_made() -> None:
    measured = ConsecutiveTensors(False, correlation=True, eps=EPS)
    a, b = tensor((4, 3), torch.float32), tensor((5,), torch.float32)
    for _ in range(2):
        rows = [measured.measure([name], [values])[0, 1].item() for name, values in (("a", a), ("b", b))]
    assert rows == [pytest.approx(1)] * 2
    kept = [each.tensor.data_ptr() for each in measured._previous.values()]
    measured.interrupt()
    first = measured.measure(["a"], [-a])
    assert math.isnan(first[0, 1]) and math.isnan(measured.numbers([measured.look("b", -b)])[0, 1])
    assert measured.measure(["a"], [a])[0, 1].item() == pytest.approx(-1)
    assert measured.numbers([measured.look("b", b)])[0, 1].item() == pytest.approx(-1)
    assert [each.tensor.data_ptr() for each in measured._previous.values()] == kept


def test_views_in_any_layout() -> None:
    base = tensor((6, 4, 8), torch.float32)
    measured = ConsecutiveTensors(False, correlation=True, eps=EPS)
    measured.measure(["x"], [base.transpose(0, 2)])
    (row,) = measured.measure(["x"], [base.permute(2, 1, 0).contiguous()]).tolist()
    assert row == pytest.approx([norm(exact(base)), 1])


def test_the_kept_copy_is_a_copy() -> None:
    gradient = tensor((4, 3), torch.float32)
    measured = ConsecutiveTensors(False, correlation=True, eps=EPS)
    measured.measure(["x"], [gradient])
    before = exact(gradient).copy()
    gradient.copy_(tensor((4, 3), torch.float32, 1))  # as zero_grad(set_to_none=False) and backward do
    assert measured.measure(["x"], [gradient])[0, 1].item() == pytest.approx(cosine(before, exact(gradient)), rel=1e-5)
    assert measured.memory_bytes == 4 * 3 * 4


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("correlation", [False, True])
def test_sparse_gradients_count_their_zeros(normalize: bool, correlation: bool) -> None:
    first = torch.sparse_coo_tensor([[0, 1]], [[1.0, 2.0], [3.0, 4.0]], (6, 2), check_invariants=False)
    # as many rows stored, but others: orthogonal to the first one
    second = torch.sparse_coo_tensor([[5, 4, 5]], [[1.0, 2.0], [3.0, 4.0], [1.0, 1.0]], (6, 2), check_invariants=False)
    measured = ConsecutiveTensors(normalize, correlation, eps=EPS)
    for gradient in (first, second):
        (row,) = measured.measure(["x"], [gradient]).tolist()
        assert row[0] == pytest.approx(norm(exact(gradient), normalize))
    if correlation:
        assert row[1] == 0


def test_widening() -> None:
    assert [wide(tensor((2,), dtype)).dtype for dtype in REAL] == [torch.float32] * 3 + [torch.float64]
    assert [precise(tensor((2,), dtype)).dtype for dtype in COMPLEX] == COMPLEX
    assert wide(torch.arange(3)).dtype is torch.float32
    conjugated = tensor((3,), torch.complex64).conj()
    assert wide(conjugated).flatten().tolist() == torch.view_as_real(conjugated.resolve_conj()).flatten().tolist()


# ---------------------------------------------------------------- GeometryComputation: one tensor after the other


def geometry(inplace: bool = False, normalize: bool = False) -> GeometryComputation:
    return GeometryComputation(inplace=inplace, normalize=normalize, correlation=True, eps=EPS)


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_a_sequence_of_tensors(inplace: bool, normalize: bool) -> None:
    tensors = [tensor((5, 3), torch.float32, seed) for seed in range(9)]
    computed = geometry(inplace, normalize)
    for each in tensors:
        computed.update(each)
    norms = [norm(exact(each), normalize) for each in tensors]
    products = [cosine(exact(a), exact(b)) for a, b in itertools.pairwise(tensors)]
    for accumulator, expected in ((computed.norm, norms), (computed.product, products)):
        if isinstance(accumulator, RunningMeanVar):
            assert accumulator.count == len(expected)
            assert accumulator.mean == pytest.approx(np.mean(expected), rel=1e-5, abs=1e-6)
            assert accumulator.var == pytest.approx(np.var(expected), rel=1e-4, abs=1e-6)
        else:
            assert accumulator == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_without_correlation_the_value_is_the_norm_alone() -> None:
    computed = GeometryComputation(inplace=False, normalize=False, correlation=False, eps=EPS)
    computed.update(torch.tensor([3.0, 4.0]))
    assert computed.value == [5]


def test_correlation_carries_over_the_end_of_an_epoch() -> None:
    """Four equal gradients an epoch: monitorch's mean is 0.75, because it forgets the last one of the epoch before."""
    computed = geometry(inplace=True)
    for epoch in range(3):
        for _ in range(4):
            computed.update(torch.tensor([3.0, 4.0]))
        norms, products = computed.value
        assert (norms.count, norms.mean) == (4, 5)
        assert products.mean == pytest.approx(1)
        assert products.count == (3 if epoch == 0 else 4)  # the very first gradient has none
        computed.reset()


@pytest.mark.parametrize("length", [1e-5, 1.0, 1e5])
def test_correlation_does_not_depend_on_length(length: float) -> None:
    """monitorch adds eps to the product of the lengths, and so calls parallel gradients of 1e-5 nearly unrelated."""
    computed = geometry()
    for _ in range(2):
        computed.update(torch.tensor([0.6, 0.8], dtype=torch.float64) * length)
    assert computed.product == [pytest.approx(1, rel=1e-12)]


def test_a_tensor_without_length_has_no_direction() -> None:
    computed = geometry()
    for each in ([1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0]):
        computed.update(torch.tensor(each))
    assert computed.norm == [1, 0, 1, 1]
    assert computed.product == [1]


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_poisoned_tensor_leaves_a_gap_and_is_counted(poison: float) -> None:
    computed = geometry(inplace=True)
    for each in ([3.0, 4.0], [poison, 1.0], [3.0, 4.0], [6.0, 8.0]):
        computed.update(torch.tensor(each))
    norms, products = computed.value
    assert (norms.count, norms.mean, norms.max_, norms.nonfinite) == (3, pytest.approx(20 / 3), 10, 1)
    assert (products.count, products.mean) == (1, pytest.approx(1))


@pytest.mark.parametrize("size", [10, 40_000, 1_000_003])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_norms_and_products_of_many_values_lose_nothing(size: int, dtype: torch.dtype) -> None:
    """Added up one after the other, a million squares in float32 lose 1e-5 of the norm."""
    a, b = tensor((size,), dtype, 0), tensor((size,), dtype, 1)
    near = 1e-12 if dtype == torch.float64 else 5e-7
    for length, values in zip(lengths_of([a, b, a[:1]]), (a, b, a[:1]), strict=True):
        assert length.item() == pytest.approx(norm(exact(values)), rel=near)
    expected = (exact(a) * exact(b)).sum()
    kept = a.clone()
    assert dot_into(kept, b).item() == pytest.approx(expected, abs=near * norm(exact(a)) * norm(exact(b)))
    assert torch.equal(kept, b)


@pytest.mark.parametrize("shape", [(1_000_000, 1), (1, 1_000_000), (2, 500_000), (1000, 1000), (16, 64, 32, 32)])
def test_norms_lose_nothing_in_any_layout(shape: tuple[int, ...]) -> None:
    values = tensor(shape, torch.float32)
    turned = [values, values.transpose(0, 1), values.expand(3, *shape)[1:]]
    turned += [values.to(memory_format=torch.channels_last)] if len(shape) == 4 else []
    for each, length in zip(turned, lengths_of(turned), strict=True):
        assert length.item() == pytest.approx(norm(exact(each)), rel=5e-7)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_norms_of_many_values_keep_what_is_not_finite(poison: float) -> None:
    values = torch.ones(100_000)
    values[77] = poison
    assert not math.isfinite(lengths_of([values])[0].item())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_tensors_that_come_together_lose_nothing(dtype: torch.dtype) -> None:
    measured = ConsecutiveTensors(False, correlation=True, eps=EPS)
    names, tensors = ["a", "b", "c"], [torch.full((700, 900), 0.1, dtype=dtype), torch.ones(3, dtype=dtype)]
    tensors.append(torch.tensor([math.nan, 1.0], dtype=dtype))
    for _ in range(2):
        rows = measured.measure(names, tensors)
    assert measured.memory_under("a") == tensors[0].numel() * tensors[0].element_size()
    assert rows[:2, 0].tolist() == pytest.approx([each.double().norm().item() for each in tensors[:2]], rel=1e-6)
    assert rows[:2, 1].tolist() == pytest.approx([1, 1], rel=1e-6) and rows[2].isnan().all()


def test_a_norm_beyond_what_torch_can_square_is_infinite_or_right() -> None:
    together = ConsecutiveTensors(False, correlation=True, eps=EPS)
    tensors = [torch.tensor([3e30, 4e30]), torch.tensor([3.0, 4.0])]
    rows = [together.measure(["a", "b"], tensors) for _ in range(2)][1]
    norm, correlation = rows[0].tolist()
    assert (norm, correlation) == pytest.approx((5e30, 1)) if walk._kernels() else norm == math.inf
    assert rows[1].tolist() == [5, 1]


@pytest.mark.parametrize("odd", [math.inf, -math.inf, math.nan], ids=str)
def test_one_that_is_not_finite_leaves_the_others_alone(odd: float) -> None:
    together = ConsecutiveTensors(False, correlation=True, eps=EPS)
    tensors = [torch.zeros(0), torch.tensor([3.0, odd, -odd]), torch.tensor([3.0, 4.0]), torch.zeros(2, 0)]
    first, second = (together.measure(list("abcd"), tensors) for _ in range(2))
    assert not first[:2].isfinite().any() and not second[:2].isfinite().any()
    assert first[2, 0] == 5 and second[2].tolist() == [5, 1]


def test_a_copy_goes_on_by_itself() -> None:
    together = ConsecutiveTensors(False, correlation=True, eps=EPS)
    for value in (1.0, 2.0):
        together.measure(["a", "b"], [torch.full((3,), value)] * 2)
    twin = copy.deepcopy(together)
    together.measure(["a", "b"], [torch.tensor([1.0, -1.0, 0.0])] * 2)
    assert twin.measure(["a", "b"], [torch.tensor([-3.0, -3.0, -3.0])] * 2)[:, 1].tolist() == pytest.approx([-1, -1])
