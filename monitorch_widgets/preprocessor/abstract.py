"""Base classes: what a gatherer calls, and what the built-in preprocessors share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from monitorch_widgets.numerical import (
    Accumulator,
    RunningMeanVar,
    append_finite,
    gathered_states,
    merged_states,
)

from .deferred import StepBuffer

Listener = Callable[[Sequence[str], Sequence[Sequence[float]], int], None]


class AbstractPreprocessor(ABC):
    """Turns tensors into numbers and keeps them by module name until the next reset."""

    @property
    @abstractmethod
    def value(self) -> dict[str, Any]:
        """Numbers since creation or the last reset, by module name."""

    @abstractmethod
    def reset(self) -> None:
        """Forget the numbers."""

    def start_sync(self, dst_rank: int = 0) -> None:
        """Begin to merge with the other ranks; without numbers to merge there is nothing to do."""

    def finish_sync(self) -> None:
        """Finish merging with the other ranks."""


class AbstractForwardPreprocessor(AbstractPreprocessor):
    """Base of preprocessors of a module's input and output."""

    @abstractmethod
    def process_fw(self, name: str, module: nn.Module, layer_input: Any, layer_output: Any) -> None:
        """Take what one forward pass brought.

        Parameters
        ----------
        name : str
            Name of the module.
        module : torch.nn.Module
            The module.
        layer_input : torch.Tensor or None
            Its first input; None if it was called without any.
        layer_output : torch.Tensor
            Its output; for nested outputs the call is made for each tensor.
        """


class AbstractBackwardPreprocessor(AbstractPreprocessor):
    """Base of preprocessors of the gradients with respect to a module's outputs."""

    @abstractmethod
    def process_bw(self, name: str, module: nn.Module, grad_input: Any, grad_output: Any) -> None:
        """Take what one backward pass brought.

        Parameters
        ----------
        name : str
            Name of the module.
        module : torch.nn.Module
            The module.
        grad_input : tuple
            Always ``(None,)``: gradients are read at the output, which leaves in-place operations alone.
        grad_output : tuple of torch.Tensor
            Gradient with respect to one output tensor.
        """


class AbstractModulePreprocessor(AbstractPreprocessor):
    """Base of preprocessors that look at a module alone."""

    @abstractmethod
    def process_module(self, name: str, module: nn.Module) -> None:
        """Take the module as it is now."""


class AbstractTensorPreprocessor(AbstractPreprocessor):
    """Base of preprocessors of single tensors: a parameter, or its gradient."""

    @abstractmethod
    def process_tensor(self, name: str, tensor: Tensor) -> None:
        """Take one tensor."""

    def process_tensors(self, names: Sequence[str], tensors: Sequence[Tensor]) -> None:
        """Take the tensors of a whole step; override where one operation can serve all."""
        for name, tensor in zip(names, tensors, strict=True):
            self.process_tensor(name, tensor)


class DeferredPreprocessor(AbstractPreprocessor):
    """What the built-in preprocessors share: numbers come late, in one copy a step, and are kept by name.

    A subclass measures into small tensors and calls :meth:`_push`; nothing waits for the device until
    :attr:`value` is asked for.

    Parameters
    ----------
    channels : int
        How many numbers one measurement has.
    inplace : bool
        Keep running statistics (:class:`~monitorch_widgets.numerical.RunningMeanVar`) rather than lists.

    Attributes
    ----------
    buffer : StepBuffer
        Where measurements wait; an inspector puts the one of the step here.
    listener : callable or None
        Called as ``listener(names, rows, step)`` when numbers arrive.
    """

    def __init__(self, channels: int, inplace: bool) -> None:
        self.buffer = StepBuffer()
        self.listener: Listener | None = None
        self._channels = channels
        self._inplace = inplace
        self._kept: dict[str, tuple[Accumulator, ...]] = {}
        self._gathered: list[dict[str, list[Any]]] = []

    @property
    def value(self) -> dict[str, Any]:
        """Statistics since creation or the last reset, by name: one accumulator, or a tuple of them."""
        self.buffer.flush()
        return {name: kept[0] if len(kept) == 1 else kept for name, kept in self._kept.items()}

    def reset(self) -> None:
        """Forget the numbers, those on their way too."""
        self.buffer.flush()
        self._kept = {}

    def start_sync(self, dst_rank: int = 0) -> None:
        """Exchange statistics with the other ranks; every rank must call it, whatever it has seen.

        Parameters
        ----------
        dst_rank : int
            Rank that needs the result; all ranks get it.
        """
        self.buffer.flush()
        self._gathered = gathered_states(self._kept)

    def finish_sync(self) -> None:
        """Take over the merged statistics: those of all names that any rank has seen, the same on each."""
        if self._gathered:
            self._kept = merged_states(self._gathered)
            self._gathered = []

    @property
    def memory_bytes(self) -> int:
        """Memory that copies of tensors take, in bytes."""
        return 0

    def forget(self) -> None:
        """Drop the copies of tensors."""

    def _push(self, names: Sequence[str], numbers: Tensor, *, evaluation: bool = False) -> None:
        """Queue numbers of shape (len(names), channels)."""

        def arrive(values: list[float], step: int) -> None:
            self._arrive(names, values, step)

        self.buffer.push(numbers, arrive, evaluation=evaluation)

    def _arrive(self, names: Sequence[str], values: list[float], step: int) -> None:
        width = self._channels
        rows = [values[i : i + width] for i in range(0, len(values), width)]
        for name, row in zip(names, rows, strict=True):
            for accumulator, value in zip(self._of(name), row, strict=True):
                append_finite(accumulator, value)
        if self.listener is not None:
            self.listener(names, rows, step)

    def _of(self, name: str) -> tuple[Accumulator, ...]:
        if name not in self._kept:
            self._kept[name] = tuple(RunningMeanVar() if self._inplace else [] for _ in range(self._channels))
        return self._kept[name]


class TensorPreprocessor(DeferredPreprocessor, AbstractTensorPreprocessor):
    """Base of the built-in preprocessors of parameters and their gradients."""


def by_device(tensors: Sequence[Tensor]) -> list[list[int]]:
    """Places of the tensors, those of each device together: a model may be spread over several."""
    groups: dict[torch.device, list[int]] = {}
    for i, tensor in enumerate(tensors):
        groups.setdefault(tensor.device, []).append(i)
    return list(groups.values())


def is_training(module: nn.Module, evaluation_from_grad: bool, grad_outside: bool | None = None) -> bool:
    """Whether a forward pass trains: by grad mode, or by the module's own switch.

    Parameters
    ----------
    module : torch.nn.Module
        The module that runs.
    evaluation_from_grad : bool
        By grad mode.
    grad_outside : bool, optional
        Whether gradients were enabled when the model's pass began, inside which this one runs. Reentrant checkpointing
        disables them in a pass that trains: there the module's switch decides.
    """
    if not evaluation_from_grad:
        return module.training
    return torch.is_grad_enabled() or (grad_outside is True and module.training)
