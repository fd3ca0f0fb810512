"""What gatherers and lenses know of the inspector."""

from __future__ import annotations

from collections.abc import Callable

from monitorch_widgets.errors import ArgumentError
from monitorch_widgets.preprocessor import StepBuffer

from .hooks import Hooks


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
    attached : bool
        Whether a model is watched.
    hooks : Hooks
        Owner of all hooks.
    buffer : StepBuffer
        Numbers of the running step.

    Examples
    --------
    >>> state = InspectorState(is_active_fn=2)
    >>> state.is_active, state.tick(), state.is_active
    (False, 2, True)
    """

    def __init__(self, is_active_fn: int | Callable[[int], bool] = 1) -> None:
        if isinstance(is_active_fn, int) and is_active_fn < 1:
            raise ArgumentError(
                f"expected is_active_fn to be an integer of at least 1, or a function of the epoch; "
                f"received {is_active_fn!r}. Use 1 to watch every epoch."
            )
        if isinstance(is_active_fn, int):
            self.is_active_fn: Callable[[int], bool] = _Every(is_active_fn)
        else:
            self.is_active_fn = is_active_fn
        self.counter = 1
        self.attached = False
        self.hooks = Hooks()
        self.buffer = StepBuffer()

    def tick(self, n_ticks: int = 1) -> int:
        """Go on by some epochs; the new one is returned."""
        self.counter += n_ticks
        return self.counter

    @property
    def is_active(self) -> bool:
        """Whether the current epoch is watched."""
        return bool(self.is_active_fn(self.counter))


class _Every:
    def __init__(self, n: int) -> None:
        self.n = n

    def __call__(self, epoch: int) -> bool:
        return epoch % self.n == 0
