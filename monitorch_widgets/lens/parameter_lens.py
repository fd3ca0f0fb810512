"""What lenses of parameters share: which parameters are watched, and under which names they appear."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, NotWatched, unknown_name
from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.gatherer.parameters_seen import ParametersGatherer
from monitorch_widgets.preprocessor.kinds import KindsPreprocessor, of_kind

from .abstract_lens import Emit
from .reading_lens import ReadingLens

GRADIENT_STAGE = "as the optimizer uses it: accumulated, unscaled, clipped"
GRADIENT_EMPTY = "No optimizer step yet. Loops without an optimizer call inspector.tick_batch()."


class ParameterLens(ReadingLens):
    """Base of lenses of parameters: one preprocessor for each parameter name, serving all modules.

    Parameters of all names are seen by one gatherer and measured in one go, by a preprocessor that hands its readings
    on to the others. A subclass calls :meth:`_measure_with` and makes the gatherer.
    """

    def __init__(self, parameters: str | Iterable[str], **others: Any) -> None:
        super().__init__(**others)
        self._parameters = parameter_names(parameters)
        self._preprocessors: dict[str, KindsPreprocessor] = {}
        self._measuring: KindsPreprocessor
        self._seen: ParametersGatherer | None = None
        self._watched: set[int] = set()  # ids of parameters: a tied one is measured under its first name

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters, one or more panels each."""
        return self._parameters

    def _measure_with(self, make: Callable[[], KindsPreprocessor]) -> None:
        """Make the preprocessors."""
        self._preprocessors = {parameter: make() for parameter in self._parameters}
        self._measuring = make()
        self._measuring.serve(self._preprocessors)

    @abstractmethod
    def _gatherer(self, preprocessor: KindsPreprocessor, inspector_state: InspectorState) -> ParametersGatherer:
        """Make the gatherer."""

    def _announces(self, parameter: nn.Parameter) -> bool:
        """Whether a parameter has its place in the panel from the beginning; others appear with their first reading."""
        return True

    def prepare(self, inspector_state: InspectorState, emit: Emit) -> None:
        """Make the gatherer."""
        super().prepare(inspector_state, emit)
        self._seen = self._gatherer(self._measuring, inspector_state)
        self._gatherers = [self._seen]
        self._watched.clear()

    def register_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Watch the module's own parameters that go by the chosen names."""
        for own in own_parameters(module, module_name):
            wanted = own.wanted_by(self._parameters)
            if wanted is None or self._seen is None or id(own.parameter) in self._watched:
                continue
            self._watched.add(id(own.parameter))
            series = own.series(wanted)
            self._seen.watch(of_kind(wanted, series), own.holder, own.name)
            self._note_series(self._preprocessors[wanted], series, announced=self._announces(own.parameter))

    def register_non_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Watch the module's own parameters that go by the chosen names."""
        self.register_leaf_module(module, module_name, inspector_state)

    def steps_left_out(self) -> None:
        """Compare what comes with nothing before it."""
        self._measuring.steps_left_out()

    def memory_of(self, tag: str) -> int:
        """Memory that copies of tensors take for one panel, in bytes; a preprocessor's count at its last number."""
        last = {id(chart.preprocessor): chart.spec.tag for chart in self.charts}
        kinds = [kind for kind, preprocessor in self._preprocessors.items() if last[id(preprocessor)] == tag]
        return sum(self._measuring.memory_under(of_kind(kind)) for kind in kinds)

    def release(self) -> None:
        """Stop watching; figures of the epoch, and what later readings are compared with, stay."""
        super().release()
        self._seen = None

    def detach_from_module(self) -> None:
        """Stop watching; drop copies of tensors and the figures of the running epoch."""
        super().detach_from_module()
        self._measuring.forget()


def warn_of_unknown(lens: ParameterLens, model: nn.Module) -> None:
    """Warn of names that no parameter of the model goes by; one without bias, or without weight, is no surprise."""
    known = sorted({name.rpartition(".")[2] for name, _ in model.named_parameters()})
    for wanted in lens.parameters:
        if wanted not in ("weight", "bias") and not any(_goes_by(name, wanted) for name in known):
            warnings.warn(
                f"{type(lens).__name__} watches nothing under {wanted!r}: {unknown_name('parameter', wanted, known)}",
                NotWatched,
                stacklevel=7,  # whoever makes the inspector
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


@dataclass(frozen=True, slots=True)
class OwnParameter:
    """A parameter of a module.

    Attributes
    ----------
    parameter : torch.nn.Parameter
        The parameter.
    holder : torch.nn.Module
        Who keeps it: the module, or for a parametrized one what stands behind the property.
    name : str
        Its name there.
    tensor : str
        What it is for the module: its name, or that of the tensor which is computed from it.
    path : str
        Series name if it is told apart by its own name.
    module_name : str
        Series name if it is the module's one parameter of a name.
    """

    parameter: nn.Parameter
    holder: nn.Module
    name: str
    tensor: str
    path: str
    module_name: str

    def series(self, wanted: str) -> str:
        """Name of the series under a wanted name: the module's where it is exactly that parameter, else its own."""
        return self.module_name if self.name == wanted and not self._parametrizes else self.path

    @property
    def _parametrizes(self) -> bool:
        return self.path != f"{self.module_name}.{self.name}"

    def wanted_by(self, names: Sequence[str]) -> str | None:
        """Which of the wanted names it goes by: at most one.

        Its own name comes first, then one that is a part of it; ``"weight"`` is for all the others but biases.
        """
        for own in (self.name, self.tensor):
            exact = [name for name in names if name == own]
            part = [name for name in names if name != "weight" and _goes_by(own, name)]
            if exact or part:
                return [*exact, *part][0]
        bias = _goes_by(self.name, "bias") or _goes_by(self.tensor, "bias")
        return "weight" if "weight" in names and not bias else None


def own_parameters(module: nn.Module, module_name: str) -> list[OwnParameter]:
    """Parameters of a module but those of its submodules; the originals of parametrized ones belong to it.

    The parametrized tensors themselves are never computed: spectral norm, for one, changes its state with it.

    Examples
    --------
    >>> [own.series("bias") for own in own_parameters(nn.LSTM(2, 3), "rnn") if own.wanted_by(["bias"])]
    ['rnn.bias_ih_l0', 'rnn.bias_hh_l0']
    >>> from torch.nn.utils.parametrizations import weight_norm
    >>> [own.series("weight") for own in own_parameters(weight_norm(nn.Linear(2, 3)), "fc") if own.tensor == "weight"]
    ['fc.parametrizations.weight.original0', 'fc.parametrizations.weight.original1']
    """
    found: list[OwnParameter] = []
    for name, parameter in module._parameters.items():
        if parameter is not None:
            found.append(OwnParameter(parameter, module, name, name, f"{module_name}.{name}", module_name))
    if not is_parametrized(module):
        return found
    for tensor, steps in module.get_submodule("parametrizations").named_children():
        for place, holder in steps.named_modules(prefix=f"{module_name}.parametrizations.{tensor}"):
            for name, parameter in holder._parameters.items():
                if parameter is not None:
                    found.append(OwnParameter(parameter, holder, name, tensor, f"{place}.{name}", module_name))
    return found


def _goes_by(name: str, wanted: str) -> bool:
    """Whether a parameter is called `wanted`, or has it as a part of its name."""
    return name == wanted or wanted in name.split("_")
