"""Base classes: what a gatherer calls, and what the built-in preprocessors share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from monitorch_widgets.numerical import (
    Accumulator,
    RunningMeanVar,
    gathered_states,
    merged_states,
)
from monitorch_widgets.numerical.running import extend_finite

from .deferred import Floats, StepBuffer, rows_of

Listener = Callable[[list[str], Floats, list[int]], None]

MOST_UNPOURED = 8192
"""Readings that wait for being brought into the statistics of the epoch, at most."""


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

    A subclass looks at a tensor once, pushes something small (:meth:`_push`), and makes readings of many such pushes
    in :meth:`finish`; nothing waits for the device until :attr:`value` is asked for.

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
        Called as ``listener(names, values, steps)`` when numbers arrive: `values` (n, channels), the rest of length n.
    """

    def __init__(self, channels: int, inplace: bool) -> None:
        self.buffer = StepBuffer()
        self.listener: Listener | None = None
        self._channels = channels
        self._inplace = inplace
        self._kept: dict[str, tuple[Accumulator, ...]] = {}
        self._unpoured: list[tuple[list[str], Floats]] = []
        self._unpoured_rows = 0
        self._gathered: list[dict[str, list[Any]]] = []

    @property
    def value(self) -> dict[str, Any]:
        """Statistics since creation or the last reset, by name: one accumulator, or a tuple of them."""
        self._settle()
        return {name: kept[0] if len(kept) == 1 else kept for name, kept in self._kept.items()}

    def reset(self) -> None:
        """Forget the numbers, those on their way too."""
        self._settle()
        self._kept = {}

    def start_sync(self, dst_rank: int = 0) -> None:
        """Exchange statistics with the other ranks; every rank must call it, whatever it has seen.

        Parameters
        ----------
        dst_rank : int
            Rank that needs the result; all ranks get it.
        """
        self._settle()
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

    def steps_left_out(self) -> None:
        """Note that steps were left out before the next one: what comes is not compared with what was."""

    def _push(self, names: Sequence[str], material: Any, *, evaluation: bool = False) -> None:
        """Queue what :meth:`finish` makes readings of: a tensor, or a tuple of such, that nobody else changes."""
        self.buffer.push(material, self, names, evaluation=evaluation)

    def finish(self, names: list[Sequence[str]], materials: list[Any]) -> Tensor:
        """Make readings (n, channels) of what many pushes brought; by default these are readings already."""
        return rows_of(names, materials)

    def take(self, names: list[str], values: Floats, steps: list[int]) -> None:
        """Get readings on the host, one row a name: for the figures of the epoch, and for the listener."""
        self._unpoured.append((names, values))
        self._unpoured_rows += len(names)
        if self._unpoured_rows > MOST_UNPOURED:
            self._pour()
        if self.listener is not None:
            self.listener(names, values, steps)

    def _pour(self) -> None:
        """Bring readings into the statistics, many at once."""
        if not self._unpoured:
            return
        unpoured, self._unpoured, self._unpoured_rows = self._unpoured, [], 0
        places: dict[str, list[int]] = {}
        for i, name in enumerate(chain.from_iterable(names for names, _ in unpoured)):
            places.setdefault(name, []).append(i)
        values = np.concatenate([numbers for _, numbers in unpoured])
        for name, rows in places.items():
            for accumulator, column in zip(self._of(name), values[rows].T, strict=True):
                extend_finite(accumulator, column)

    def _of(self, name: str) -> tuple[Accumulator, ...]:
        if name not in self._kept:
            self._kept[name] = tuple(RunningMeanVar() if self._inplace else [] for _ in range(self._channels))
        return self._kept[name]

    def _settle(self) -> None:
        self.buffer.flush()
        self._pour()


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
