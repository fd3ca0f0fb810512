from __future__ import annotations

import numpy as np

from monitorch_widgets.panel.charts import make_chart

from .wire import Wire

MARKS = ("raw", "mean", "median", "extremes", "band_std", "band_q", "band_minmax")


def test_all_marks_share_one_linear_scale_each_way(wire: Wire) -> None:
    chart = make_chart()
    assert set(chart) == {"fig", "x", "y", "axis_x", "axis_y", "axis_ylog", "image", *MARKS}
    for name in (*MARKS, "image"):
        assert chart[name].scales == {"x": chart["x"], "y": chart["y"]}
    assert type(chart["y"]).__name__ == "LinearScale"
    assert chart["axis_ylog"].scale is chart["y"]
    assert not chart["axis_ylog"].visible


def test_empty_frames_draw_nothing_and_leave_the_domain_to_the_page(wire: Wire) -> None:
    chart = make_chart()
    for name in MARKS:
        mark = chart[name]
        assert not mark.visible
        assert mark.preserve_domain == {"x": True, "y": True}
        assert mark.x.shape == (2,)
        assert np.isfinite(mark.y).all()
    assert {chart[name].fill for name in MARKS if name.startswith("band")} == {"between"}
    assert set(chart["fig"].marks) == {chart[name] for name in (*MARKS, "image")}


def test_every_model_opens_one_comm_and_closing_takes_all_back(wire: Wire) -> None:
    chart = make_chart()
    for model in chart.values():
        assert len(wire.of(model, "comm_open")) == 1
        model.close()
        assert model.comm is None
