"""Numbers of parameters as they stand: norms and condition numbers."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from monitorch_widgets.numerical import ConsecutiveTensors, aside, precise

from .abstract import AbstractModulePreprocessor, by_device
from .kinds import KindsPreprocessor


def _stored(module: nn.Module, attr: str) -> Tensor | None:
    """A tensor that the module holds; a parametrized one is not computed, which may change the module's state."""
    for place in (module._parameters, module._buffers, vars(module)):
        if isinstance(place.get(attr), Tensor):
            return place[attr]
    return None


class ParameterNumbers(KindsPreprocessor, AbstractModulePreprocessor):
    """One number for each listed parameter of a module."""

    def __init__(self, attrs: Sequence[str], inplace: bool) -> None:
        super().__init__(1, inplace)
        self.attrs_ = [attrs] if isinstance(attrs, str) else list(attrs)

    def process_module(self, name: str, module: nn.Module) -> None:
        """Measure the listed parameters that the module has."""
        for attr in self.attrs_:
            tensor = _stored(module, attr)
            if tensor is not None:
                self.process_tensor(f"{name}.{attr}", tensor)

    def process_tensor(self, name: str, tensor: Tensor) -> None:
        """Measure one tensor."""
        self.process_tensors([name], [tensor])

    @property
    def value(self) -> OrderedDict[str, Any]:
        """Statistics by module name, then by parameter name; by plain name for tensors that are none of `attrs_`."""
        nested: OrderedDict[str, Any] = OrderedDict()
        for path, kept in super().value.items():
            name, dot, attr = path.rpartition(".")
            if dot and attr in self.attrs_:  # told by the name alone: another rank may have seen what this one has not
                nested.setdefault(name, {})[attr] = kept
            else:
                nested[path] = kept
        return nested


class ParameterNorm(ParameterNumbers):
    """Norm of parameters.

    Parameters
    ----------
    attrs : list of str
        Names of the parameters, e.g. ``["weight", "bias"]``.
    normalize : bool
        Root mean square rather than L2 norm.
    inplace : bool
        Keep running statistics rather than lists.

    Attributes
    ----------
    attrs_ : list of str
        Names of the parameters.
    """

    def __init__(self, attrs: Sequence[str], normalize: bool, inplace: bool) -> None:
        super().__init__(attrs, inplace)
        self._tensors = ConsecutiveTensors(normalize, correlation=False, eps=0.0)

    def forget(self) -> None:
        """Let go what measuring keeps."""
        super().forget()
        self._tensors.forget()

    def process_tensors(self, names: Sequence[str], tensors: Sequence[Tensor]) -> None:
        """Measure all tensors at once, those of each device."""
        with aside():
            for group in by_device(tensors):
                chosen = [names[i] for i in group]
                self._push(chosen, self._tensors.look_at(chosen, [tensors[i] for i in group]))

    def finish(self, names: list[Sequence[str]], materials: list[Any]) -> Tensor:
        """Make norms of the parameters of all steps at once."""
        return self._tensors.numbers_of(materials)


class ParameterCond(ParameterNumbers):
    """Condition number of weight matrices: largest over smallest singular value.

    A large one says that the layer nearly loses some directions of its input. A parameter (C, ...) is taken as the
    matrix (C, rest); vectors and scalars have none (NaN). Singular values are computed in float32 or wider, which
    takes time and, on a GPU, waits for it: leave some steps between two measurements.

    Parameters
    ----------
    attrs : list of str
        Names of the parameters.
    inplace : bool
        Keep running statistics rather than lists.
    """

    def __init__(self, attrs: Sequence[str] = ("weight",), inplace: bool = True) -> None:
        super().__init__(attrs, inplace)

    def process_tensors(self, names: Sequence[str], tensors: Sequence[Tensor]) -> None:
        """Measure tensors one by one: at least 1, infinity for a singular matrix, NaN for a vector."""
        with torch.no_grad():
            for group in by_device(tensors):
                numbers = [_condition(precise(tensors[i])) for i in group]
                self._push([names[i] for i in group], torch.stack(numbers))


def _condition(tensor: Tensor) -> Tensor:
    if tensor.dim() < 2 or not tensor.numel():
        return torch.full((), torch.nan, device=tensor.device)
    finite = torch.isfinite(tensor)
    matrix = tensor.masked_fill(~finite, 0).flatten(1)  # what is not finite makes the decomposition fail
    poison = torch.where(finite.all(), 0.0, torch.nan)
    try:
        singular: Tensor = torch.linalg.svdvals(matrix)
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]  # it did not converge
        return torch.full((), torch.nan, device=tensor.device)
    return singular[0] / singular[-1] + poison
