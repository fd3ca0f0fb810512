"""The bqplot models of one panel: empty frames that the page fills, for it owns data, limits and visibility."""

from __future__ import annotations

import base64
from typing import Any

import bqplot
import ipywidgets
import numpy as np

CLEAR_PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAAC0lEQVR42mNgAAIAAAUAAen63NgAAAAASUVORK5CYII="
)
MARGIN = {"top": 12, "bottom": 34, "left": 62, "right": 16}

Chart = dict[str, Any]


def make_chart() -> Chart:
    """Models of one panel by the names under which the page fetches them.

    All lines and bands share one linear scale each way: a logarithmic axis is a transform of the data in the page with
    a second axis for its ticks, because bqplot's own change of scale is asynchronous and loses the plot at zero.
    """
    x, y = (bqplot.LinearScale(min=0.0, max=1.0) for _ in range(2))
    scales = {"x": x, "y": y}
    bands = {name: _lines(scales, fill="between") for name in ("band_minmax", "band_std", "band_q")}
    lines = {
        "raw": _lines(scales, stroke_width=1.0),
        "extremes": _lines(scales, stroke_width=1.0, line_style="dotted"),
        "median": _lines(scales, stroke_width=1.3, line_style="dashed"),
        "mean": _lines(scales, stroke_width=1.3),
    }
    axes = _axes(x, y)
    image = bqplot.Image(image=ipywidgets.Image(value=CLEAR_PNG, format="png"), scales=scales, visible=False)
    figure = bqplot.Figure(
        marks=[image, *bands.values(), *lines.values()],
        axes=list(axes.values()),
        scale_x=x,
        scale_y=y,
        animation_duration=0,
        fig_margin=MARGIN,
        display_toolbar=False,
        padding_y=0.0,
    )
    return {"fig": figure, "x": x, "y": y, "image": image, **axes, **bands, **lines}


def _axes(x: Any, y: Any) -> Chart:
    return {
        "axis_x": bqplot.Axis(scale=x, num_ticks=5, grid_lines="none"),
        "axis_y": bqplot.Axis(scale=y, side="left", num_ticks=5),
        "axis_ylog": bqplot.Axis(scale=y, side="left", visible=False),
    }


def _lines(scales: Chart, **style: Any) -> Any:
    points = np.zeros(2, np.float32)  # a single one would be squeezed to a scalar, NaN would fill the console
    keep = {"x": True, "y": True}
    return bqplot.Lines(x=points, y=points, scales=scales, preserve_domain=keep, visible=False, **style)
