"""The tensors of a batch, however it is nested, by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

_DEEPEST = 16
_WIDEST = {"b": 1, "i": 8, "u": 8, "f": 8, "c": 16}  # numpy's kinds of numbers, and how many bytes torch knows of each


def nested_tensors(value: Any, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Tensors in tuples, lists, mappings and dataclasses, nested at will, each with its place in its name.

    Places are keys of mappings, names of fields, or numbers from 0, joined by ``/``. Arrays of numpy count as tensors;
    text and whatever else holds no numbers is passed over, and what lies deeper than 16 containers.

    Parameters
    ----------
    value : object
        A batch, or what a module takes or returns.
    name : str
        What all names begin with.

    Examples
    --------
    >>> batch = (torch.zeros(2), {"ids": torch.ones(1), "text": "cat", "more": [np.ones(3)]})
    >>> [name for name, _ in nested_tensors(batch, "training_step")]
    ['training_step/0', 'training_step/1/ids', 'training_step/1/more/0']
    """
    return _walk(value, name, 0)


def _walk(value: Any, name: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        if has_numbers(value):
            yield name, value
    elif isinstance(value, np.ndarray):
        if value.dtype.itemsize <= _WIDEST.get(value.dtype.kind, 0):
            yield name, torch.from_numpy(np.array(value, dtype=value.dtype.newbyteorder("=")))
    elif depth < _DEEPEST:
        for place, item in _parts(value):
            yield from _walk(item, f"{name}/{place}" if name else str(place), depth + 1)


def _parts(value: Any) -> Iterator[tuple[object, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, tuple | list):
        yield from enumerate(value)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield from ((field.name, getattr(value, field.name, None)) for field in dataclasses.fields(value))


def has_numbers(tensor: Tensor) -> bool:
    """Whether a tensor has values that can be counted as they are.

    >>> has_numbers(torch.zeros(2)), has_numbers(torch.zeros(2, device="meta"))
    (True, False)
    """
    return not (tensor.is_meta or tensor.is_nested or tensor.is_quantized)


def shape_of(tensor: Tensor) -> str:
    """The shape in words, e.g. ``"[64, 1, 28, 28]"``."""
    return str(list(tensor.shape))
