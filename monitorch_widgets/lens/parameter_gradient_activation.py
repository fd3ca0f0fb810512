"""Which share of each parameter's gradient is not zero, and how many neurons get none."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from torch import nn

from monitorch_widgets.gatherer import InspectorState, ParameterGradientsGatherer
from monitorch_widgets.preprocessor import GradientActivation
from monitorch_widgets.preprocessor.kinds import KindsPreprocessor
from monitorch_widgets.values import About

from .abstract_lens import Stride, checked_lens_stride
from .parameter_lens import GRADIENT_EMPTY, GRADIENT_STAGE, ParameterLens
from .rates import BIG, SMALL, RateAggregation, Rates, checked_window, rate_spec, worst
from .reading_lens import Chart

if TYPE_CHECKING:
    from monitorch_widgets.visualizer import AbstractVisualizer

_ACTIVE = About(
    "Which share of a parameter's gradient values is not zero.",
    "Near 100 %, less for sparse inputs and embeddings.",
    "Falling: neurons die or inputs are empty; look at the dead outputs.",
)
_DEAD = About(
    "Which share of neurons gets no gradient at all in one step. The next one may reach them.",
    "Near 0, except for embeddings.",
    "High or rising: look whether the same neurons stay without, in the panel of those that are so for many steps.",
)


def _lasting(window: int) -> About:
    return About(
        f"Which share of neurons got no gradient at all in each of the last {window} steps: the same all the time.",
        "0, except for the rare rows of embeddings.",
        "Rising: these neurons cannot recover by themselves; lower the learning rate, use a leaky ReLU or initialise "
        "anew.",
    )


class ParameterGradientActivation(ParameterLens):
    """Activation and death rates of parameter gradients at every optimizer step, in 0..1.

    A gradient value is active if its magnitude exceeds 1e-8; a neuron (first dimension of the parameter) is dead in a
    step if none of its gradient values is: the tag "Weight Gradient Death Rate". It is dead for a window if it was so
    in each of the last `dead_window` steps in which the parameter had a gradient: "Weight Gradient Lasting Death Rate",
    which has no value before there were so many, and goes on over epochs. A gradient with NaN or infinity in it has no
    value in any of the three, and is passed over by the window.

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
    dead_window : int
        Number of steps in a row that a neuron has to be without gradient for the lasting death rate.
    every : int or "auto", optional
        Listen to every n-th step, or as the budget allows; by default as the inspector does.

    Raises
    ------
    ArgumentError
        For an unknown aggregation, without parameters, or for a window below 1.
    ArgumentTypeError
        For a window that is no integer.

    Examples
    --------
    >>> import torch
    >>> from monitorch_widgets import PyTorchInspector
    >>> net = nn.Linear(1, 2)
    >>> lens = ParameterGradientActivation(parameters="weight", dead_window=2)
    >>> inspector = PyTorchInspector([lens], module=net, visualizer="dummy", every=1)
    >>> optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    >>> for _ in range(3):
    ...     net(torch.ones(4, 1))[:, 0].sum().backward()  # the second neuron takes no part
    ...     optimizer.step()
    >>> inspector.history["Weight Gradient Lasting Death Rate"].values[:, 0].tolist()
    [nan, 0.5, 0.5]
    """

    _BIG_TAG_NAME = "Warning Gradient Activations"

    def __init__(
        self,
        inplace: bool = True,
        warning_plot: bool = True,
        parameters: str | Iterable[str] = ("weight", "bias"),
        activation_aggregation: str = "mean",
        death_aggregation: str = "mean",
        dead_window: int = 50,
        every: Stride = None,
    ) -> None:
        super().__init__(parameters)
        self.every = checked_lens_stride(every)
        self._aggregation = RateAggregation.of(activation_aggregation, death_aggregation)
        self._warning_plot = warning_plot
        self._window = checked_window("dead_window", dead_window)
        self._measure_with(lambda: GradientActivation(True, inplace, window=self._window))
        self._rates: dict[str, Rates] = {}
        self.charts = [chart for name in self._preprocessors for chart in self._charts(name)]

    def _charts(self, name: str) -> list[Chart]:
        title = name.capitalize()
        window = self._window
        panels = [
            (_tag(name), f"{title} gradient activation", _ACTIVE, GRADIENT_EMPTY),
            (f"{name} Gradient Death Rate".title(), f"{title} without gradient in a step", _DEAD, GRADIENT_EMPTY),
            (
                f"{name} Gradient Lasting Death Rate".title(),
                f"{title} without gradient for {window} steps",
                _lasting(window),
                f"There is a value when {window} steps were read. Before the first one: {GRADIENT_EMPTY}",
            ),
        ]
        return [
            Chart(rate_spec(tag, heading, "gradient", GRADIENT_STAGE, about, empty), self._preprocessors[name], channel)
            for channel, (tag, heading, about, empty) in enumerate(panels)
        ]

    def _gatherer(self, preprocessor: KindsPreprocessor, inspector_state: InspectorState) -> ParameterGradientsGatherer:
        return ParameterGradientsGatherer([preprocessor], inspector_state)

    def _announces(self, parameter: nn.Parameter) -> bool:
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
            value = preprocessor.value
            self._rates[name] = self._aggregation.figures(value, self._in_order(_tag(name), value))

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
