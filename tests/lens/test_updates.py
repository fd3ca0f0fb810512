"""Norms and ratios of updates: of the one step that is shown, against float64, with one copy of each parameter."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets import ArgumentTypeError, PyTorchInspector
from monitorch_widgets.errors import LensFault
from monitorch_widgets.gatherer import InspectorState, ParameterChangesGatherer
from monitorch_widgets.lens import AbstractLens, ParameterUpdateGeometry, ParameterUpdateRatio
from monitorch_widgets.numerical import walk
from monitorch_widgets.preprocessor import ParameterUpdateRatio as ParameterUpdateRatioPreprocessor


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))


def both(**arguments: Any) -> list[AbstractLens]:
    return [ParameterUpdateGeometry(**arguments), ParameterUpdateRatio(**arguments)]


def alone() -> list[AbstractLens]:
    """The same, without correlations, which would need neighbours."""
    return [ParameterUpdateGeometry(compute_correlation=False), ParameterUpdateRatio()]


def watch(model: nn.Module, lenses: list[AbstractLens] | None = None, **arguments: Any) -> PyTorchInspector:
    arguments = {"strict": True, "visualizer": "dummy", **arguments}
    return PyTorchInspector(lenses or both(), module=model, **{"every": 1, **arguments})


def exact(parameter: Tensor) -> Tensor:
    return parameter.detach().to(torch.complex128 if parameter.is_complex() else torch.float64).clone()


def backward(model: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    (optimizer or model).zero_grad()
    first = next(model.parameters())
    x = torch.randn(4, 3, dtype=first.dtype)
    (model(x) - 1).abs().pow(2).mean().backward()


def measured(parameter: nn.Parameter, step: Callable[[], Any]) -> tuple[float, float]:
    """Norm of the update that `step` makes, and its ratio to the norm of the parameter."""
    before = exact(parameter)
    step()
    moved = (exact(parameter) - before).norm().item()
    return moved, moved / before.norm().item()


def assert_shown(inspector: PyTorchInspector, series: str, expected: list[tuple[float, float]], **near: Any) -> None:
    near = {"rtol": 1e-4, **near}
    for tag, values in zip(("Weight Update Norm", "Weight Update Ratio"), zip(*expected, strict=True), strict=True):
        shown = inspector.history[tag]
        np.testing.assert_allclose(shown.values[:, shown.modules.index(series)], values, err_msg=tag, **near)


OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, eps=1e-3),  # the usual one is 0 in float16
    "foreach": lambda p: torch.optim.AdamW(p, lr=0.01, eps=1e-3, foreach=True),
    "fused": lambda p: torch.optim.AdamW(p, lr=0.01, eps=1e-3, fused=True),
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_updates_are_those_of_the_steps(make: Callable[..., torch.optim.Optimizer], dtype: torch.dtype) -> None:
    model = small().to(dtype)
    inspector, optimizer, expected = watch(model), make(model.parameters()), []
    for _ in range(5):
        backward(model, optimizer)
        expected.append(measured(model[0].weight, optimizer.step))
    assert_shown(inspector, "0", expected)
    assert all(ratio > 0 for _, ratio in expected)


def test_complex_parameters_count_by_their_magnitude() -> None:
    model = nn.Sequential(nn.Linear(3, 2, dtype=torch.complex64))
    inspector, optimizer = watch(model), torch.optim.SGD(model.parameters(), lr=0.1)
    expected = []
    for _ in range(3):
        backward(model, optimizer)
        expected.append(measured(model[0].weight, optimizer.step))
    assert_shown(inspector, "0", expected)


def test_what_the_loop_does_between_steps_counts_for_no_step() -> None:
    """The critic of a WGAN is clipped after its step."""
    model = small()
    inspector, optimizer, expected = watch(model), torch.optim.SGD(model.parameters(), lr=0.1), []
    for _ in range(4):
        backward(model, optimizer)
        expected.append(measured(model[0].weight, optimizer.step))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.clamp_(-0.1, 0.1)
    assert_shown(inspector, "0", expected)


def test_with_a_stride_each_update_is_that_of_one_step() -> None:
    model = small()
    inspector, optimizer, expected = watch(model, alone(), every=3), torch.optim.SGD(model.parameters(), lr=0.1), []
    for step in range(8):
        backward(model, optimizer)
        now = measured(model[0].weight, optimizer.step)
        expected += [now] if step % 3 == 0 else []
    assert_shown(inspector, "0", expected)


def test_a_closure_makes_one_update() -> None:
    model = small()
    inspector, expected = watch(model), []
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)
    x = torch.randn(8, 3)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = (model(x) - 1).pow(2).mean()
        loss.backward()
        return loss

    for _ in range(3):
        expected.append(measured(model[0].weight, lambda: optimizer.step(closure)))
    assert_shown(inspector, "0", expected)


def test_two_optimizers_have_their_own_updates() -> None:
    model = small()
    inspector = watch(model)
    first, second = (torch.optim.SGD(model[i].parameters(), lr=0.1) for i in (0, 2))
    expected = []
    for _ in range(2):
        backward(model)
        for optimizer, layer in ((first, 0), (second, 2)):
            gap = (math.nan, math.nan)
            now = measured(model[layer].weight, optimizer.step)
            expected.append((now, gap) if layer == 0 else (gap, now))
    for i, series in enumerate("02"):
        assert_shown(inspector, series, [row[i] for row in expected])


def test_parameters_of_two_optimizers_have_the_update_of_each() -> None:
    model = small()
    inspector, expected = watch(model), []
    optimizers = [torch.optim.SGD(model.parameters(), lr=lr) for lr in (0.1, 0.01)]
    for _ in range(2):
        for optimizer in optimizers:
            backward(model, optimizer)
            expected.append(measured(model[0].weight, optimizer.step))
    assert_shown(inspector, "0", expected)


def test_only_one_optimizer_is_followed_on_request() -> None:
    model = small()
    optimizers = [torch.optim.SGD(model.parameters(), lr=lr) for lr in (0.1, 0.01)]
    inspector, expected = watch(model, both(optimizer=optimizers[1])), []
    for _ in range(2):
        for optimizer in optimizers:
            backward(model, optimizer)
            now = measured(model[0].weight, optimizer.step)
        expected.append(now)
    shown = inspector.history["Weight Update Ratio"]
    assert shown.steps.tolist() == [1, 3]
    assert_shown(inspector, "0", expected)


# ---------------------------------------------------------------- no value rather than a wrong one


def test_a_parameter_that_was_zero_has_no_ratio() -> None:
    model = small()
    nn.init.zeros_(model[2].weight)
    inspector, optimizer = watch(model), torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        backward(model, optimizer)
        optimizer.step()
    shown = inspector.history["Weight Update Ratio"]
    assert np.isfinite(shown.values).tolist() == [[True, False], [True, True]]
    assert np.isfinite(inspector.history["Weight Update Norm"].values).all()


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_poisoned_parameter_leaves_a_gap(poison: float) -> None:
    model = small()
    inspector, optimizer = watch(model), torch.optim.SGD(model.parameters(), lr=0.0)
    for value in (0.5, poison, 0.5):
        with torch.no_grad():
            model[0].weight[0, 0] = value
        backward(model, optimizer)
        model[0].weight.grad = torch.zeros(5, 3)
        optimizer.step()
    assert np.isfinite(inspector.history["Weight Update Ratio"].values[:, 0]).tolist() == [True, False, True]


def test_dtype_may_change_between_steps() -> None:
    model = small()
    inspector, optimizer, expected = watch(model), torch.optim.SGD(model.parameters(), lr=0.1), []
    for dtype in (torch.float32, torch.float64, torch.float64, torch.bfloat16):
        model.to(dtype)
        backward(model, optimizer)
        expected.append(measured(model[0].weight, optimizer.step))
    assert_shown(inspector, "0", expected)


class Plain(torch.optim.Optimizer):
    """Plain descent, and something more at the end of its step."""

    def __init__(self, parameters: Any, more: Callable[[], None]) -> None:
        super().__init__(parameters, {})
        self.more = more

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for parameter in self.param_groups[0]["params"]:
            parameter -= 0.1 * parameter.grad
        self.more()


@pytest.mark.parametrize("how", ["dtype", "shape", "parameter"])
def test_a_parameter_that_becomes_another_in_a_step_has_no_value(how: str) -> None:
    model = small()

    def change() -> None:
        weight = model[0].weight
        if how == "dtype":
            weight.data = weight.data.double()
        elif how == "shape":
            weight.data = weight.data[:4]
        else:
            model[0].weight = nn.Parameter(weight.detach() * 2)

    inspector = watch(model)
    backward(model)
    Plain(model.parameters(), change).step()
    for tag in ("Weight Update Norm", "Weight Update Ratio"):
        shown = inspector.history[tag]
        assert shown.modules == ["0", "2"] and np.isfinite(shown.values).tolist() == [[False, True]]


def test_a_replaced_parameter_starts_anew() -> None:
    model = small()
    inspector, expected = watch(model), []
    for _ in range(3):
        model[0].weight = nn.Parameter(torch.randn(5, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        backward(model, optimizer)
        expected.append(measured(model[0].weight, optimizer.step))
    assert_shown(inspector, "0", expected)
    assert sum(lens.memory_bytes for lens in inspector.lenses) < 3 * sum(p.numel() * 4 for p in model.parameters())


def test_parameters_that_appear_later() -> None:
    model = nn.Sequential(nn.LazyLinear(4), nn.Tanh(), nn.Linear(4, 1))
    inspector = watch(model)
    head = torch.optim.SGD(model[2].parameters(), lr=0.1)
    head.step()  # the lazy ones have no numbers yet
    inspector.tick_batch()
    model(torch.randn(2, 3))
    optimizer, expected = torch.optim.SGD(model.parameters(), lr=0.1), [(math.nan, math.nan)] * 1
    for _ in range(2):
        backward(model, optimizer)
        expected.append(measured(model[0].weight, optimizer.step))
    shown = inspector.history["Weight Update Ratio"]
    np.testing.assert_allclose(shown.values[-2:, shown.modules.index("0")], [r for _, r in expected[1:]], rtol=1e-4)


def test_a_step_that_raises_is_no_step_and_leaves_the_next_one_right() -> None:
    model = small()

    def fail() -> None:
        raise RuntimeError("out of memory")

    inspector, optimizer = watch(model), Plain(model.parameters(), fail)
    backward(model, optimizer)
    with pytest.raises(RuntimeError, match="out of memory"):
        optimizer.step()
    optimizer.more = lambda: None
    backward(model, optimizer)
    expected = [measured(model[0].weight, optimizer.step)]
    assert_shown(inspector, "0", expected)


def test_a_lens_that_faults_leaves_the_others_right(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    lenses = [*both(), ParameterUpdateRatio(parameters="bias")]
    inspector, optimizer, expected = watch(model, lenses, strict=False), torch.optim.SGD(model.parameters(), 0.1), []

    def broken(*args: Any) -> None:
        raise ValueError("broken")

    for step in range(3):
        if step == 1:
            monkeypatch.setattr(lenses[0]._measuring, "process_changes", broken)
        backward(model, optimizer)
        if step == 1:
            with pytest.warns(LensFault, match="ParameterUpdateGeometry"):
                expected.append(measured(model[0].weight, optimizer.step)[1])
        else:
            expected.append(measured(model[0].weight, optimizer.step)[1])
    np.testing.assert_allclose(inspector.history["Weight Update Ratio"].values[:, 0], expected, rtol=1e-4)


# ---------------------------------------------------------------- one copy for all


def test_copies_are_shared_and_counted_once() -> None:
    model = small()
    size = sum(p.numel() * 4 for p in model.parameters())
    weights = sum(p.numel() * 4 for name, p in model.named_parameters() if name.endswith("weight"))
    lenses = both()
    inspector, optimizer = watch(model, lenses), torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        backward(model, optimizer)
        optimizer.step()
    geometry, ratio = lenses
    assert geometry.memory_bytes == 2 * size  # parameters, and updates for their correlation
    assert ratio.memory_bytes == 0
    assert geometry.memory_of("Weight Update Norm") == geometry.memory_of("Weight Update Correlation") == weights
    assert [geometry.memory_of(spec.tag) for spec in geometry.specs].count(0) == 0
    inspector.detach()
    assert geometry.memory_bytes == ratio.memory_bytes == 0
    assert not inspector.state.changes._copies


def test_alone_each_has_a_copy() -> None:
    for make in (lambda: ParameterUpdateGeometry(compute_correlation=False), ParameterUpdateRatio):
        model = small()
        inspector, optimizer = watch(model, [make()]), torch.optim.SGD(model.parameters(), lr=0.1)
        backward(model, optimizer)
        optimizer.step()
        assert inspector.lenses[0].memory_bytes == sum(p.numel() * 4 for p in model.parameters())


def test_one_walk_takes_each_parameter_from_its_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    inspector, optimizer = watch(model), torch.optim.SGD(model.parameters(), lr=0.1, foreach=False)
    calls: list[int] = []
    plain = walk.take

    def counted(copies: Any, tensors: Any) -> Any:
        calls.append(len(copies))
        assert [c.tensor for c in inspector.state.changes._copies.values()] == list(copies)
        return plain(copies, tensors)

    monkeypatch.setattr(walk, "take", counted)
    for _ in range(3):
        backward(model, optimizer)
        optimizer.step()
    assert calls == [4] * 3 and inspector.history["Weight Update Norm"].rows == 3


@pytest.mark.usefixtures("torch_alone")
def test_differences_are_computed_once_in_the_memory_of_the_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small()
    inspector, optimizer = watch(model), torch.optim.SGD(model.parameters(), lr=0.1, foreach=False)
    calls: list[int] = []
    plain = torch._foreach_sub_

    def counted(tensors: Any, others: Any, **more: Any) -> Any:
        calls.append(len(tensors))
        copies = {copy.tensor.data_ptr() for copy in inspector.state.changes._copies.values()}
        assert {tensor.data_ptr() for tensor in tensors} <= copies
        return plain(tensors, others, **more)

    monkeypatch.setattr(torch, "_foreach_sub_", counted)
    for _ in range(3):
        backward(model, optimizer)
        optimizer.step()
        assert not inspector.state.changes._measured
    assert calls == [4] * 3  # weights and biases


def test_no_reference_to_a_parameter_is_kept() -> None:
    """A weak one would keep torch.utils.swap_tensors from working, a strong one the memory of a deleted model."""
    model, state = small(), InspectorState()
    gatherer = ParameterChangesGatherer([ParameterUpdateRatioPreprocessor(inplace=True)], state)
    gatherer.watch("0", model[0], "weight")
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    backward(model, optimizer)
    optimizer.step()
    gatherer.tell()
    model.zero_grad()
    torch.utils.swap_tensors(model[0].weight, nn.Parameter(torch.zeros(5, 3)))
    assert not model[0].weight.any()
    state.hooks.remove()


# ---------------------------------------------------------------- loops without an optimizer


def by_hand(model: nn.Module) -> None:
    backward(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad


@pytest.mark.parametrize("inference", [False, True])
def test_ticks_show_the_change_since_the_tick_before(inference: bool) -> None:
    model = small()
    inspector, expected = watch(model), []
    for _ in range(4):
        expected.append(measured(model[0].weight, lambda: by_hand(model)))
        with torch.inference_mode(inference):
            inspector.tick_batch()
            inference = not inference  # a copy that was made in one mode is changed in the other
    assert_shown(inspector, "0", expected[1:])


def test_ticks_that_are_not_listened_to_leave_no_change_of_several_steps() -> None:
    model, expected = small(), []
    inspector = watch(model, alone(), every=6)
    for _ in range(14):
        expected.append(measured(model[0].weight, lambda: by_hand(model)))
        inspector.tick_batch()
    assert inspector.history["Weight Update Ratio"].steps.tolist() == [1, 7, 13]  # two ticks in a row tell a change
    assert_shown(inspector, "0", [expected[1], expected[7], expected[13]])


def test_a_tick_after_an_optimizers_step_has_no_change_to_show() -> None:
    model = small()
    inspector, optimizer, expected = watch(model), torch.optim.SGD(model.parameters(), lr=0.1), []
    for _ in range(2):
        by_hand(model)
        inspector.tick_batch()
        backward(model, optimizer)
        expected.append(measured(model[0].weight, optimizer.step))
    assert inspector.history["Weight Update Ratio"].steps.tolist() == [1, 3]
    assert_shown(inspector, "0", expected)


def test_updates_on_demand_are_measured_by_all() -> None:
    model = small()
    lenses = both()
    inspector, expected = watch(model, lenses), []
    lenses[0].inspect_update()
    for lens in lenses:
        expected.append(measured(model[0].weight, lambda: by_hand(model)))
        lens.inspect_update()
    series = inspector.history["Weight Update Norm"]
    np.testing.assert_allclose(series.values[:, 0], np.mean(expected, axis=0)[0], rtol=1e-4)  # no step: one row
    np.testing.assert_allclose(
        inspector.history["Weight Update Ratio"].values[:, 0], np.mean(expected, axis=0)[1], rtol=1e-4
    )


# ---------------------------------------------------------------- figures and arguments


def test_an_epoch_has_its_figures() -> None:
    model = small()
    inspector = watch(model, [ParameterUpdateRatio(inplace=False, line_aggregation=("mean", "max"))])
    optimizer, expected = torch.optim.SGD(model.parameters(), lr=0.1), []
    for _ in inspector.range(2):
        expected = []
        for _ in range(3):
            backward(model, optimizer)
            expected.append(measured(model[0].weight, optimizer.step)[1])
    figures = inspector.history["Weight Update Ratio"].epochs[2].values["0"]
    assert figures == {
        "mean": pytest.approx(np.mean(expected), rel=1e-4),
        "max": pytest.approx(max(expected), rel=1e-4),
    }


def test_what_the_panel_says() -> None:
    (spec, bias) = ParameterUpdateRatio().specs
    assert (spec.tag, spec.title, spec.log) == ("Weight Update Ratio", "Weight update ratio", True)
    assert bias.tag == "Bias Update Ratio" and not ParameterUpdateRatio(log_scale=False).specs[0].log
    assert "as applied" in spec.stage and "0.001" in spec.about.healthy


def test_another_optimizer_than_one_is_refused() -> None:
    with pytest.raises(ArgumentTypeError, match=r"torch\.optim\.Optimizer or None; received str"):
        ParameterUpdateRatio("sgd")
