"""Which modules are watched, and under which names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from monitorch_widgets.lens.module_distinction import isactivation, module_kind
from monitorch_widgets.values import ModuleInfo


@dataclass(frozen=True, slots=True)
class Place:
    """A module, its name, and whether it counts as a leaf at the chosen depth."""

    module: nn.Module
    name: str
    leaf: bool

    @property
    def info(self) -> ModuleInfo:
        """What the picker shows."""
        return ModuleInfo(self.name, type(self.module).__name__, module_kind(self.module), isactivation(self.module))


def places(module: nn.Module, depth: int = -1, prefix: str = ".") -> list[Place]:
    """Modules in model order, each once however often it is used.

    Parameters
    ----------
    module : torch.nn.Module
        The model.
    depth : int
        Depth at which modules count as leaves; -1 for the modules without submodules. Attention counts as a leaf at
        any depth, since its submodule is never called by itself.
    prefix : str
        What stands between the parts of a name. The model itself goes by its class name.
    """
    found, seen = [], set()
    for place in _walk(module, [], depth, prefix):
        if id(place.module) not in seen:
            seen.add(id(place.module))
            found.append(place)
    return found


def _walk(module: nn.Module, path: list[str], depth: int, prefix: str) -> Iterator[Place]:
    children = list(module.named_children()) if depth != 0 else []
    name = prefix.join(path) or type(module).__name__
    whole = isinstance(module, nn.MultiheadAttention)
    yield Place(module, name, leaf=whole or not children)
    for child_name, child in children:
        for place in _walk(child, [*path, child_name], max(depth - 1, -1), prefix):
            yield Place(place.module, place.name, leaf=place.leaf and not whole)
