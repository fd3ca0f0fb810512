"""From the `visualizer` argument of an inspector to a visualizer."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from monitorch_widgets.errors import check_choice

from .abstract import AbstractVisualizer, check_visualizer
from .plain import DummyVisualizer, PrintVisualizer

# Public name -> (module that defines it, how to install what that module imports).
ON_REQUEST = {
    "MatplotlibVisualizer": ("matplotlib", "pip install 'monitorch_widgets[matplotlib]'"),
    "TensorBoardVisualizer": ("tensorboard", "pip install 'monitorch_widgets[tensorboard]'"),
    "WidgetsVisualizer": ("widgets", "pip install ipywidgets bqplot anywidget"),
}


def load(name: str) -> type[AbstractVisualizer]:
    """Class of a visualizer that draws with a library of its own, imported now.

    Raises
    ------
    ImportError
        If the library is missing; it says how to install it.
    """
    module, remedy = ON_REQUEST[name]
    try:
        found: type[AbstractVisualizer] = getattr(import_module(f".{module}", __package__), name)
    except ImportError as error:
        raise ImportError(
            f"{name} cannot be imported: {error}. Install what it needs: {remedy}; or do without, visualizer='print'"
        ) from error
    return found


_BY_NAME: dict[str, Callable[[], AbstractVisualizer]] = {
    "widgets": lambda: load("WidgetsVisualizer")(),
    "matplotlib": lambda: load("MatplotlibVisualizer")(),
    "tensorboard": lambda: load("TensorBoardVisualizer")(),
    "print": PrintVisualizer,
    "dummy": DummyVisualizer,
}


def make_visualizer(visualizer: str | AbstractVisualizer) -> AbstractVisualizer:
    """Visualizer for a name, or the visualizer itself.

    Parameters
    ----------
    visualizer : str or AbstractVisualizer
        ``"widgets"`` (the dashboard), ``"matplotlib"``, ``"tensorboard"``, ``"print"`` or ``"dummy"``, of which a
        new one is made with its default arguments; or an instance, which is given back as it is.

    Raises
    ------
    ArgumentError
        For an unknown name; it names the valid ones and the nearest.
    ArgumentTypeError
        For an object that is no visualizer, or a class instead of an instance.
    ImportError
        If the library that the visualizer draws with is missing; it says how to install it.

    Examples
    --------
    >>> make_visualizer("print")
    <monitorch_widgets.visualizer.plain.PrintVisualizer object at 0x...>
    >>> make_visualizer("matplot")
    Traceback (most recent call last):
    monitorch_widgets.errors.ArgumentError: ... received 'matplot'. Did you mean 'matplotlib'?
    """
    if isinstance(visualizer, str):
        return _BY_NAME[check_choice("visualizer", visualizer, _BY_NAME)]()
    return check_visualizer(visualizer)
