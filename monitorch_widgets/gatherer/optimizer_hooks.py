"""The hooks on all optimizers of the process: through them a step is found with no word from the user."""

from __future__ import annotations

import sys
import weakref
from types import FrameType
from typing import TYPE_CHECKING, Any

from torch.optim import Optimizer
from torch.optim import optimizer as torch_optimizers

from .module_hooks import untouchable
from .stack import upwards

if TYPE_CHECKING:
    from .hooks import Hooks


_followers: list[weakref.ref[Hooks]] = []  # owners of hooks that follow optimizers
_STEP = Optimizer.profile_hook_step(lambda optimizer: None).__code__  # what torch puts around every step


class StepBegins:
    """Hook before each optimizer step, one for all owners.

    Owners come and go while torch may be iterating over hooks, in another thread too; this one stays.
    """

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Tell that a step begins."""
        if untouchable():
            return
        outer = _optimizers_around(sys._getframe(1))
        for hooks in _alive():
            if not any(map(hooks.accepts, outer)):  # else this step is a part of one that counts
                self._tell(hooks, optimizer, _has_closure(args, kwargs))

    def _tell(self, hooks: Hooks, optimizer: Optimizer, closure: bool) -> None:
        if not hooks.listening:
            return
        if optimizer._optimizer_step_pre_hooks:  # they run after this one, and may clip gradients
            hooks.run_last(optimizer, StepReady(hooks))
        else:
            hooks.run_before_step(optimizer, closure=closure)


class StepEnds(StepBegins):
    """Hook after each optimizer step, one for all owners."""

    def _tell(self, hooks: Hooks, optimizer: Optimizer, closure: bool) -> None:
        hooks.run_after_step(optimizer, closure=closure)


class StepReady:
    """Hook on one optimizer for one step, behind those that it has."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = weakref.ref(hooks)

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Tell that a step begins, and that gradients are ready."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.run_before_step(optimizer, closure=_has_closure(args, kwargs))


def follow_optimizers(hooks: Hooks) -> None:
    """Tell this owner of all steps from now on."""
    if hooks not in _alive():
        _followers.append(weakref.ref(hooks))
    if not _ours(torch_optimizers._global_optimizer_pre_hooks):
        torch_optimizers.register_optimizer_step_pre_hook(StepBegins())
    if not _ours(torch_optimizers._global_optimizer_post_hooks):
        torch_optimizers.register_optimizer_step_post_hook(StepEnds())


def leave_optimizers(hooks: Hooks | None = None) -> None:
    """Tell this owner no more; when none is left, the hooks go, or else with the next owner that comes or goes."""
    _followers[:] = [weakref.ref(other) for other in _alive() if other is not hooks]
    if _followers or _stepping():
        return
    for registered in (torch_optimizers._global_optimizer_pre_hooks, torch_optimizers._global_optimizer_post_hooks):
        for key in _ours(registered):
            del registered[key]


def _stepping() -> bool:
    """Whether an optimizer is stepping, in any thread: torch may be iterating over the hooks at this moment."""
    return any(frame.f_code is _STEP for newest in sys._current_frames().values() for frame in upwards(newest))


def _alive() -> list[Hooks]:
    return [hooks for hooks in (reference() for reference in list(_followers)) if hooks is not None]


def _ours(registered: Any) -> list[int]:
    return [key for key, hook in list(registered.items()) if isinstance(hook, StepBegins)]


def _optimizers_around(frame: FrameType) -> list[Optimizer]:
    """Optimizers in the step that the step of `frame` is a part of; none where it is a step of its own.

    It is a part where a subclass calls ``super().step()``, and for an optimizer inside another one. Nothing is kept
    from step to step, so a step that raises can't confuse the next.
    """
    outer = next((above for above in upwards(frame.f_back) if above.f_code is _STEP), None)
    return [] if outer is None else [value for value in outer.f_locals.values() if isinstance(value, Optimizer)]


def _has_closure(args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether ``step`` was given a closure; torch hands hooks the optimizer as its first argument."""
    return (args[1] if len(args) > 1 else kwargs.get("closure")) is not None
