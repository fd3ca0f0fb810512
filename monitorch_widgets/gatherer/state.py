"""What gatherers and lenses know of the inspector."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import ClassVar

from torch import nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.preprocessor import StepBuffer

from .changes import Changes
from .hooks import Hooks
from .passes import Passes


class InspectorState:
    """The epoch, whether it is watched, and the hooks and the step's buffer that all lenses share.

    Parameters
    ----------
    is_active_fn : int or callable
        Watch every n-th epoch, or those for which ``is_active_fn(epoch)`` is true.

    Attributes
    ----------
    counter : int
        Current epoch, from 1.
    hooks : Hooks
        Owner of all hooks.
    losses : set of int
        Keys (``id``) of the loss modules that are watched.
    shares_losses : bool
        Whether another inspector watches one of them too.
    on_fault : callable
        Called as ``on_fault(error)`` when `is_active_fn` raises; the default raises.
    in_step : bool
        Whether the model has run forward, in training mode, since its last step.
    buffer : StepBuffer
        Numbers of the running step.
    passes : Passes
        Forward and backward passes of the running step.
    changes : Changes
        What the running step changes; the copies of parameters that lenses of updates share.

    Examples
    --------
    >>> state = InspectorState(is_active_fn=2)
    >>> state.is_active, state.tick(), state.is_active
    (False, 2, True)
    """

    _newest: ClassVar[weakref.ref[InspectorState] | None] = None
    _all: ClassVar[weakref.WeakSet[InspectorState]] = weakref.WeakSet()

    def __init__(self, is_active_fn: int | Callable[[int], bool] = 1) -> None:
        if isinstance(is_active_fn, int) and is_active_fn < 1:
            raise ArgumentError(
                f"expected is_active_fn to be an integer of at least 1, or a function of the epoch; "
                f"received {is_active_fn!r}. Use 1 to watch every epoch."
            )
        if not isinstance(is_active_fn, int) and not callable(is_active_fn):
            raise ArgumentTypeError(
                f"expected is_active_fn to be an integer of at least 1, or a function of the epoch; "
                f"received {is_active_fn!r}. Use 1 to watch every epoch."
            )
        if isinstance(is_active_fn, int):
            self.is_active_fn: Callable[[int], bool] = _Every(is_active_fn)
        else:
            self.is_active_fn = is_active_fn
        self.counter = 1
        self._asked, self._active = 0, True
        self._attached = False
        self.on_fault: Callable[[Exception], None] = _raise
        self.losses: set[int] = set()
        self.shares_losses = False
        InspectorState._all.add(self)
        self.in_step = False
        self.buffer = StepBuffer()
        self.passes = Passes(self.buffer)
        self.hooks = Hooks(self.passes, self.buffer)
        self.changes = Changes()

    def note_forward(self, training: bool) -> None:
        """Note that the model has run forward."""
        self.in_step = self.in_step or training
        InspectorState._newest = weakref.ref(self)

    @property
    def attached(self) -> bool:
        """Whether a model is watched."""
        return self._attached

    @attached.setter
    def attached(self, attached: bool) -> None:
        self._attached = attached
        known = [state for state in list(InspectorState._all) if state._attached]
        for state in known:
            state.shares_losses = any(state.losses & other.losses for other in known if other is not state)

    @property
    def step_begun(self) -> bool:
        """Whether something has run forward in training since the last step, as far as that is followed now."""
        return self.in_step or self.passes.begun or self.buffer.begun == self.buffer.step

    def has_loss(self, loss_fn: nn.Module) -> bool:
        """Whether what a loss module returns now is of this model, as far as the inspectors in this process can tell.

        True between a forward pass in training mode and the step, and otherwise unless another watched model has run
        since. It keeps apart the losses of two watched models that share one loss module.
        """
        if not self.hooks.own.on:  # the model's own passes are not seen now
            return not self.shares_losses
        newest = None if InspectorState._newest is None else InspectorState._newest()
        return self.in_step or newest is None or newest is self

    def tick(self, n_ticks: int = 1) -> int:
        """Go on by some epochs; the new one is returned."""
        self.counter += n_ticks
        return self.counter

    @property
    def is_active(self) -> bool:
        """Whether the current epoch is watched; a function of the user is asked once in each epoch.

        Where it raises, the epoch is watched.
        """
        if self._asked != self.counter:
            self._asked, self._active = self.counter, True
            try:
                self._active = bool(self.is_active_fn(self.counter))
            except Exception as error:
                self.on_fault(error)
        return self._active


class _Every:
    def __init__(self, n: int) -> None:
        self.n = n

    def __call__(self, epoch: int) -> bool:
        return epoch % self.n == 0


def _raise(error: Exception) -> None:
    raise error
