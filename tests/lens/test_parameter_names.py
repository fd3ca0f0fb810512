"""Every parameter under its own name, each once: tied, frozen, parametrized, replaced and added ones too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.lens import (
    ParameterCond,
    ParameterGradientActivation,
    ParameterGradientGeometry,
    ParameterNorm,
    ParameterUpdateGeometry,
    ParameterUpdateRatio,
)
from monitorch_widgets.lens.parameter_lens import ParameterLens, own_parameters

LENSES = [
    ParameterGradientActivation,
    ParameterGradientGeometry,
    ParameterNorm,
    ParameterUpdateGeometry,
    ParameterUpdateRatio,
]


class Own(nn.Module):
    """A model with parameters of its own, and a list of them."""

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.ones(4))
        self.in_bias = nn.Parameter(torch.ones(4))
        self.params = nn.ParameterList([torch.ones(4), torch.full((4,), 2.0)])
        self.head = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((x * self.cls_token + self.in_bias) * self.params[0] * self.params[1])


def series(model: nn.Module, names: Sequence[str] | str, name: str = "model") -> dict[str, list[str]]:
    """Series by wanted name, over all modules in model order."""
    wanted = [names] if isinstance(names, str) else names
    found: dict[str, list[str]] = {}
    for path, module in model.named_modules():
        for own in own_parameters(module, path or name):
            by = own.wanted_by(wanted)
            if by is not None:
                found.setdefault(by, []).append(own.series(by))
    return found


def watch(model: nn.Module, lens: Any, **arguments: Any) -> PyTorchInspector:
    return PyTorchInspector([lens], module=model, visualizer="dummy", strict=True, **{"every": 1, **arguments})


def train(model: nn.Module, steps: int, width: int = 4) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(3, width)).pow(2).mean().backward()
        optimizer.step()


def test_weight_stands_for_all_that_is_no_bias() -> None:
    assert series(nn.LSTM(2, 3), "weight", "rnn") == {"weight": ["rnn.weight_ih_l0", "rnn.weight_hh_l0"]}
    assert series(nn.LSTM(2, 3), "bias", "rnn") == {"bias": ["rnn.bias_ih_l0", "rnn.bias_hh_l0"]}
    assert series(Own(), ("weight", "bias"), "vit") == {
        "weight": ["vit.cls_token", "params.0", "params.1", "head"],
        "bias": ["vit.in_bias", "head"],
    }
    attention = series(nn.MultiheadAttention(4, 2, kdim=3, add_bias_kv=True), "weight", "attention")
    assert attention["weight"][:3] == [f"attention.{kind}_proj_weight" for kind in "qkv"]
    assert not any("bias" in name for name in attention["weight"])


def test_another_name_of_the_same_lens_takes_its_own() -> None:
    assert series(Own(), ("weight", "cls_token"), "vit") == {
        "weight": ["params.0", "params.1", "head"],
        "cls_token": ["vit"],
    }
    found = series(nn.LSTM(2, 3), ("weight", "ih"), "rnn")
    assert found == {"ih": ["rnn.weight_ih_l0", "rnn.bias_ih_l0"], "weight": ["rnn.weight_hh_l0"]}
    assert series(nn.LSTM(2, 3), ("weight", "weight_ih_l0"), "rnn")["weight_ih_l0"] == ["rnn"]


@pytest.mark.parametrize("make", LENSES, ids=lambda lens: lens.__name__)
def test_every_lens_shows_every_parameter_by_its_name(make: Any) -> None:
    torch.manual_seed(0)
    model, lens = Own(), make()
    inspector = watch(model, lens)
    train(model, 2)
    weight, bias = (next(s.tag for s in lens.specs if s.tag.startswith(kind)) for kind in ("Weight", "Bias"))
    assert inspector.history[weight].modules == ["Own.cls_token", "params.0", "params.1", "head"]
    assert inspector.history[bias].modules == ["Own.in_bias", "head"]
    assert np.isfinite(inspector.history[weight].values).all()


# ---------------------------------------------------------------- parametrized


def test_originals_of_a_parametrized_tensor_are_shown() -> None:
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 1))
    inspector = watch(model, ParameterGradientGeometry())
    train(model, 2)
    shown = inspector.history["Weight Gradient Norm"]
    original = "0.parametrizations.weight.original"
    assert shown.modules == [f"{original}0", f"{original}1", "1"]
    assert inspector.history["Bias Gradient Norm"].modules == ["0", "1"]
    assert {f"{original}0", f"{original}1"} < dict(model.named_parameters()).keys()
    grad = model[0].parametrizations.weight.original0.grad
    assert shown.values[-1, 0] == pytest.approx(grad.double().norm().item(), rel=1e-5)


class LowRank(nn.Module):
    """Adds a product of two thin matrices."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Parameter(torch.ones(1, 4)), nn.Parameter(torch.ones(4, 1))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.up @ self.down


def test_parameters_of_a_parametrization_are_shown_too() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    parametrize.register_parametrization(model[0], "weight", LowRank())
    inspector = watch(model, ParameterUpdateRatio(parameters=("weight", "up")))
    train(model, 2)
    inner = "0.parametrizations.weight"
    assert inspector.history["Up Update Ratio"].modules == [f"{inner}.0.up"]
    assert inspector.history["Weight Update Ratio"].modules == [f"{inner}.original", f"{inner}.0.down", "1"]


@pytest.mark.parametrize("make", [*LENSES, ParameterCond], ids=lambda lens: lens.__name__)
def test_a_parametrized_tensor_is_never_computed(make: Any) -> None:
    """Spectral norm goes on by one iteration whenever its weight is computed in training."""
    torch.manual_seed(0)
    model = nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 4)))
    plain = {name: value.clone() for name, value in model.state_dict().items()}
    inspector = watch(model, make())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    optimizer.step()
    inspector.tick_epoch()
    inspector.tick_batch()
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, plain[name], rtol=0, atol=0)


def test_a_parametrization_that_is_walked_into_does_no_harm() -> None:
    model, lens = nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4))), ParameterNorm()
    lens.prepare(InspectorState(), lambda *reading: None)
    for name, module in model.named_modules():
        lens.register_leaf_module(module, name, InspectorState())
    inner = "0.parametrizations.weight.original"
    assert lens.series_of("Weight Norm") == [f"{inner}0", f"{inner}1"]
    lens.detach_from_module()


# ---------------------------------------------------------------- tied, frozen, replaced


@pytest.mark.parametrize("make", LENSES, ids=lambda lens: lens.__name__)
def test_a_tied_parameter_is_shown_once(make: Any) -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh(), nn.Linear(4, 4, bias=False))
    model[2].weight = model[0].weight
    lens = make(parameters="weight")
    inspector = watch(model, lens)
    train(model, 2)
    assert inspector.history[lens.specs[0].tag].modules == ["0"]


def test_a_parameter_that_is_tied_later_is_shown_once_from_then_on() -> None:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh(), nn.Linear(4, 4, bias=False))
    inspector = watch(model, ParameterGradientGeometry(parameters="weight"))
    train(model, 1)
    model[2].weight = model[0].weight
    train(model, 1)
    assert np.isfinite(inspector.history["Weight Gradient Norm"].values).tolist() == [[True, True], [True, False]]


def test_frozen_parameters_appear_when_they_have_gradients() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    model[0].requires_grad_(False)
    lens = ParameterGradientGeometry(parameters="weight")
    inspector = watch(model, lens)
    train(model, 2)
    assert inspector.history["Weight Gradient Norm"].modules == ["2"]
    model[0].requires_grad_(True)
    train(model, 1)
    inspector.tick_epoch()
    shown = inspector.history["Weight Gradient Norm"]
    assert set(shown.modules) == {"0", "2"}
    assert np.isfinite(shown.values[:, shown.modules.index("0")]).tolist() == [False, False, True]
    assert list(shown.epochs[1].values) == ["0", "2"]  # in model order


def test_what_is_registered_again_goes_on() -> None:
    """A lens that is released and registered again has its statistics, correlations and streaks."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    geometry, activity = ParameterGradientGeometry(inplace=False), ParameterGradientActivation(dead_window=3)
    state = InspectorState()

    def register(lens: ParameterLens) -> None:
        lens.prepare(state, lambda *reading: None)
        for name, module in model.named_modules():
            lens.register_leaf_module(module, name, state)

    for lens in (geometry, activity):
        register(lens)
    train(model, 2)
    model.append(nn.Linear(1, 1))
    for lens in (geometry, activity):
        lens.release()
        assert not lens.series_of(lens.specs[0].tag)
        register(lens)
    train(model, 1)
    norms, cosines = geometry._preprocessors["weight"].value["0"]
    assert (len(norms), len(cosines)) == (3, 2)
    assert list(geometry._preprocessors["weight"].value) == ["0", "2", "3"]
    assert activity._preprocessors["weight"].value["0"][2].count == 1
    assert activity._preprocessors["weight"].value["3"][2].count == 0
    for lens in (geometry, activity):
        lens.detach_from_module()
        assert not lens._preprocessors["weight"].value
    assert geometry.memory_bytes == 0
    state.hooks.remove()


def test_a_lens_of_ones_own_is_released_by_detaching() -> None:
    from .test_contract import LENSES as BUILT_IN

    for make in BUILT_IN.values():
        lens = make()
        lens.release()
        lens.detach_from_module()
