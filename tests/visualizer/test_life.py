"""What every visualizer shares: the run's calls do no harm, bad numbers are data, and it says where to look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from monitorch_widgets.errors import ArgumentError
from monitorch_widgets.visualizer import (
    AbstractVisualizer,
    DummyVisualizer,
    MatplotlibVisualizer,
    PrintVisualizer,
    RecorderVisualizer,
    TensorBoardVisualizer,
)

from .calls import INF, LOSS, NAN, Listener, feed

Make = Callable[[Path], AbstractVisualizer]
ALL: dict[str, Make] = {
    "print": lambda folder: PrintVisualizer(),
    "dummy": lambda folder: DummyVisualizer(),
    "matplotlib": lambda folder: MatplotlibVisualizer(),
    "tensorboard": lambda folder: TensorBoardVisualizer(str(folder / "events")),
    "recorder": lambda folder: RecorderVisualizer(folder / "run.jsonl"),
    "one's own": lambda folder: Listener(),
}


@pytest.fixture(params=ALL)
def visualizer(request: pytest.FixtureRequest, tmp_path: Path):
    made = ALL[request.param](tmp_path)
    yield made
    getattr(made, "close", lambda: None)()


def test_a_run_and_its_life(visualizer: AbstractVisualizer) -> None:
    visualizer.bind(None)  # type: ignore[arg-type]
    visualizer.attached()
    assert visualizer.reset_fig() is visualizer
    feed(visualizer)
    visualizer.refresh()
    visualizer.refresh(force=True)
    visualizer.finish()
    feed(visualizer)  # a second training cell
    visualizer.finish()
    assert visualizer.where


@pytest.mark.parametrize("number", [NAN, INF, -INF, 0.0, -1.0, 1e300, 5])
def test_no_number_raises(visualizer: AbstractVisualizer, number: float) -> None:
    log = type(LOSS)(logy=True, big_plot=False, annotate=True, type=LOSS.type)
    visualizer.register_tags("Norm", log)
    visualizer.plot_numerical_values(1, "Norm", {"a": {"mean": number}}, {"a": {("min", "max"): (number, number)}})
    visualizer.plot_probabilities(1, "Rate", {"a": {"rate": number}})
    visualizer.plot_relations(1, "Share", {"Share": {"a": number, "b": number}})
    if isinstance(visualizer, MatplotlibVisualizer):
        visualizer.show_fig().canvas.draw()


def test_empty_mappings_are_fine(visualizer: AbstractVisualizer) -> None:
    visualizer.register_tags("Loss", LOSS)
    visualizer.plot_numerical_values(1, "Loss", {}, {})
    visualizer.plot_numerical_values(1, "Loss", {"Loss": {}}, None)
    visualizer.plot_probabilities(1, "Rate", {})
    visualizer.plot_probabilities(1, "Rate", {"relu": {}})
    visualizer.plot_relations(1, "Share", {"Share": {}})
    if isinstance(visualizer, MatplotlibVisualizer):
        visualizer.show_fig().canvas.draw()


@pytest.mark.parametrize("name", ["print", "tensorboard", "recorder", "one's own"])
def test_no_figure_is_an_error_with_a_remedy(name: str, tmp_path: Path) -> None:
    made = ALL[name](tmp_path)
    with pytest.raises(ArgumentError, match="visualizer='matplotlib'") as raised:
        made.show_fig()
    assert made.where in str(raised.value)
    assert made.show() is None
    assert made.mimebundle(include=None, exclude=None) is None
    getattr(made, "close", lambda: None)()


def test_the_dummy_stays_silent_on_other_ranks(capsys: pytest.CaptureFixture[str]) -> None:
    assert feed(DummyVisualizer()).show_fig() is None
    assert capsys.readouterr().out == ""


def test_the_base_needs_its_four_methods() -> None:
    assert AbstractVisualizer.__abstractmethods__ == {
        "register_tags",
        "plot_numerical_values",
        "plot_probabilities",
        "plot_relations",
    }
    with pytest.raises(TypeError, match="abstract"):
        AbstractVisualizer()  # type: ignore[abstract]
