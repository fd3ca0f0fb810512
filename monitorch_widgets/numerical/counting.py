"""How many values of each neuron are not zero: one pass that marks them, one that adds the marks up.

On the CPU marks go into memory that is kept, in pieces that stay in the processor's cache: fresh memory of the size of
the tensor would cost more than all arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from . import walk
from .scratch import scratch
from .tensors import aside, constants, note_norms, plain, precise, rounded_down, sample_norms

_PIECE = 1 << 18  # values that are marked at a time on the CPU
_LAYOUTS = 256  # shapes that are remembered
_MARKED = (torch.float32, torch.float64)  # dtypes that are marked as they are
_NOTHING = torch.empty(0)

# The first argument where the magnitude of the second exceeds a threshold, elsewhere 0: one pass, without temporaries.
_marked = torch.ops.aten.hardshrink_backward.default
_mark = torch.ops.aten.hardshrink_backward.grad_input


@dataclass(slots=True)
class Counted:
    """What one look at a tensor leaves.

    Attributes
    ----------
    counts : torch.Tensor, shape (C,)
        Active values of each neuron; nothing that can be relied on where something is not finite.
    check : torch.Tensor
        Finite throughout exactly if all values are.
    size : int
        Values of each neuron.
    training : bool
        Whether it was seen in training.
    """

    counts: Tensor
    check: Tensor
    size: int
    training: bool = True

    @property
    def device(self) -> torch.device:
        """Where the counts are."""
        return self.counts.device


def count_active(
    values: Tensor, eps: float, *, batch: bool, channel_last: bool = False, check: Tensor | None = None
) -> Counted:
    """Count the values of each neuron whose magnitude exceeds `eps`; nothing waits for the device.

    Parameters
    ----------
    values : torch.Tensor
        An output (B, C, *spatial), or (B, *spatial, C) with `channel_last`; a gradient (C, *rest) without `batch`. A
        tensor of 0 dimensions (or 1 with `batch`) is one neuron.
    eps : float
        Magnitude up to which a value counts as zero.
    batch, channel_last : bool
        Where the neurons are.
    check : torch.Tensor, optional
        Something that is finite throughout exactly if all values are, where it is known; nobody may change it.

    Examples
    --------
    >>> count_active(torch.tensor([[3.0, 0.0], [2.0, 0.0]]), 1e-8, batch=True).counts
    tensor([2., 0.])
    """
    values = plain(values)
    dims = values.dim()
    if dims <= batch:
        values, dims = (values.reshape(-1, 1), 2) if batch else (values.reshape(1), 1)
    channel = (dims - 1 if channel_last else 1) if batch else 0
    size = values.numel() // max(values.shape[channel], 1)
    if not size:
        return Counted(values.new_empty(0, dtype=torch.float32), values.new_empty(0, dtype=torch.float32), 0)
    counts, found = (_on_cpu if values.is_cpu else _elsewhere)(values, eps, channel, check is None)
    return Counted(counts, found if check is None else check, size)


def count_output(output: Tensor, eps: float, *, channel_last: bool = False) -> Counted:
    """Count as :func:`count_active` does for an output; what is found on the way is there for :func:`sample_norms`.

    The check is the norms of the samples, which the lens of norms looks at too; they are not finite from 1e19 on,
    where torch computes them.
    """
    values = plain(output)
    channel = values.dim() - 1 if channel_last else 1
    if values.dim() < 2 or not values.numel() or not walk.counts(values, channel):
        return count_active(values, eps, batch=True, channel_last=channel_last, check=sample_norms(output))
    counts, norms = walk.look_at(values, channel, rounded_down(eps, values.dtype))
    note_norms(output, norms)
    return Counted(counts, norms, values.numel() // values.shape[channel])


def mark_into(marks: Tensor, values: Tensor, eps: float) -> None:
    """Write 1 where the magnitude of a value exceeds `eps`, and 0 elsewhere; NaN may become either."""
    one = _one(values.dtype, values.device).expand(values.shape)
    _mark(one, values, rounded_down(eps, values.dtype), grad_input=marks)


def _elsewhere(values: Tensor, eps: float, channel: int, checked: bool) -> tuple[Tensor, Tensor]:
    if values.is_cuda and values.is_floating_point():
        one = _one(values.dtype, values.device).expand(values.shape)
        marks = _marked(one, values, rounded_down(eps, values.dtype))
    else:
        values = precise(values).abs()
        marks = values > eps
    return _sums(marks, channel), torch.linalg.vector_norm(values, math.inf).reshape(1) if checked else _NOTHING


def _on_cpu(values: Tensor, eps: float, channel: int, checked: bool) -> tuple[Tensor, Tensor]:
    if walk.counts(values, channel):
        counts = walk.count_channels(values, channel, rounded_down(eps, values.dtype))
        return counts, counts if checked else _NOTHING
    if values.numel() > _PIECE and values.shape[0] > 1:
        pieces = torch.split(values, max(_PIECE * values.shape[0] // values.numel(), 1))
        parts, checks = zip(*(_of_piece(piece, eps, channel, checked) for piece in pieces), strict=True)
        return torch.stack(parts).sum(0) if channel else torch.cat(parts), torch.cat(checks)
    return _of_piece(values, eps, channel, checked)


def _of_piece(values: Tensor, eps: float, channel: int, checked: bool) -> tuple[Tensor, Tensor]:
    layout = scratch().own(_Bench).layout(values)
    marks = layout.marks
    if values.dtype in _MARKED:
        source = values
    else:
        source = torch.abs(values, out=marks) if values.is_complex() else marks.copy_(values)
    check = _check(source, layout) if checked else _NOTHING
    _mark(layout.one, source, rounded_down(eps, marks.dtype), grad_input=marks)
    return _sums(marks, channel), check


def _sums(marks: Tensor, channel: int) -> Tensor:
    """Sums for each place in one dimension, never the memory of the marks themselves."""
    others = _others(marks.dim(), channel)
    return marks.sum(others, dtype=torch.float32) if others else marks.to(torch.float32, copy=True)


@lru_cache(maxsize=_LAYOUTS)
def _others(dims: int, channel: int) -> tuple[int, ...]:
    return tuple(d for d in range(dims) if d != channel)


def _check(source: Tensor, layout: _Layout) -> Tensor:
    """Something that is finite exactly if all values are: times 0 they add up to 0 or NaN, however large they are."""
    if layout.zeros is None:
        low, high = torch.aminmax(source)
        return (low * 0 + high * 0).reshape(1)
    if layout.rows is not None:
        source = source.as_strided(layout.rows, (layout.rows[1], 1))
    return torch.mv(source, layout.zeros)


class _Layout(NamedTuple):
    """Memory for tensors of one shape, strides and dtype."""

    marks: Tensor
    one: Tensor
    zeros: Tensor | None  # None where the values are not one piece of memory
    rows: tuple[int, int] | None  # to take the values as a matrix of this shape; None if they are a good one


class _Bench:
    """The memory of one thread: its passes come one after the other."""

    def __init__(self) -> None:
        self._memory: dict[torch.dtype, Tensor] = {}
        self._layouts: dict[object, _Layout] = {}

    def layout(self, values: Tensor) -> _Layout:
        """Memory to mark a tensor in."""
        key = (values.shape, values.stride(), values.dtype)
        layout = self._layouts.get(key)
        if layout is None:
            with aside():
                layout = self._laid_out(values)
            if layout.marks.numel() <= _PIECE:
                self._layouts[key] = layout
        return layout

    def _laid_out(self, values: Tensor) -> _Layout:
        if len(self._layouts) >= _LAYOUTS:
            self._layouts.clear()
        dtype = values.dtype.to_real() if values.is_complex() else values.dtype
        dtype = dtype if dtype in _MARKED else torch.float32
        shape, size = values.shape, values.numel()
        strides = torch.empty_like(values, device="meta").stride()  # those of `values`, unless there are gaps
        marks = self._room(size, dtype).as_strided(shape, strides)
        rows = (shape[0], size // shape[0]) if size >= 2 * shape[0] else (1, size)
        checkable = rows[1] > 1 and (dtype is not values.dtype or strides == values.stride())
        zeros = torch.zeros(rows[1], dtype=dtype, device="cpu") if checkable else None
        fine = tuple(shape) == rows and strides == (rows[1], 1)
        return _Layout(marks, _one(dtype, values.device).expand(shape), zeros, None if fine else rows)

    def _room(self, size: int, dtype: torch.dtype) -> Tensor:
        if size > _PIECE:
            return torch.empty(size, dtype=dtype, device="cpu")
        if dtype not in self._memory:
            self._memory[dtype] = torch.empty(_PIECE, dtype=dtype, device="cpu")
        return self._memory[dtype]


def _one(dtype: torch.dtype, device: torch.device) -> Tensor:
    return constants((1.0,), dtype, device)[0]
