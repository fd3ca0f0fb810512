"""A watched model can be copied, saved, converted and exported, and a copy knows nothing of the inspector."""

from __future__ import annotations

import copy
import io
import pickle
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
import torch
from torch import nn

import monitorch_widgets

from ..zoo import ZOO, Scene
from ..zoo.same import all_bits, difference
from ..zoo.watching import begun, hooks_on, nobody_else, quiet_collector, watch

PACKAGE = monitorch_widgets.__path__[0]
Inputs = list[tuple[Any, dict[str, Any]]]

module_wide = pytest.fixture(autouse=True, scope="module")(quiet_collector)


alone = pytest.fixture(autouse=True)(nobody_else)


def saved(model: nn.Module) -> nn.Module:
    buffer = io.BytesIO()
    torch.save(model, buffer)
    assert b"monitorch_widgets" not in buffer.getvalue()
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


def pickled(model: nn.Module) -> nn.Module:
    text = pickle.dumps(model)
    assert b"monitorch_widgets" not in text
    return pickle.loads(text)


WAYS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "deepcopy": copy.deepcopy,
    "save": saved,
    "pickle": pickled,
    "average": torch.optim.swa_utils.AveragedModel,
}


def trained(name: str) -> tuple[Scene, Inputs]:
    """A scene after two iterations, and what its model was called with first."""
    torch.manual_seed(2)
    scene = ZOO[name].build()
    calls: Inputs = []
    handle = scene.model.register_forward_pre_hook(
        lambda module, args, kwargs: calls.append((args, kwargs)), with_kwargs=True
    )
    loop = begun(scene)
    next(loop)
    next(loop)
    handle.remove()
    return scene, calls[:1]


def outputs(model: nn.Module, calls: Inputs) -> dict[str, torch.Tensor]:
    """Bits of what a model says to the calls, and of its state afterwards."""
    torch.manual_seed(5)
    with warnings.catch_warnings():  # torch.compile looks at .grad of what is no leaf
        warnings.simplefilter("ignore")
        said = [model(*args, **kwargs) for args, kwargs in calls]
    return all_bits([said, list(model.state_dict().values())])


def lines_of_ours(work: Callable[[], Any]) -> tuple[Any, int]:
    """What some work gives back, and how many lines of the package it executes."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        return work(), count
    finally:
        sys.settrace(before)


def attempt(work: Callable[..., Any], *args: Any) -> tuple[Any, Exception | None]:
    """The result, or the error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return work(*args), None
        except Exception as error:
            return None, error


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", [name for name in ZOO if ZOO[name].fits("copy")])
def test_a_watched_model_is_copied_as_if_it_was_not(name: str, way: str) -> None:
    bare, _ = trained(name)
    _, expected = attempt(WAYS[way], bare.model)
    scene, calls = trained(name)
    with watch(scene.model):
        twin, error = attempt(WAYS[way], scene.model)
        assert type(error) is type(expected)
        if twin is None:
            return
        inner = twin.module if way == "average" else twin
        assert list(inner.state_dict()) == list(scene.model.state_dict())
        heard, lines = lines_of_ours(lambda: outputs(inner, calls))
        assert lines == 0
        assert not difference(outputs(scene.model, calls), heard)


@pytest.mark.parametrize("name", [name for name in ZOO if ZOO[name].fits("double")])
def test_a_watched_model_is_converted_and_loaded(name: str) -> None:
    states = []
    for watched in (False, True):
        scene, _ = trained(name)
        inspector = watch(scene.model) if watched else None
        hooks = hooks_on(scene.model)
        kept = copy.deepcopy(scene.model.state_dict())
        scene.model.to(torch.float64).to(torch.float32)
        states.append(all_bits(dict(scene.model.state_dict())))
        scene.model.load_state_dict(kept)
        states.append(all_bits(dict(scene.model.state_dict())))
        assert hooks_on(scene.model) == hooks
        if inspector is not None:
            inspector.detach()
    assert not difference(states[0], states[2]) and not difference(states[1], states[3])


def exported(model: nn.Module, call: tuple[Any, dict[str, Any]]) -> Any:
    return torch.export.export(model, *call, strict=False)


EXPORTED = ["single", "mlp_dropout", "in_place", "lstm", "attention", "encoder", "tuple_output", "keyword_only", "tied"]
EXPORTED += ["reused", "recurrence", "weight_norm", "none_output", "frozen", "parameter_list", "custom_function"]


@pytest.mark.parametrize("name", EXPORTED)
def test_a_watched_model_is_exported_or_one_line_says_to_detach(name: str) -> None:
    bare, calls = trained(name)
    program, expected = attempt(exported, bare.model, calls[0])
    scene, calls = trained(name)
    with watch(scene.model):
        watched, error = attempt(exported, scene.model, calls[0])
    if watched is None:
        assert type(error) is type(expected) or one_line(error)
    else:
        assert str(watched.graph) == str(program.graph)
    assert hooks_on(scene.model) == hooks_on(bare.model)


def one_line(error: BaseException | None) -> bool:
    """Whether an error says in one line to detach first."""
    return "detach" in str(error) and len(str(error).splitlines()) == 1
