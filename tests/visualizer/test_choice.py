"""From a name to a visualizer; what is imported for it, and what bad input gets."""

from __future__ import annotations

import subprocess
import sys

import pytest

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.visualizer import AbstractVisualizer, DummyVisualizer, PrintVisualizer, make_visualizer


def run(code: str) -> str:
    """Run `code` in a process of its own, where nothing has been imported, and give back what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "class_name"),
    [
        ("print", "PrintVisualizer"),
        ("dummy", "DummyVisualizer"),
        ("matplotlib", "MatplotlibVisualizer"),
        ("widgets", "WidgetsVisualizer"),
    ],
)
def test_each_name_makes_a_new_visualizer(name: str, class_name: str) -> None:
    made = make_visualizer(name)
    assert isinstance(made, AbstractVisualizer)
    assert type(made).__name__ == class_name
    assert make_visualizer(name) is not made


def test_tensorboard_by_name_writes_below_runs(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = make_visualizer("tensorboard")
    made.plot_probabilities(1, "Rate", {"relu": {"death_rate": 0.5}})
    made.close()
    assert [len(list(folder.iterdir())) for folder in (tmp_path / "runs").iterdir()] == [1]


def test_an_instance_is_given_back_as_it_is() -> None:
    mine = DummyVisualizer()
    assert make_visualizer(mine) is mine


@pytest.mark.parametrize("caught", [ValueError, AttributeError, ArgumentError])
def test_an_unknown_name_raises_with_the_nearest(caught: type[Exception]) -> None:
    with pytest.raises(caught) as raised:
        make_visualizer("tensorbord")
    words = str(raised.value)
    assert "'widgets', 'matplotlib', 'tensorboard', 'print', 'dummy'" in words
    assert "received 'tensorbord'" in words
    assert "Did you mean 'tensorboard'?" in words


@pytest.mark.parametrize("wrong", [None, 3, ["print"], print, object()])
def test_what_is_no_visualizer_raises(wrong: object) -> None:
    with pytest.raises(TypeError, match="expected an instance of a visualizer") as raised:
        make_visualizer(wrong)  # type: ignore[arg-type]
    assert type(wrong).__name__ in str(raised.value)


def test_a_class_is_to_be_called() -> None:
    with pytest.raises(ArgumentTypeError, match=r"call it, PrintVisualizer\(\.\.\.\)"):
        make_visualizer(PrintVisualizer)  # type: ignore[arg-type]


LIBRARIES = ("matplotlib", "tensorboard", "torch.utils.tensorboard", "ipywidgets", "bqplot", "anywidget", "traitlets")


def test_importing_the_room_imports_no_library_that_draws() -> None:
    code = f"""
import sys
from monitorch_widgets.visualizer import AbstractVisualizer, PlayerVisualizer, RecorderVisualizer, make_visualizer
make_visualizer("print"), make_visualizer("dummy")
print([name for name in {LIBRARIES} if name in sys.modules])
"""
    assert run(code) == "[]"


@pytest.mark.parametrize(
    ("name", "class_name", "missing", "remedy"),
    [
        ("matplotlib", "MatplotlibVisualizer", "matplotlib", "pip install 'monitorch_widgets[matplotlib]'"),
        ("tensorboard", "TensorBoardVisualizer", "tensorboard", "pip install 'monitorch_widgets[tensorboard]'"),
        ("widgets", "WidgetsVisualizer", "bqplot", "pip install ipywidgets bqplot anywidget"),
        ("widgets", "WidgetsVisualizer", "anywidget", "pip install ipywidgets bqplot anywidget"),
    ],
)
def test_a_missing_library_is_named_with_its_remedy(name: str, class_name: str, missing: str, remedy: str) -> None:
    code = f"""
import sys
sys.modules[{missing!r}] = None  # importing it raises
import monitorch_widgets.visualizer as room
for ask in (lambda: room.make_visualizer({name!r}), lambda: room.{class_name}):
    try:
        ask()
    except ImportError as error:
        print(error)
room.make_visualizer("print").plot_probabilities(1, "works", {{"all": {{"the": 0.5}}}})
"""
    by_name, by_class, works = run(code).splitlines()
    assert by_name == by_class
    assert class_name in by_name
    assert missing in by_name
    assert remedy in by_name
    assert works == "(1) works: all - prbs: {'the': 0.5}"


def test_public_names_are_what_is_visible() -> None:
    import monitorch_widgets.visualizer as room

    assert room.__all__ == sorted(room.__all__)
    assert dir(room) == room.__all__
    assert all(getattr(room, name) is not None for name in room.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Matplotlib'"):
        room.Matplotlib  # noqa: B018
