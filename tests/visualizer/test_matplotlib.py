"""The static figure, read back from what was drawn."""

from __future__ import annotations

import base64
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from monitorch_widgets.errors import ArgumentError
from monitorch_widgets.visualizer import MatplotlibVisualizer, TagAttributes, TagType

from .calls import EPOCHS, INF, MODULES, NAN, feed


def lines(axes: Axes) -> dict[str, list[float]]:
    return {str(line.get_label()): list(line.get_ydata()) for line in axes.get_lines() if line.get_label()[0] != "_"}


def ends(axes: Axes, label: str) -> tuple[float, float]:
    area = next(area for area in axes.collections if area.get_label() == label)
    ys = area.get_paths()[0].vertices[:, 1]
    return float(ys.min()), float(ys.max())


def titles(figure: Figure) -> list[str]:
    return [axes.get_title() or axes.get_title(loc="left") for axes in figure.axes]


def drawn(**attributes: object) -> MatplotlibVisualizer:
    """Visualizer with one tag, 'Tag'."""
    chosen = {"logy": False, "big_plot": False, "annotate": True, "type": TagType.NUMERICAL, **attributes}
    visualizer = MatplotlibVisualizer()
    visualizer.register_tags("Tag", TagAttributes(**chosen))  # type: ignore[arg-type]
    return visualizer


@pytest.fixture(scope="module")
def figure() -> Figure:
    figure = feed(MatplotlibVisualizer()).show_fig()
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    return figure


def test_big_plots_first_then_a_column_per_tag_in_model_order(figure: Figure) -> None:
    assert titles(figure) == ["Loss", "Norm Comparison", *MODULES, *MODULES, *MODULES[:2]]
    assert [text.get_text() for text in figure.texts] == ["Gradient Norm", "Gradient Correlation", "Output Activation"]


def test_losses_are_lines_with_a_band(figure: Figure) -> None:
    axes = figure.axes[0]
    assert lines(axes) == {
        "train_loss mean": [1 / epoch for epoch in EPOCHS],
        "val_loss mean": [2 / epoch for epoch in EPOCHS],
    }
    train, val = axes.get_lines()[:2]
    assert list(train.get_xdata()) == EPOCHS
    assert train.get_color() != val.get_color()
    assert ends(axes, "train_loss -σ – train_loss +σ") == (0.5 / 3, 1.5)
    band = next(iter(axes.collections))
    assert band.get_facecolor()[0][:3].tolist() == pytest.approx(list(_rgb(train.get_color())))
    names = [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["train_loss mean", "val_loss mean", "train_loss -σ – train_loss +σ"]


def _rgb(colour: object) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)  # type: ignore[arg-type]


def test_nan_and_infinity_are_gaps(figure: Figure) -> None:
    np.testing.assert_array_equal(lines(figure.axes[2])["mean"], [0.1, 0.01, 0.001])
    np.testing.assert_array_equal(lines(figure.axes[3])["mean"], [2.0, 2.0, NAN])
    np.testing.assert_array_equal(lines(figure.axes[4])["mean"], [0.25, NAN, 0.25])
    assert figure.axes[4].get_lines()[0].get_marker() == "."  # two lone points: no line would show them
    assert figure.axes[3].get_lines()[0].get_marker() == ""


def test_logarithmic_bands_do_not_vanish_at_zero(figure: Figure) -> None:
    axes = figure.axes[2]
    assert axes.get_yscale() == "log"
    assert ends(axes, "min – max") == (0.001, 9.0)  # 0 is drawn as the lowest number of the plot


def test_a_reversed_limit_is_mended_and_zero_is_marked(figure: Figure) -> None:
    axes = figure.axes[5]
    assert axes.get_ylim() == (-1.0, 1.0)
    assert lines(axes) == {"mean": [-0.25, 0.0, 0.25]}
    assert [list(line.get_ydata()) for line in axes.get_lines() if line.get_label()[0] == "_"] == [[0.0, 0.0]]


def test_rates_stand_between_0_and_1_and_are_filled(figure: Figure) -> None:
    axes = figure.axes[8]
    assert axes.get_ylim() == (0.0, 1.0)
    assert lines(axes) == {"activation_rate": [0.75] * 3, "death_rate": [0.125, 0.25, 0.375]}
    assert len(axes.collections) == 2


def test_relations_are_stacked(figure: Figure) -> None:
    axes = figure.axes[1]
    assert [area.get_label() for area in axes.collections] == MODULES
    assert [ends(axes, name) for name in MODULES] == [(0.0, 0.5), (0.5, 0.75), (0.75, 1.0)]
    assert [text.get_text() for text in axes.texts] == MODULES


def test_plots_do_not_overlap_and_lie_inside(figure: Figure) -> None:
    boxes = [axes.get_position() for axes in figure.axes]
    for index, box in enumerate(boxes):
        assert 0 < box.x0 < box.x1 < 1
        assert 0 < box.y0 < box.y1 < 1
        for other in boxes[:index]:
            assert box.x1 <= other.x0 or other.x1 <= box.x0 or box.y1 <= other.y0 or other.y1 <= box.y0


def test_two_runs_draw_the_same_picture() -> None:
    pictures = [feed(MatplotlibVisualizer()).mimebundle()["image/png"] for _ in range(2)]
    assert pictures[0] == pictures[1]
    assert base64.b64decode(pictures[0]).startswith(b"\x89PNG")


def test_the_figure_stays_until_something_new_comes() -> None:
    visualizer = feed(MatplotlibVisualizer())
    first = visualizer.show_fig()
    assert visualizer.show_fig() is first
    assert visualizer.show() is first
    visualizer.plot_numerical_values(4, "Loss", {"Loss": {"train_loss mean": 0.25}})
    second = visualizer.show_fig()
    assert second is not first
    np.testing.assert_array_equal(lines(second.axes[0])["train_loss mean"], [1, 1 / 2, 1 / 3, 1 / 4])
    np.testing.assert_array_equal(lines(second.axes[0])["val_loss mean"], [2, 1, 2 / 3, NAN])


def test_reset_forgets_numbers_and_keeps_tags() -> None:
    visualizer = feed(MatplotlibVisualizer())
    assert visualizer.reset_fig() is visualizer
    assert not visualizer.show_fig().axes
    assert visualizer.mimebundle() is None
    visualizer.plot_numerical_values(1, "Gradient Correlation", {"a": {"mean": 0.5}})
    assert visualizer.show_fig().axes[0].get_ylim() == (-1.0, 1.0)


def test_no_data_says_so() -> None:
    figure = MatplotlibVisualizer().show_fig()
    figure.canvas.draw()
    assert "tick_epoch()" in figure.texts[0].get_text()


def test_a_module_that_comes_late_stands_in_its_place() -> None:
    visualizer = drawn()
    visualizer.plot_numerical_values(1, "Tag", {"a": {"mean": 1.0}, "c": {"mean": 3.0}})
    visualizer.plot_numerical_values(2, "Tag", {name: {"mean": 0.0} for name in "abcd"})
    figure = visualizer.show_fig()
    assert titles(figure) == ["a", "b", "c", "d"]
    np.testing.assert_array_equal(lines(figure.axes[1])["mean"], [NAN, 0.0])


def test_one_epoch_can_be_seen() -> None:
    visualizer = drawn(type=TagType.RELATIONS, big_plot=True)
    visualizer.plot_relations(7, "Tag", {"Tag": {"a": 0.25, "b": NAN, "c": 0.75}})
    visualizer.plot_numerical_values(7, "Norm", {"a": {"mean": 1.0}}, {"a": {("min", "max"): (0.0, 2.0)}})
    shares, norm = visualizer.show_fig().axes
    assert [ends(shares, name) for name in "abc"] == [(0.0, 0.25), (0.25, 0.25), (0.25, 1.0)]
    for area in (*shares.collections, *norm.collections):
        assert np.ptp(area.get_paths()[0].vertices[:, 0]) == 1.0
    assert norm.get_lines()[0].get_marker() == "."
    assert [tick for tick in norm.get_xticks() if 6.5 <= tick <= 7.5] == [7]


def test_an_epoch_without_any_share_is_a_gap() -> None:
    visualizer = drawn(type=TagType.RELATIONS, big_plot=True)
    for epoch, share in ((1, 0.5), (2, 0.5), (3, NAN), (4, 0.5), (5, 0.5)):
        visualizer.plot_relations(epoch, "Tag", {"Tag": {"a": share, "b": share}})
    area = visualizer.show_fig().axes[0].collections[0]
    assert 3 not in np.concatenate([path.vertices[:, 0] for path in area.get_paths()])


@pytest.mark.parametrize("number", [0.0, -1.0, NAN, INF])
def test_a_logarithmic_axis_without_a_positive_number_stays_linear(number: float) -> None:
    visualizer = drawn(logy=True)
    visualizer.plot_numerical_values(1, "Tag", {"a": {"mean": number}})
    figure = visualizer.show_fig()
    figure.canvas.draw()
    assert figure.axes[0].get_yscale() == "linear"


@pytest.mark.parametrize(("low", "high"), [(1.36, 1.5), (0.3, 2.0), (1e-12, 1e9), (1e-3, 1e-3)])
def test_a_low_logarithmic_axis_has_few_ticks(low: float, high: float) -> None:
    visualizer = drawn(logy=True)
    visualizer.plot_numerical_values(1, "Tag", {"a": {"mean": low}})
    visualizer.plot_numerical_values(2, "Tag", {"a": {"mean": high}})
    axes = visualizer.show_fig().axes[0]
    shown = [tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= axes.get_ylim()[1]]
    assert 1 <= len(shown) <= 5
    assert not len(axes.get_yticks(minor=True))


@pytest.mark.parametrize("ylim", [(0.5, 0.5), (NAN, 1.0), (0.0, INF)])
def test_limits_that_limit_nothing_are_passed_over(ylim: tuple[float, float]) -> None:
    visualizer = drawn(ylim=ylim)
    visualizer.plot_numerical_values(1, "Tag", {"a": {"mean": 4.0}})
    low, high = visualizer.show_fig().axes[0].get_ylim()
    assert low < 4.0 < high


def test_names_are_text() -> None:
    names = ["$\\frac{", "_hidden", "<b>x</b>", "%s {0}"]
    visualizer = drawn(big_plot=True)
    visualizer.plot_numerical_values(1, "Tag", {"Tag": dict.fromkeys(names, 1.0)})
    visualizer.plot_numerical_values(1, "$\\frac{ big", {"$\\frac{ big": {"mean": 1.0}})
    visualizer.plot_probabilities(1, "$\\frac{ small", {"$\\frac{": {"rate": 0.5}})
    visualizer.plot_relations(1, "Share", {"Share": dict.fromkeys(names, 1.0)})
    figure = visualizer.show_fig()
    figure.canvas.draw()
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == names
    assert titles(figure) == ["Tag", "$\\frac{ big", "Share", "$\\frac{"]
    assert [text.get_text() for text in figure.axes[2].texts] == names


def test_several_modules_in_one_big_plot_keep_their_names() -> None:
    visualizer = drawn(big_plot=True)
    visualizer.plot_numerical_values(1, "Tag", {"a": {"mean": 1.0}, "b": {"mean": 2.0}})
    assert lines(visualizer.show_fig().axes[0]) == {"a mean": [1.0], "b mean": [2.0]}


@pytest.mark.slow
def test_hundreds_of_modules_fit_what_agg_can_draw() -> None:
    visualizer = drawn()
    for tag in ("Tag", "Other"):
        visualizer.plot_numerical_values(1, tag, {f"m{index}": {"mean": 1.0} for index in range(600)})
    figure = visualizer.show_fig()
    assert figure.get_size_inches()[1] * figure.dpi < 2**16
    assert len(figure.axes) == 1200


def test_arguments_are_those_of_a_figure() -> None:
    visualizer = MatplotlibVisualizer(figsize=(4.0, 3.0), dpi=50, facecolor="red", num="kept out of pyplot", clear=True)
    figure = feed(visualizer).show_fig()
    assert tuple(figure.get_size_inches()) == (4.0, 3.0)
    assert figure.dpi == 50
    for wrong in ({"figsise": (4, 3)}, {"figsize": "wide"}, {"figsize": (NAN, 1)}):
        with pytest.raises(ArgumentError, match=r"expected arguments of matplotlib\.figure\.Figure") as raised:
            MatplotlibVisualizer(**wrong)
        assert next(iter(wrong)) in str(raised.value)


def test_a_figure_class_of_ones_own() -> None:
    class Mine(Figure):
        pass

    assert isinstance(feed(MatplotlibVisualizer(FigureClass=Mine)).show_fig(), Mine)


def test_pyplot_is_left_alone_and_a_notebook_shows_the_figure() -> None:
    code = """
import sys
from IPython.core.interactiveshell import InteractiveShell
from monitorch_widgets.visualizer import make_visualizer
shell = InteractiveShell.instance()
visualizer = make_visualizer("matplotlib")
visualizer.plot_probabilities(1, "Rate", {"relu": {"rate": 0.5}})
shown, _ = shell.display_formatter.format(visualizer.show_fig())
assert shown["image/png"][:4] == b"\\x89PNG", shown
assert "matplotlib.pyplot" not in sys.modules
import matplotlib.pyplot as plt
assert plt.get_fignums() == []
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
