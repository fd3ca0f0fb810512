"""Which share of each parameter's gradient is not zero, and how many neurons get none."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from torch import nn

from monitorch_widgets.gatherer import InspectorState, ParameterGradientsGatherer
from monitorch_widgets.preprocessor import GradientActivation, TensorPreprocessor
from monitorch_widgets.values import About

from .parameter_lens import ParameterLens
from .rates import BIG, SMALL, RateAggregation, Rates, rate_spec, worst
from .reading_lens import Chart

if TYPE_CHECKING:
    from monitorch_widgets.visualizer import AbstractVisualizer

_STAGE = "gradient as the optimizer uses it"
_EMPTY = "No optimizer step yet. Loops without an optimizer call inspector.tick_batch()."
_ACTIVE = About(
    "Which share of a parameter's gradient values is not zero.",
    "Near 100 %, less for sparse inputs and embeddings.",
    "Falling: neurons die or inputs are empty; look at the dead outputs.",
)
_DEAD = About(
    "Which share of neurons gets no gradient at all in a step.",
    "Near 0, except for embeddings.",
    "High: these neurons cannot recover by themselves; lower the learning rate, use a leaky ReLU, initialise anew.",
)


class ParameterGradientActivation(ParameterLens):
    """Activation and death rate of parameter gradients at every optimizer step.

    A gradient value is active if its magnitude exceeds 1e-8; a neuron (first dimension of the parameter) is dead if
    none of its gradient values is.

    Parameters
    ----------
    inplace : bool
        Keep running statistics of the epoch rather than every value.
    warning_plot : bool
        Add the worst rates over all modules to the epoch figures.
    parameters : str or iterable of str
        Names of the parameters; each has its own panels.
    activation_aggregation, death_aggregation : str
        Aggregation of each rate over the epoch.

    Raises
    ------
    ArgumentError
        For an unknown aggregation, or without parameters.
    """

    _BIG_TAG_NAME = "Warning Gradient Activations"

    def __init__(
        self,
        inplace: bool = True,
        warning_plot: bool = True,
        parameters: str | Iterable[str] = ("weight", "bias"),
        activation_aggregation: str = "mean",
        death_aggregation: str = "mean",
    ) -> None:
        super().__init__(parameters)
        self._aggregation = RateAggregation.of(activation_aggregation, death_aggregation)
        self._warning_plot = warning_plot
        self._preprocessors = {name: GradientActivation(True, inplace) for name in self._parameters}
        self._rates: dict[str, Rates] = {}
        self.charts = [chart for name in self._preprocessors for chart in self._charts(name)]

    def _charts(self, name: str) -> list[Chart]:
        title = name.capitalize()
        active = rate_spec(_tag(name), f"{title} gradient activation", _STAGE, _ACTIVE, _EMPTY)
        dead = rate_spec(f"{name} Gradient Death Rate".title(), f"{title} without gradient", _STAGE, _DEAD, _EMPTY)
        return [Chart(active, self._preprocessors[name]), Chart(dead, self._preprocessors[name], 1)]

    def _gatherer(
        self, preprocessor: TensorPreprocessor, inspector_state: InspectorState
    ) -> ParameterGradientsGatherer:
        return ParameterGradientsGatherer([preprocessor], inspector_state)

    def _takes(self, parameter: nn.Parameter) -> bool:
        return parameter.requires_grad

    def introduce_tags(self, visualizer: AbstractVisualizer) -> None:
        """Tell a visualizer about the rates and the worst of them."""
        for name in self._preprocessors:
            visualizer.register_tags(_tag(name), SMALL)
        if self._warning_plot:
            visualizer.register_tags(self._BIG_TAG_NAME, BIG)

    def finalize_epoch(self) -> None:
        """Aggregate the epoch, modules in the order of the model."""
        for name, preprocessor in self._preprocessors.items():
            self._rates[name] = self._aggregation.figures(preprocessor.value, self.series_of(_tag(name)))

    def vizualize(self, visualizer: AbstractVisualizer, epoch: int) -> None:
        """Hand over the rates and the worst of them."""
        for name, rates in self._rates.items():
            visualizer.plot_probabilities(epoch, _tag(name), rates)
        if self._warning_plot:
            every = [rate for rates in self._rates.values() for rate in rates.values()]
            warning = OrderedDict([(self._BIG_TAG_NAME, worst(every))])
            visualizer.plot_probabilities(epoch, self._BIG_TAG_NAME, warning)


def _tag(name: str) -> str:
    return f"{name} Gradient Activation".title()
