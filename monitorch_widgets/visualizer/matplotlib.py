"""A static figure of the epochs. Imported only by who asks for it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from monitorch_widgets.errors import ArgumentError
from monitorch_widgets.values import TagAttributes, TagType

from .abstract import AbstractVisualizer, Ranges, Values
from .drawing import draw, make_legend, plain_text
from .layout import Column, Layout, lay_out
from .plots import Collection, Plot, TagPlots

if TYPE_CHECKING:
    from typing_extensions import Self

_LEGEND_COLUMNS = 3
_LONGEST_NAME = 52  # characters that fit above a small plot


class NotebookFigure(Figure):
    """A figure that a notebook shows although pyplot does not know it."""

    def _repr_png_(self) -> bytes:
        """Return the picture; IPython asks for it when pyplot was never imported, which brings its own way."""
        return png(self)


class MatplotlibVisualizer(AbstractVisualizer):
    """Collects every epoch's figures and draws them when asked.

    Big plots (losses, metrics, comparisons, warnings) stand on top; below them each tag has a column with a plot per
    module, in model order. Numbers are lines with bands; rates stand on an axis from 0 to 1 with the area below
    them filled; relations are stacked areas. NaN, infinity and an epoch without a number are gaps, and on a
    logarithmic axis so is what is not above 0. The figure never belongs to pyplot: nothing stays open, no
    window appears, and it works on a machine without a display.

    Parameters
    ----------
    **kwargs
        Arguments of ``matplotlib.figure.Figure``, such as `figsize` and `dpi`; without `figsize` the size follows from
        the number of plots. Those of ``matplotlib.pyplot.figure`` are taken too: `FigureClass` is honoured, `num` and
        `clear`, which speak of pyplot's open figures, have no effect.

    Attributes
    ----------
    figure_ : matplotlib.figure.Figure or None
        The last figure, if nothing has come since.

    Raises
    ------
    ImportError
        At import, if matplotlib is missing.
    ArgumentError
        At construction, for an argument that ``Figure`` does not take.

    Examples
    --------
    >>> visualizer = MatplotlibVisualizer(dpi=80)
    >>> visualizer.plot_probabilities(1, "Activation", {"relu": {"death_rate": 0.25}})
    >>> [axes.get_title(loc="left") for axes in visualizer.show_fig().axes]
    ['relu']
    """

    def __init__(self, **kwargs: Any) -> None:
        self._figure_class: type[Figure] = kwargs.pop("FigureClass", NotebookFigure)
        self._kwargs = {name: value for name, value in kwargs.items() if name not in ("num", "clear")}
        self._check_arguments()
        self._collection = Collection()
        self.figure_: Figure | None = None

    def _check_arguments(self) -> None:
        """Make a figure now: a wrong argument must not wait for the end of the run."""
        try:
            self._figure_class(**self._kwargs)
        except (AttributeError, TypeError, ValueError) as error:
            expected = (
                "expected arguments of matplotlib.figure.Figure, such as figsize=(width, height) in inches and dpi"
            )
            raise ArgumentError(f"{expected}; received {self._kwargs!r}: {error}") from None

    def register_tags(self, main_tag: str, tag_attr: TagAttributes) -> None:
        """Keep how the tag wants to be drawn; see base class."""
        self._collection.register(main_tag, tag_attr)
        self.figure_ = None

    def plot_numerical_values(
        self, epoch: int, main_tag: str, values_dict: Values, ranges_dict: Ranges | None = None
    ) -> None:
        """Keep the numbers; see base class."""
        self._add(TagType.NUMERICAL, epoch, main_tag, values_dict, ranges_dict)

    def plot_probabilities(self, epoch: int, main_tag: str, values_dict: Values) -> None:
        """Keep the rates; see base class."""
        self._add(TagType.PROBABILITY, epoch, main_tag, values_dict)

    def plot_relations(self, epoch: int, main_tag: str, values_dict: Values) -> None:
        """Keep the parts; see base class."""
        self._add(TagType.RELATIONS, epoch, main_tag, values_dict)

    def _add(self, kind: TagType, epoch: int, main_tag: str, values: Values, ranges: Ranges | None = None) -> None:
        self._collection.add(kind, epoch, main_tag, values, ranges)
        self.figure_ = None

    def show_fig(self) -> Figure:
        """Figure of all epochs so far; the same one again until something new comes."""
        if self.figure_ is None:
            self.figure_ = self._compose()
        return self.figure_

    def show(self) -> Figure:
        """Return the figure, which a cell displays."""
        return self.show_fig()

    def mimebundle(self, **kwargs: Any) -> Any:
        """Return the picture of the figure; None before the first epoch."""
        if self._collection.empty:
            return None
        picture = b64encode(png(self.show_fig())).decode("ascii")
        return {"image/png": picture, "text/plain": repr(self.figure_)}

    def reset_fig(self) -> Self:
        """Forget the numbers and the figure; registered tags stay."""
        self._collection.clear()
        self.figure_ = None
        return self

    @property
    def where(self) -> str:
        """Where the numbers can be seen."""
        return "drawn by inspector.visualizer.show_fig()"

    def _compose(self) -> Figure:
        big, small = self._collection.shown(big=True), self._collection.shown(big=False)
        rows = [_legend_rows(tag) for tag in small.values()]
        layout = lay_out(len(big), [len(tag.plots) for tag in small.values()], rows)
        figure = self._figure_class(**{"figsize": layout.size, **self._kwargs})
        FigureCanvasAgg(figure)
        for (name, tag), box in zip(big.items(), layout.big, strict=True):
            _draw_big(figure.add_axes(box.relative(layout.size)), name, tag)
        for (name, tag), column in zip(small.items(), layout.columns, strict=True):
            _draw_column(figure, layout, column, name, tag)
        if not big and not small:
            figure.text(0.5, 0.5, "no epoch yet: tick_epoch() brings the first figures", ha="center", va="center")
        return figure


def png(figure: Figure) -> bytes:
    """Picture of a figure."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _draw_big(axes: Axes, name: str, tag: TagPlots) -> None:
    draw(axes, _joined(tag.plots, name), tag.epochs, tag.attributes)
    plain_text(axes.set_title("", fontweight="bold"), name)
    axes.set_xlabel("epoch", fontsize="small")
    if tag.attributes.annotate:
        make_legend(axes.legend, axes, loc="best")


def _draw_column(figure: Figure, layout: Layout, column: Column, name: str, tag: TagPlots) -> None:
    width, height = layout.size
    heading = figure.text(column.heading[0] / width, column.heading[1] / height, "", ha="center", va="center")
    heading.set_fontweight("bold")
    plain_text(heading, name)
    drawn = []
    for (module, plot), box in zip(tag.plots.items(), column.plots, strict=True):
        axes = figure.add_axes(box.relative(layout.size))
        draw(axes, plot, tag.epochs, tag.attributes)
        plain_text(axes.set_title("", loc="left", fontsize="small", pad=3), _short(module))
        axes.tick_params(labelbottom=False)
        drawn.append(axes)
    drawn[-1].tick_params(labelbottom=True)
    drawn[-1].set_xlabel("epoch", fontsize="small")
    if tag.attributes.annotate:
        fullest = max(drawn, key=lambda axes: len(axes.get_lines()) + len(axes.collections))
        place = (column.legend[0] / width, column.legend[1] / height)
        make_legend(
            figure.legend, fullest, loc="upper center", bbox_to_anchor=place, ncols=_LEGEND_COLUMNS, frameon=False
        )


def _joined(plots: Mapping[str, Plot], main_tag: str) -> Plot:
    """Everything of a tag in one plot; names of modules go before those of lines unless the tag is the only one."""
    joined = Plot()
    for module, plot in plots.items():
        before = "" if module == main_tag else f"{module} "
        joined.lines.update({before + name: line for name, line in plot.lines.items()})
        joined.bands.update({(before + low, before + high): band for (low, high), band in plot.bands.items()})
    return joined


def _legend_rows(tag: TagPlots) -> int:
    if not tag.attributes.annotate:
        return 0
    most = max(len(plot.lines) + len(plot.bands) for plot in tag.plots.values())
    return -(-most // _LEGEND_COLUMNS)


def _short(name: str) -> str:
    # The end of a dotted name tells modules apart.
    return name if len(name) <= _LONGEST_NAME else "…" + name[1 - _LONGEST_NAME :]
