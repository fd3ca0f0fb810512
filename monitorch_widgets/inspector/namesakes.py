"""An inspector whose name is given to a newer one steps aside, as when a cell is run again."""

from __future__ import annotations

import sys
import warnings
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING

from monitorch_widgets.errors import NotWatched
from monitorch_widgets.lens import AbstractLens

if TYPE_CHECKING:
    from .inspector import PyTorchInspector

_attached: weakref.WeakSet[PyTorchInspector] = weakref.WeakSet()
_users: weakref.WeakKeyDictionary[AbstractLens, weakref.ref[PyTorchInspector]] = weakref.WeakKeyDictionary()


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
        named = {id(other): names for other, names in _global_inspectors()}
        mine = named.get(id(newer), set())
        for reference, names in self._before if mine else []:
            older = reference()
            if older is not None and names & mine and not named.get(id(older)):
                older.detach()
        if mine:
            self._before = []


def take_over(lenses: Iterable[AbstractLens], newer: PyTorchInspector) -> None:
    """Detach inspectors that use one of these lenses: its numbers can belong to one inspector only."""
    for lens in lenses:
        older = _users.get(lens)
        inspector = None if older is None else older()
        if inspector is not None and inspector is not newer and inspector.state.attached:
            inspector.detach()
            warnings.warn(
                f"{type(lens).__name__} was in use by another inspector, which is detached now. Give each inspector "
                "lenses of its own to have both watch.",
                NotWatched,
                stacklevel=3,
            )
        _users[lens] = weakref.ref(newer)


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
