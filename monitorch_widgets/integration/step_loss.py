"""The loss of each step where the model computes it itself, as those of transformers do."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from monitorch_widgets.gatherer import Hooks
from monitorch_widgets.gatherer.compiled import not_compiled
from monitorch_widgets.gatherer.module_hooks import Inert, untouchable


class StepLoss:
    """Takes the loss out of what the model returns, and hands it to a loss module that a lens can watch.

    The losses of the micro-batches of a step are one number, as the optimizer sees them: their mean, or their sum where
    each is a part of the loss of the whole batch already (``num_items_in_batch`` in the call). Nothing is copied to the
    host.

    Attributes
    ----------
    loss_fn : torch.nn.Module
        For ``LossMetrics(loss_fn=...)``; it returns what it is given.
    seen : bool
        Whether the model has returned a loss.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> losses = StepLoss()
    >>> handle = losses.loss_fn.register_forward_hook(lambda module, args, loss: print(float(loss)))
    >>> for micro_batch in (1.0, 3.0):
    ...     losses.saw(torch.tensor(micro_batch), training=True, parts=False)
    >>> losses.step()
    2.0
    """

    def __init__(self) -> None:
        self.loss_fn = nn.Identity()
        self.seen = False
        self._sum: Tensor | None = None
        self._count, self._parts = 0, False

    def watch(self, hooks: Hooks, model: nn.Module) -> None:
        """Look at what `model` returns, until its inspector detaches; a second call changes nothing."""
        if not any(isinstance(hook, _LossHook) and hook.belongs_to(hooks) for hook in model._forward_hooks.values()):
            model.register_forward_hook(_LossHook(hooks, model, self), with_kwargs=True)

    def saw(self, loss: Tensor, *, training: bool, parts: bool) -> None:
        """Take the loss of one pass; `parts` says that those of a step add up."""
        self.seen = True
        if not training:
            self.loss_fn.eval()
            self.loss_fn(loss)
            return
        self._sum = loss if self._sum is None else self._sum + loss
        self._count, self._parts = self._count + 1, parts

    def step(self) -> None:
        """Hand on the loss of the step that the optimizer is about to make."""
        if self._sum is not None:
            self.loss_fn.train()
            self.loss_fn(self._sum if self._parts else self._sum / self._count)
        self.forget()

    def forget(self) -> None:
        """Forget what was not stepped."""
        self._sum, self._count = None, 0


class _LossHook(Inert):
    """Hook on the whole model, after it has run."""

    def __init__(self, hooks: Hooks, model: nn.Module, losses: StepLoss) -> None:
        super().__init__(hooks, model)
        self._losses = weakref.ref(losses)

    @not_compiled
    def __call__(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        losses = self._losses()
        if losses is None or self._module() is not module or untouchable():
            return
        loss = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
        if isinstance(loss, Tensor) and loss.numel() == 1:
            training = module.training and torch.is_grad_enabled()
            losses.saw(loss.detach(), training=training, parts=kwargs.get("num_items_in_batch") is not None)
