"""Where the numbers of a run go: the dashboard, a figure, event files, the console, a recording, or one's own.

Read by the inspector (:func:`make_visualizer`) and by the lenses, which hand it their figures of an epoch. What
draws with a library of its own (matplotlib, tensorboard, ipywidgets) is imported when somebody asks for it, so a run
on a cluster needs none of them.

Examples
--------
>>> from monitorch_widgets.visualizer import make_visualizer
>>> make_visualizer("print").plot_relations(1, "Share", {"Share": {"conv": 0.25, "head": 0.75}})
(1) Share: Share - {'conv': 0.25, 'head': 0.75}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitorch_widgets.values import TagAttributes, TagType

from .abstract import AbstractVisualizer
from .choice import ON_REQUEST, load, make_visualizer
from .plain import DummyVisualizer, PrintVisualizer
from .recorder import PlayerVisualizer, RecorderVisualizer

if TYPE_CHECKING:
    from .matplotlib import MatplotlibVisualizer
    from .tensorboard import TensorBoardVisualizer
    from .widgets import WidgetsVisualizer

__all__ = [
    "AbstractVisualizer",
    "DummyVisualizer",
    "MatplotlibVisualizer",
    "PlayerVisualizer",
    "PrintVisualizer",
    "RecorderVisualizer",
    "TagAttributes",
    "TagType",
    "TensorBoardVisualizer",
    "WidgetsVisualizer",
    "make_visualizer",
]


def __getattr__(name: str) -> type[AbstractVisualizer]:
    if name in ON_REQUEST:
        return load(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
