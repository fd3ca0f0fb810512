"""Gatherer of all that a module is called with, or returns, as it is: integers, masks and nested batches too."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from .abstract import AbstractGatherer
from .compiled import not_compiled
from .module_hooks import Listeners, ModuleHook, Subscription, hookable, untouchable
from .passes import in_backward
from .state import InspectorState

if TYPE_CHECKING:
    from .hooks import Hooks

Side = Literal["input", "output"]
Take = Callable[[str, nn.Module, Any], None]


def inputs_of(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a module is called with: one input stands for itself, several are a dict by place and by keyword.

    Examples
    --------
    >>> inputs_of((1,), {}), inputs_of((1, 2), {"mask": 3})
    (1, {0: 1, 1: 2, 'mask': 3})
    """
    if len(args) == 1 and not kwargs:
        return args[0]
    several: dict[object, Any] = dict(enumerate(args))
    return {**several, **kwargs}


class CallGatherer(AbstractGatherer):
    """Sees what goes into a module before it runs, or what comes out.

    Inputs are seen before the module may change them in place. A repetition for activation checkpointing is not
    counted. The hook is on only while the lens listens.

    Parameters
    ----------
    module : torch.nn.Module
        The module to watch.
    side : str
        ``"input"`` or ``"output"``.
    take : callable
        Called as ``take(name, module, value)``; inputs come as :func:`inputs_of` gives them.
    name : str
        Name of the module.
    inspector_state : InspectorState
        Of the inspector.
    """

    def __init__(self, module: nn.Module, side: Side, take: Take, name: str, inspector_state: InspectorState) -> None:
        super().__init__(inspector_state)
        hooks = inspector_state.hooks
        self._take = take
        self._listeners = CallListeners(hooks, module, name, side)
        self._subscription = Subscription(self, hooks.ear, self._listeners.forward)
        key = id(self._listeners)
        hooks.worn._modules[key] = self._listeners  # beside those of the module, which others may need when we do not
        hooks.worn.need(hooks.ear, key)

    @AbstractGatherer.requires_active_inspector_state
    def __call__(self, name: str, module: nn.Module, value: Any) -> None:
        """Hand on what came in or out."""
        self._take(name, module, value)

    def detach(self) -> None:
        """Stop watching."""
        super().detach()
        self._subscription.remove()
        self._listeners.take_off()


class CallListeners(Listeners):
    """The callbacks of one side of a module."""

    __slots__ = ("_side",)

    def __init__(self, hooks: Hooks, module: nn.Module, name: str, side: Side) -> None:
        super().__init__(hooks, module, name)
        self._side = side
        self.hook = (_InputHook if side == "input" else _OutputHook)(hooks, module, name, self)

    def put_on(self) -> Any:
        """Put the hook on the module; torch's handle the first time, otherwise None."""
        if self._side == "output":
            return super().put_on()
        module, handle = self.module(), self._handle
        if module is None or not hookable(module):
            return None
        if handle is None:
            self._handle = module.register_forward_pre_hook(self.hook, with_kwargs=True)
            return self._handle
        module._forward_pre_hooks_with_kwargs[handle.id] = True
        module._forward_pre_hooks[handle.id] = self.hook
        return None

    def take_off(self) -> None:
        """Take the hook off."""
        if self._side == "output":
            super().take_off()
        elif self._handle is not None:
            self._handle.remove()


class _CallHook(ModuleHook):
    """Base of the hooks of both sides; returns nothing, what flows stays as it is."""

    def __init__(self, hooks: Hooks, module: nn.Module, name: str, listeners: Listeners) -> None:
        super().__init__(hooks, module, name)
        self._key = id(listeners)

    def _hand_on(self, module: nn.Module, value: Any) -> None:
        hooks = self.owner()
        if hooks is None or not hooks.listening or hooks.gate.holds:
            return
        began, listeners = perf_counter(), hooks.worn.by_key(self._key)
        if listeners is None or listeners.module() is not module or untouchable() or in_backward():
            return
        heard = [subscription for subscription in listeners.forward if subscription.ear.on]
        if heard and torch._C._functorch.peek_interpreter_stack() is None:
            name = hooks.passes.name_of_call(self._key, self._name, repeated=False)
            for subscription in heard:
                hooks.run(subscription, name, module, value)
        hooks.spent_s += perf_counter() - began


class _InputHook(_CallHook):
    @not_compiled
    def __call__(self, module: nn.Module, args: Any, *others: Any) -> None:
        self._hand_on(module, inputs_of(args, others[0] if others else {}))


class _OutputHook(_CallHook):
    @not_compiled
    def __call__(self, module: nn.Module, args: Any, *others: Any) -> None:
        self._hand_on(module, others[-1])
