"""Hooks that are global in PyTorch, kept apart: each variant of a benchmark sees its own ones only.

Inspectors find optimizer steps by global hooks. Where several of them live in one process, each would look at every
step of all the others, also of the bare model, and be charged to them.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.modules import module as modules
from torch.optim import optimizer as optimizers

Hooks = MutableMapping[Any, Any]


def _global_hooks() -> list[Hooks]:
    found = [value for place in (modules, optimizers) for name, value in vars(place).items() if _holds(name, value)]
    return list({id(hooks): hooks for hooks in found}.values())


def _holds(name: str, value: object) -> bool:
    return name.startswith("_global_") and name.endswith(("hooks", "called", "kwargs")) and isinstance(value, dict)


class World:
    """The global hooks of one variant: there while it runs, away while others do."""

    def __init__(self) -> None:
        self._kept: list[dict[Any, Any]] = [{} for _ in _global_hooks()]

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Put the hooks of this world in the place of those that are there, and those back at the end."""
        places = _global_hooks()
        others = [dict(hooks) for hooks in places]
        _put(places, self._kept)
        try:
            yield
        finally:
            self._kept = [dict(hooks) for hooks in places]
            _put(places, others)


def _put(places: list[Hooks], contents: list[dict[Any, Any]]) -> None:
    for hooks, content in zip(places, contents, strict=True):  # in place: handles point to these very dictionaries
        hooks.clear()
        hooks.update(content)


def synchronize(device: torch.device) -> None:
    """Wait for the device, where it runs beside the host."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
