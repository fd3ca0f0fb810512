"""Which modules are watched, under which names, and why others are not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from monitorch_widgets.gatherer.module_hooks import hookable
from monitorch_widgets.lens.module_distinction import isactivation, module_kind
from monitorch_widgets.values import ModuleInfo

from .wrappers import compiled_from

_SCRIPTED = "compiled by torch.jit, which takes no hooks: its parameters are read, its outputs are not"
_ATTENTION = "its parameters are read by the attention, which never calls it"
_LEFT_OUT = "is not among the modules that are collected"
_CONTAINERS = (nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)


@dataclass(frozen=True, slots=True)
class Place:
    """A module, its name, and whether it counts as a leaf at the chosen depth.

    `why_not` says why its output can't be watched; empty where it can. What is not `collected` is not read at all.
    """

    module: nn.Module
    name: str
    leaf: bool
    why_not: str = ""
    collected: bool = True

    @property
    def info(self) -> ModuleInfo:
        """What the picker shows."""
        return ModuleInfo(
            self.name, type(self.module).__name__, module_kind(self.module), isactivation(self.module), self.why_not
        )

    @property
    def container(self) -> bool:
        """Whether it only holds modules or parameters, and is never called."""
        return isinstance(self.module, _CONTAINERS)


def places(module: nn.Module, depth: int = -1, prefix: str = ".") -> list[Place]:
    """Modules in model order, each once however often it is used.

    Parameters
    ----------
    module : torch.nn.Module
        The model.
    depth : int
        Depth at which modules count as leaves; -1 for the modules without submodules. Attention counts as a leaf at
        any depth, since its submodule is never called by itself, and so does a module whose only submodules compute
        its parameters (weight norm and the like).
    prefix : str
        What stands between the parts of a name. The model itself goes by its class name.
    """
    return list(_walk(module, [], depth, prefix, "", set()))


def _walk(module: nn.Module, path: list[str], depth: int, prefix: str, why_not: str, seen: set[int]) -> Iterator[Place]:
    if id(module) in seen:  # shared, or above itself
        return
    seen.add(id(module))
    children = list(_children(module)) if depth != 0 else []
    name = prefix.join(path) or type(module).__name__
    attention = isinstance(module, nn.MultiheadAttention)
    why_not = why_not if hookable(module) else _SCRIPTED
    yield Place(module, name, not why_not and (attention or not children), why_not)
    for child_name, child in children:
        reason = why_not or (_ATTENTION if attention else "")
        yield from _walk(child, [*path, child_name], max(depth - 1, -1), prefix, reason, seen)


def _children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        if not (name == "parametrizations" and is_parametrized(module)):
            yield name, compiled_from(child) or child


def chosen(found: list[Place], patterns: Sequence[str] | None, prefix: str) -> list[Place]:
    """The places, those that no pattern matches marked as not collected.

    A pattern is a name, which stands for what is inside it too, or has wildcards as file names have.
    """
    if patterns is None:
        return found
    return [place if matches(place.name, patterns, prefix) else _left_out(place) for place in found]


def matches(name: str, patterns: Sequence[str], prefix: str) -> bool:
    """Whether one of the patterns stands for a name."""
    return any(name == p or name.startswith(p + prefix) or fnmatchcase(name, p) for p in patterns)


def _left_out(place: Place) -> Place:
    return replace(place, collected=False, why_not=place.why_not or (_LEFT_OUT if place.leaf else ""))


def told_changes(came: list[str], went: list[str]) -> str:
    """What changed, in a sentence or two; long lists are cut.

    Examples
    --------
    >>> told_changes(["head", "neck"], ["fc"])
    "Added or replaced: 'head', 'neck'. Gone: 'fc'."
    """
    parts = [("Added or replaced", came), ("Gone", went)]
    return " ".join(f"{what}: {_listed(names)}." for what, names in parts if names)


def _listed(names: list[str], most: int = 5) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
