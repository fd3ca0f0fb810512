"""Active values of the neurons of many small gradients at once: marked together, added up together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import walk
from .counting import mark_into
from .tensors import aside, rounded_down

_SMALL = 1 << 17  # values of a tensor that is marked with others
_TOGETHER = 1 << 18  # values that are marked at a time: they stay in the processor's cache


@dataclass(slots=True)
class Marked:
    """What one look at the gradients of a step leaves.

    Attributes
    ----------
    counts : torch.Tensor, shape (N,)
        Active values of each neuron of all tensors, in the order of the plan; NaN where something is not finite.
    plan : Marks
        Where these neurons are.
    """

    counts: Tensor
    plan: Marks

    @property
    def device(self) -> torch.device:
        """Where the counts are."""
        return self.counts.device


class Alike(NamedTuple):
    """Neighbours in the order of a plan whose neurons are as many, and as large."""

    names: list[str]
    start: int  # of their neurons
    neurons: int  # of one of them
    size: int  # of a neuron


class Marks:
    """The plan for gradients that come together, step after step.

    Parameters
    ----------
    names : list of str
        Names of the gradients.
    tensors : sequence of torch.Tensor
        Gradients of these shapes, which are small, see :func:`is_small`.
    """

    def __init__(self, names: list[str], tensors: Sequence[Tensor]) -> None:
        self._came = names
        self._shapes = [tensor.shape for tensor in tensors]
        self._order = sorted(range(len(names)), key=lambda i: _neurons(self._shapes[i])[::-1])
        self.names = [names[i] for i in self._order]
        self.alike = self._found()
        self._neurons, self._sizes = np.array([_neurons(self._shapes[i]) for i in self._order]).T.copy()
        self._batches: list[_Batch] = []

    def fits(self, names: list[str], tensors: Sequence[Tensor]) -> bool:
        """Whether these are the gradients that come together."""
        return (names is self._came or names == self._came) and [each.shape for each in tensors] == self._shapes

    def mark(self, tensors: Sequence[Tensor], eps: float) -> Marked:
        """Count the values whose magnitude exceeds `eps`."""
        ordered = [tensors[i] for i in self._order]
        if walk.walks(ordered):
            return Marked(walk.count_rows(ordered, self._neurons, self._sizes, rounded_down(eps, torch.float32)), self)
        if not self._batches:
            self._batches = [_Batch([self._shapes[i] for i in chosen]) for chosen in self._cut()]
        counts, start = [], 0
        for batch in self._batches:
            counts += batch.counts(ordered[start : start + len(batch.views)], eps)
            start += len(batch.views)
        return Marked(torch.cat(counts), self)

    def _cut(self) -> list[list[int]]:
        batches: list[list[int]] = [[]]
        room = _TOGETHER
        for i in self._order:
            size = self._shapes[i].numel()
            if size > room:
                batches.append([])
                room = _TOGETHER
            batches[-1].append(i)
            room -= size
        return batches

    def _found(self) -> list[Alike]:
        alike: list[Alike] = []
        start = 0
        for name, i in zip(self.names, self._order, strict=True):
            neurons, size = _neurons(self._shapes[i])
            if not alike or alike[-1][2:] != (neurons, size):
                alike.append(Alike([], start, neurons, size))
            alike[-1].names.append(name)
            start += neurons
        return alike


class _Batch:
    """Memory for some of the gradients, those with neurons of one size beside each other."""

    def __init__(self, shapes: Sequence[torch.Size]) -> None:
        sizes = [shape.numel() for shape in shapes]
        self._values = torch.empty(sum(sizes), device="cpu")
        self._marks = torch.empty_like(self._values)
        parts = torch.split(self._values, sizes)
        self.views = [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]
        lengths: dict[int, int] = {}  # values by size of neuron
        for shape in shapes:
            size = _neurons(shape)[1]
            lengths[size] = lengths.get(size, 0) + shape.numel()
        blocks = torch.split(self._marks, list(lengths.values()))
        self._rows = [block.view(-1, size) for block, size in zip(blocks, lengths, strict=True)]

    def counts(self, tensors: Sequence[Tensor], eps: float) -> list[Tensor]:
        """Active values of each neuron, which are overwritten by the next call."""
        torch._foreach_copy_(self.views, list(tensors))
        mark_into(self._marks, self._values, eps)
        self._marks.add_(self._values, alpha=0)  # NaN for what is not finite
        return [rows.sum(1) if rows.shape[1] > 1 else rows[:, 0] for rows in self._rows]


def go_together(tensors: Sequence[Tensor]) -> list[bool]:
    """Which gradients can be marked with others: small ones, or all where compiled loops walk over them."""
    full = all(tensor.numel() for tensor in tensors)
    return [True] * len(tensors) if full and walk.walks(tensors) else [_is_small(tensor) for tensor in tensors]


def _is_small(tensor: Tensor) -> bool:
    return (
        tensor.dtype is torch.float32
        and tensor.is_cpu
        and tensor.layout is torch.strided
        and 0 < tensor.numel() <= _SMALL
    )


def marked(plans: list[Marks], names: list[str], tensors: Sequence[Tensor], eps: float) -> Marked:
    """Mark gradients by the plan for them, which is made where there is none."""
    with aside():
        for plan in plans:
            if plan.fits(names, tensors):
                return plan.mark(tensors, eps)
        del plans[: max(len(plans) - _PLANS + 1, 0)]
        plans.append(Marks(names, tensors))
        return plans[-1].mark(tensors, eps)


_PLANS = 4  # kept at most


def _neurons(shape: torch.Size) -> tuple[int, int]:
    """How many neurons a gradient has, and how many values each."""
    neurons = shape[0] if len(shape) else 1
    return neurons, shape.numel() // neurons
