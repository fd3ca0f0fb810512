"""Which share of each module's outputs is not zero, and how many of its neurons are dead."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from torch import nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.preprocessor import OutputActivation as OutputActivationPreprocessor
from monitorch_widgets.values import About

from .abstract_lens import Stride, checked_lens_stride
from .output_lens import OUTPUT_EMPTY, OUTPUT_STAGE, OutputLens
from .rates import BIG, SMALL, RateAggregation, Rates, checked_window, rate_spec, worst
from .reading_lens import Chart

if TYPE_CHECKING:
    from monitorch_widgets.visualizer import AbstractVisualizer

_ACTIVE = About(
    "Which share of a layer's output values is not zero.",
    "Behind a ReLU some 10 to 90 %; other layers near 100 %.",
    "Falling to 0: the layer passes nothing on; lower the learning rate or change the initialisation.",
)
_DEAD = About(
    "Which share of a layer's neurons is zero for every sample of one batch. Another batch may wake them.",
    "Low and steady behind a ReLU, higher for small batches.",
    "High or rising: look whether the same neurons stay dead, in the panel of those that are dead for many batches.",
)


def _lasting(window: int) -> About:
    return About(
        f"Which share of a layer's neurons was zero for every sample of each of the last {window} training batches: "
        "the same neurons all the time.",
        "Near 0.",
        "Rising: these neurons learn nothing any more. Biases drifted below 0, or steps are too large: initialise "
        "anew, lower the learning rate, use a leaky ReLU.",
    )


class OutputActivation(OutputLens):
    """Activation and death rates of every leaf module's output, in 0..1.

    A value is active if its magnitude exceeds 1e-8, or `smooth_threshold` behind an activation that tends to 0 without
    reaching it: GELU, SiLU, Mish, GLU, Sigmoid, LogSigmoid, Softplus.

    A neuron or channel is dead in a batch if it is active for no sample of it: the tag "Output Death Rate", as
    monitorch defines it. It is dead for a window if it was so in each of the last `dead_window` training passes that
    were recorded: the tag "Output Lasting Death Rate". That one has no value before there were so many passes; it goes
    on over epochs, evaluation leaves it alone, and it begins anew where the number of neurons changes. A pass with NaN
    or infinity in the output has no value in any of the three, and is passed over by the window.

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
    smooth_threshold : float
        Magnitude up to which a value behind a smooth activation counts as zero. At 0.01 a neuron that usually passes on
        values around 1 passes on less than a hundredth, and its derivative is below 0.03: GELU gets there for inputs
        below -2.7, SiLU and Mish below -6.5, and 1e-8 they would reach for no input that occurs. A value can also be
        so small on its way through 0, which says nothing of a single value and does not matter for death.
    dead_window : int
        Number of training passes in a row that a neuron has to be dead for the lasting death rate.
    every : int or "auto", optional
        Listen to every n-th step, or as the budget allows; by default as the inspector does.

    Raises
    ------
    ArgumentError
        For an unknown aggregation, a negative threshold, or a window below 1.
    ArgumentTypeError
        For a threshold that is no number, or a window that is no integer.

    Examples
    --------
    >>> import torch
    >>> from monitorch_widgets import PyTorchInspector
    >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU())
    >>> _ = nn.init.zeros_(net[0].weight), net[0].bias.data.copy_(torch.tensor([-1.0, 1.0]))  # the first one is dead
    >>> inspector = PyTorchInspector([OutputActivation(dead_window=2)], module=net, visualizer="dummy", every=1)
    >>> optimizer = torch.optim.SGD(net.parameters(), lr=0.0)
    >>> for _ in range(3):
    ...     _ = net(torch.ones(4, 1))
    ...     optimizer.step()
    >>> inspector.history["Output Death Rate"].values[:, 1].tolist()
    [0.5, 0.5, 0.5]
    >>> inspector.history["Output Lasting Death Rate"].values[:, 1].tolist()
    [nan, 0.5, 0.5]
    """

    _SMALL_TAG_NAME = "Output Activations"
    _DEATH_TAG_NAME = "Output Death Rate"
    _LASTING_TAG_NAME = "Output Lasting Death Rate"
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
        smooth_threshold: float = 0.01,
        dead_window: int = 50,
        every: Stride = None,
    ) -> None:
        super().__init__(
            activation=activation, dropout=dropout, include=include, exclude=exclude, evaluates=record_eval
        )
        self.every = checked_lens_stride(every)
        self._aggregation = RateAggregation.of(activation_aggregation, death_aggregation)
        window = checked_window("dead_window", dead_window)
        self._forward = OutputActivationPreprocessor(
            True,
            inplace,
            record_eval,
            evaluation_from_grad,
            channel_last=channel_last,
            smooth_eps=_threshold(smooth_threshold),
            window=window,
        )
        self._warning_plot = warning_plot
        self._rates: Rates = OrderedDict()
        panels = [
            (self._SMALL_TAG_NAME, "Output activation", _ACTIVE, OUTPUT_EMPTY),
            (self._DEATH_TAG_NAME, "Dead outputs in a batch", _DEAD, OUTPUT_EMPTY),
            (self._LASTING_TAG_NAME, f"Dead outputs for {window} batches", _lasting(window), _too_few(window)),
        ]
        self.charts = [
            Chart(rate_spec(tag, title, "forward", OUTPUT_STAGE, about, empty), self._forward, channel)
            for channel, (tag, title, about, empty) in enumerate(panels)
        ]

    def introduce_tags(self, visualizer: AbstractVisualizer) -> None:
        """Tell a visualizer about the rates and the worst of them."""
        visualizer.register_tags(self._SMALL_TAG_NAME, SMALL)
        if self._warning_plot:
            visualizer.register_tags(self._BIG_TAG_NAME, BIG)

    def finalize_epoch(self) -> None:
        """Aggregate the epoch, modules in the order of the model."""
        value = self._forward.value
        self._rates = self._aggregation.figures(value, self._in_order(self._SMALL_TAG_NAME, value))

    def vizualize(self, visualizer: AbstractVisualizer, epoch: int) -> None:
        """Hand over the rates and the worst of them."""
        visualizer.plot_probabilities(epoch, self._SMALL_TAG_NAME, self._rates)
        if self._warning_plot:
            warning = OrderedDict([(self._BIG_TAG_NAME, worst(self._rates.values()))])
            visualizer.plot_probabilities(epoch, self._BIG_TAG_NAME, warning)


def _threshold(threshold: object) -> float:
    if not isinstance(threshold, int | float) or isinstance(threshold, bool):
        raise ArgumentTypeError(f"expected smooth_threshold to be a magnitude, e.g. 0.01; received {threshold!r}")
    if not threshold >= 0:
        raise ArgumentError(f"expected smooth_threshold to be at least 0; received {threshold}. Use 0.01.")
    return float(threshold)


def _too_few(window: int) -> str:
    return f"There is a value when {window} training batches were read. Before the first one: {OUTPUT_EMPTY}"
