"""The arguments of a lens: what it was made with, how another one like it is made, and what a page may offer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from torch import nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, unknown_name
from monitorch_widgets.values import Setting

from .abstract_lens import AbstractLens

Lens = TypeVar("Lens", bound=AbstractLens)

_TYPES = ("include", "exclude")


def arguments_of(lens: AbstractLens) -> dict[str, Any]:
    """Every argument of a lens by name, those left out with their defaults."""
    bound = _bound(lens)
    named = {name: value for name, value in bound.arguments.items() if name in _named(bound.signature)}
    return {**named, **bound.arguments.get(_rest(bound.signature), {})}


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
    bound = _bound(lens)
    named, rest = _named(bound.signature), _rest(bound.signature)
    for name in changes:
        if name not in named and not rest:
            raise ArgumentError(unknown_name(f"argument of {type(lens).__name__}", name, named))
    bound.arguments.update({name: value for name, value in changes.items() if name in named})
    if rest:
        more = {name: value for name, value in changes.items() if name not in named}
        bound.arguments[rest] = {**bound.arguments[rest], **more}
    return type(lens)(*bound.args, **bound.kwargs)


def settings_of(kind: type[AbstractLens], arguments: Mapping[str, Any] | None = None) -> tuple[Setting, ...]:
    """The arguments of a kind of lens as a page offers them, with these values or with the defaults."""
    known = arguments or {}
    named = _named(_signature(kind)).items()
    return tuple(_setting(name, known.get(name, parameter.default)) for name, parameter in named)


def from_page(
    kind: type[AbstractLens], given: object, model: nn.Module | None, now: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Arguments for a lens out of what a page sent: plain values, and class names for classes; `now` are those it has.

    Raises
    ------
    ArgumentError
        For names that mean nothing, and for arguments that only Python can set.
    """
    if not isinstance(given, Mapping):
        raise ArgumentTypeError(f"expected arguments of {kind.__name__} by name; received {_short(given)}")
    offered = {setting.name: setting for setting in settings_of(kind, now)}
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
        return _classes(name, value, classes_of(model))
    if offered[name].kind == "text" and isinstance(value, str):
        return _from_text(name, value)
    expected, fits = _PLAIN[offered[name].kind]
    if not fits(value):
        raise ArgumentTypeError(f"expected {name} to be {expected}; received {_short(value)}")
    return value


_PLAIN: dict[str, tuple[str, Callable[[object], bool]]] = {
    "switch": ("True or False", lambda value: isinstance(value, bool)),
    "number": ("a number", lambda value: isinstance(value, int | float) and not isinstance(value, bool)),
    "text": ("text", lambda value: value is None or (isinstance(value, int) and not isinstance(value, bool))),
}


def _classes(name: str, value: Any, known: Mapping[str, type[nn.Module]]) -> tuple[type[nn.Module], ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(entry, str) for entry in value):
        raise ArgumentTypeError(f"expected {name} to be a list of names of module classes; received {_short(value)}")
    for entry in value:
        if entry not in known:
            raise ArgumentError(unknown_name("module class", entry, known))
    return tuple(known[entry] for entry in value)


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


def _short(value: object) -> str:
    return repr(value)[:100]


def _signature(kind: type[AbstractLens]) -> inspect.Signature:
    return inspect.Signature() if kind.__init__ is object.__init__ else inspect.signature(kind)


def _bound(lens: AbstractLens) -> inspect.BoundArguments:
    args, kwargs = lens.made_with
    bound = _signature(type(lens)).bind(*args, **kwargs)
    bound.apply_defaults()
    return bound


def _named(signature: inspect.Signature) -> dict[str, inspect.Parameter]:
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {name: parameter for name, parameter in signature.parameters.items() if parameter.kind not in several}


def _rest(signature: inspect.Signature) -> str:
    """Name of the parameter that takes all other named arguments; empty where there is none."""
    parameters = signature.parameters.items()
    return next((name for name, parameter in parameters if parameter.kind is inspect.Parameter.VAR_KEYWORD), "")
