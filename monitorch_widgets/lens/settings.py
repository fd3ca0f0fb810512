"""The arguments of a lens: what it was made with, how another one like it is made, and what a page may offer."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from torch import nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, unknown_name
from monitorch_widgets.values import Setting

from .abstract_lens import AbstractLens

Lens = TypeVar("Lens", bound=AbstractLens)

_TYPES = ("include", "exclude")


def arguments_of(lens: AbstractLens) -> dict[str, Any]:
    """Every argument of a lens by name, those left out with their defaults."""
    args, kwargs = lens.made_with
    bound = _signature(type(lens)).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


def changed(lens: Lens, changes: Mapping[str, Any]) -> Lens:
    """A new lens like `lens` with other arguments; what is wrong with them raises here.

    Raises
    ------
    ArgumentError
        For an argument that the lens does not have, and whatever its constructor raises.

    Examples
    --------
    >>> from monitorch_widgets.lens import OutputNorm
    >>> arguments_of(changed(OutputNorm(log_scale=True), {"normalize_by_size": True}))["log_scale"]
    True
    """
    arguments = arguments_of(lens)
    for name in changes:
        if name not in arguments:
            raise ArgumentError(unknown_name(f"argument of {type(lens).__name__}", name, arguments))
    return type(lens)(**{**arguments, **changes})


def settings_of(kind: type[AbstractLens], arguments: Mapping[str, Any] | None = None) -> tuple[Setting, ...]:
    """The arguments of a kind of lens as a page offers them, with these values or with the defaults."""
    known = arguments or {}
    return tuple(
        _setting(name, known.get(name, parameter.default)) for name, parameter in _signature(kind).parameters.items()
    )


def from_page(kind: type[AbstractLens], given: Mapping[str, Any], model: nn.Module | None) -> dict[str, Any]:
    """Arguments for a lens out of what a page sent: plain values, and class names for classes.

    Raises
    ------
    ArgumentError
        For names that mean nothing, and for arguments that only Python can set.
    """
    offered = {setting.name: setting for setting in settings_of(kind)}
    return {name: _read(kind, offered, name, value, model) for name, value in given.items()}


def classes_of(model: nn.Module | None) -> dict[str, type[nn.Module]]:
    """Classes of the modules of a model by name."""
    return {} if model is None else {type(module).__name__: type(module) for module in model.modules()}


def _read(
    kind: type[AbstractLens], offered: Mapping[str, Setting], name: str, value: Any, model: nn.Module | None
) -> Any:
    if name not in offered:
        raise ArgumentError(unknown_name(f"argument of {kind.__name__}", name, offered))
    if not offered[name].kind:
        raise ArgumentError(f"expected {name} of {kind.__name__} to be set from Python: lens.set({name}=...)")
    if offered[name].kind == "types":
        known = classes_of(model)
        unknown = [entry for entry in value if entry not in known]
        if unknown:
            raise ArgumentError(unknown_name("module class", unknown[0], known))
        return tuple(known[entry] for entry in value)
    if offered[name].kind == "text" and isinstance(value, str):
        return _from_text(name, value)
    if not isinstance(value, bool | int | float | str | None):
        raise ArgumentTypeError(f"expected {name} to be a plain value; received {type(value).__name__}")
    return value


def _from_text(name: str, text: str) -> Any:
    """What is meant by words in a field: several with commas between them; for `every` a number, or nothing."""
    if name == "every":
        return int(text) if text.strip().isdecimal() else text.strip() or None
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    return words[0] if len(words) == 1 else words


def _setting(name: str, value: Any) -> Setting:
    if name in _TYPES and isinstance(value, Iterable):
        classes = (value,) if isinstance(value, type) else value
        return Setting(name, "types", [entry.__name__ for entry in classes])
    if isinstance(value, bool):
        return Setting(name, "switch", value)
    if isinstance(value, int | float):
        return Setting(name, "number", value)
    if isinstance(value, str) or (value is None and name == "every"):
        return Setting(name, "text", value or "")
    if isinstance(value, tuple | list) and all(isinstance(entry, str) for entry in value):
        return Setting(name, "text", ", ".join(value))
    return Setting(name, "", None)


def _signature(kind: type[AbstractLens]) -> inspect.Signature:
    return inspect.signature(kind)
