"""What the lenses of parameter gradients and parameter updates share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from monitorch_widgets.preprocessor.kinds import KindsPreprocessor
from monitorch_widgets.values import About, ChartSpec, Moment

from .parameter_lens import ParameterLens
from .reading_lens import Aggregation, Chart, GeometryLens


@dataclass(frozen=True, slots=True)
class Wording:
    """How a lens speaks: its word in tags and titles, the stage, its explanations, and what its size is called."""

    tag: str
    moment: Moment
    stage: str
    size: About
    correlation: About
    empty: str
    what: str = "Norm"


class ParameterGeometryLens(ParameterLens, GeometryLens):
    """Base of lenses of norms and correlations of something that each parameter has."""

    def __init__(self, aggregation: Aggregation, log_scale: bool, parameters: str | Iterable[str]) -> None:
        super().__init__(parameters, aggregation=aggregation, log_scale=log_scale)

    def _build(self, make: Callable[[], KindsPreprocessor], words: Wording, unit: str, correlation: bool) -> None:
        self._measure_with(make)
        for parameter, preprocessor in self._preprocessors.items():
            size = self._spec(parameter, words.what, words, unit=unit, log=self._log_scale)
            self.charts.append(Chart(size, preprocessor))
            if correlation:
                cosine = self._spec(parameter, "Correlation", words, unit="cosine", kind="correlation")
                self.charts.append(Chart(cosine, preprocessor, 1))

    def _spec(
        self,
        parameter: str,
        what: str,
        words: Wording,
        *,
        unit: str,
        kind: str = "numerical",
        log: bool = False,
    ) -> ChartSpec:
        return ChartSpec(
            f"{parameter} {words.tag} {what}".title(),
            f"{parameter.capitalize()} {words.tag.lower()} {what.lower()}",
            unit,
            kind,
            log,
            moment=words.moment,
            stage=words.stage,
            about=words.correlation if kind == "correlation" else words.size,
            empty=words.empty,
            **self._aggregation.shown,
        )
