"""Norms and dot products of tensors, as 0-d tensors on their device: nothing here waits for it."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache

import torch
from torch import Tensor

from . import walk
from .scratch import scratch

_LONG, _ROW = 1 << 15, 1 << 10  # sizes of tensors that are measured by rows, and of these rows
_CONSTANTS = 512  # that are kept
_FEW = 8  # samples that do for rows
_HALF = (torch.float16, torch.bfloat16)
_REAL = (torch.float32, torch.float64)
_PRECISE = (*_REAL, torch.complex64, torch.complex128)


@contextmanager
def aside() -> Iterator[None]:
    """Compute beside the training: without history, and what is kept can be changed in any mode later.

    Tensors made under inference mode can't be changed in place after it.
    """
    with torch.inference_mode(False), torch.no_grad():
        yield


def plain(tensor: Tensor) -> Tensor:
    """The tensor without history, dense."""
    return dense(tensor.detach())


def dense(tensor: Tensor) -> Tensor:
    """The tensor, dense."""
    return tensor if tensor.layout is torch.strided else tensor.to_dense()


def precise(tensor: Tensor) -> Tensor:
    """The tensor, dense, in float32 or float64, or the complex dtype of that width; with its history."""
    tensor = dense(tensor)
    if tensor.dtype in _PRECISE:
        return tensor
    return tensor.to(torch.complex64) if tensor.is_complex() else tensor.float()


def wide(tensor: Tensor) -> Tensor:
    """The tensor, dense and real, in float32 or float64; with its history, so call it without gradients.

    Complex values become pairs (real, imaginary), which leaves norms and dot products as they are.
    """
    if tensor.dtype in _REAL and tensor.layout is torch.strided:
        return tensor
    tensor = precise(tensor)
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


@lru_cache(maxsize=64)
def rounded_down(threshold: float, dtype: torch.dtype) -> float:
    """The largest number of a dtype that is not above a threshold of at least 0: what exceeds one exceeds the other.

    Examples
    --------
    >>> rounded_down(1.001, torch.bfloat16)
    1.0
    """
    kind = torch.finfo(dtype)
    if threshold >= kind.max:
        return kind.max if math.isfinite(threshold) else threshold
    step = max(math.ldexp(kind.eps, math.frexp(threshold)[1] - 1), kind.smallest_normal * kind.eps)
    return math.floor(threshold / step) * step


def constants(numbers: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers as a tensor on a device, made once: nobody may change it, and nothing waits for the device."""
    kept, key = scratch().shared, (numbers, dtype, device)
    found: Tensor | None = kept.get(key)
    if found is None:
        if len(kept) >= _CONSTANTS:
            kept.clear()
        with aside():
            found = kept[key] = torch.tensor(numbers, dtype=dtype, device="cpu").to(device, non_blocking=True)
    return found


def in_order(groups: Sequence[tuple[Sequence[int], Tensor]]) -> Tensor:
    """Rows of several tensors as one, each at its place; the places of all are 0 to n - 1.

    Examples
    --------
    >>> in_order([([1], torch.tensor([5.0])), ([0, 2], torch.tensor([4.0, 6.0]))])
    tensor([4., 5., 6.])
    """
    if len(groups) == 1:  # in which places rise, as they do in each
        return groups[0][1]
    rows = torch.cat([numbers for _, numbers in groups])
    places = [place for chosen, _ in groups for place in chosen]
    if all(i == place for i, place in enumerate(places)):
        return rows
    back = sorted(range(len(places)), key=places.__getitem__)
    return rows.index_select(0, constants(tuple(back), torch.int64, rows.device))


def some_rows(numbers: Tensor, rows: Sequence[int]) -> Tensor:
    """Some rows of a tensor, which rise."""
    first, end = rows[0], rows[-1] + 1
    if end - first == len(rows):
        return numbers[first:end]
    return numbers.index_select(0, constants(tuple(rows), torch.int64, numbers.device))


def lengths_of(tensors: Sequence[Tensor]) -> list[Tensor]:
    """L2 norms of tensors as :func:`wide` gives them; NaN or infinite where NaN or infinity is among the values.

    Squares are added up in the width of the tensor. In float32 a norm beyond 1e19 is infinite, and one of values below
    1e-23 is 0; float64 would take several times as long, and a second look would wait for the device.

    On the CPU torch adds the squares up one after the other, which loses 1e-5 of the norm over a million values in
    float32. Norms of rows, and the norm of these, lose nothing and take no longer.
    """
    lengths = [_by_rows(tensor) if is_long(tensor) else None for tensor in tensors]
    others = [i for i, length in enumerate(lengths) if length is None]
    if others:
        for i, length in zip(others, torch._foreach_norm([tensors[i] for i in others]), strict=True):
            lengths[i] = length
    return [length for length in lengths if length is not None]


def norms_of(tensors: Sequence[Tensor]) -> Tensor:
    """What :func:`lengths_of` gives, as one tensor of shape (n,)."""
    return walk.norms_of(tensors) if walk.walks(tensors) else torch.stack(lengths_of(tensors))


def length_of(tensor: Tensor) -> Tensor:
    """L2 norm of one tensor, as :func:`lengths_of` gives it."""
    length: Tensor = _by_rows(tensor) if is_long(tensor) else torch.linalg.vector_norm(tensor)
    return length


def is_long(tensor: Tensor) -> bool:
    """Whether the tensor is so large that its sums need care."""
    return tensor.numel() > _LONG and tensor.is_cpu


def _by_rows(tensor: Tensor) -> Tensor:
    if tensor.dim() == 4 and tensor.is_contiguous(memory_format=torch.channels_last):
        tensor = tensor.permute(0, 2, 3, 1)
    samples, dims = tensor.shape[0], tensor.dim()
    fine = _FEW <= samples <= _LONG or not tensor.is_contiguous()
    if dims > 1 and fine and tensor.numel() <= samples * _LONG:
        norms: Tensor = torch.linalg.vector_norm(tensor, dim=_rest(dims))
        return length_of(norms)
    flat = tensor.reshape(-1)
    end = flat.numel() // _ROW * _ROW
    norms = torch.linalg.vector_norm(flat[:end].view(-1, _ROW), dim=1)
    if end < flat.numel():
        norms = torch.cat([norms, torch.linalg.vector_norm(flat[end:])[None]])
    return length_of(norms)


def dot_into(kept: Tensor, tensor: Tensor) -> Tensor:
    """Dot product of two tensors of one shape; the first has the values of the second afterwards.

    Products are made in the memory that the new values go to. Added up by torch they lose nothing; a dot product of
    the library for linear algebra adds up one after the other, which over a million values loses more than a cosine
    may.
    """
    product: Tensor = kept.mul_(tensor).sum()
    kept.copy_(tensor)
    return product


def seen_again(kept: Tensor, tensor: Tensor) -> tuple[Tensor, Tensor]:
    """L2 norm of a tensor, and its dot product with a kept one of the same shape, which has its values afterwards."""
    if walk.walks((kept, tensor)):
        length, product = walk.compare((kept,), (tensor,))[:, 0].unbind()
        return length, product
    return length_of(tensor), dot_into(kept, tensor)


def dots_into(kept: Sequence[Tensor], tensors: Sequence[Tensor]) -> list[Tensor]:
    """Do :func:`dot_into` for many pairs: short ones in one go, long ones while they are in the processor's cache."""
    short = [i for i, own in enumerate(kept) if not is_long(own)]
    own, new = [kept[i] for i in short], [tensors[i] for i in short]
    if short:
        torch._foreach_mul_(own, new)
    found = {i: product.sum() for i, product in zip(short, own, strict=True)}
    if short:
        torch._foreach_copy_(own, new)
    return [found[i] if i in found else dot_into(kept[i], tensors[i]) for i in range(len(kept))]


def same_layout(kept: Tensor, tensor: Tensor) -> bool:
    """Whether a copy is of the shape, dtype and device of a tensor: else comparing them means nothing."""
    return kept.shape == tensor.shape and kept.dtype is tensor.dtype and kept.device == tensor.device


def stored(tensor: Tensor) -> Tensor:
    """What a sparse tensor stores, which is all that its norm needs; any other tensor as it is."""
    if tensor.layout is not torch.sparse_coo:
        return tensor
    values: Tensor = tensor.detach().coalesce().values()
    return values


def root_size(size: int, normalize: bool) -> float:
    """What to divide an L2 norm by: 1, or the square root of the size with `normalize`; NaN for an empty tensor.

    A complex value counts once, and in a sparse tensor the zeros count too.
    """
    return math.nan if not size else math.sqrt(size) if normalize else 1.0


def sample_norms(output: Tensor, *, normalize: bool = False) -> Tensor:
    """L2 norm (or root mean square) of each sample.

    Parameters
    ----------
    output : torch.Tensor, shape (B, ...)
        A tensor of 0 dimensions is one sample; of 1, a batch of scalars.
    normalize : bool
        Divide each norm by the square root of the number of elements of a sample.

    Returns
    -------
    torch.Tensor, shape (B,)
        One NaN for an empty tensor; NaN or infinite where NaN or infinity is among the values.

    Examples
    --------
    >>> sample_norms(torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([5., 1.])
    """
    size = output.numel()
    if not size:
        return torch.full((1,), math.nan, device=output.device)
    norms = scratch().own(_Latest).norms(output)
    return norms / math.sqrt(size // norms.numel()) if normalize else norms


def note_norms(output: Tensor, norms: Tensor) -> None:
    """Keep the L2 norms of the samples of an output that was just looked at, for who asks next."""
    scratch().own(_Latest).note(output, norms)


class _Latest:
    """The norms of the newest tensor: several lenses look at the same one, one right after the other."""

    def __init__(self) -> None:
        self._tensor: Callable[[], Tensor | None] = lambda: None
        self._version = -1
        self._norms = torch.empty(0)

    def norms(self, output: Tensor) -> Tensor:
        """The norm of each sample, which nobody may change."""
        if output.is_leaf:  # in inference nobody could tell whether it was changed; a parameter must not be referred to
            return _norms(plain(output))
        if self._tensor() is not output or self._version != output._version:
            self.note(output, _norms(plain(output)))
        return self._norms

    def note(self, output: Tensor, norms: Tensor) -> None:
        """Keep the norms of a tensor that was just looked at."""
        if not output.is_leaf:  # as above
            self._norms = norms
            self._tensor, self._version = weakref.ref(output), output._version


def _norms(output: Tensor) -> Tensor:
    if output.dim() < 2:
        output = output.reshape(-1, 1)
    if output.dtype in _HALF:
        norms: Tensor = torch.linalg.vector_norm(output, dim=_rest(output.dim()), dtype=torch.float32)
    else:
        output = output if output.dtype in _REAL else wide(output)
        norms = torch.linalg.vector_norm(output, dim=_rest(output.dim()))
    return norms


@lru_cache(maxsize=64)
def _rest(dims: int) -> tuple[int, ...]:
    return tuple(range(1, dims))


def sample_norm(output: Tensor, *, normalize: bool = False) -> Tensor:
    """Mean over the batch of what :func:`sample_norms` gives, a tensor of 0 dimensions."""
    return sample_norms(output, normalize=normalize).mean()


def cosines_of(products: Tensor, lengths: Tensor, before: Tensor, eps: float) -> Tensor:
    """Cosines between tensors and their predecessors.

    Parameters
    ----------
    products : torch.Tensor, shape (n,)
        Dot products; NaN where there is no predecessor.
    lengths, before : torch.Tensor, shape (n,)
        L2 norms of the tensors, and of those that were before.
    eps : float
        Length up to which a tensor has no direction.

    Returns
    -------
    torch.Tensor, shape (n,)
        In -1..1; NaN where a tensor has no direction or holds NaN or infinity.
    """
    cosines = (products / lengths / before).clamp(-1, 1)
    return torch.where(lengths * before > eps * eps, cosines, torch.nan)
