"""Histograms of tensors, counted where the tensors are; they reach the host with the step's one copy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from monitorch_widgets.numerical import BINS, Histogram, histogram_row

from .deferred import Floats, Ready, StepBuffer
from .nested import nested_tensors, shape_of

_MARK = "\0"  # between what is known of a tensor, in the one name that goes with its numbers


@dataclass(frozen=True, slots=True)
class Seen:
    """A tensor as it was seen.

    Attributes
    ----------
    group : str
        What it belongs to, e.g. ``"input"``.
    name : str
        Its name in the group.
    shape, dtype : str
        In words.
    step : int
        When; -1 for the step that the buffer knows.
    """

    group: str
    name: str
    shape: str
    dtype: str
    step: int = -1

    def __str__(self) -> str:
        return _MARK.join([self.group, self.name, self.shape, self.dtype, str(self.step)])

    @classmethod
    def of(cls, text: str) -> Seen:
        """The same out of the text.

        Examples
        --------
        >>> Seen.of(str(Seen("batch", "0", "[64, 10]", "float32"))).shape
        '[64, 10]'
        """
        group, name, shape, dtype, step = text.split(_MARK)
        return cls(group, name, shape, dtype, int(step))


Counted = Callable[[Seen, Histogram, int], None]
"""Takes a tensor, its histogram and the step."""


class Histograms(Ready):
    """Counts tensors, and tells of the histograms when they have arrived.

    Parameters
    ----------
    told : callable
        Gets each histogram.
    bins : int
        Of each histogram.

    Attributes
    ----------
    buffer : StepBuffer
        Where they wait; an inspector puts the one of the step here.
    """

    def __init__(self, told: Counted, bins: int = BINS) -> None:
        self.buffer = StepBuffer()
        self._told = told
        self._bins = bins

    def process_nested(self, group: str, name: str, value: Any, *, step: int = -1, evaluation: bool = False) -> None:
        """Count every tensor in something nested, as of the running step or of another one."""
        for path, tensor in nested_tensors(value, name):
            self.process_tensor(group, path, tensor, step=step, evaluation=evaluation)

    def process_tensor(
        self, group: str, name: str, tensor: Tensor, *, step: int = -1, evaluation: bool = False
    ) -> None:
        """Count one tensor, as of the running step or of another one."""
        name = name.replace(_MARK, " ")
        seen = Seen(group, name, shape_of(tensor), str(tensor.dtype).removeprefix("torch."), step)
        self.buffer.push(histogram_row(tensor, self._bins), self, (str(seen),), evaluation=evaluation)

    def take(self, names: list[str], values: Floats, steps: list[int]) -> None:
        """Get rows on the host."""
        for text, row, step in zip(names, values, steps, strict=True):
            seen = Seen.of(text)
            self._told(seen, Histogram.of_row(row), step if seen.step < 0 else seen.step)
