"""The hooks on all optimizers of the process: through them a step is found with no word from the user."""

from __future__ import annotations

import sys
import weakref
from time import perf_counter
from types import FrameType
from typing import TYPE_CHECKING, Any

from torch.optim import Optimizer
from torch.optim import optimizer as torch_optimizers

from .module_hooks import untouchable
from .stack import upwards

if TYPE_CHECKING:
    from .hooks import Hooks


_followers: tuple[weakref.ref[Hooks], ...] = ()  # owners of hooks that follow optimizers
_STEP = Optimizer.profile_hook_step(lambda optimizer: None).__code__  # what torch puts around every step


class _Nesting:
    """Tells a step that is a part of another one, which may take a walk up the stack.

    It does not while nothing else is running, and the class of the optimizer does not call the step of another one.
    """

    def __init__(self) -> None:
        self._running: int | None = None  # the optimizer whose step began last, if it surely was no part of another
        self._simple: dict[type, bool] = {}

    def begins(self, optimizer: Optimizer) -> bool:
        """Note that a step begins; whether it is surely no part of another. The one before it may have raised."""
        sure = self._running in (None, id(optimizer)) and self._is_simple(type(optimizer))
        if sure:
            self._running = id(optimizer)
        return sure

    def ends(self, optimizer: Optimizer) -> bool:
        """Note that a step ends; whether it was surely no part of another."""
        sure = self._running == id(optimizer)
        if sure:
            self._running = None
        return sure

    def alone(self, optimizer: Optimizer) -> None:
        """Note that the step that begins is no part of another after all: what was running has raised."""
        if self._is_simple(type(optimizer)):
            self._running = id(optimizer)

    def _is_simple(self, kind: type) -> bool:
        if kind not in self._simple:
            self._simple[kind] = sum("step" in vars(base) for base in kind.__mro__ if base is not Optimizer) == 1
        return self._simple[kind]


_nesting = _Nesting()


class StepBegins:
    """Hook before each optimizer step, one for all owners.

    Owners come and go while torch may be iterating over hooks, in another thread too; this one stays. Most steps are
    skipped, and then only its first lines run: what a skipped step costs is code that is not in the processor's caches.
    """

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Tell that a step begins to who follows it."""
        sure = _nesting.begins(optimizer)
        told = [hooks for reference in _followers if (hooks := reference()) is not None and hooks.own.on]
        if told or not sure:
            began = perf_counter()
            outer = _around(optimizer, sure, sys._getframe(1))
            if not outer and not sure:
                _nesting.alone(optimizer)
            for hooks in _counting(told, outer):
                hooks.enter(began)
                self._tell(hooks, optimizer, _has_closure(args, kwargs))
                began = hooks.leave()

    def _tell(self, hooks: Hooks, optimizer: Optimizer, closure: bool) -> None:
        if optimizer._optimizer_step_pre_hooks:  # they run after this one, and may clip gradients
            hooks.run_last(optimizer, StepReady(hooks))
        else:
            hooks.run_before_step(optimizer, closure=closure)


class StepEnds:
    """Hook after each optimizer step, one for all owners."""

    def __call__(self, optimizer: Optimizer, args: Any, kwargs: Any) -> None:
        """Tell that a step was made to all but those who skip it."""
        sure = _nesting.ends(optimizer)
        told = [
            hooks
            for reference in _followers
            if (hooks := reference()) is not None and not (sure and hooks.skips(optimizer))
        ]
        if told:
            began = perf_counter()
            for hooks in _counting(told, _around(optimizer, sure, sys._getframe(1))):
                hooks.enter(began)
                hooks.run_after_step(optimizer, closure=_has_closure(args, kwargs))
                began = hooks.leave()
                hooks.on_boundary()


def _around(optimizer: Optimizer, sure: bool, frame: FrameType) -> list[Optimizer]:
    return [] if sure else _optimizers_around(frame)


def _counting(told: list[Hooks], outer: list[Optimizer]) -> list[Hooks]:
    """Owners for whom this step counts: not where it is a part of one that does."""
    return [] if untouchable() else [hooks for hooks in told if not any(map(hooks.accepts, outer))]


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
    global _followers
    if hooks not in _alive():
        _followers = (*_followers, weakref.ref(hooks))
    if not _ours(torch_optimizers._global_optimizer_pre_hooks):
        torch_optimizers.register_optimizer_step_pre_hook(StepBegins())
    if not _ours(torch_optimizers._global_optimizer_post_hooks):
        torch_optimizers.register_optimizer_step_post_hook(StepEnds())


def leave_optimizers(hooks: Hooks | None = None) -> None:
    """Tell this owner no more; when none is left, the hooks go, or else with the next owner that comes or goes."""
    global _followers
    _followers = tuple(weakref.ref(other) for other in _alive() if other is not hooks)
    if _followers or _stepping():
        return
    for registered in (torch_optimizers._global_optimizer_pre_hooks, torch_optimizers._global_optimizer_post_hooks):
        for key in _ours(registered):
            del registered[key]


def _stepping() -> bool:
    """Whether an optimizer is stepping, in any thread: torch may be iterating over the hooks at this moment."""
    return any(frame.f_code is _STEP for newest in sys._current_frames().values() for frame in upwards(newest))


def _alive() -> list[Hooks]:
    return [hooks for hooks in (reference() for reference in _followers) if hooks is not None]


def _ours(registered: Any) -> list[int]:
    return [key for key, hook in list(registered.items()) if isinstance(hook, StepBegins | StepEnds)]


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
