"""Where parameters are kept: they are looked up anew each time, so that a replaced one is seen and a model can go."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer


@dataclass(frozen=True, slots=True)
class ParameterPlace:
    """Where a parameter is. Weak references to the parameter itself would forbid torch to swap it for another."""

    module: weakref.ref[nn.Module]
    name: str

    @property
    def parameter(self) -> nn.Parameter | None:
        """The parameter, if it is still there."""
        module = self.module()
        if module is None or self.name not in module._parameters:
            return None
        parameter = module._parameters[self.name]
        return parameter if parameter is not None and parameter.is_leaf else None  # meta-learning puts others there


def parameter_places(model: nn.Module) -> list[ParameterPlace]:
    """Where the parameters of a model are, shared ones more than once."""
    return [ParameterPlace(weakref.ref(part), name) for part in model.modules() for name, _ in part._parameters.items()]


Place = tuple[int, str]


class Found(NamedTuple):
    """Parameters as they are now: the names of their series, where they are kept, and the tensors."""

    names: list[str]
    places: list[Place]
    tensors: list[Tensor]


class _Walk(NamedTuple):
    """What is remembered of a walk: while everything is the same object as then, so is what it finds."""

    all_ids: list[int]  # of what stood in all places
    used_ids: list[int]
    rows: list[int] | None  # which of the places; None for all
    names: list[str]
    places: list[Place]


_WALKS = 8  # optimizers for which they are remembered


class ParameterPlaces:
    """Parameters by series name.

    One that stands in several places is seen in the first of them; one that has no numbers yet, like that of a lazy
    module before its first pass or one on the meta device, is passed over.
    """

    def __init__(self) -> None:
        self._places: list[tuple[str, Place, weakref.ref[nn.Module]]] = []
        self._walks: dict[int, _Walk] = {}

    def add(self, name: str, module: nn.Module, parameter: str) -> None:
        """Add a parameter of a module under the name of its series."""
        self._places.append((name, (id(module), parameter), weakref.ref(module)))
        self._walks.clear()

    def __len__(self) -> int:
        return len(self._places)

    def now(self, optimizer: Optimizer | None) -> Found:
        """The parameters, those of `optimizer` only where one is given; nobody may change the lists."""
        used = [] if optimizer is None else [id(p) for group in optimizer.param_groups for p in group["params"]]
        walk = self._walks.get(id(optimizer))
        if walk is not None and walk.used_ids == used:
            tensors = self._again(walk)
            if tensors is not None:
                return Found(walk.names, walk.places, tensors)
        return self._anew(optimizer, used)

    def _again(self, walk: _Walk) -> list[Tensor] | None:
        """The tensors, if the same stand in all places; this runs several times a step, so it does little."""
        try:
            tensors: list[Any] = [of()._parameters[place[1]] for _, place, of in self._places]  # type: ignore[union-attr]
        except (AttributeError, KeyError):
            return None
        if [id(tensor) for tensor in tensors] != walk.all_ids:
            return None
        return tensors if walk.rows is None else [tensors[i] for i in walk.rows]

    def _anew(self, optimizer: Optimizer | None, used: list[int]) -> Found:
        among = None if optimizer is None else set(used)
        rows: list[int] = []
        found, seen, steady = Found([], [], []), set[int](), True
        for i, (name, place, of) in enumerate(self._places):
            module = of()
            if module is None or place[1] not in module._parameters:  # which in a scripted module has no get()
                steady = False
                continue
            tensor = module._parameters[place[1]]
            key = id(tensor)
            if tensor is None or (among is not None and key not in among) or key in seen:
                continue
            lazy = type(tensor) is not nn.Parameter and is_lazy(tensor)
            if not tensor.is_leaf or lazy or tensor.is_meta:  # meta-learning puts there what is no leaf
                steady = False
                continue
            seen.add(key)
            rows.append(i)
            found.names.append(name)
            found.places.append(place)
            found.tensors.append(tensor)
        self._remember(optimizer, used, rows, found if steady else None)
        return found

    def _remember(self, optimizer: Optimizer | None, used: list[int], rows: list[int], found: Found | None) -> None:
        if len(self._walks) >= _WALKS:
            self._walks.clear()
        self._walks.pop(id(optimizer), None)
        if found is not None:
            ids = [id(of()._parameters[place[1]]) for _, place, of in self._places]  # type: ignore[union-attr]
            some = None if len(rows) == len(ids) else rows
            self._walks[id(optimizer)] = _Walk(ids, used, some, found.names, found.places)
