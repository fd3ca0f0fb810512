"""Many small tensors in one piece of memory: what is done to all takes as many calls as for one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from . import walk
from .scratch import scratch

_ROW = 64  # values; no row has values of two tensors
_MOST = 1 << 20  # values; of more, each tensor is looked at while it is in the processor's cache
_DTYPES = (torch.float32, torch.float64)
Compared = tuple[Tensor, Tensor | None, Tensor | None]


def _padded(size: int) -> int:
    return max(-(-size // _ROW), 1) * _ROW


class Room:
    """Memory for tensors of these shapes, one after the other.

    Attributes
    ----------
    views : list of torch.Tensor
        The place of each tensor.
    flat : torch.Tensor
        All of it; 0 between the tensors.
    """

    def __init__(self, shapes: Sequence[torch.Size], dtype: torch.dtype) -> None:
        sizes = [shape.numel() for shape in shapes]
        padded = [_padded(size) for size in sizes]
        self.flat = torch.zeros(sum(padded), dtype=dtype, device="cpu")
        parts = torch.split(self.flat, padded)
        self.views = [part[:size].view(shape) for part, size, shape in zip(parts, sizes, shapes, strict=True)]
        self._starts = np.cumsum([0, *padded[:-1]]) // _ROW

    def _rows(self) -> npt.NDArray[Any]:
        """All of it in rows, the same memory; made anew each time, since a copy of this must not refer to it."""
        return np.from_dlpack(self.flat).reshape(-1, _ROW)

    def lengths(self) -> Tensor:
        """L2 norm of each tensor."""
        return torch.from_numpy(np.sqrt(self._products(self))).to(self.flat.dtype)

    def products(self, other: Room) -> Tensor:
        """Dot product of each tensor with that of another room."""
        return torch.from_numpy(self._products(other)).to(self.flat.dtype)

    def _products(self, other: Room) -> npt.NDArray[np.float64]:
        """Dot products of rows in one pass without temporaries, which torch has not; their sums in float64."""
        rows = np.einsum("ij,ij->i", self._rows(), other._rows())
        with np.errstate(all="ignore"):  # infinity is data
            return np.add.reduceat(rows.astype(np.float64), self._starts)


class _Rooms:
    """Rooms that nobody needs at the moment."""

    def __init__(self) -> None:
        self.free: dict[object, Room] = {}


class Together:
    """Tensors that come together, step after step, and their predecessors.

    Parameters
    ----------
    names : list of str
        Their names.
    tensors : sequence of torch.Tensor
        Tensors of these shapes.
    """

    def __init__(self, names: list[str], tensors: Sequence[Tensor]) -> None:
        self.names = names
        self.lengths: Tensor | None = None  # None while there is nothing to compare with
        self._shapes = [tensor.shape for tensor in tensors]
        self._dtype = tensors[0].dtype
        self._room: Room | None = None

    def fits(self, names: list[str], tensors: Sequence[Tensor]) -> bool:
        """Whether these are the tensors that come together."""
        return (
            (names is self.names or names == self.names)
            and [tensor.shape for tensor in tensors] == self._shapes
            and kind_of(tensors) is type(self)
        )

    def compare(self, tensors: Sequence[Tensor], lengths: Tensor | None) -> Compared:
        """Norms, dot products with the tensors before, and norms of these; None where there are none."""
        raise NotImplementedError

    def memory_under(self, prefix: str) -> int:
        """Memory of the tensors whose names begin so, in bytes."""
        if self._room is None:
            return 0
        pairs = zip(self.names, self._room.views, strict=True)
        return sum(view.numel() * view.element_size() for name, view in pairs if name.startswith(prefix))

    def apart(self) -> list[tuple[str, Tensor, Tensor | None]]:
        """Name, copy and norm of each tensor by itself."""
        if self._room is None:
            return []
        lengths = [None] * len(self.names) if self.lengths is None else list(self.lengths.clone())
        return [
            (name, view.clone(), length)
            for name, view, length in zip(self.names, self._room.views, lengths, strict=True)
        ]


class FlatTensors(Together):
    """Many small tensors, whose predecessors lie in one piece of memory, as they do themselves while it is needed."""

    def compare(self, tensors: Sequence[Tensor], lengths: Tensor | None) -> Compared:
        """See base class."""
        free, key = scratch().own(_Rooms).free, (tuple(self._shapes), self._dtype)
        room = free.pop(key, None) or Room(self._shapes, self._dtype)
        torch._foreach_copy_(room.views, list(tensors))
        lengths = room.lengths() if lengths is None else lengths
        before, self.lengths = self.lengths, None  # an interrupt in between leaves what can't be compared with
        kept, self._room = self._room, room
        products = None if kept is None or before is None else room.products(kept)
        if kept is not None:
            free[key] = kept
        self.lengths = lengths
        return lengths, products, before


class WalkedTensors(Together):
    """Tensors that compiled loops walk over: no memory but that of the predecessors."""

    def compare(self, tensors: Sequence[Tensor], lengths: Tensor | None) -> Compared:
        """See base class."""
        before, self.lengths = self.lengths, None  # as above
        if self._room is None:
            self._room = Room(self._shapes, self._dtype)
        found = walk.compare(self._room.views, tensors)
        self.lengths = found[0] if lengths is None else lengths
        return self.lengths, None if before is None else found[1], before


def kind_of(tensors: Sequence[Tensor]) -> type[Together] | None:
    """How tensors that come together are kept; None where each is by itself."""
    if walk.walks(tensors):
        return WalkedTensors
    return FlatTensors if tensors and flattens(tensors, tensors[0].dtype) else None


def flattens(tensors: Sequence[Tensor], dtype: torch.dtype) -> bool:
    """Whether all tensors are of this dtype, on the CPU, dense, and of a kind that can lie in one piece of memory."""
    return (
        dtype in _DTYPES
        and sum(tensor.numel() for tensor in tensors) <= _MOST
        and all(tensor.dtype is dtype and tensor.is_cpu and tensor.layout is torch.strided for tensor in tensors)
    )
