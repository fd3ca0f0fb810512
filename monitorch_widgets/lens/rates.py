"""What the lenses of activation and death rates share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from monitorch_widgets.errors import check_choice
from monitorch_widgets.numerical import POINTS, extract_point
from monitorch_widgets.values import About, ChartSpec, TagAttributes, TagType

Rates = OrderedDict[str, dict[str, float]]

SMALL = TagAttributes(logy=False, big_plot=False, annotate=True, type=TagType.PROBABILITY)
BIG = TagAttributes(logy=False, big_plot=True, annotate=True, type=TagType.PROBABILITY)


@dataclass(frozen=True, slots=True)
class RateAggregation:
    """Checked arguments `activation_aggregation` and `death_aggregation`."""

    activation: str
    death: str

    @staticmethod
    def of(activation: str, death: str) -> RateAggregation:
        """Take the arguments; a wrong name raises."""
        return RateAggregation(
            check_choice("aggregation", activation, POINTS), check_choice("aggregation", death, POINTS)
        )

    def figures(self, value: dict[str, Any], order: Iterable[str]) -> Rates:
        """Both rates of an epoch by module, those in `order` first."""
        names = dict.fromkeys([*(name for name in order if name in value), *value])
        return OrderedDict((name, self._both(*value[name])) for name in names)

    def _both(self, activation: Any, death: Any) -> dict[str, float]:
        return {
            "activation_rate": extract_point(activation, self.activation),
            "death_rate": extract_point(death, self.death),
        }


def worst(rates: Iterable[dict[str, float]]) -> dict[str, float]:
    """Lowest activation rate and highest death rate; NaN without any."""
    known = list(rates)
    active = [rate["activation_rate"] for rate in known if rate["activation_rate"] == rate["activation_rate"]]
    dead = [rate["death_rate"] for rate in known if rate["death_rate"] == rate["death_rate"]]
    return {
        "worst activation_rate": min(active, default=float("nan")),
        "worst death_rate": max(dead, default=float("nan")),
    }


def rate_spec(tag: str, title: str, stage: str, about: About, empty: str) -> ChartSpec:
    """Panel of a rate: 0..1, one line per module."""
    return ChartSpec(tag, title, "share", "probability", bands=("min-max",), stage=stage, about=about, empty=empty)
