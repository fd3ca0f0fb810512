"""Where parameters are kept: they are looked up anew each time, so that a replaced one is seen and a model can go."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import NamedTuple

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


class Watched(NamedTuple):
    """A parameter as it is now: the name of its series, where it is kept, and the tensor."""

    name: str
    place: tuple[int, str]
    tensor: Tensor


class ParameterPlaces:
    """Parameters by series name.

    One that stands in several places is seen in the first of them; one that has no numbers yet, like that of a lazy
    module before its first pass or one on the meta device, is passed over.
    """

    def __init__(self) -> None:
        self._places: list[tuple[str, int, ParameterPlace]] = []

    def add(self, name: str, module: nn.Module, parameter: str) -> None:
        """Add a parameter of a module under the name of its series."""
        self._places.append((name, id(module), ParameterPlace(weakref.ref(module), parameter)))

    def __len__(self) -> int:
        return len(self._places)

    def now(self, optimizer: Optimizer | None) -> list[Watched]:
        """The parameters, those of `optimizer` only where one is given."""
        used = None if optimizer is None else {id(p) for group in optimizer.param_groups for p in group["params"]}
        found: dict[int, Watched] = {}
        for name, key, place in self._places:
            tensor = place.parameter
            if tensor is not None and (used is None or id(tensor) in used) and _has_numbers(tensor):
                found.setdefault(id(tensor), Watched(name, (key, place.name), tensor))
        return list(found.values())

    def tensors(self, optimizer: Optimizer | None) -> tuple[list[str], list[Tensor]]:
        """Names and parameters, those of `optimizer` only where one is given."""
        watched = self.now(optimizer)
        return [each.name for each in watched], [each.tensor for each in watched]


def _has_numbers(parameter: Tensor) -> bool:
    return not (is_lazy(parameter) or parameter.is_meta)
