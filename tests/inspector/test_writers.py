"""What writes a run down beside the page: its queue is told and set while training goes on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.history import Journal
from monitorch_widgets.values import Writer
from monitorch_widgets.visualizer import DummyVisualizer
from monitorch_widgets.visualizer.tensorboard import TensorBoardVisualizer

from .commanded import Answers, at, batches, done, inspected, net, train


def settings(inspector: PyTorchInspector) -> dict[str, tuple[int, float]]:
    """Queue and seconds of each writer, as the page is told."""
    return {writer.name: (writer.max_queue, writer.flush_secs) for writer in inspector.status().writers}


def both(folder: Path, **more: Any) -> PyTorchInspector:
    """An inspector with a journal, and event files for TensorBoard."""
    return inspected(net(), visualizer=TensorBoardVisualizer(folder / "events"), journal=folder / "runs", **more)


def test_B03_writers_are_told_with_what_waits_in_them(tmp_path: Path) -> None:
    inspector = both(tmp_path)
    first, second = inspector.status().writers
    assert first == Writer("journal", 0, 10, 120) and (second.name, second.max_queue) == ("TensorBoard", 10)
    assert inspected(net()).status().writers == ()


def test_B03_what_waits_in_a_journal_is_counted(tmp_path: Path) -> None:
    model = net()
    inspector = inspected(model, journal=Journal(tmp_path, max_queue=1000))
    train(model, batches(4))
    assert inspector.history is not None
    [writer] = inspector.status().writers
    assert isinstance(inspector.journal, Journal) and writer.waiting == inspector.journal.waiting


def test_B03_what_waits_in_event_files_is_counted_where_tensorboard_tells(tmp_path: Path) -> None:
    visualizer = TensorBoardVisualizer(tmp_path)
    visualizer.plot_numerical_values(1, "Loss", {"train": {"mean": 0.5}})
    visualizer.plot_relations(1, "Share", {"fc": {"dead": 0.5, "alive": 0.5}})
    visualizer.finish()
    assert visualizer.waiting == 0
    visualizer.close()
    assert visualizer.waiting == 0
    visualizer.writer = SimpleNamespace(all_writers={"other": object()})  # type: ignore[assignment]
    assert visualizer.waiting is None


def test_B03_queue_and_seconds_are_set_live_from_python_and_from_the_page(tmp_path: Path) -> None:
    model, answers = net(), Answers()
    inspector = inspected(model, visualizer=answers, journal=tmp_path)
    page = {"name": "flush_secs", "arguments": {"flush_secs": 2.5, "writer": "journal"}, "number": "9"}
    asked = (lambda: inspector.set(max_queue=100), lambda: inspector.command(page))
    train(model, batches(6), at(3, *asked))
    assert settings(inspector) == {"journal": (100, 2.5)}
    assert done(inspector) == [("max_queue", 3), ("flush_secs", 3)]
    assert [(number, record.words) for number, record in answers.given] == [
        ("", "journal: max_queue=100"),
        ("9", "journal: flush_secs=2.5"),
    ]


def test_B03_all_writers_are_set_or_the_one_that_is_named(tmp_path: Path) -> None:
    inspector = both(tmp_path)
    inspector.set(max_queue=20, flush_secs=1)
    assert settings(inspector) == {"journal": (20, 1), "TensorBoard": (20, 1)}
    inspector.command({"name": "max_queue", "arguments": {"max_queue": 5, "writer": "TensorBoard"}, "number": "1"})
    assert settings(inspector) == {"journal": (20, 1), "TensorBoard": (5, 1)}


@pytest.mark.parametrize("wrong", [0, -3, 2.5, "many", True])
def test_B03_a_wrong_queue_is_refused_and_nothing_is_changed(tmp_path: Path, wrong: Any) -> None:
    inspector = both(tmp_path)
    with pytest.raises((ArgumentError, ArgumentTypeError), match="expected max_queue to be"):
        inspector.set(flush_secs=3, max_queue=wrong)
    assert settings(inspector)["journal"] == (10, 120) and not inspector.history.commands


@pytest.mark.parametrize("wrong", [-1, float("nan"), "soon", None])
def test_B03_a_wrong_time_is_refused(tmp_path: Path, wrong: Any) -> None:
    inspector = both(tmp_path)
    with pytest.raises(ArgumentError, match="expected flush_secs to be a number of seconds"):
        inspector.set(flush_secs=wrong)
    assert settings(inspector)["TensorBoard"] == (10, 120)


def test_B03_a_writer_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    answers = Answers()
    inspector = inspected(net(), visualizer=answers, journal=tmp_path)
    inspector.command({"name": "max_queue", "arguments": {"max_queue": 5, "writer": "jornal"}, "number": "1"})
    [(_, record)] = answers.given
    assert record.refused and "Did you mean 'journal'" in record.words
    with pytest.raises(ArgumentError, match="Make it with journal='runs'"):
        inspected(net()).set(flush_secs=5)


class Paper(DummyVisualizer):
    """A visualizer of somebody's own that has a queue, and does not count it."""

    max_queue, flush_secs = 3, 60.0


def test_B03_a_visualizer_of_ones_own_may_have_a_queue() -> None:
    inspector = inspected(net(), visualizer=Paper())
    assert inspector.status().writers == (Writer("Paper", None, 3, 60.0),)
    inspector.set(max_queue=4)
    assert settings(inspector) == {"Paper": (4, 60.0)}
