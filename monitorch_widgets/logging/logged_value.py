"""What can be logged: numbers, tensors of one element, and metrics that compute one."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError

from .reductions import Number

_KNOWN = (torch.float32, torch.float64)


def checked_name(name: object) -> str:
    """Return the name of a number; halves of characters, which no file and no page can hold, become ``?``."""
    if isinstance(name, str) and name:
        return name if name.isascii() else name.encode("utf-8", "replace").decode()
    raise ArgumentTypeError(f"expected a name, e.g. log('accuracy', 0.9); received {name!r}.")


def checked_number(name: str, value: Any) -> Number:
    """Return a float, or a tensor without dimensions and without its graph.

    Raises
    ------
    ArgumentTypeError
        For what is no number.
    ArgumentError
        For a tensor of several elements.
    """
    if isinstance(value, float):
        return float(value)
    if isinstance(value, Tensor):
        if value.numel() == 1 and not value.is_complex():
            plain = value.detach() if value.requires_grad else value
            return plain.reshape(()) if plain.dim() else plain
        raise ArgumentError(
            f"expected {name!r} to be a number or a real tensor of one element; received a tensor of shape "
            f"{tuple(value.shape)}, {value.dtype}. Reduce it first, e.g. log({name!r}, value.mean())."
        )
    if isinstance(value, Real):
        return float(value)
    remedy = "Use log_dict() for several, and no dict within it." if isinstance(value, Mapping) else "Use e.g. a float."
    raise ArgumentTypeError(
        f"expected {name!r} to be a number, a tensor of one element, or a metric with update, compute and reset; "
        f"received {type(value).__name__}. {remedy}"
    )


def computes(value: object) -> bool:
    """Whether something is a metric like those of torchmetrics: it has ``update``, ``compute`` and ``reset``."""
    if isinstance(value, float | int | Tensor):
        return False
    return all(callable(getattr(value, method, None)) for method in ("update", "compute", "reset"))


def own_copy(value: Tensor) -> Tensor:
    """A copy that nobody else changes, in a type that the host knows."""
    return value.clone() if value.dtype in _KNOWN else value.float()
