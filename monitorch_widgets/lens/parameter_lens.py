"""What lenses of parameters share: which parameters are watched, and under which names they appear."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any

from torch import nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, NotWatched, unknown_name
from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.gatherer.parameters_seen import ParametersGatherer
from monitorch_widgets.preprocessor import TensorPreprocessor

from .abstract_lens import Emit
from .reading_lens import ReadingLens


class ParameterLens(ReadingLens):
    """Base of lenses of parameters: one preprocessor and one gatherer for each parameter name, serving all modules.

    A subclass fills :attr:`_preprocessors` and makes gatherers.
    """

    def __init__(self, parameters: str | Iterable[str], **others: Any) -> None:
        super().__init__(**others)
        self._parameters = parameter_names(parameters)
        self._preprocessors: dict[str, TensorPreprocessor] = {}
        self._by_parameter: dict[str, ParametersGatherer] = {}

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters, one or more panels each."""
        return self._parameters

    @abstractmethod
    def _gatherer(self, preprocessor: TensorPreprocessor, inspector_state: InspectorState) -> ParametersGatherer:
        """Make the gatherer of a parameter name."""

    def _takes(self, parameter: nn.Parameter) -> bool:
        """Whether a parameter is watched."""
        return True

    def prepare(self, inspector_state: InspectorState, emit: Emit) -> None:
        """Make the gatherers."""
        super().prepare(inspector_state, emit)
        self._by_parameter = {name: self._gatherer(p, inspector_state) for name, p in self._preprocessors.items()}
        self._gatherers = list(self._by_parameter.values())

    def register_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Watch the module's own parameters of the chosen names."""
        for wanted, gatherer in self._by_parameter.items():
            for series, name, parameter in series_for(module, module_name, wanted):
                if self._takes(parameter):
                    gatherer.watch(series, module, name)
                    self._note_series(self._preprocessors[wanted], series)

    def register_non_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Watch the module's own parameters of the chosen names."""
        self.register_leaf_module(module, module_name, inspector_state)


def warn_of_unknown(lens: ParameterLens, model: nn.Module) -> None:
    """Warn of names that no parameter of the model goes by; one without bias, or without weight, is no surprise."""
    known = sorted({name.rpartition(".")[2] for name, _ in model.named_parameters()})
    for wanted in lens.parameters:
        if wanted not in ("weight", "bias") and not any(_goes_by(name, wanted) for name in known):
            warnings.warn(
                f"{type(lens).__name__} watches nothing under {wanted!r}: {unknown_name('parameter', wanted, known)}",
                NotWatched,
                stacklevel=4,
            )


def parameter_names(parameters: str | Iterable[str]) -> tuple[str, ...]:
    """Check an argument `parameters`: one name, or several.

    Raises
    ------
    ArgumentTypeError
        If an entry is no string.
    ArgumentError
        If there is none.
    """
    if not isinstance(parameters, Iterable):
        raise ArgumentTypeError(f"expected parameters to be names, e.g. parameters='weight'; received {parameters!r}")
    names = (parameters,) if isinstance(parameters, str) else tuple(parameters)
    if not names:
        raise ArgumentError("expected at least one parameter name, e.g. parameters='weight'; received none")
    for name in names:
        if not isinstance(name, str):
            raise ArgumentTypeError(f"expected parameter names as strings; received {name!r}")
    return names


def series_for(module: nn.Module, module_name: str, wanted: str) -> list[tuple[str, str, nn.Parameter]]:
    """Series name, parameter name and parameter, for each parameter of a module that goes by the name `wanted`.

    The parameter of exactly that name carries the module's name. One that has it as a part, like ``weight_ih_l0`` or
    ``in_proj_weight`` for ``weight``, is told apart by its own name.

    Examples
    --------
    >>> [series for series, *_ in series_for(nn.LSTM(2, 3), "rnn", "bias")]
    ['rnn.bias_ih_l0', 'rnn.bias_hh_l0']
    """
    found = []
    for name, parameter in module._parameters.items():
        if parameter is None:
            continue
        if name == wanted:
            found.append((module_name, name, parameter))
        elif _goes_by(name, wanted):
            found.append((f"{module_name}.{name}", name, parameter))
    return found


def _goes_by(name: str, wanted: str) -> bool:
    """Whether a parameter is called `wanted`, or has it as a part of its name."""
    return name == wanted or wanted in name.split("_")
