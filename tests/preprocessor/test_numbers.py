"""Every built-in preprocessor against the float64 definition, over dtypes and shapes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from monitorch_widgets.numerical import RunningMeanVar, extract_point
from monitorch_widgets.preprocessor import (
    GradientActivation,
    GradientGeometry,
    OutputActivation,
    OutputNorm,
    ParameterCond,
    ParameterDifferenceGeometry,
    ParameterNorm,
    ParameterUpdateRatio,
)

from ..numerical.reference import COMPLEX, REAL, SHAPES, exact, norm
from ..numerical.reference import tensor as drawn
from .kinds import KINDS, Kind, channels, loss_module, tensors_of

BATCHES = 4


def fed(kind: Kind, tensors: list[torch.Tensor], inplace: bool) -> list[Any]:
    preprocessor = kind.make(inplace)
    for each in tensors:
        kind.feed(preprocessor, "fc", each)
    return channels(preprocessor.value["fc"])


def near(kind: Kind, dtype: torch.dtype) -> dict[str, float]:
    precision = 1e-10 if dtype in (torch.float64, torch.complex128) and "Activation" not in kind.name else 5e-6
    # the smallest singular value, and the condition number with it, is known less well
    return {"rel": precision * (100 if kind.name == "ParameterCond" else 1), "abs": precision}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("dtype", REAL + COMPLEX, ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_readings_are_those_of_the_definition(kind: Kind, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    tensors = tensors_of(dtype, shape, BATCHES)
    expected = kind.expected([exact(each) for each in tensors])
    for channel, readings in zip(fed(kind, tensors, inplace=False), expected, strict=True):
        finite = [reading for reading in readings if math.isfinite(reading)]
        assert channel == pytest.approx(finite, **near(kind, dtype))


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_in_place_and_in_memory_give_the_same_figures(kind: Kind, dtype: torch.dtype) -> None:
    """monitorch has no median and no quartiles with inplace=True."""
    tensors = tensors_of(dtype, (4, 3, 5), 9)
    for kept, running in zip(fed(kind, tensors, inplace=False), fed(kind, tensors, inplace=True), strict=True):
        assert isinstance(kept, list)
        assert isinstance(running, RunningMeanVar)
        assert running.count == len(kept)
        for method in ("mean", "std", "median", "Q1", "Q3", "IQR", "min", "max"):
            assert extract_point(running, method) == pytest.approx(extract_point(kept, method), abs=1e-9, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("poison", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_a_poisoned_batch_leaves_a_gap_and_nothing_else(kind: Kind, poison: float, dtype: torch.dtype) -> None:
    """In monitorch one NaN batch makes the epoch's mean and sigma NaN."""
    tensors = tensors_of(dtype, (4, 3), 7)
    tensors[3][1, 1] = poison
    with np.errstate(invalid="ignore"):
        expected = kind.expected([exact(each) for each in tensors])
    for channel, readings in zip(fed(kind, tensors, inplace=True), expected, strict=True):
        finite = [reading for reading in readings if math.isfinite(reading)]
        assert channel.count == len(finite)
        assert channel.nonfinite == len(readings) - len(finite)
        assert channel.mean == pytest.approx(np.mean(finite), rel=1e-4, abs=1e-6)
        assert channel.var == pytest.approx(np.var(finite), rel=1e-3, abs=1e-6)
        assert (channel.min_, channel.max_) == pytest.approx((min(finite), max(finite)), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0,)], ids=str)
def test_an_empty_tensor_leaves_a_gap(kind: Kind, shape: tuple[int, ...]) -> None:
    for channel in fed(kind, [torch.zeros(shape)] * 3, inplace=True):
        assert channel.count == 0
        assert channel.nonfinite > 0


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("dtype", REAL, ids=str)
def test_one_number_is_enough(kind: Kind, dtype: torch.dtype) -> None:
    tensors = [torch.tensor(value, dtype=dtype) for value in (2.0, 4.0, 3.0)]
    expected = kind.expected([exact(each) for each in tensors])
    for channel, readings in zip(fed(kind, tensors, inplace=False), expected, strict=True):
        assert channel == pytest.approx([reading for reading in readings if math.isfinite(reading)])


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_tensors_are_neither_kept_alive_nor_changed(kind: Kind) -> None:
    values = drawn((4, 3), torch.float32)
    graph = values.clone().requires_grad_() * 1
    before = exact(graph).copy()
    preprocessor = kind.make(False)
    if kind.name not in ("ParameterNorm", "ParameterCond"):  # those look at a module
        kind.feed(preprocessor, "fc", graph)
        kind.feed(preprocessor, "fc", graph)
        preprocessor.value  # noqa: B018 - what waits is brought in
    np.testing.assert_array_equal(exact(graph), before)
    graph.sum().backward()


# ---------------------------------------------------------------- what each has of its own


def test_updates_of_half_types_are_not_rounded_again() -> None:
    """0.1 - 256 is no bfloat16: the difference is taken in float32."""
    before = torch.full((64,), 256.0, dtype=torch.bfloat16)
    after = torch.full((64,), 0.1, dtype=torch.bfloat16)
    updates = ParameterDifferenceGeometry(False, False, inplace=False)
    updates.process_tensor("w", before)
    updates.process_tensor("w", after)
    assert updates.value["w"] == [pytest.approx(norm(exact(after) - exact(before)), rel=1e-6)]


def test_the_first_update_of_all_has_a_predecessor_if_it_was_remembered() -> None:
    updates = ParameterDifferenceGeometry(True, False, inplace=False)
    weight = torch.zeros(2)
    updates.remember(["w"], [weight])
    for _ in range(2):
        weight += torch.tensor([0.6, 0.8])  # in place, as optimizers do
        updates.process_tensors(["w"], [weight])
    assert updates.value["w"] == ([pytest.approx(1), pytest.approx(1)], [pytest.approx(1)])
    assert updates.memory_bytes == 2 * 2 * 4
    updates.forget()
    assert updates.memory_bytes == 0


def test_a_parameter_that_changes_shape_starts_anew() -> None:
    updates = ParameterDifferenceGeometry(False, False, inplace=False)
    for tensor in (torch.zeros(2), torch.ones(3), torch.ones(3) * 3):
        updates.process_tensor("w", tensor)
    assert updates.value["w"] == [pytest.approx(math.sqrt(12))]


def test_a_module_without_bias_keeps_its_weight() -> None:
    """monitorch drops a module that lacks one of the parameters."""
    norms = ParameterNorm(["weight", "bias"], False, inplace=False)
    layer = nn.Linear(3, 2, bias=False)
    norms.process_module("fc", layer)
    assert norms.value == {"fc": {"weight": [pytest.approx(norm(exact(layer.weight)))]}}


def test_parameters_go_by_any_name() -> None:
    lstm = nn.LSTM(2, 3)
    norms = ParameterNorm(["weight_ih_l0", "bias_hh_l0"], True, inplace=True)
    norms.process_module("rnn", lstm)
    value = norms.value["rnn"]
    assert value["weight_ih_l0"].mean == pytest.approx(norm(exact(lstm.weight_ih_l0), True), rel=1e-5)
    assert value["bias_hh_l0"].mean == pytest.approx(norm(exact(lstm.bias_hh_l0), True), rel=1e-5)


@pytest.mark.parametrize("cond", [False, True])
def test_one_parameter_may_come_as_a_string(cond: bool) -> None:
    """monitorch takes it by character."""
    preprocessor = ParameterCond("weight", False) if cond else ParameterNorm("weight", False, False)
    assert preprocessor.attrs_ == ["weight"]
    preprocessor.process_module("fc", nn.Linear(3, 2))
    assert list(preprocessor.value["fc"]) == ["weight"]


def test_condition_numbers() -> None:
    layer = nn.Linear(2, 2)
    for weight in ([[4.0, 0.0], [0.0, 2.0]], [[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]):
        layer.weight.data = torch.tensor(weight)
        conditions = ParameterCond(inplace=True)
        conditions.process_module("fc", layer)
        kept = conditions.value["fc"]["weight"]
        if weight[1][1]:
            assert (kept.count, kept.mean) == (1, pytest.approx(2))
        else:  # infinite, or of no matrix at all: a gap that is counted
            assert (kept.count, kept.nonfinite) == (0, 1)


def test_conditions_of_several_dtypes_at_once() -> None:
    matrices = [drawn((3, 4), dtype) for dtype in [*REAL, torch.complex64]]
    conditions = ParameterCond([], inplace=False)
    conditions.process_tensors([str(i) for i in range(5)], matrices)
    for i, matrix in enumerate(matrices):
        singular = np.linalg.svd(exact(matrix), compute_uv=False)
        assert conditions.value[str(i)] == [pytest.approx(singular[0] / singular[-1], rel=1e-4)]


@pytest.mark.parametrize("make", [lambda: ParameterNorm([], False, True), lambda: GradientGeometry(True, False, True)])
def test_tensors_of_several_devices_are_measured_apart(make: Any) -> None:
    preprocessor = make()
    preprocessor.process_tensors(list("abc"), [torch.ones(2), torch.ones(2, device="meta"), torch.ones(3)])
    assert len(preprocessor.buffer) == 2  # one piece a device
    preprocessor.buffer.drop()


@pytest.mark.parametrize("death", [False, True])
def test_death_rates_on_request(death: bool) -> None:
    gradients = GradientActivation(death, inplace=False)
    outputs = OutputActivation(death, inplace=False, record_eval=False, evaluation_from_grad=False)
    gradients.process_tensor("w", torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    outputs.process_fw("w", nn.ReLU(), None, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    for preprocessor in (gradients, outputs):
        assert preprocessor.value["w"] == (([0.25], [0.5]) if death else [0.25])


@pytest.mark.parametrize("from_grad", [False, True])
@pytest.mark.parametrize("record_eval", [False, True])
@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_evaluation_is_left_out_unless_it_is_asked_for(
    training: bool, grad: bool, record_eval: bool, from_grad: bool
) -> None:
    layer = nn.Linear(2, 2).train(training)
    preprocessors = [
        OutputNorm(False, False, record_eval, from_grad),
        OutputActivation(False, False, record_eval, from_grad),
    ]
    with torch.set_grad_enabled(grad):
        for preprocessor in preprocessors:
            preprocessor.process_fw("fc", layer, None, torch.ones(2, 2))
    trains = grad if from_grad else training
    for preprocessor in preprocessors:
        assert len(preprocessor.value) == (trains or record_eval)


# ---------------------------------------------------------------- the loss


@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("shape", [(), (1,), (1, 1)], ids=str)
def test_losses_of_training_and_of_the_rest(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    losses = loss_module(inplace=False)
    train, val = torch.full(shape, 0.7, dtype=dtype), torch.full(shape, 0.3, dtype=dtype)
    losses.process_fw("loss", nn.MSELoss(), None, train)
    with torch.no_grad():
        losses.process_fw("loss", nn.MSELoss(), None, val)
    assert losses.value == {"train_loss": [float(train)], "val_loss": [float(val)]}  # exact, float64 too


def test_a_loss_that_is_divided_in_place_was_read_before() -> None:
    losses, loss = loss_module(inplace=False), torch.tensor(8.0)
    losses.process_fw("loss", nn.MSELoss(), None, loss)
    loss /= 4
    assert losses.value["train_loss"] == [8]


def test_losses_keep_their_places_over_a_reset() -> None:
    losses = loss_module(inplace=True)
    losses.process_fw("loss", nn.MSELoss(), None, torch.tensor(1.0))
    losses.reset()
    assert {name: kept.count for name, kept in losses.value.items()} == {"train_loss": 0, "val_loss": 0}


def test_a_loss_of_several_elements_is_refused() -> None:
    with pytest.raises(AttributeError, match=r"one element; received shape \(2,\).*reduction='mean'"):
        loss_module(True).process_fw("loss", nn.MSELoss(reduction="none"), None, torch.ones(2))


def test_a_nan_loss_leaves_a_gap() -> None:
    losses = loss_module(inplace=True)
    for value in (1.0, math.nan, 3.0):
        losses.process_fw("loss", nn.MSELoss(), None, torch.tensor(value))
    kept = losses.value["train_loss"]
    assert (kept.count, kept.mean, kept.nonfinite) == (2, 2, 1)


# ---------------------------------------------------------------- windows and thresholds


@pytest.mark.parametrize("death", [False, True])
def test_a_window_adds_one_number_at_the_end(death: bool) -> None:
    gradients = GradientActivation(death, inplace=False, window=2)
    outputs = OutputActivation(death, False, record_eval=True, evaluation_from_grad=False, window=2)
    for _ in range(3):
        gradients.process_tensor("w", torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
        outputs.process_fw("w", nn.ReLU(), None, torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    outputs.process_fw("w", nn.ReLU().eval(), None, torch.ones(2, 2))  # evaluation has no part in it
    assert len(gradients.value["w"]) == len(outputs.value["w"]) == 2 + death
    assert gradients.value["w"][-1] == outputs.value["w"][-1] == [0.5, 0.5]
    gradients.forget()
    gradients.process_tensor("w", torch.zeros(2, 2))
    assert gradients.value["w"][-1] == [0.5, 0.5]  # the next window is not full


@pytest.mark.parametrize("at_once", [False, True])
def test_windows_go_on_over_batches_of_other_sizes_and_begin_anew_with_other_neurons(at_once: bool) -> None:
    outputs = OutputActivation(False, False, record_eval=False, evaluation_from_grad=False, window=2)
    heard: list[float] = []
    outputs.listener = lambda names, values, steps: heard.extend(values[:, -1].tolist())
    dead = [(4, 3), (2, 3), (4, 3), (4, 2), (4, 3), (0, 3), (2, 3)]
    for shape in dead:
        outputs.process_fw("w", nn.ReLU(), None, torch.zeros(shape))
        if at_once:
            outputs.value  # noqa: B018 - asking brings in what waits
    outputs.buffer.flush()
    nan = math.nan
    assert heard == pytest.approx([nan, 1, 1, nan, nan, nan, 1], nan_ok=True)


def test_smooth_activations_may_have_a_threshold_of_their_own() -> None:
    plain, own = (OutputActivation(False, False, False, False, smooth_eps=eps) for eps in (None, 0.5))
    for preprocessor in (plain, own):
        preprocessor.process_fw("gelu", nn.GELU(), None, torch.tensor([[0.1, 1.0]]))
        preprocessor.process_fw("relu", nn.ReLU(), None, torch.tensor([[0.1, 1.0]]))
    assert (plain.value["gelu"], own.value["gelu"], own.value["relu"]) == ([1], [0.5], [1])


# ---------------------------------------------------------------- steps that were left out


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "Geometry" in kind.name], ids=str)
def test_after_steps_that_were_left_out_the_first_is_compared_with_nothing(kind: Kind) -> None:
    preprocessor = kind.make(False)
    tensors = tensors_of(torch.float32, (4, 3), 6)
    for each in tensors[:3]:
        kind.feed(preprocessor, "fc", each)
    memory = preprocessor.memory_bytes
    preprocessor.steps_left_out()
    for each in tensors[3:]:
        kind.feed(preprocessor, "fc", each)
    expected = [kind.expected([exact(each) for each in part]) for part in (tensors[:3], tensors[3:])]
    for channel, first, second in zip(channels(preprocessor.value["fc"]), *expected, strict=True):
        assert channel == pytest.approx([r for r in first + second if math.isfinite(r)], **near(kind, torch.float32))
    assert preprocessor.memory_bytes == memory


def test_a_ratio_is_that_of_one_step() -> None:
    ratios = ParameterUpdateRatio(inplace=False)
    weight = torch.ones(2)
    ratios.remember(["w"], [weight])
    weight += 1
    ratios.steps_left_out()
    ratios.process_tensors(["w"], [weight])  # what it was before is two steps ago
    weight *= 1.5
    ratios.process_tensors(["w"], [weight])
    assert ratios.value["w"] == [0.5]
