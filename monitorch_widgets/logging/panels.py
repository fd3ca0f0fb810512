"""The panels of logged numbers: which of them a name belongs to, and how one is opened."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from monitorch_widgets.errors import NotWatched
from monitorch_widgets.values import ChartSpec, TagAttributes, TagType

from .entry import OTHERS, tag_of
from .logged import spec_of

if TYPE_CHECKING:
    from monitorch_widgets.inspector import PyTorchInspector

_BIG = TagAttributes(logy=False, big_plot=True, annotate=True, type=TagType.NUMERICAL)
_MOST_PANELS = 64


class Panels:
    """Has one panel for each group of names, and one for all groups beyond the most that there may be.

    Parameters
    ----------
    inspector : PyTorchInspector
        Whose visualizer shows them.
    """

    def __init__(self, inspector: PyTorchInspector) -> None:
        self._inspector = inspector
        self._specs: dict[str, ChartSpec] = {}
        self._told = False

    @property
    def all(self) -> list[ChartSpec]:
        """What each shows, in the order that they came."""
        return list(self._specs.values())

    def of(self, name: str) -> str:
        """Tag of the panel that a name belongs to."""
        tag = tag_of(name)
        if tag in self._specs or len(self._specs) < _MOST_PANELS:
            return tag
        if not self._told:
            self._told = True
            warnings.warn(
                f"there are {_MOST_PANELS} panels of logged numbers already, so {name!r} and other new groups share "
                f"the panel {OTHERS!r}. A name's first part, before '/', is its group: use fewer of them.",
                NotWatched,
                stacklevel=4,
            )
        return OTHERS

    def open(self, name: str) -> str:
        """Let the panel of a name be there, and tell its tag."""
        tag = self.of(name)
        if tag not in self._specs:
            self._specs[tag] = spec_of(tag)
            self._show(tag)
        return tag

    def _show(self, tag: str) -> None:
        inspector = self._inspector
        inspector._history.declare(tag)
        with inspector._faults.border(None):
            of_lenses = {spec.tag for lens in inspector.lenses for spec in lens.specs}
            if inspector.is_main_process and tag not in of_lenses:
                inspector.visualizer.register_tags(tag, _BIG)
            inspector._show_layout()
