"""The view: what is on display. The page changes it and tells Python; Python may set it, and is checked here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, check_choice, unknown_name
from monitorch_widgets.values import ChartSpec, ModuleInfo

X_AXES = ("step", "epoch", "seconds")
MODES = ("lines", "map")
LINES = ("mean", "median", "min", "max")
BANDS = ("std", "Q1-Q3", "min-max")
MOST_SMOOTH = 0.98
SHOWN_AT_FIRST = 12

_ENDS = ("", ".", " ", "#", "/", ":", "[")  # where the name of a module ends in the name of a series

View = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Names:
    """What a view may speak of.

    Attributes
    ----------
    modules : tuple of str
        Rows of the picker, in model order.
    series : tuple of str
        Modules, metrics and losses: everything that has a line.
    tags : tuple of str
        Panels.
    """

    modules: tuple[str, ...]
    series: tuple[str, ...]
    tags: tuple[str, ...]


def default_view(specs: Sequence[ChartSpec], modules: Sequence[ModuleInfo], series: Iterable[str] = ()) -> View:
    """The view at first: at most 12 modules, spread over the depth; lines, bands and scale as the lenses say.

    Modules with `series` of their own come in; where there are none yet, those that carry no note. Further calls and
    outputs of a module come in only if there is room for all.
    """
    found = watched(modules, series)
    firsts = found if len(found) <= SHOWN_AT_FIRST else without_further(found)
    return {
        "seq": 0,
        "shown": spread(firsts),
        "x": "step",
        "window": "auto",
        "smooth": 0.0,
        "mode": "lines",
        "solo": None,
        "large": None,
        "hidden_panels": [],
        "panels": {spec.tag: {"lines": list(spec.lines), "bands": list(spec.bands), "log": spec.log} for spec in specs},
    }


def watched(modules: Sequence[ModuleInfo], series: Iterable[str]) -> list[ModuleInfo]:
    """Modules that have a line in some panel: one of their own name, or one of a parameter (``conv1.weight``)."""
    owners = {name[:end] for name in series for end in range(1, len(name) + 1) if name[end : end + 1] in _ENDS}
    found = [module for module in modules if module.name in owners]
    return found or [module for module in modules if not module.note] or list(modules)


def without_further(modules: Sequence[ModuleInfo]) -> list[ModuleInfo]:
    """`modules` without those that are a further call (``layer#2``) or output (``rnn[1][0]``) of another one."""
    names = {module.name for module in modules}
    return [module for module in modules if not any(start in names for start in _starts(module.name))]


def _starts(name: str) -> list[str]:
    return [name[:end] for end in range(1, len(name)) if name[end] in "#["]


def spread(modules: Sequence[ModuleInfo], most: int = SHOWN_AT_FIRST) -> list[str]:
    """At most `most` modules from first to last, of every kind when kinds alternate."""
    if len(modules) <= most:
        return [module.name for module in modules]
    edges = [round(i * len(modules) / most) for i in range(most + 1)]
    taken = [modules[0]]
    for start, stop in pairwise(edges[1:-1]):
        kinds = [module.kind for module in taken]
        taken.append(min(modules[start:stop], key=lambda module: kinds.count(module.kind)))
    return [module.name for module in [*taken, modules[-1]]]


def merged_view(view: View, changes: Mapping[str, Any], names: Names) -> View:
    """`view` with `changes`, which may name only some keys, and of `panels` only some tags and switches.

    Raises
    ------
    ArgumentError
        For a key, module, tag or value that does not exist; the message names the nearest one.
    ArgumentTypeError
        For something that is not a mapping.
    """
    result = {**view, "panels": {tag: dict(panel) for tag, panel in view["panels"].items()}}
    for key, value in _mapping("the view", changes).items():
        if key == "panels":
            _merge_panels(result["panels"], value, names)
        elif key != "seq":  # the count of changes is kept by the two sides, not by whoever sets the view
            check_choice("key of the view", key, [*_CHECKS, "panels"])
            result[key] = _CHECKS[key](value, names)
    return result


def adopted_view(view: View, received: Mapping[str, Any], names: Names) -> View:
    """`view` with what the page sent, without the parts that are not valid.

    A page may still show another model than the one that is attached.
    """
    for key, value in received.items():
        pieces = value.items() if key == "panels" and isinstance(value, Mapping) else [(None, value)]
        for tag, piece in pieces:
            try:
                view = merged_view(view, {key: piece if tag is None else {tag: piece}}, names)
            except (ArgumentError, ArgumentTypeError):
                continue
    return {**view, "seq": received["seq"]}


def carried_view(view: View, fresh: View, names: Names, *, same_model: bool) -> View:
    """`fresh`, the view at first of other panels or another model, with what of `view` still means something there."""
    lost = () if same_model else ("shown", "solo")
    kept = {key: value for key, value in view.items() if key not in lost}
    return adopted_view(fresh, {**kept, "seq": view["seq"]}, names)


def _mapping(what: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ArgumentTypeError(f"expected {what} as a dict, e.g. {{'smooth': 0.6}}; received {value!r}.")
    return value


def _merge_panels(panels: dict[str, View], changes: object, names: Names) -> None:
    for tag, switches in _mapping("'panels'", changes).items():
        check_choice("panel", tag, names.tags)
        for key, value in _mapping(f"the switches of {tag!r}", switches).items():
            check_choice("switch of a panel", key, _SWITCHES)
            panels.setdefault(tag, {"lines": ["mean"], "bands": [], "log": False})[key] = _SWITCHES[key](value)


def _listed(kind: str, value: object, valid: Collection[str]) -> list[str]:
    """Names of `value`, each once, in the order of `valid`."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ArgumentTypeError(f"expected a list of {kind} names; received {value!r}. Put it in a list: [{value!r}].")
    chosen = {check_choice(kind, name, valid) for name in value}
    return [name for name in valid if name in chosen]


def _window(value: object) -> str | int:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value
    raise ArgumentError(f"expected 'auto' or a number of steps from 1 as window; received {value!r}.")


def _smooth(value: object) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= MOST_SMOOTH:
        return float(value)
    raise ArgumentError(f"expected smooth from 0 (off) to {MOST_SMOOTH}; received {value!r}.")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ArgumentError(f"expected log as True or False; received {value!r}.")


def _optional(kind: str, value: object, valid: Collection[str]) -> str | None:
    if value is None or (isinstance(value, str) and value in valid):
        return value
    raise ArgumentError(unknown_name(kind, value, valid) + " None is none of them.")


_CHECKS: dict[str, Callable[[object, Names], object]] = {
    "shown": lambda value, names: _listed("module", value, names.modules),
    "x": lambda value, names: check_choice("x axis", value, X_AXES),
    "window": lambda value, names: _window(value),
    "smooth": lambda value, names: _smooth(value),
    "mode": lambda value, names: check_choice("mode", value, MODES),
    "solo": lambda value, names: _optional("series", value, names.series),
    "large": lambda value, names: _optional("panel", value, names.tags),
    "hidden_panels": lambda value, names: _listed("panel", value, names.tags),
}
_SWITCHES: dict[str, Callable[[object], object]] = {
    "lines": lambda value: _listed("line", value, LINES),
    "bands": lambda value: _listed("band", value, BANDS),
    "log": _flag,
}
