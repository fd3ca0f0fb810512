"""Tensors inside whatever a module takes or returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor


def named_tensors(output: Any, name: str) -> list[tuple[str, Tensor]]:
    """Floating or complex tensors in an output, named by where they are.

    The first tensor carries the module's own name; further ones add their place. Tensors without numbers (on the meta
    device, or nested) are passed over, and what lies deeper than 16 containers.

    Parameters
    ----------
    output : object
        A tensor, or tuples, lists, mappings and dataclasses of such, nested at will.
    name : str
        Name of the module.

    Examples
    --------
    >>> import torch
    >>> x = torch.zeros(1)
    >>> [n for n, _ in named_tensors((x, {"state": x, "ids": torch.tensor([1])}), "rnn")]
    ['rnn', 'rnn[1].state']
    """
    if isinstance(output, Tensor):  # nearly always
        return [(name, output)] if _measurable(output) else []
    found = [(place, tensor) for place, tensor in _walk(output, "", ()) if _measurable(tensor)]
    return [(name + place if i else name, tensor) for i, (place, tensor) in enumerate(found)]


def first_input(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """First positional input, or the first keyword one, or None."""
    return args[0] if args else next(iter(kwargs.values()), None)


def _measurable(tensor: Tensor) -> bool:
    return (tensor.is_floating_point() or tensor.is_complex()) and not (tensor.is_meta or tensor.is_nested)


def _walk(value: Any, place: str, inside: tuple[int, ...]) -> Iterator[tuple[str, Tensor]]:
    if isinstance(value, Tensor):
        yield place, value
    elif id(value) not in inside:  # a container may hold itself
        for part, item in _parts(value):
            yield from _walk(item, place + part, (*inside, id(value)))


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    """What a container holds, each with what its place adds to the name."""
    if isinstance(value, Mapping):
        return [(f".{key}", item) for key, item in value.items()]
    if isinstance(value, tuple | list):
        return [(f"[{i}]", item) for i, item in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(f".{field.name}", getattr(value, field.name, None)) for field in dataclasses.fields(value)]
    return ()
