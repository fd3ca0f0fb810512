"""The gate: the place before a forward pass of the model where a loop can be held, ended, or spoken to."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .module_hooks import Inert, hookable, untouchable
from .passes import in_backward

if TYPE_CHECKING:
    from .hooks import Hooks


class Gate:
    """Stops forward passes before they begin, where somebody has called for it.

    A loop is held here rather than after its optimizer's step: by then the loop is done with the step, and what is
    raised here leaves no scaler or scheduler behind that has seen half of it.

    Attributes
    ----------
    called : bool
        Whether somebody wants to be heard. Any thread may set it; nothing else here may be touched by another one.
    on_pass : callable
        Called as ``on_pass(training)`` before a forward pass while :attr:`called`; what it raises ends the loop.
    passed : int
        How often it was called.
    holds : bool
        Whether the loop is held; what runs meanwhile is somebody looking at the model, and is not read.
    """

    def __init__(self) -> None:
        self.called = self.holds = False
        self.on_pass: Callable[[bool], None] = _nobody
        self.passed = 0
        self._modules: list[weakref.ref[nn.Module]] = []

    def watch(self, modules: Iterable[nn.Module]) -> None:
        """Stand before these modules: the model and what is wrapped around it."""
        self._modules = [weakref.ref(module) for module in modules if hookable(module)]

    def close(self, hooks: Hooks) -> None:
        """Put the hooks on; they do nothing while nobody calls."""
        for module in self._alive():
            if not _ours(module, hooks):
                module.register_forward_pre_hook(GateHook(hooks, module), prepend=True)

    def open(self, hooks: Hooks) -> None:
        """Take the hooks off."""
        for module in self._alive():
            for key in _ours(module, hooks):
                del module._forward_pre_hooks[key]

    def is_closed(self, hooks: Hooks) -> bool:
        """Whether the hooks are on."""
        return any(_ours(module, hooks) for module in self._alive())

    def ask(self, module: nn.Module) -> bool:
        """Let the owner stop the pass of the model that is about to begin; whether somebody had called."""
        if not self.called or in_backward() or untouchable():
            return False
        self.passed += 1
        self.on_pass(module.training and torch.is_grad_enabled())
        return True

    def _alive(self) -> list[nn.Module]:
        return [module for module in (reference() for reference in self._modules) if module is not None]


class GateHook(Inert):
    """Hook on the watched model or on its wrapper, before all others."""

    def __call__(self, module: nn.Module, args: Any) -> None:
        """Let the owner stop the pass that is about to begin."""
        hooks = self.owner()
        if hooks is None or not hooks.gate.called or self._module() is not module:
            return
        was_on = hooks.worn.root_is_on
        if hooks.gate.ask(module) and not was_on:
            hooks.worn.root_begins(module, args)


def _ours(module: nn.Module, hooks: Hooks) -> list[int]:
    registered = module._forward_pre_hooks.items()
    return [key for key, hook in registered if isinstance(hook, GateHook) and hook.belongs_to(hooks)]


def _nobody(training: bool) -> None:
    """Nothing."""
