"""What the lenses of activation and death rates share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from monitorch_widgets.errors import check_choice, checked_count
from monitorch_widgets.numerical import POINTS, extract_point
from monitorch_widgets.values import About, ChartSpec, Moment, TagAttributes, TagType

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
        """The rates of an epoch by module, in `order`."""
        return OrderedDict((name, self._rates(*value[name])) for name in order)

    def _rates(self, activation: Any, death: Any, lasting: Any) -> dict[str, float]:
        rates = {
            "activation_rate": extract_point(activation, self.activation),
            "death_rate": extract_point(death, self.death),
        }
        dead = extract_point(lasting, self.death)
        return rates if dead != dead else {**rates, "lasting_death_rate": dead}  # none before the window is full


def worst(rates: Iterable[dict[str, float]]) -> dict[str, float]:
    """Lowest activation rate and highest death rates; NaN without any."""
    known = list(rates)
    found = {
        "worst activation_rate": min(_known(known, "activation_rate"), default=float("nan")),
        "worst death_rate": max(_known(known, "death_rate"), default=float("nan")),
    }
    lasting = _known(known, "lasting_death_rate")
    return {**found, "worst lasting_death_rate": max(lasting)} if lasting else found


def _known(rates: list[dict[str, float]], name: str) -> list[float]:
    return [rate[name] for rate in rates if name in rate and rate[name] == rate[name]]


def checked_window(argument: str, window: object) -> int:
    """Check a number of batches or steps.

    Raises
    ------
    ArgumentTypeError
        If it is no integer.
    ArgumentError
        Below 1.
    """
    return checked_count(argument, window, "50 is a good start.")


def rate_spec(tag: str, title: str, moment: Moment, stage: str, about: About, empty: str) -> ChartSpec:
    """Panel of a rate: 0..1, one line per module."""
    return ChartSpec(
        tag,
        title,
        "share",
        "probability",
        bands=("min-max",),
        moment=moment,
        stage=stage,
        about=about,
        empty=empty,
    )
