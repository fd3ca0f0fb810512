"""Norms and dot products of tensors, as 0-d tensors on their device: nothing here waits for it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

_LONG, _ROW = 1 << 15, 1 << 10  # sizes of tensors that are measured by rows, and of these rows
_PRECISE = (torch.float32, torch.float64, torch.complex64, torch.complex128)


@contextmanager
def aside() -> Iterator[None]:
    """Compute beside the training: without history, and what is kept can be changed in any mode later.

    Tensors made under inference mode can't be changed in place after it.
    """
    with torch.inference_mode(False), torch.no_grad():
        yield


def precise(tensor: Tensor) -> Tensor:
    """The tensor without history, dense, in float32 or float64, or the complex dtype of that width."""
    tensor = tensor.detach()
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.dtype in _PRECISE:
        return tensor
    return tensor.to(torch.complex64) if tensor.is_complex() else tensor.float()


def wide(tensor: Tensor) -> Tensor:
    """The tensor without history, dense and real, in float32 or float64.

    Complex values become pairs (real, imaginary), which leaves norms and dot products as they are.
    """
    tensor = precise(tensor)
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def lengths_of(tensors: Sequence[Tensor]) -> list[Tensor]:
    """L2 norms of tensors as :func:`wide` gives them; NaN or infinite where NaN or infinity is among the values.

    Squares are added up in the width of the tensor. In float32 a norm beyond 1e19 is infinite, and one of values below
    1e-23 is 0; float64 would take several times as long, and a second look would wait for the device.

    On the CPU torch adds the squares up one after the other, which loses 1e-5 of the norm over a million values in
    float32. Norms of rows, and the norm of these, lose nothing and take no longer.
    """
    lengths = [_by_rows(tensor) if _long(tensor) else None for tensor in tensors]
    others = [i for i, length in enumerate(lengths) if length is None]
    if others:
        for i, length in zip(others, torch._foreach_norm([tensors[i] for i in others]), strict=True):
            lengths[i] = length
    return [length for length in lengths if length is not None]


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Dot product of two tensors of one shape, with as little loss as :func:`lengths_of`."""
    flat, other = a.reshape(-1), b.reshape(-1)
    if not _long(flat):
        return torch.dot(flat, other)
    end = flat.numel() // _ROW * _ROW
    with torch.autocast("cpu", enabled=False):  # backward and step may run under it, and would be rounded
        rows = torch.bmm(flat[:end].view(-1, 1, _ROW), other[:end].view(-1, _ROW, 1))
    return rows.sum() + torch.dot(flat[end:], other[end:])


def _long(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.numel() > _LONG


def _by_rows(tensor: Tensor) -> Tensor:
    flat = tensor.reshape(-1)
    end = flat.numel() // _ROW * _ROW
    rows = torch.linalg.vector_norm(flat[:end].view(-1, _ROW), dim=1)
    rest = torch.linalg.vector_norm(flat[end:])
    (length,) = lengths_of([torch.cat([rows, rest[None]])])
    return length


def stored(tensor: Tensor) -> Tensor:
    """What a sparse tensor stores, which is all that its norm needs; any other tensor as it is."""
    if tensor.layout is not torch.sparse_coo:
        return tensor
    values: Tensor = tensor.detach().coalesce().values()
    return values


def root_sizes(tensors: Sequence[Tensor], like: Tensor, normalize: bool) -> Tensor:
    """What to divide L2 norms by: 1, or the square root of the size with `normalize`; NaN for an empty tensor.

    A complex value counts once, and in a sparse tensor the zeros count too.
    """
    sizes = [tensor.numel() for tensor in tensors]
    if not normalize and all(sizes):
        return like.new_ones(())
    roots = [math.nan if not size else math.sqrt(size) if normalize else 1.0 for size in sizes]
    return torch.tensor(roots, dtype=like.dtype).to(like.device, non_blocking=True)


def sample_norm(output: Tensor, *, normalize: bool = False) -> Tensor:
    """Mean over the batch of the L2 norm (or root mean square) of each sample.

    Parameters
    ----------
    output : torch.Tensor, shape (B, ...)
        A tensor of 0 dimensions is one sample; of 1, a batch of scalars.
    normalize : bool
        Divide each norm by the square root of the number of elements of a sample.

    Returns
    -------
    torch.Tensor, 0-d
        NaN for an empty tensor; NaN or infinite where NaN or infinity is among the values.
    """
    if not output.numel():
        return torch.full((), math.nan, device=output.device)
    samples = output.shape[0] if output.dim() else 1
    mean: Tensor = torch.linalg.vector_norm(wide(output).reshape(samples, -1), dim=-1).mean()
    return mean / math.sqrt(output.numel() // samples) if normalize else mean


def correlations(
    current: Sequence[Tensor],
    previous: Sequence[Tensor],
    lengths: Tensor,
    previous_lengths: Tensor,
    eps: float,
) -> Tensor:
    """Cosine between each tensor and its predecessor.

    Parameters
    ----------
    current, previous : sequence of torch.Tensor
        Tensors as :func:`wide` gives them, pairwise of one shape, all on one device.
    lengths, previous_lengths : torch.Tensor, shape (n,)
        Their L2 norms.
    eps : float
        Length up to which a tensor has no direction.

    Returns
    -------
    torch.Tensor, shape (n,)
        In -1..1; NaN where a tensor has no direction or holds NaN or infinity.
    """
    dots = torch.stack([dot(a, b) for a, b in zip(current, previous, strict=True)])
    cosines = (dots / lengths / previous_lengths).clamp(-1, 1)
    directed = (lengths * previous_lengths) > eps * eps
    return torch.where(directed, cosines, torch.nan)
