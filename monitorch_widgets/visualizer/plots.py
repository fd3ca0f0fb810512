"""What a figure draws: the numbers of a run by tag, plot and epoch, kept in model order. Knows no matplotlib."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from monitorch_widgets.values import TagAttributes, TagType

from .abstract import Ranges, Values

# Endings of the names of lines and ends of bands: 'train_loss mean' is the mean of the series 'train_loss'.
AGGREGATIONS = ("mean", "median", "min", "max", "Q1", "Q3", "-σ", "+σ")


@dataclass
class Plot:
    """Lines and bands of one axes: name -> epoch -> number."""

    lines: dict[str, dict[int, float]] = field(default_factory=dict)
    bands: dict[tuple[str, str], dict[int, tuple[float, float]]] = field(default_factory=dict)

    def line(self, name: str, epochs: Iterable[int]) -> list[float]:
        """Line over `epochs`; NaN where there is no finite number."""
        return [_finite(self.lines[name].get(epoch, math.nan)) for epoch in epochs]

    def band(self, ends: tuple[str, str], epochs: Iterable[int]) -> tuple[list[float], list[float]]:
        """Both ends over `epochs`; both NaN where one of them is no finite number."""
        pairs = [self.bands[ends].get(epoch, (math.nan, math.nan)) for epoch in epochs]
        gap = (math.nan, math.nan)
        pairs = [
            (float(low), float(high)) if math.isfinite(low) and math.isfinite(high) else gap for low, high in pairs
        ]
        return [low for low, _ in pairs], [high for _, high in pairs]

    @property
    def series(self) -> list[str]:
        """Names of what is drawn in one colour each, in order."""
        names = [*self.lines, *(low for low, _ in self.bands)]
        return list(dict.fromkeys(split_name(name)[0] for name in names))


@dataclass
class TagPlots:
    """Plots of one tag by the name of the module, and how they want to be drawn."""

    attributes: TagAttributes
    plots: dict[str, Plot] = field(default_factory=dict)

    @property
    def epochs(self) -> list[int]:
        """Every epoch in which something of the tag came, so that all its plots share one x axis."""
        found = {epoch for plot in self.plots.values() for line in plot.lines.values() for epoch in line}
        found |= {epoch for plot in self.plots.values() for band in plot.bands.values() for epoch in band}
        return sorted(found)

    def add(self, epoch: int, values: Values, ranges: Ranges) -> None:
        """Keep the numbers of one epoch."""
        names = merged_order(list(self.plots), list(merged_order(list(ranges), list(values))))
        self.plots = {name: self.plots.get(name) or Plot() for name in names}
        for name, numbers in values.items():
            lines = self.plots[name].lines
            for line in merged_order(list(lines), list(numbers)):
                kept = lines.pop(line, {})  # put back in order
                lines[line] = {**kept, epoch: float(numbers[line])} if line in numbers else kept
        for name, bands in ranges.items():
            for ends, (low, high) in bands.items():
                self.plots[name].bands.setdefault(ends, {})[epoch] = (float(low), float(high))


class Collection:
    """Everything that was plotted, by tag: the registered ones in that order, then others as they came."""

    def __init__(self) -> None:
        self._registered: dict[str, TagAttributes] = {}
        self._tags: dict[str, TagPlots] = {}

    def register(self, main_tag: str, attributes: TagAttributes) -> None:
        """Keep the attributes of a tag; the last ones count."""
        self._registered[main_tag] = attributes
        if main_tag in self._tags:
            self._tags[main_tag].attributes = attributes

    def add(self, kind: TagType, epoch: int, main_tag: str, values: Values, ranges: Ranges | None = None) -> None:
        """Keep the numbers of one epoch; a tag that nobody registered is drawn plainly."""
        if main_tag not in self._tags:
            plain = TagAttributes(logy=False, big_plot=list(values) == [main_tag], annotate=True, type=kind)
            self._tags[main_tag] = TagPlots(self._registered.get(main_tag, plain))
        self._tags[main_tag].add(epoch, values, ranges or {})

    @property
    def empty(self) -> bool:
        """Whether there are no numbers."""
        return not any(tag.epochs for tag in self._tags.values())

    def clear(self) -> None:
        """Forget the numbers, keep the registered tags."""
        self._tags.clear()

    def shown(self, *, big: bool) -> dict[str, TagPlots]:
        """Tags with numbers, that are drawn as one big plot or as small ones."""
        names = [name for name in [*self._registered, *self._tags] if name in self._tags]
        tags = {name: self._tags[name] for name in names}
        return {name: tag for name, tag in tags.items() if tag.epochs and tag.attributes.big_plot == big}


def split_name(name: str) -> tuple[str, str]:
    """Series and aggregation that the name of a line stands for.

    Examples
    --------
    >>> split_name("train_loss mean"), split_name("median"), split_name("worst death_rate")
    (('train_loss', 'mean'), ('', 'median'), ('worst death_rate', ''))
    """
    series, _, last = name.rpartition(" ")
    return (series, last) if last in AGGREGATIONS else (name, "")


def merged_order(known: list[str], coming: list[str]) -> list[str]:
    """Names of both lists; a new one stands right after the one that it follows where it comes from.

    Examples
    --------
    >>> merged_order(["a", "c"], ["a", "b", "c", "d"])
    ['a', 'b', 'c', 'd']
    """
    merged, place = list(known), 0
    for name in coming:
        if name not in known:
            merged.insert(place, name)
        place = merged.index(name) + 1
    return merged


def limits(ylim: tuple[float, float] | None, default: tuple[float, float] | None) -> tuple[float, float] | None:
    """Limits of a y axis, the low one first whatever order they came in; None to fit the data.

    Examples
    --------
    >>> limits((1, -1), None)
    (-1.0, 1.0)
    """
    if ylim is None:
        return default
    low, high = sorted(float(limit) for limit in ylim)
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else default


def positive(values: Iterable[float]) -> list[float]:
    """`values` for a logarithmic axis: NaN where they are not above 0."""
    return [value if value > 0 else math.nan for value in values]


def smallest_positive(plots: Mapping[str, Plot]) -> float | None:
    """Smallest finite number above 0 that is in any of the plots, None if there is none."""
    lines = [value for plot in plots.values() for line in plot.lines.values() for value in line.values()]
    ends = [end for plot in plots.values() for band in plot.bands.values() for pair in band.values() for end in pair]
    return min((value for value in lines + ends if value > 0 and math.isfinite(value)), default=None)


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else math.nan
