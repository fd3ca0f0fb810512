"""Watching animals, and counting what hangs on them."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import optimizer as optimizers

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.gatherer import Hooks
from monitorch_widgets.lens import (
    AbstractLens,
    LossMetrics,
    OutputActivation,
    OutputGradientGeometry,
    OutputNorm,
    ParameterCond,
    ParameterGradientActivation,
    ParameterGradientGeometry,
    ParameterNorm,
    ParameterUpdateGeometry,
    ParameterUpdateRatio,
)

from .base import Scene

KINDS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
FLAGS = ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")


def every_lens() -> list[AbstractLens]:
    """One of each lens, with what they can do."""
    return [
        LossMetrics(),
        OutputActivation(),
        OutputNorm(),
        OutputGradientGeometry(skip_activation=False),
        ParameterGradientActivation(),
        ParameterGradientGeometry(),
        ParameterNorm(),
        ParameterUpdateGeometry(),
        ParameterUpdateRatio(),
        ParameterCond(every=2),
    ]


def watch(model: nn.Module, every: Any = 1, *, strict: bool = True, **more: Any) -> PyTorchInspector:
    """An inspector of a model, with every lens and without a display."""
    lenses = more.pop("lenses", None) or every_lens()
    return PyTorchInspector(lenses, module=model, visualizer="dummy", every=every, strict=strict, **more)


def run(model: nn.Module, steps: int = 4) -> None:
    """Train a model of two inputs without more ado."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(3, 2)).sum().backward()
        optimizer.step()


def begun(scene: Scene, inspector: PyTorchInspector | None = None) -> Iterator[Tensor]:
    """The scene's loop; it ticks the inspector where it must."""

    def tick() -> None:
        if inspector is not None and inspector.state.attached:
            inspector.tick_batch()

    return scene.loop(tick)


def hooks_on(model: nn.Module) -> int:
    """Number of hooks on all modules of a model, the user's included."""
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in KINDS)


def optimizer_hooks() -> int:
    """Number of hooks on all optimizers there will be."""
    return len(optimizers._global_optimizer_pre_hooks) + len(optimizers._global_optimizer_post_hooks)


def traces(scene: Scene) -> dict[str, Any]:
    """Whatever someone could have left on a model, its parameters and its optimizers: to be compared with another."""
    found: dict[str, Any] = {"global optimizer hooks": optimizer_hooks()}
    for name, module in scene.model.named_modules():
        found[f"attributes of {name}"] = _attributes(module)
        for kind in (*KINDS, *FLAGS):
            found[f"{kind} of {name}"] = [_called(hook) for hook in getattr(module, kind).values()]
    for name, parameter in scene.model.named_parameters():
        found[f"hooks of {name}"] = len(parameter._backward_hooks or ())
        found[f"attributes of {name}"] = _attributes(parameter)
    for i, optimizer in enumerate(scene.optimizers):
        hooks = (optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks)
        found[f"hooks of optimizer {i}"] = [len(each) for each in hooks]
        found[f"attributes of optimizer {i}"] = _attributes(optimizer)
    return found


def _attributes(thing: Any) -> list[str]:
    """Names of attributes, without the marks that torch.compile makes."""
    return sorted(name for name in vars(thing) if not name.startswith("_dynamo"))


def _called(hook: Any) -> str:
    return getattr(hook, "__qualname__", type(hook).__qualname__)


def unlike(a: dict[str, Any], b: dict[str, Any]) -> list[str]:
    """What differs between two findings of :func:`traces`."""
    return [f"{key}: {a.get(key)} | {b.get(key)}" for key in {**a, **b} if a.get(key) != b.get(key)]


def live_tensors() -> int:
    """Number of tensors that the garbage collector knows, without the fake ones that torch.compile keeps."""
    if "torch._dynamo" in sys.modules:
        torch._dynamo.reset()
    gc.collect()
    kinds = map(type, gc.get_objects())
    return sum(issubclass(kind, torch.Tensor) and kind.__name__ != "FakeTensor" for kind in kinds)


def rooted(scene: Scene) -> list[weakref.ref[Any]]:
    """Weak references to all that must go when nobody holds the scene."""
    things = [*scene.model.modules(), *scene.model.parameters(), *scene.optimizers]
    return [weakref.ref(thing) for thing in things if not isinstance(thing, torch.jit.ScriptModule)]


def alive(references: list[weakref.ref[Any]]) -> list[str]:
    """Classes of what is still there."""
    gc.collect()
    return [type(thing()).__name__ for thing in references if thing() is not None]


def nobody_else() -> None:
    """For a fixture: earlier inspectors are gone, and the collector need not look through all that is older."""
    gc.collect()
    Hooks()
    gc.freeze()


def quiet_collector() -> Iterator[None]:
    """For a fixture: the same, and at its end the collector looks through everything again."""
    nobody_else()
    yield
    gc.unfreeze()


class Broken(OutputNorm):
    """A lens that raises at the n-th output it is shown."""

    nth = 1

    def register_leaf_module(self, module: nn.Module, module_name: str, inspector_state: Any) -> None:
        super().register_leaf_module(module, module_name, inspector_state)
        self.calls = 0
        inspector_state.hooks.forward(module, module_name, self._explode)

    def _explode(self, name: str, module: nn.Module, layer_input: Any, output: Any) -> None:
        self.calls += 1
        if self.calls == self.nth:
            raise ZeroDivisionError("no such number")
