"""How large each module's output is."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING

from torch import nn

from monitorch_widgets.numerical import POINTS, aggregations, extract_point
from monitorch_widgets.preprocessor import OutputNorm as OutputNormPreprocessor
from monitorch_widgets.values import About, ChartSpec, TagAttributes, TagType

from .abstract_lens import Stride, checked_lens_stride
from .output_lens import OUTPUT_EMPTY, OUTPUT_STAGE, OutputLens
from .reading_lens import Aggregation, Chart, LineData, RangeData

if TYPE_CHECKING:
    from monitorch_widgets.visualizer import AbstractVisualizer

_ABOUT = About(
    "How large each layer's output is: norm per sample, mean over the batch.",
    "Of one order of magnitude over the depth, and steady.",
    "Growing with depth or time: normalise or lower the learning rate. Shrinking: another initialisation.",
)


class OutputNorm(OutputLens):
    """L2 norm of each sample's output, mean over the batch, for every leaf module.

    Parameters
    ----------
    inplace : bool
        Keep running statistics of the epoch rather than every value.
    record_eval : bool
        Measure during evaluation as well.
    evaluation_from_grad : bool
        Tell evaluation by grad mode rather than by ``module.training``.
    normalize_by_size : bool
        Root mean square rather than L2 norm.
    log_scale : bool
        Start with a logarithmic axis.
    activation : bool
        Watch activation modules.
    include : iterable of type
        Watch only these classes, besides activations; by default every leaf module is watched (monitorch watches
        activations only, and says nothing about a model that has none).
    exclude : iterable of type
        Leave out these classes.
    channel_last : bool
        Where the neurons are; without effect on a norm.
    comparison_plot : bool
        Add each module's share of the sum to the epoch figures.
    comparison_aggregation : str, optional
        Aggregation that is compared; by default the first line.
    line_aggregation, range_aggregation : str or iterable of str
        Lines and bands of the epoch figures, shown first.
    every : int or "auto", optional
        Listen to every n-th step, or as the budget allows; by default as the inspector does.

    Raises
    ------
    ArgumentError
        For an unknown aggregation.
    """

    _SMALL_TAG_NAME = "Output Norm"

    def __init__(
        self,
        inplace: bool = True,
        record_eval: bool = False,
        evaluation_from_grad: bool = False,
        normalize_by_size: bool = False,
        log_scale: bool = False,
        activation: bool = True,
        include: Iterable[type[nn.Module]] = (),
        exclude: Iterable[type[nn.Module]] = (),
        channel_last: bool = False,
        comparison_plot: bool = True,
        comparison_aggregation: str | None = None,
        line_aggregation: str | Iterable[str] = "mean",
        range_aggregation: str | Iterable[str] | None = ("std", "min-max"),
        every: Stride = None,
    ) -> None:
        super().__init__(activation=activation, dropout=True, include=include, exclude=exclude, evaluates=record_eval)
        self.every = checked_lens_stride(every)
        self._aggregation = Aggregation.of(line_aggregation, range_aggregation)
        self._forward = OutputNormPreprocessor(
            normalize_by_size, inplace, record_eval, evaluation_from_grad, channel_last
        )
        self._log_scale = log_scale
        self._comparison_plot = comparison_plot
        chosen = aggregations("comparison_aggregation", comparison_aggregation, POINTS)
        self._comparison = (chosen or self._aggregation.lines or ("mean",))[0]
        self._figures: tuple[LineData, RangeData] = (LineData(), RangeData())
        self._shares: OrderedDict[str, float] = OrderedDict()
        spec = ChartSpec(
            self._SMALL_TAG_NAME,
            "Output norm",
            "RMS" if normalize_by_size else "L2",
            log=log_scale,
            moment="forward",
            stage=OUTPUT_STAGE,
            about=_ABOUT,
            empty=OUTPUT_EMPTY,
            **self._aggregation.shown,
        )
        self.charts = [Chart(spec, self._forward)]

    @property
    def _comparison_tag(self) -> str:
        return f"{self._comparison} Output{' Log' if self._log_scale else ''} Norm Comparison".title()

    def introduce_tags(self, visualizer: AbstractVisualizer) -> None:
        """Tell a visualizer about the norms and their comparison."""
        plain = TagAttributes(logy=self._log_scale, big_plot=False, annotate=True, type=TagType.NUMERICAL)
        visualizer.register_tags(self._SMALL_TAG_NAME, plain)
        if self._comparison_plot:
            shares = TagAttributes(logy=False, big_plot=True, annotate=False, type=TagType.RELATIONS)
            visualizer.register_tags(self._comparison_tag, shares)

    def finalize_epoch(self) -> None:
        """Aggregate the epoch, modules in the order of the model."""
        statistics = self._statistics(self.charts[0])
        self._figures = self._aggregation.figures(statistics)
        self._shares = shares({name: extract_point(kept, self._comparison) for name, kept in statistics.items()})

    def vizualize(self, visualizer: AbstractVisualizer, epoch: int) -> None:
        """Hand over the norms and their comparison."""
        visualizer.plot_numerical_values(epoch, self._SMALL_TAG_NAME, *self._figures)
        if self._comparison_plot:
            comparison = OrderedDict([(self._comparison_tag, self._shares)])
            visualizer.plot_relations(epoch, self._comparison_tag, comparison)


def shares(values: dict[str, float]) -> OrderedDict[str, float]:
    """Each value over the sum of all; gaps stay gaps and take no part in the sum."""
    total = sum(value for value in values.values() if value == value) or 1.0
    return OrderedDict((name, value / total) for name, value in values.items())
