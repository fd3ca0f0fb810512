"""Loops and arguments that a sceptical reviewer tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentTypeError
from monitorch_widgets.lens import AbstractLens, OutputNorm, ParameterGradientGeometry, ParameterUpdateGeometry

NORM = "Weight Gradient Norm"


def lenses() -> list[AbstractLens]:
    return [OutputNorm(), ParameterGradientGeometry(parameters="weight"), ParameterUpdateGeometry(parameters="weight")]


def watched() -> tuple[nn.Linear, PyTorchInspector]:
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    return model, PyTorchInspector(lenses(), module=model, visualizer="dummy", strict=True, every=1)


@pytest.mark.parametrize("keyword", [False, True])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.LBFGS])
def test_gradients_that_a_closure_computes_belong_to_its_own_step(kind: Any, keyword: bool) -> None:
    model, inspector = watched()
    optimizer = kind(model.parameters(), lr=0.1)
    used = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (model(torch.ones(3, 4)) ** 2).mean()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure=closure) if keyword else optimizer.step(closure)
        used.append(model.weight.grad.norm().item())
    norms = inspector.history[NORM]
    assert list(norms.steps) == [0, 1, 2]
    np.testing.assert_allclose(norms.values[:, 0], used, rtol=1e-6)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("unscale", [False, True])
def test_a_gradient_scaler_does_not_scale_the_readings(fused: bool, unscale: bool) -> None:
    model, inspector = watched()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    true = []
    for _ in range(3):
        optimizer.zero_grad()
        scaler.scale((model(torch.ones(3, 4)) ** 2).mean()).backward()
        true.append(model.weight.grad.norm().item() / 1024)
        if unscale:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
    np.testing.assert_allclose(inspector.history[NORM].values[:, 0], true, rtol=1e-6)


@pytest.mark.parametrize(
    "wrong",
    [
        {"is_active_fn": "a"},
        {"is_active_fn": None},
        {"module_name_prefix": None},
        {"train_loss_str": 3},
        {"non_train_loss_str": 3},
    ],
)
def test_wrong_arguments_are_named(wrong: dict[str, Any]) -> None:
    (name, value), *_ = wrong.items()
    with pytest.raises(ArgumentTypeError, match=f"expected {name} .*received {value!r}.* Use "):
        PyTorchInspector(visualizer="dummy", **wrong)


@pytest.mark.parametrize("epoch", ["3", 2.5])
def test_a_wrong_epoch_changes_nothing(epoch: Any) -> None:
    _, inspector = watched()
    with pytest.raises(ArgumentTypeError, match="expected epoch"):
        inspector.tick_epoch(epoch)
    assert inspector.state.counter == 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_scripted_model_is_refused_and_the_one_before_stays() -> None:
    _, inspector = watched()
    with pytest.raises(ArgumentTypeError, match=r"torch\.jit"):
        inspector.attach(torch.jit.script(nn.Linear(2, 2)))
    assert inspector.state.attached


@pytest.mark.parametrize("argument", ["line_aggregation", "range_aggregation", "parameters"])
def test_a_number_is_no_list_of_names(argument: str) -> None:
    with pytest.raises(ArgumentTypeError, match=f"expected {argument} .*received 3"):
        ParameterGradientGeometry(**{argument: 3})


def test_a_batched_backward_pass_is_left_alone() -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), torch.randn(3)
    expected = torch.autograd.functional.jacobian(model, x)
    inspector = PyTorchInspector(module=model, visualizer="dummy", every=1, strict=True)
    found = torch.autograd.functional.jacobian(model, x, vectorize=True)
    inspector.detach()
    torch.testing.assert_close(found, expected)
