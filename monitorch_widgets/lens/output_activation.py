"""Which share of each module's outputs is not zero, and how many of its neurons are dead."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from torch import nn

from monitorch_widgets.preprocessor import OutputActivation as OutputActivationPreprocessor
from monitorch_widgets.values import About

from .output_lens import OutputLens
from .rates import BIG, SMALL, RateAggregation, Rates, rate_spec, worst
from .reading_lens import Chart

if TYPE_CHECKING:
    from monitorch_widgets.visualizer import AbstractVisualizer

_STAGE = "output of the forward pass"
_EMPTY = "No forward pass in training mode yet."
_ACTIVE = About(
    "Which share of a layer's output values is not zero.",
    "Behind a ReLU some 10 to 90 %; other layers near 100 %.",
    "Falling to 0: the layer passes nothing on; lower the learning rate or change the initialisation.",
)
_DEAD = About(
    "Which share of a layer's neurons is zero for every sample of the batch.",
    "Near 0, or low and steady behind a ReLU.",
    "High or rising: biases drifted below 0, or steps are too large; initialise anew or use a leaky ReLU.",
)


class OutputActivation(OutputLens):
    """Activation and death rate of every leaf module's output.

    A value is active if its magnitude exceeds 1e-8; a neuron or channel is dead in a batch if it is active for no
    sample of it. Both rates are in 0..1, per batch.

    Parameters
    ----------
    inplace : bool
        Keep running statistics of the epoch rather than every value.
    record_eval : bool
        Measure during evaluation as well.
    evaluation_from_grad : bool
        Tell evaluation by grad mode rather than by ``module.training``.
    activation, dropout : bool
        Watch activation modules, and dropouts.
    include : iterable of type
        Watch only these classes, besides activations and dropouts; by default every leaf module is watched.
    exclude : iterable of type
        Leave out these classes.
    channel_last : bool
        Neurons in the last dimension, (B, T, ..., C), rather than the second, (B, C, ...).
    warning_plot : bool
        Add the worst rates over all modules to the epoch figures.
    activation_aggregation, death_aggregation : str
        Aggregation of each rate over the epoch.

    Raises
    ------
    ArgumentError
        For an unknown aggregation.
    """

    _SMALL_TAG_NAME = "Output Activations"
    _DEATH_TAG_NAME = "Output Death Rate"
    _BIG_TAG_NAME = "Warning Output Activations"

    def __init__(
        self,
        inplace: bool = True,
        record_eval: bool = False,
        evaluation_from_grad: bool = False,
        activation: bool = True,
        dropout: bool = True,
        include: Iterable[type[nn.Module]] = (),
        exclude: Iterable[type[nn.Module]] = (),
        channel_last: bool = False,
        warning_plot: bool = True,
        activation_aggregation: str = "mean",
        death_aggregation: str = "mean",
    ) -> None:
        super().__init__(activation=activation, dropout=dropout, include=include, exclude=exclude)
        self._aggregation = RateAggregation.of(activation_aggregation, death_aggregation)
        self._forward = OutputActivationPreprocessor(
            True, inplace, record_eval, evaluation_from_grad, channel_last=channel_last
        )
        self._warning_plot = warning_plot
        self._rates: Rates = OrderedDict()
        active = rate_spec(self._SMALL_TAG_NAME, "Output activation", _STAGE, _ACTIVE, _EMPTY)
        dead = rate_spec(self._DEATH_TAG_NAME, "Dead outputs", _STAGE, _DEAD, _EMPTY)
        self.charts = [Chart(active, self._forward), Chart(dead, self._forward, 1)]

    def introduce_tags(self, visualizer: AbstractVisualizer) -> None:
        """Tell a visualizer about the rates and the worst of them."""
        visualizer.register_tags(self._SMALL_TAG_NAME, SMALL)
        if self._warning_plot:
            visualizer.register_tags(self._BIG_TAG_NAME, BIG)

    def finalize_epoch(self) -> None:
        """Aggregate the epoch, modules in the order of the model."""
        self._rates = self._aggregation.figures(self._forward.value, self.series_of(self._SMALL_TAG_NAME))

    def vizualize(self, visualizer: AbstractVisualizer, epoch: int) -> None:
        """Hand over the rates and the worst of them."""
        visualizer.plot_probabilities(epoch, self._SMALL_TAG_NAME, self._rates)
        if self._warning_plot:
            warning = OrderedDict([(self._BIG_TAG_NAME, worst(self._rates.values()))])
            visualizer.plot_probabilities(epoch, self._BIG_TAG_NAME, warning)
