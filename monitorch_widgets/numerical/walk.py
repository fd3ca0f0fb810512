"""One walk over the values for all that is asked of them, where numba is installed.

torch takes a pass over a tensor for each number, and most of the time of these passes is that of the memory. Loops that
numba compiles (``kernels.py``) take one for all. They can walk over float32 tensors on the CPU that are in one piece;
for all others, and without numba, torch computes the same.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from monitorch_widgets.errors import MonitorchWarning

Ints = npt.NDArray[np.int64]
_KINDS = (Tensor, nn.Parameter)  # what is derived from them may keep its values elsewhere
_MANY = 1 << 22  # ones that are counted one by one
_LOWEST = 1 << 32  # below it lies hardly any memory, but the places of tensors whose memory was given back do


@lru_cache(maxsize=1)
def _kernels() -> Any:
    """The compiled loops, or None; the first call takes a second or so, and some more where none are kept on disk."""
    try:
        if importlib.util.find_spec("numba") is None:
            return None
        from . import kernels

        if not kernels.compiled:  # as NUMBA_DISABLE_JIT asks for
            return None
    except Exception as error:  # e.g. one that was made for another numpy
        warnings.warn(
            f"numba is installed, but its loops can't be used here: {type(error).__name__}: {error}. Watching goes on "
            "without them, which takes longer; update numba, or take it away.",
            MonitorchWarning,
            stacklevel=2,
        )
        return None
    return kernels


def ready(model: nn.Module) -> bool:
    """Whether the loops can be used for a model; they are compiled now, rather than in its first step."""
    return any(_fits(parameter) for parameter in model.parameters()) and _kernels() is not None


def walks(tensors: Sequence[Tensor]) -> bool:
    """Whether the loops can walk over all these tensors.

    Examples
    --------
    >>> walks([torch.ones(2, dtype=torch.float16)])
    False
    """
    return all(map(_fits, tensors)) and _kernels() is not None and torch._C._functorch.peek_interpreter_stack() is None


def _fits(tensor: Tensor) -> bool:
    kind = type(tensor) in _KINDS and tensor.dtype is torch.float32 and tensor.layout is torch.strided
    return kind and tensor.is_cpu and tensor.is_contiguous() and not tensor.is_neg()


def counts(values: Tensor, channel: int) -> bool:
    """Whether the loops can count in these values: they do so in float32, which ends at some millions of ones."""
    return walks((values,)) and values.shape[:channel].numel() < _MANY


def norms_of(tensors: Sequence[Tensor]) -> Tensor:
    """L2 norms of tensors that the loops can walk over, shape (n,)."""
    out = np.empty(len(tensors), np.float32)
    _kernels().norms(_addresses(tensors), _sizes(tensors), out)
    return torch.from_numpy(out)


def compare(kept: Sequence[Tensor], tensors: Sequence[Tensor]) -> Tensor:
    """L2 norms of tensors, and their dot products with kept ones, which get their values; shape (2, n)."""
    out = np.empty((2, len(tensors)), np.float32)
    _kernels().compare(_addresses(tensors), _addresses(kept), _sizes(tensors), out)
    return torch.from_numpy(out)


def take(copies: Sequence[Tensor], tensors: Sequence[Tensor]) -> Tensor:
    """Take tensors from their copies, in place; L2 norms of the copies and of what is left, shape (2, n)."""
    out = np.empty((2, len(tensors)), np.float32)
    _kernels().take(_addresses(copies), _addresses(tensors), _sizes(tensors), out)
    return torch.from_numpy(out)


def count_rows(tensors: Sequence[Tensor], neurons: Ints, size: Ints, eps: float) -> Tensor:
    """Active values of all neurons of gradients, each of so many neurons of so many values; NaN where not finite."""
    out = np.empty(int(neurons.sum()), np.float32)
    _kernels().count_rows(_addresses(tensors), neurons, size, np.float32(eps), out)
    return torch.from_numpy(out)


def count_channels(values: Tensor, channel: int, eps: float) -> Tensor:
    """Active values at each place of one dimension; NaN where not finite."""
    if channel:
        return look_at(values, channel, eps)[0]
    neurons = len(values)
    return count_rows((values,), np.array([neurons]), np.array([values.numel() // neurons]), eps)


def look_at(values: Tensor, channel: int, eps: float) -> tuple[Tensor, Tensor]:
    """Active values at each place of a dimension but the first, NaN where not finite; and the norm of each sample."""
    shape = values.shape
    blocks, size = shape[:channel].numel(), shape[channel + 1 :].numel()
    out, lengths = np.zeros(shape[channel], np.float32), np.empty(len(values), np.float32)
    _kernels().look_at(values.data_ptr(), blocks, shape[channel], size, np.float32(eps), out, lengths)
    return torch.from_numpy(out), torch.from_numpy(lengths)


def _addresses(tensors: Sequence[Tensor]) -> Ints:
    found = [tensor.data_ptr() for tensor in tensors]
    if min(found, default=_LOWEST) < _LOWEST:
        for tensor in tensors:
            if tensor.numel() and (not tensor.data_ptr() or tensor.untyped_storage().nbytes() < tensor.nbytes):
                raise RuntimeError("expected a tensor with values; its memory was given back, so it can't be read")
    return np.array(found, np.int64)


def _sizes(tensors: Sequence[Tensor]) -> Ints:
    return np.array([tensor.numel() for tensor in tensors], np.int64)
