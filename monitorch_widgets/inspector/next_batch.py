"""The input of the next training pass of a model, caught once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from monitorch_widgets.gatherer.compiled import not_compiled
from monitorch_widgets.gatherer.hooks import Hooks
from monitorch_widgets.gatherer.module_hooks import Inert, hookable, untouchable
from monitorch_widgets.gatherer.passes import in_backward

Caught = Callable[[tuple[Any, ...], dict[str, Any]], None]


class NextBatch(Inert):
    """Hook before a model's forward pass, which goes away when it has caught an input.

    Like all hooks of an inspector it does nothing in copies and in saved models, and goes when the inspector leaves.

    Parameters
    ----------
    hooks : Hooks
        Of the inspector.
    model : torch.nn.Module
        The watched model.
    caught : callable
        Called once, as ``caught(args, kwargs)``, right before the pass.
    """

    def __init__(self, hooks: Hooks, model: nn.Module, caught: Caught) -> None:
        super().__init__(hooks, model)
        self._caught = caught

    @classmethod
    def catch(cls, hooks: Hooks, model: nn.Module, caught: Caught) -> bool:
        """Wait for the next input; whether the model takes hooks at all. A second call takes the place of the first."""
        if not hookable(model):
            return False
        cls.forget(hooks, model)
        model.register_forward_pre_hook(cls(hooks, model, caught), with_kwargs=True)
        return True

    @classmethod
    def forget(cls, hooks: Hooks, model: nn.Module) -> None:
        """Wait no longer."""
        registered = model._forward_pre_hooks.items()
        for key in [key for key, hook in registered if isinstance(hook, cls) and hook.belongs_to(hooks)]:
            del model._forward_pre_hooks[key]
            model._forward_pre_hooks_with_kwargs.pop(key, None)

    @not_compiled
    def __call__(self, module: nn.Module, args: Any, *others: Any) -> None:
        """Hand on an input of training; others are waited for no longer than it takes."""
        hooks = self.owner()
        if hooks is None or self._module() is not module or untouchable() or in_backward():
            return
        if hooks.gate.holds or not (module.training and torch.is_grad_enabled()):
            return
        self.forget(hooks, module)
        self._caught(args, others[0] if others else {})
