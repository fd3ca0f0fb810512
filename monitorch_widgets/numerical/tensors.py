"""Norms and dot products of tensors, as 0-d tensors on their device: nothing here waits for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_PRECISE = (torch.float32, torch.float64, torch.complex64, torch.complex128)


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
    dots = torch.stack([torch.dot(a.reshape(-1), b.reshape(-1)) for a, b in zip(current, previous, strict=True)])
    cosines = (dots / lengths / previous_lengths).clamp(-1, 1)
    directed = (lengths * previous_lengths) > eps * eps
    return torch.where(directed, cosines, torch.nan)
