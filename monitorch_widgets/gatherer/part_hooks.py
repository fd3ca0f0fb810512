"""Where a pass begins of a model that is never called itself: its loop calls parts of it, as a training_step does."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .compiled import not_compiled
from .module_hooks import Inert, hookable, untouchable

if TYPE_CHECKING:
    from .hooks import Hooks


class PartBegins(Inert):
    """Hook on a part of the watched model, before it runs."""

    @not_compiled
    def __call__(self, module: nn.Module, args: Any) -> None:
        """Tell that a part begins; whether it trains, the whole model's mode says: a part of it may be frozen."""
        hooks = self.owner()
        if hooks is None or not hooks.own.on or hooks.gate.holds or untouchable() or self._module() is not module:
            return
        began, model = perf_counter(), hooks.worn.root
        if model is not None and torch._C._functorch.peek_interpreter_stack() is None:
            hooks.passes.part_begins(id(module), training=model.training)
        hooks.spent_s += perf_counter() - began


class PartHooks:
    """The hooks on the parts of one model; on only while a step is followed, and the model itself is not called."""

    def __init__(self) -> None:
        self._on: list[tuple[weakref.ref[nn.Module], int]] = []  # and the number of the hook that hangs there
        self._known: list[tuple[weakref.ref[nn.Module], PartBegins, Any]] = []

    def put_on(self, hooks: Hooks, model: nn.Module) -> list[Any]:
        """Put the hooks on; torch's handles the first time."""
        handles = [] if self._known else self._made(hooks, model)
        for module, hook, handle in self._known:
            part = module()
            if part is not None:
                part._forward_pre_hooks[handle.id] = hook
                self._on.append((module, handle.id))
        return handles

    def _made(self, hooks: Hooks, model: nn.Module) -> list[Any]:
        for name, part in called_parts(model):
            hooks.output_gradient(part, name, _ignore_gradient)  # by which its backward pass is seen
            hook = PartBegins(hooks, part)
            self._known.append((weakref.ref(part), hook, part.register_forward_pre_hook(hook)))
        return [handle for _, _, handle in self._known]

    def take_off(self) -> None:
        """Take the hooks off."""
        for module, number in self._on:
            part = module()
            if part is not None:
                part._forward_pre_hooks.pop(number, None)
        self._on.clear()

    def __len__(self) -> int:
        """Number of hooks that hang on modules now."""
        return len(self._on)


def called_parts(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The parts that the loop of a model may call: its children, and those of lists, which cannot be called.

    Examples
    --------
    >>> model = nn.Module()
    >>> model.encoder, model.heads = nn.Linear(2, 2), nn.ModuleList([nn.Linear(2, 1), nn.Linear(2, 1)])
    >>> [name for name, part in called_parts(model)]
    ['encoder', 'heads.0', 'heads.1']
    """
    seen, waiting = {id(model)}, [("", model)]
    while waiting:
        prefix, holder = waiting.pop(0)
        for name, part in holder.named_children():
            if id(part) in seen:
                continue
            seen.add(id(part))
            if type(part).forward is nn.Module.forward:
                waiting.append((f"{prefix}{name}.", part))
            elif hookable(part):
                yield f"{prefix}{name}", part


def _ignore_gradient(name: str, module: nn.Module, grad: torch.Tensor) -> None:
    pass
