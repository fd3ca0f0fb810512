"""An inspector whose name is given to a newer one steps aside, as when a cell is run again."""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .inspector import PyTorchInspector

_attached: weakref.WeakSet[PyTorchInspector] = weakref.WeakSet()


class Namesakes:
    """Other inspectors that are attached, each with the global names it had when this one was made.

    A notebook keeps what a cell showed, so the old inspector would live on and watch the same model a second time.
    """

    def __init__(self) -> None:
        named = _global_inspectors()
        self._before = [(weakref.ref(other), names) for other, names in named if other.state.attached]

    def step_aside(self, newer: PyTorchInspector) -> None:
        """Detach those whose name `newer` has now; looked at until it has a name itself."""
        if not self._before:
            return
        mine = {name for other, names in _global_inspectors() if other is newer for name in names}
        for reference, names in self._before if mine else []:
            older = reference()
            if older is not None and older is not newer and names & mine:
                older.detach()
        if mine:
            self._before = []


def note_attached(inspector: PyTorchInspector) -> None:
    """Remember that an inspector is attached."""
    _attached.add(inspector)


def _global_inspectors() -> list[tuple[PyTorchInspector, set[str]]]:
    """Attached inspectors with their names among the globals of the main program, which a notebook's cells share."""
    names = list(vars(sys.modules.get("__main__", sys)).items())
    return [
        (known, {name for name, value in names if value is known and not name.startswith("_")})
        for known in list(_attached)
    ]
