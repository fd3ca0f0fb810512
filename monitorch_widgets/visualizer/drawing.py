"""Draws one plot into matplotlib axes. Read by the matplotlib visualizer alone, and imported with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from monitorch_widgets.values import TagAttributes, TagType

from .plots import Plot, limits, positive, smallest_positive, split_name

STYLES = {"median": "--", "min": ":", "max": ":"}
OPACITIES = {"min": 0.12, "Q1": 0.25, "-σ": 0.18}  # of a band, by its lower end
FEWEST_SHARE = 0.05  # of the axes' height, that a part needs to have its name in it
LONE_WIDTH = 1.0  # width of the areas of a run with one epoch, in epochs
MOST_LOG_TICKS = 4


class FewLogTicks(LogLocator):
    """Ticks of a logarithmic axis that is an inch high: powers of 10, else round numbers, at most four or so."""

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """Ticks between two positive numbers."""
        low, high = np.log10(sorted((vmin, vmax)))
        powers = np.arange(np.ceil(low), np.floor(high) + 1)
        if len(powers) >= 2:
            return [10.0**power for power in powers[:: -(-len(powers) // MOST_LOG_TICKS)].tolist()]
        ticks = MaxNLocator(nbins=MOST_LOG_TICKS - 1).tick_values(vmin, vmax)
        return [tick for tick in ticks if tick > 0]


def draw(axes: Axes, plot: Plot, epochs: Sequence[int], attributes: TagAttributes) -> None:
    """Draw the plot over `epochs` as its tag wants it: lines and bands, rates, or parts of a whole."""
    kind = attributes.type
    with_limits = limits(attributes.ylim, (0.0, 1.0) if kind is TagType.PROBABILITY else None)
    if kind is TagType.RELATIONS:
        _draw_relations(axes, plot, epochs)
    else:
        _draw_lines(axes, plot, epochs, log=attributes.logy, filled=kind is TagType.PROBABILITY)
    if with_limits is not None and not (axes.get_yscale() == "log" and with_limits[0] <= 0):
        axes.set_ylim(*with_limits)
    shown = axes.get_ylim()
    if shown[0] < 0 < shown[1]:
        axes.axhline(0.0, color="0.7", linewidth=0.8, zorder=0)
    margin = LONE_WIDTH / 2 if len(epochs) == 1 else 0.0
    axes.set_xlim(epochs[0] - margin, epochs[-1] + margin)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    axes.tick_params(labelsize="small")


def _draw_lines(axes: Axes, plot: Plot, epochs: Sequence[int], *, log: bool, filled: bool) -> None:
    floor = smallest_positive({"": plot}) if log else None
    if floor is not None:  # matplotlib warns of a logarithmic axis without one number above 0
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_locator(FewLogTicks())
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    colours = {name: f"C{index}" for index, name in enumerate(plot.series)}
    for ends in plot.bands:
        series, low_end = split_name(ends[0])
        low, high = plot.band(ends, epochs)
        if floor is not None:
            # The area is cut off at the lowest number that the axis can show; it must not vanish.
            high = positive(high)
            low = [max(number, floor) for number in low]
        opacity = OPACITIES.get(low_end, 0.15)
        label = f"{ends[0]} – {ends[1]}"
        over, [low, high] = _widened(epochs, [low, high])
        axes.fill_between(over, low, high, color=colours[series], alpha=opacity, linewidth=0, label=label)
    for name in plot.lines:
        series, aggregation = split_name(name)
        line = plot.line(name, epochs)
        line = line if floor is None else positive(line)
        style, marker = STYLES.get(aggregation, "-"), "." if _has_lone_point(line) else ""
        axes.plot(epochs, line, linestyle=style, marker=marker, color=colours[series], label=name)
        if filled:
            axes.fill_between(epochs, line, 0.0, color=colours[series], alpha=0.15, linewidth=0, label="")


def _draw_relations(axes: Axes, plot: Plot, epochs: Sequence[int]) -> None:
    parts = np.array([plot.line(name, epochs) for name in plot.lines], dtype=float).reshape(-1, len(epochs))
    # A part without a number takes no room; an epoch without any number is a gap.
    heights = np.where(np.isnan(parts).all(axis=0), np.nan, np.nan_to_num(parts))
    over, heights = _widened(epochs, heights)
    colours = mpl.colormaps["viridis"](np.linspace(0.15, 0.95, len(parts)))
    areas = axes.stackplot(over, heights, colors=colours, alpha=0.75)
    for name, area in zip(plot.lines, areas, strict=True):
        area.set_label(name)
    _name_parts(axes, list(plot.lines), over[0], heights[:, 0] if len(parts) else np.zeros(0))


def _name_parts(axes: Axes, names: Sequence[str], x: float, heights: npt.NDArray[np.float64]) -> None:
    """Write into the areas, at their left end, whose they are; where there is room."""
    middles = np.cumsum(heights) - heights / 2
    room = FEWEST_SHARE * float(np.nansum(np.abs(heights)))
    for name, height, middle in zip(names, heights, middles, strict=True):
        if height > room:  # false for NaN
            axes.annotate(
                name, (x, middle), (4, 0), textcoords="offset points", va="center", fontsize="small", parse_math=False
            )


def _widened(epochs: Sequence[float], rows: npt.ArrayLike) -> tuple[Sequence[float], npt.NDArray[np.float64]]:
    """Give a lone epoch two ends: an area without a width cannot be seen."""
    heights = np.asarray(rows, dtype=np.float64)
    if len(epochs) > 1:
        return epochs, heights
    return [epochs[0] - LONE_WIDTH / 2, epochs[0] + LONE_WIDTH / 2], np.repeat(heights, 2, axis=1)


def _legend_entries(axes: Axes) -> tuple[list[object], list[str]]:
    """What the axes show, and its names; a name may begin with an underscore, which matplotlib would hide."""
    artists = [*axes.get_lines(), *axes.collections]
    named = [artist for artist in artists if str(artist.get_label()) and not _is_automatic(str(artist.get_label()))]
    return list(named), [str(artist.get_label()) for artist in named]


def make_legend(draw_legend: Callable[..., Legend], axes: Axes, **places: object) -> None:
    """Draw the legend of `axes` with ``axes.legend`` or ``figure.legend``, names as they are."""
    artists, names = _legend_entries(axes)
    if not artists:
        return
    legend = draw_legend(artists, [str(index) for index in range(len(names))], fontsize="small", **places)
    for text, name in zip(legend.get_texts(), names, strict=True):
        plain_text(text, name)


def plain_text(text: Text, name: str) -> None:
    """Show a name from the user as it is: a dollar sign begins no formula."""
    text.set_parse_math(False)
    text.set_text(name)


def _is_automatic(label: str) -> bool:
    return label.startswith(("_child", "_nolegend_"))


def _has_lone_point(line: Sequence[float]) -> bool:
    """Whether a number has no neighbour to be joined with, and needs a marker to be seen."""
    seen = np.isfinite(np.pad(np.asarray(line, dtype=float), 1, constant_values=np.nan))
    return bool((seen[1:-1] & ~seen[:-2] & ~seen[2:]).any())
