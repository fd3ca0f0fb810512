"""What the lenses of parameters as they stand share: readings at steps, figures at the end of an epoch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from torch import Tensor

from monitorch_widgets.errors import check_choice
from monitorch_widgets.gatherer import InspectorState, ParameterStepsGatherer
from monitorch_widgets.numerical import POINTS, extract_point
from monitorch_widgets.preprocessor.kinds import KindsPreprocessor, kind_and_name
from monitorch_widgets.preprocessor.parameter import ParameterNumbers
from monitorch_widgets.values import ChartSpec, TagAttributes, TagType

from .abstract_lens import Emit, Stride, checked_lens_stride
from .output_norm import shares
from .parameter_lens import ParameterLens
from .reading_lens import Chart, LineData

if TYPE_CHECKING:
    from monitorch_widgets.visualizer import AbstractVisualizer


class ParameterNumbersLens(ParameterLens):
    """Base of lenses of one number per parameter.

    The figure of an epoch is the number at its end, as in monitorch; readings come after optimizer steps.
    """

    def __init__(
        self,
        make: Callable[[], ParameterNumbers],
        parameters: str | Iterable[str],
        aggregation_method: str,
        log_scale: bool,
        comparison_plot: bool,
        every: Stride,
    ) -> None:
        super().__init__(parameters)
        self._method = check_choice("aggregation", aggregation_method, POINTS)
        self._log_scale = log_scale
        self._comparison_plot = comparison_plot
        self.every = checked_lens_stride(every)
        self._measure_with(make)
        self._ends = {parameter: make() for parameter in self._parameters}
        self._data: dict[str, LineData] = {}
        self._comparisons: dict[str, OrderedDict[str, float]] = {}
        self.charts = [Chart(self._spec(parameter), self._preprocessors[parameter]) for parameter in self._parameters]

    def _spec(self, parameter: str) -> ChartSpec:
        raise NotImplementedError

    def _tag(self, parameter: str) -> str:
        return self._spec(parameter).tag

    def _comparison_tag(self, parameter: str) -> str:
        return f"{parameter}{' Log' if self._log_scale else ''} Norm Comparison".title()

    def prepare(self, inspector_state: InspectorState, emit: Emit) -> None:
        """Make the gatherers."""
        super().prepare(inspector_state, emit)
        for preprocessor in self._ends.values():
            preprocessor.buffer = inspector_state.buffer

    def _gatherer(self, preprocessor: KindsPreprocessor, inspector_state: InspectorState) -> ParameterStepsGatherer:
        return ParameterStepsGatherer([preprocessor], inspector_state)

    def introduce_tags(self, visualizer: AbstractVisualizer) -> None:
        """Tell a visualizer about the numbers and their comparison."""
        plain = TagAttributes(logy=self._log_scale, big_plot=False, annotate=False, type=TagType.NUMERICAL)
        for parameter in self._parameters:
            visualizer.register_tags(self._tag(parameter), plain)
        if self._comparison_plot:
            for parameter in self._parameters:
                attributes = TagAttributes(logy=False, big_plot=True, annotate=False, type=TagType.RELATIONS)
                visualizer.register_tags(self._comparison_tag(parameter), attributes)

    def collect_data(self) -> None:
        """Measure the parameters as they are now, for the figures of the epoch."""
        found: dict[str, tuple[list[str], list[Tensor]]] = {}
        for key, tensor in zip(*(self._seen.now() if self._seen else ((), ())), strict=True):
            kind, name = kind_and_name(key)
            names, tensors = found.setdefault(kind, ([], []))
            names.append(name)
            tensors.append(tensor)
        for kind, (names, tensors) in found.items():
            self._ends[kind].process_tensors(names, tensors)

    def finalize_epoch(self) -> None:
        """Measure, and aggregate over what was measured since the last reset."""
        self.collect_data()
        for parameter, preprocessor in self._ends.items():
            points = {name: extract_point(kept, self._method) for name, kept in preprocessor.value.items()}
            self._data[parameter] = OrderedDict((name, {self._method: point}) for name, point in points.items())
            self._comparisons[parameter] = shares(points)

    def vizualize(self, visualizer: AbstractVisualizer, epoch: int) -> None:
        """Hand over the numbers and their comparison."""
        for parameter, lines in self._data.items():
            visualizer.plot_numerical_values(epoch, self._tag(parameter), lines, None)
        if self._comparison_plot:
            for parameter, compared in self._comparisons.items():
                tag = self._comparison_tag(parameter)
                visualizer.plot_relations(epoch, tag, OrderedDict([(tag, compared)]))

    def reset_epoch(self) -> None:
        """Begin a new epoch."""
        super().reset_epoch()
        for preprocessor in self._ends.values():
            preprocessor.reset()

    def detach_from_module(self) -> None:
        """Stop watching, and forget the figures of the running epoch."""
        super().detach_from_module()
        self._data, self._comparisons = {}, {}
        for preprocessor in self._ends.values():
            preprocessor.reset()
            preprocessor.forget()
