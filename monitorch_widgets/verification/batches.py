"""What a batch is: which tensors of an input or an output have one entry for each sample."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from monitorch_widgets.errors import ArgumentError


def default_input_mapping(data: Any) -> list[Tensor]:
    """The tensors of an input that share the batch size, the first dimension of the first of them.

    Examples
    --------
    >>> data = {"x": torch.zeros(2, 3), "weights": (torch.zeros(2), torch.zeros(7)), "name": "train"}
    >>> [tuple(tensor.shape) for tensor in default_input_mapping(data)]
    [(2, 3), (2,)]
    """
    tensors = [tensor for tensor in tensors_in(data) if tensor.ndim]
    return [tensor for tensor in tensors if tensor.shape[0] == tensors[0].shape[0]]


def default_output_mapping(data: Any) -> Tensor:
    """All numbers that an output has for each sample, in one tensor (B, N).

    Tensors without gradients and those of another batch size are left out.

    Examples
    --------
    >>> default_output_mapping((torch.zeros(2, 3, 4), {"score": torch.zeros(2)}, torch.zeros(2).long())).shape
    torch.Size([2, 13])
    """
    return output_of(data, None)


def output_of(data: Any, batch_size: int | None) -> Tensor:
    """The same for a batch size that is known."""
    tensors = [t for t in tensors_in(data) if t.ndim and is_float(t) and batch_size in (None, t.shape[0])]
    if not tensors:
        raise ArgumentError(
            "expected an output with a floating-point tensor whose first dimension is the batch; found none. "
            "Pass output_mapping= that returns such a tensor, and not the loss: a mean depends on all samples."
        )
    same = [tensor for tensor in tensors if tensor.shape[0] == tensors[0].shape[0]]
    dtype = torch.promote_types(same[0].dtype, same[-1].dtype)
    return torch.cat([tensor.reshape(len(tensor), -1).to(dtype) for tensor in same], 1)


def tensors_in(data: Any, depth: int = 16) -> Iterator[Tensor]:
    """All tensors in tuples, lists, mappings and dataclasses."""
    if isinstance(data, Tensor):
        yield data
    elif depth:
        for part in _parts(data):
            yield from tensors_in(part, depth - 1)


def _parts(data: Any) -> list[Any]:
    if isinstance(data, Mapping):
        return list(data.values())
    if isinstance(data, tuple | list):
        return list(data)
    if dataclasses.is_dataclass(data) and not isinstance(data, type):
        return [getattr(data, field.name, None) for field in dataclasses.fields(data)]
    return []


def is_float(tensor: Tensor) -> bool:
    """Whether gradients can flow to a tensor."""
    return tensor.is_floating_point() or tensor.is_complex()


def dummy_loss(output: Tensor, sample: int) -> Tensor:
    """A loss of one sample of an output (B, ...).

    It is a sum with weights that are all different: a plain sum of probabilities is 1 whatever comes in.
    """
    numbers = output[sample].reshape(-1)
    numbers = torch.view_as_real(numbers).reshape(-1) if numbers.is_complex() else numbers
    weights = torch.rand(len(numbers), generator=torch.Generator().manual_seed(0)) + 0.5
    return (numbers * weights.to(numbers)).sum()


def per_sample(gradient: Tensor) -> Tensor:
    """The size of a gradient for each sample, (B,); NaN and infinity count as infinity."""
    return gradient.detach().abs().nan_to_num(nan=torch.inf).reshape(len(gradient), -1).double().sum(1)
