"""What of the model is watched, and what is not, with the reason."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from monitorch_widgets.gatherer import Hooks
from monitorch_widgets.gatherer.module_hooks import NOT_CALLED
from monitorch_widgets.gatherer.parameter_places import ParameterPlace
from monitorch_widgets.lens.parameter_lens import own_parameters
from monitorch_widgets.values import ModuleInfo

from .modules import Place, chosen, places

_UNSEEN = (
    "no forward pass of this model was seen: a copy of it is trained, or it was compiled before attach() "
    "(attach to the compiled model)"
)
_FROZEN = "frozen (requires_grad is False), so it has no gradients"
_NO_GRADIENT = "no gradient has reached it so far"
_OFTEN = 30  # steps between two looks at everything
_PATIENCE = 2  # steps after which a missing call or gradient is told: optimizers may take turns


@dataclass(frozen=True, slots=True)
class _Known:
    """A place without its module, which the inspector must not keep alive."""

    info: ModuleInfo
    module: weakref.ref[nn.Module]
    key: int
    called: bool  # whether calls are to be expected

    @staticmethod
    def of(place: Place) -> _Known:
        called = place.leaf and place.collected and not place.container and not place.why_not
        return _Known(place.info, weakref.ref(place.module), id(place.module), called)


class Watch:
    """The modules of one model, and what became of each.

    Parameters
    ----------
    hooks : Hooks
        Where modules note that they were called.
    depth : int
        Depth at which modules count as leaves; -1 for those without submodules.
    prefix : str
        What stands between the parts of a name.

    Attributes
    ----------
    title : str
        Class name of the model.
    collected : tuple of str or None
        Names or patterns of the modules that are read; None for all.
    """

    def __init__(self, hooks: Hooks, depth: int, prefix: str) -> None:
        self._hooks = hooks
        self._how = (depth, prefix)
        self.collected: tuple[str, ...] | None = None
        self._known: list[_Known] = []
        self._model: weakref.ref[nn.Module] | None = None
        self._without: list[_Parameter] = []
        self._parameter_names: list[tuple[int, str]] = []
        self._steps = 0
        self._recent: tuple[int, list[ModuleInfo]] | None = None
        self._last: list[ModuleInfo] | None = []  # what was known when it ended
        self.title = "no model"

    def begin(self, model: nn.Module) -> list[Place]:
        """Look at a model: its places in model order."""
        found = self._places(model)
        self.title = type(model).__name__
        self._model = weakref.ref(model)
        self._known = [_Known.of(place) for place in found]
        self._without = list(_parameters(found))
        self._parameter_names = [(parameter.key, parameter.shown) for parameter in self._without]
        self._steps, self._last, self._recent = 0, None, None
        return found

    def choose(self, **how: Any) -> None:
        """Look at modules at another `depth`, or at those only that are `collected`, from the next look on."""
        self._how = (how.get("depth", self._how[0]), self._how[1])
        self.collected = how.get("collected", self.collected)

    def _places(self, model: nn.Module) -> list[Place]:
        return chosen(places(model, *self._how), self.collected, self._how[1])

    @property
    def model(self) -> nn.Module | None:
        """The model, while it is there."""
        return None if self._model is None else self._model()

    @property
    def infos(self) -> list[ModuleInfo]:
        """The modules in model order."""
        return [known.info for known in self._known]

    def with_series(self, names: Iterable[str]) -> list[ModuleInfo]:
        """The modules in model order, and behind each the `names` of series that are a part or a call of it."""
        known = {info.name: info for info in self.infos}
        rank = {name: i for i, name in enumerate(known)}
        owners = {name: name if name in known else _owner(name, known) for name in dict.fromkeys(names)}
        ours = [name for name in owners if owners[name]]  # the history may hold names of a model before this one
        ours.sort(key=lambda name: (rank[owners[name]], name != owners[name], len(name), name))
        return [known.get(name) or replace(known[owners[name]], name=name, activation=False) for name in ours]

    def end(self) -> None:
        """Stop looking; what is known stays."""
        self._last, self._recent = self.all, None
        self._model, self._without = None, []

    def saw_gradients(self) -> None:
        """Note which parameters have gradients, at a step."""
        self._steps += 1
        if self._without:
            self._without = [kept for kept in self._without if kept.lacks_gradient]

    # ------------------------------------------------------------------ what is not watched

    @property
    def all(self) -> list[ModuleInfo]:
        """Every module, then the parameters without gradients; `note` has the reason of what is not watched."""
        if self._last is not None:
            return self._last
        notes = self._notes()
        return [replace(known.info, note=notes.get(known.key, "")) for known in self._known] + self._no_gradients()

    @property
    def unwatched(self) -> list[ModuleInfo]:
        """Only what is not watched; in a long run, as it was some steps ago."""
        if self._recent is None or self._steps < _OFTEN or self._steps >= self._recent[0] + _OFTEN:
            self._recent = (self._steps, [info for info in self.all if info.note])
        return self._recent[1]

    def _notes(self) -> dict[int, str]:
        notes = {known.key: known.info.note for known in self._known}
        if self._steps < _PATIENCE:
            return notes
        heard = {known.key: self._hooks.worn.by_key(known.key) for known in self._known if known.called}
        told = {key: listeners.note for key, listeners in heard.items() if listeners is not None}
        unseen = told and set(told.values()) == {NOT_CALLED}
        return {**notes, **{key: _UNSEEN if unseen else note for key, note in told.items()}}

    def _no_gradients(self) -> list[ModuleInfo]:
        """Parameters that never had a gradient, one entry for those of a module that share the reason."""
        if self._steps < _PATIENCE:
            return []
        groups: dict[tuple[int, str], list[str]] = {}
        for kept in self._without:
            parameter = kept.place.parameter
            if parameter is not None:
                why = _NO_GRADIENT if parameter.requires_grad else _FROZEN
                groups.setdefault((kept.key, why), []).append(kept.shown)
        names = {known.key: known.info.name for known in self._known}
        return [ModuleInfo(names[k], ", ".join(which), "other", note=why) for (k, why), which in groups.items()]

    # ------------------------------------------------------------------ changes of the model

    def changes(self) -> tuple[list[str], list[str]]:
        """Names of modules and parameters that came since, and of those that went."""
        model = self.model
        found = [] if model is None else self._places(model)
        now = {place.name: id(place.module) for place in found}
        before = {known.info.name: known.key for known in self._known if known.module() is not None}
        came = [name for name, key in now.items() if before.get(name) != key]
        same = {id(place.module): place.name for place in found if place.name not in came}
        names = {(same[p.key], p.shown) for p in _parameters(found) if p.key in same}
        former = {(same[key], shown) for key, shown in self._parameter_names if key in same}
        gone = [name for name in before if name not in now]
        return came + _paths(names - former), gone + _paths(former - names)


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter: the key of the module that it is shown at, the name there, and where it is."""

    key: int
    shown: str
    place: ParameterPlace

    @property
    def lacks_gradient(self) -> bool:
        parameter = self.place.parameter
        return parameter is not None and parameter.grad is None


def _parameters(found: Iterable[Place]) -> Iterator[_Parameter]:
    for place in found:
        for own in own_parameters(place.module, place.name):
            where = ParameterPlace(weakref.ref(own.holder), own.name)
            yield _Parameter(id(place.module), own.path.removeprefix(f"{place.name}."), where)


def _paths(names: Iterable[tuple[str, str]]) -> list[str]:
    return sorted(f"{module}.{parameter}" for module, parameter in names)


def _owner(name: str, known: Iterable[str]) -> str:
    """Module that a series belongs to whose name is longer, like one output of several; empty for none."""
    return max(
        (owner for owner in known if name.startswith(tuple(owner + mark for mark in ".[#"))), key=len, default=""
    )
