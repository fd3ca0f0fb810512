"""What is watched and what is not: said with the reason, and looked at again when the model changes."""

from __future__ import annotations

import copy
import gc
import warnings
import weakref
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import NotAttachedError, NotWatched
from monitorch_widgets.lens import OutputGradientGeometry, OutputNorm, ParameterGradientGeometry, ParameterNorm


class Parts(nn.Module):
    """Has a part of each kind that can't be watched."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(4, 4), nn.Linear(4, 4)
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.ids = Ids()
        self.attention = nn.MultiheadAttention(4, 2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.scripted = torch.jit.script(nn.Linear(4, 4))
        self.blocks = nn.ModuleList([nn.ReLU()])
        self.weird = Weird()

    def forward(self, x: Tensor) -> Tensor:
        x = self.scripted(self.frozen(self.blocks[0](self.used(x))))
        self.ids(x)
        self.weird(x)
        return self.attention(x, x, x)[0]


class Ids(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.arange(len(x))


class Refuses(dict[str, Tensor]):
    def items(self) -> Any:
        raise RuntimeError("not yet")


class Weird(nn.Module):
    def forward(self, x: Tensor) -> Refuses:
        return Refuses(x=x)


def watch(model: nn.Module, **how: Any) -> PyTorchInspector:
    lenses = [OutputNorm(), OutputGradientGeometry(), ParameterGradientGeometry(), ParameterNorm()]
    return PyTorchInspector(lenses, module=model, visualizer="dummy", strict=True, **{"every": 1, **how})


def train(model: nn.Module, steps: int, run: Any = None) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        (run or model)(torch.randn(3, 4)).sum().backward()
        optimizer.step()


def notes(inspector: PyTorchInspector) -> dict[str, str]:
    return {f"{info.name} ({info.type})": info.note for info in inspector.watched if info.note}


def test_what_cannot_be_watched_is_listed_with_the_reason() -> None:
    model = Parts()
    inspector = watch(model)
    early = notes(inspector)
    train(model, 3)
    said = notes(inspector)
    expected = {
        "unused (Linear)": "no forward pass has called it",
        "ids (Ids)": "returns no tensor of floating-point",
        "weird (Weird)": "can't be looked into: RuntimeError: not yet",
        "scripted (RecursiveScriptModule)": "torch.jit",
        "attention.out_proj (NonDynamicallyQuantizableLinear)": "the attention, which never calls it",
        "unused (weight, bias)": "no gradient has reached it",
        "frozen (weight, bias)": "frozen",
    }
    assert {name: words for name, words in expected.items() if words not in said.pop(name, "")} == {}
    assert said == {}
    assert set(early) == {name for name in expected if "scripted" in name or "out_proj" in name}
    watched = [info.name for info in inspector.watched if not info.note]
    assert watched == ["Parts", "used", "frozen", "attention", "blocks", "blocks.0"]


def test_the_list_stays_when_the_inspector_leaves() -> None:
    model = Parts()
    inspector = watch(model)
    train(model, 3)
    before = inspector.watched
    inspector.detach()
    assert inspector.watched == before and inspector.status().unwatched == tuple(i for i in before if i.note)


def test_a_model_that_nobody_calls_is_told_of() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    inspector = watch(model)
    train(model, 3, run=copy.deepcopy(model).forward)
    said = notes(inspector)
    assert "no gradient" in said.pop("0 (weight, bias)")
    assert set(said) == {"0 (Linear)", "1 (ReLU)"}
    assert all("no forward pass of this model was seen" in words for words in said.values())


def test_transformed_functions_and_recorded_programs_are_left_alone() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    inspector = watch(model)
    torch.vmap(model)(torch.randn(2, 3, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.trace(model, torch.randn(3, 4), check_trace=False)
    with torch.device("meta"):
        copy.deepcopy(model).to("meta")(torch.empty(3, 4))
    assert inspector.history["Output Norm"].rows == 0
    train(model, 3, run=lambda x: model(x) + torch.vmap(model)(x[None])[0])
    assert np.isfinite(inspector.history["Output Norm"].values).all()


def test_a_module_that_was_replaced_or_added_is_watched_after_refresh() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    inspector = watch(model)
    train(model, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inspector.tick_epoch()
    model[2] = nn.Linear(4, 4)
    model.append(nn.Linear(4, 1))
    with pytest.warns(NotWatched, match=r"'2', '3'.*inspector\.refresh\(\)"):
        inspector.tick_epoch()
    train(model, 2)
    inspector.tick_epoch()  # which does not warn of the same again
    before = inspector.history["Output Norm"].values.copy()
    assert inspector.refresh() is inspector
    train(model, 2)
    series = inspector.history["Output Norm"]
    assert series.modules == ["0", "1", "2", "3"] and list(series.steps) == list(range(7))
    assert np.isfinite(series.values[5:]).all()
    np.testing.assert_array_equal(series.values[:5, :3], before)
    assert np.isnan(before[3:, 2]).all() and np.isfinite(before[:, :2]).all()
    assert [event.kind for event in inspector.status().events] == ["model"]
    assert np.isfinite(inspector.history["Weight Gradient Correlation"].values[5, 0])  # goes on over the refresh


def test_refresh_leaves_no_hook_on_what_went() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    inspector = watch(model)
    gone = model[1]
    model[1] = nn.Linear(4, 4)
    inspector.refresh()
    assert not gone._forward_hooks
    inspector.detach()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    with pytest.raises(NotAttachedError, match=r"attach\(model\)"):
        inspector.refresh()


def test_an_optimizer_of_parameters_that_came_later_is_followed() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4)).requires_grad_(False)
    inspector = watch(model)
    model[1] = nn.Linear(4, 2)
    optimizer = torch.optim.SGD(model[1].parameters(), lr=0.1)
    model(torch.randn(3, 4)).sum().backward()
    optimizer.step()
    assert inspector.status().step == 1
    other = nn.Linear(4, 1)
    train(other, 2)
    assert inspector.status().step == 1


def test_a_watched_model_that_is_deleted_is_collected() -> None:
    model = Parts()
    inspector = watch(model)
    train(model, 2)
    gone = [weakref.ref(model), weakref.ref(model.used), weakref.ref(model.used.weight)]
    del model
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3
    with pytest.raises(NotAttachedError):
        inspector.refresh()
    inspector.tick_epoch()
    inspector.detach()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo's own, at a graph break
def test_a_model_that_ran_compiled_before_is_watched_and_left() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    compiled = torch.compile(model, backend="aot_eager")
    compiled(torch.randn(3, 4))
    inspector = watch(compiled, every=2)
    train(model, 3, run=compiled)
    assert list(inspector.history["Output Norm"].steps) == [0, 2]
    assert np.isfinite(inspector.history["Output Gradient Norm"].values).all() and notes(inspector) == {}
    inspector.detach()
    train(model, 1, run=compiled)
    assert inspector.history["Output Norm"].rows == 2


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_a_compiled_part_goes_by_its_own_name() -> None:
    model = nn.Sequential(torch.compile(nn.Sequential(nn.Linear(4, 4)), backend="eager"), nn.Linear(4, 2))
    inspector = watch(model)
    train(model, 2)
    assert inspector.history["Output Norm"].modules == ["0.0", "1"]
    assert np.isfinite(inspector.history["Output Norm"].values).all()
