"""Numbers that the loop itself brings: losses and metrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitorch_widgets.numerical import (
    Accumulator,
    RunningMeanVar,
    append_finite,
    gathered_states,
    merged_states,
    number,
)

from .abstract import AbstractPreprocessor


class ExplicitCall(AbstractPreprocessor):
    """Losses and metrics pushed by hand; :class:`PyTorchInspector` gives it to its lenses.

    Parameters
    ----------
    train_loss_str, non_train_loss_str : str
        Names of the training loss and of the loss of validation or test.

    Attributes
    ----------
    state : dict of str to RunningMeanVar or list
        What was pushed since the last reset, by name.
    listener : callable or None
        Called as ``listener(name, value)`` at each push.

    Examples
    --------
    >>> call = ExplicitCall("train_loss", "val_loss")
    >>> call.push_loss(0.5, train=True)
    >>> call.push_memory("accuracy", 0.9)
    >>> call.value["train_loss"].mean, call.value["accuracy"]
    (0.5, [0.9])
    """

    def __init__(self, train_loss_str: str, non_train_loss_str: str) -> None:
        self.state: dict[str, Accumulator] = {}
        self.train_loss_str = train_loss_str
        self.non_train_loss_str = non_train_loss_str
        self.listener: Callable[[str, float], None] | None = None
        self._gathered: list[dict[str, list[Any]]] = []

    def push_loss(self, value: float, *, train: bool, running: bool = True) -> None:
        """Keep a loss under the name for training, or under the other one.

        Parameters
        ----------
        value : float or torch.Tensor of one element
            The loss.
        train : bool
            Training loss rather than validation or test loss.
        running : bool
            Keep running statistics rather than every value of the epoch.
        """
        name = self.train_loss_str if train else self.non_train_loss_str
        (self.push_running if running else self.push_memory)(name, value)

    def push_running(self, name: str, value: float) -> None:
        """Add to the running statistics of `name`."""
        self._push(self.state.setdefault(name, RunningMeanVar()), name, value)

    def push_memory(self, name: str, value: float) -> None:
        """Append to the list of `name`."""
        self._push(self.state.setdefault(name, []), name, value)

    def _push(self, accumulator: Accumulator, name: str, value: Any) -> None:
        pushed = number(value)
        append_finite(accumulator, pushed)
        if self.listener is not None:
            self.listener(name, pushed)

    @property
    def value(self) -> dict[str, Any]:
        """What was pushed since the last reset, by name."""
        return self.state

    def reset(self) -> None:
        """Forget all."""
        self.state = {}

    def start_sync(self, dst_rank: int = 0) -> None:
        """Exchange what was pushed with the other ranks; every rank must call it, also one that pushed nothing."""
        self._gathered = gathered_states({name: (accumulator,) for name, accumulator in self.state.items()})

    def finish_sync(self) -> None:
        """Take over the merged numbers, the same on each rank."""
        if self._gathered:
            self.state = {name: merged for name, (merged,) in merged_states(self._gathered).items()}
            self._gathered = []
