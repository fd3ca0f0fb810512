"""Equality to the last bit, NaN and infinity included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.parameter import UninitializedTensorMixin


def bits(tensor: Tensor) -> Tensor:
    """The bytes of a tensor, copied; of what has no shape yet, none."""
    if isinstance(tensor, UninitializedTensorMixin):
        return torch.empty(0, dtype=torch.uint8)
    tensor = tensor.detach()
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    return tensor.reshape(-1).contiguous().clone().view(torch.uint8)


def tensors_in(value: Any, place: str = "", depth: int = 9) -> dict[str, Tensor]:
    """All tensors in dictionaries, tuples and lists, by where they are; other objects are not looked into."""
    if isinstance(value, Tensor):
        return {place: value}
    if isinstance(value, dict):
        parts: Any = value.items()
    elif isinstance(value, tuple | list) and depth:  # a list may contain itself
        parts = enumerate(value)
    else:
        return {}
    return {key: found for name, part in parts for key, found in tensors_in(part, f"{place}/{name}", depth - 1).items()}


def all_bits(value: Any) -> dict[str, Tensor]:
    """:func:`bits` of all tensors in a value."""
    return {place: bits(tensor) for place, tensor in tensors_in(value).items()}


def difference(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> str:
    """Where two mappings of bits differ first; empty where they are the same."""
    if list(a) != list(b):
        return f"names: {sorted(set(a) ^ set(b))}"
    return next((name for name in a if not torch.equal(a[name], b[name])), "")
