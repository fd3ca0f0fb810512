"""The definitions, written out in float64 NumPy: what the numbers of the package are held against."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

Array = npt.NDArray[np.float64]

REAL = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
COMPLEX = [torch.complex64, torch.complex128]
SHAPES = [(7,), (4, 3), (4, 3, 5), (2, 3, 4, 5), (2, 3, 2, 4, 3)]
EMPTY = [(0,), (0, 3), (3, 0), (2, 0, 4)]


def tensor(shape: tuple[int, ...], dtype: torch.dtype, seed: int = 0, *, zeros: float = 0.0) -> Tensor:
    """Numbers between some hundredths and some units, a share of them set to zero."""
    draw = np.random.RandomState(seed)
    values = draw.standard_normal(shape)
    if dtype.is_complex:
        values = values + 1j * draw.standard_normal(shape)
    values = np.where(draw.uniform(size=shape) < zeros, 0.0, values)
    return torch.as_tensor(values).to(dtype)


def exact(values: Tensor) -> Array:
    """The very numbers in a tensor, in float64 or complex128."""
    dense = values.detach().to_dense() if values.layout is not torch.strided else values.detach()
    return dense.to(torch.complex128 if dense.is_complex() else torch.float64).numpy()


def tolerance(dtype: torch.dtype) -> float:
    """Relative error allowed: that of the dtype computed in, float32 or wider whatever the tensor's own."""
    return 1e-12 if dtype in (torch.float64, torch.complex128) else 2e-6


def norm(x: Array, normalize: bool = False) -> float:
    if not x.size:
        return float("nan")
    length = np.sqrt((np.abs(x) ** 2).sum())
    return float(length / np.sqrt(x.size)) if normalize else float(length)


def cosine(a: Array, b: Array) -> float:
    return float((a * b.conj()).real.sum() / norm(a) / norm(b))


def mean_sample_norm(x: Array, normalize: bool = False) -> float:
    samples = x.reshape(1, -1) if x.ndim == 0 else x
    return float(np.mean([norm(sample, normalize) for sample in samples])) if x.size else float("nan")


def rates(x: Array, *, batch: bool, channel_last: bool = False, eps: float = 1e-8) -> tuple[float, float]:
    """Mean over neurons of the share of active values, and share of neurons without any."""
    if not x.size or not np.isfinite(x).all():
        return float("nan"), float("nan")
    neurons = neurons_first(x, batch=batch, channel_last=channel_last)
    active = (np.abs(neurons) > eps).mean(axis=1)
    return float(active.mean()), float((active == 0).mean())


def neurons_first(x: Array, *, batch: bool, channel_last: bool) -> Array:
    axis = (-1 if channel_last and x.ndim > 1 else 1) if batch else 0
    if x.ndim <= (1 if batch else 0):
        return x.reshape(1, -1)
    return np.moveaxis(x, axis, 0).reshape(x.shape[axis], -1)
