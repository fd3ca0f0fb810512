"""What the built-in lenses share: charts over preprocessors, readings per step, figures per epoch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict

from monitorch_widgets.gatherer import AbstractGatherer, InspectorState
from monitorch_widgets.numerical import (
    POINTS,
    RANGES,
    Accumulator,
    aggregations,
    extract_point,
    extract_range,
    parse_range_name,
)
from monitorch_widgets.preprocessor import DeferredPreprocessor
from monitorch_widgets.preprocessor.deferred import Floats
from monitorch_widgets.values import ChartSpec, TagAttributes, TagType

from .abstract_lens import AbstractLens, Emit

if TYPE_CHECKING:
    from monitorch_widgets.visualizer import AbstractVisualizer

LineData = OrderedDict[str, dict[str, float]]
RangeData = OrderedDict[str, dict[tuple[str, str], tuple[float, float]]]


class Shown(TypedDict):
    """What a panel shows first."""

    lines: tuple[str, ...]
    bands: tuple[str, ...]


_SHOWABLE = ("mean", "median", "min", "max")  # lines that a panel can switch


@dataclass(frozen=True, slots=True)
class Chart:
    """One tag of a lens: which number of which preprocessor, and how it is drawn."""

    spec: ChartSpec
    preprocessor: DeferredPreprocessor
    channel: int = 0

    def accumulator(self, kept: Any) -> Accumulator:
        """Statistics of this chart's number, out of what the preprocessor keeps for a module."""
        accumulator: Accumulator = kept[self.channel] if isinstance(kept, tuple) else kept
        return accumulator


@dataclass(frozen=True, slots=True)
class Aggregation:
    """Checked aggregation arguments of a lens, in the order that they were given."""

    lines: tuple[str, ...]
    bands: tuple[str, ...]

    @staticmethod
    def of(line: str | Iterable[str], bands: str | Iterable[str] | None) -> Aggregation:
        """Take the arguments `line_aggregation` and `range_aggregation`; a wrong name raises."""
        return Aggregation(
            aggregations("line_aggregation", line, POINTS), aggregations("range_aggregation", bands, RANGES)
        )

    @property
    def shown(self) -> Shown:
        """What a panel shows first: the lines among mean, median, min and max, and the bands."""
        lines = tuple(name for name in self.lines if name in _SHOWABLE)
        return {"lines": lines or ("mean",), "bands": self.bands}

    def figures(self, statistics: dict[str, Accumulator]) -> tuple[LineData, RangeData]:
        """Lines and ranges of an epoch by module."""
        lines, ranges = LineData(), RangeData()
        for name, accumulator in statistics.items():
            lines[name] = {method: extract_point(accumulator, method) for method in self.lines}
            ranges[name] = {parse_range_name(method): extract_range(accumulator, method) for method in self.bands}
        return lines, ranges


class ReadingLens(AbstractLens):
    """Base of lenses whose preprocessors yield readings at each step.

    A subclass fills :attr:`charts`, makes gatherers in ``register_*`` with :meth:`_watch`, and says which
    figures an epoch has.
    """

    def __init__(self) -> None:
        self.charts: list[Chart] = []
        self._gatherers: list[AbstractGatherer] = []
        self._series: dict[str, list[str]] = {}
        self._order: dict[str, list[str]] = {}

    @property
    def specs(self) -> list[ChartSpec]:
        """Panels of this lens."""
        return [chart.spec for chart in self.charts]

    @property
    def preprocessors(self) -> list[DeferredPreprocessor]:
        """The preprocessors behind the charts, each once."""
        return list({id(chart.preprocessor): chart.preprocessor for chart in self.charts}.values())

    @property
    def pairs(self) -> bool:
        """Whether it compares a step with the one before, and so listens to two in a row."""
        return any(chart.spec.kind == "correlation" for chart in self.charts)

    def steps_left_out(self) -> None:
        """Compare what comes with nothing before it."""
        for preprocessor in self.preprocessors:
            preprocessor.steps_left_out()

    def memory_of(self, tag: str) -> int:
        """Memory that copies of tensors take for one panel, in bytes.

        Copies of a preprocessor of several numbers count at the last one: a correlation needs them, a norm does not.
        """
        last = {id(chart.preprocessor): chart for chart in self.charts}.values()
        return sum(chart.preprocessor.memory_bytes for chart in last if chart.spec.tag == tag)

    def prepare(self, inspector_state: InspectorState, emit: Emit) -> None:
        """Send readings to `emit`, and let numbers join the step's one transfer."""
        for preprocessor in self.preprocessors:
            preprocessor.buffer = inspector_state.buffer
            preprocessor.listener = partial(self._emit, emit, preprocessor)

    def _emit(
        self,
        emit: Emit,
        preprocessor: DeferredPreprocessor,
        names: Sequence[str],
        values: Floats,
        steps: Sequence[int],
    ) -> None:
        for chart in self.charts:
            if chart.preprocessor is preprocessor:
                emit(chart.spec.tag, names, values[:, chart.channel], steps)

    def series_of(self, tag: str) -> list[str]:
        """Names of the modules that are watched under `tag`, in model order."""
        return self._series.get(tag, [])

    def _note_series(self, preprocessor: DeferredPreprocessor, name: str, *, announced: bool = True) -> None:
        """Note the place of a series; one that is not `announced` has a panel only when it has readings."""
        for chart in self.charts:
            if chart.preprocessor is preprocessor:
                self._order.setdefault(chart.spec.tag, []).append(name)
                if announced:
                    self._series.setdefault(chart.spec.tag, []).append(name)

    def _in_order(self, tag: str, value: dict[str, Any]) -> list[str]:
        """Names in `value` in model order, those that nobody noted at the end."""
        known = [name for name in self._order.get(tag, []) if name in value]
        return list(dict.fromkeys([*known, *value]))

    def _statistics(self, chart: Chart) -> dict[str, Accumulator]:
        """Statistics of the epoch by module in model order."""
        value = chart.preprocessor.value
        return {name: chart.accumulator(value[name]) for name in self._in_order(chart.spec.tag, value)}

    def release(self) -> None:
        """Stop watching; figures of the epoch, and what later readings are compared with, stay."""
        for gatherer in self._gatherers:
            gatherer.detach()
        self._gatherers = []
        self._series = {}
        self._order = {}

    def detach_from_module(self) -> None:
        """Stop watching; drop copies of tensors and the figures of the running epoch."""
        self.release()
        for preprocessor in self.preprocessors:
            preprocessor.reset()
            preprocessor.forget()

    def reset_epoch(self) -> None:
        """Begin a new epoch; what correlations compare with is kept."""
        for preprocessor in self.preprocessors:
            preprocessor.reset()

    def start_sync(self, dst_rank: int) -> None:
        """Begin to merge with the other ranks."""
        for preprocessor in self.preprocessors:
            preprocessor.start_sync(dst_rank)

    def finish_sync(self) -> None:
        """Finish merging with the other ranks."""
        for preprocessor in self.preprocessors:
            preprocessor.finish_sync()


class GeometryLens(ReadingLens):
    """Base of lenses of norms and correlations: every chart has lines and bands."""

    def __init__(self, aggregation: Aggregation, log_scale: bool) -> None:
        super().__init__()
        self._aggregation = aggregation
        self._log_scale = log_scale
        self._figures: dict[str, tuple[LineData, RangeData]] = {}

    def introduce_tags(self, visualizer: AbstractVisualizer) -> None:
        """Tell a visualizer about the norms and the correlations."""
        for chart in self.charts:
            bounded = chart.spec.kind == "correlation"
            visualizer.register_tags(
                chart.spec.tag,
                TagAttributes(
                    logy=self._log_scale and not bounded,
                    big_plot=False,
                    annotate=True,
                    type=TagType.NUMERICAL,
                    ylim=(-1, 1) if bounded else None,
                ),
            )

    def finalize_epoch(self) -> None:
        """Aggregate the epoch, modules in the order of the model."""
        for chart in self.charts:
            self._figures[chart.spec.tag] = self._aggregation.figures(self._statistics(chart))

    def vizualize(self, visualizer: AbstractVisualizer, epoch: int) -> None:
        """Hand over lines and ranges of each tag."""
        for tag, (lines, ranges) in self._figures.items():
            visualizer.plot_numerical_values(epoch, tag, lines, ranges)

    def detach_from_module(self) -> None:
        """Stop watching; drop copies of tensors and the figures of the running epoch."""
        super().detach_from_module()
        self._figures = {}
