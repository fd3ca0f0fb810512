"""The hooks on all optimizers of the process: through them a step is found with no word from the user."""

from __future__ import annotations

import sys
import weakref
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import Optimizer
from torch.optim import optimizer as torch_optimizers

from .module_hooks import untouchable

if TYPE_CHECKING:
    from .hooks import Hooks


class StepBegins:
    """Hook before each optimizer step."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = weakref.ref(hooks)

    def belongs_to(self, hooks: Hooks) -> bool:
        """Whether it was made by this owner."""
        return self._hooks() is hooks

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Tell that a step begins."""
        if torch.compiler.is_compiling() or untouchable():
            return
        hooks = self._hooks()
        if hooks is None or not hooks.listening or _within_step(sys._getframe(1), hooks):
            return
        if optimizer._optimizer_step_pre_hooks:  # they run after this one, and may clip gradients
            hooks.run_last(optimizer, StepReady(hooks))
        else:
            hooks.run_before_step(optimizer, closure=_has_closure(args, kwargs))


class StepReady(StepBegins):
    """Hook on one optimizer for one step, behind those that it has."""

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Tell that a step begins, and that gradients are ready."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.run_before_step(optimizer, closure=_has_closure(args, kwargs))


class StepEnds(StepBegins):
    """Hook after each optimizer step."""

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Tell that a step was made."""
        if torch.compiler.is_compiling() or untouchable():
            return
        hooks = self._hooks()
        if hooks is not None and not _within_step(sys._getframe(1), hooks):
            hooks.run_after_step(optimizer, closure=_has_closure(args, kwargs))


def hook_optimizers(hooks: Hooks) -> list[Any]:
    """Put both hooks on all optimizers; their handles are returned."""
    return [
        torch_optimizers.register_optimizer_step_pre_hook(StepBegins(hooks)),
        torch_optimizers.register_optimizer_step_post_hook(StepEnds(hooks)),
    ]


def sweep_optimizers(hooks: Hooks) -> None:
    """Take off what an interrupt left there before its handle was kept."""
    for registered in (torch_optimizers._global_optimizer_pre_hooks, torch_optimizers._global_optimizer_post_hooks):
        for key, hook in list(registered.items()):
            if isinstance(hook, StepBegins) and hook.belongs_to(hooks):
                del registered[key]


def _within_step(frame: FrameType, hooks: Hooks) -> bool:
    """Whether this step is a part of another one that counts.

    That is so where a subclass calls ``super().step()``, and for an optimizer inside another one. `frame` is the one
    that runs the hooks; torch puts the same code around every optimizer's step. Nothing is kept from step to step, so
    a step that raises can't confuse the next.
    """
    outer = frame.f_back
    while outer is not None:
        if outer.f_code is frame.f_code:
            return any(hooks.accepts(value) for value in outer.f_locals.values() if isinstance(value, Optimizer))
        outer = outer.f_back
    return False


def _has_closure(args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether ``step`` was given a closure; torch hands hooks the optimizer as its first argument."""
    return (args[1] if len(args) > 1 else kwargs.get("closure")) is not None
