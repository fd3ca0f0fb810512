"""Which inspector a callback, a logger and a progress bar of one Trainer share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError
from monitorch_widgets.inspector.defaults import default_lenses
from monitorch_widgets.lens import AbstractLens, LossMetrics

from ..trainer_inspector import check_arguments, kept
from .events import is_finder

if TYPE_CHECKING:
    from .logger import WidgetLogger


class Recipe:
    """How the inspector of a callback is made, so that a copy in another process makes one like it.

    Parameters
    ----------
    lenses : list of AbstractLens, optional
        What it looks at.
    inspector : PyTorchInspector, optional
        One that is there already.
    arguments : mapping
        Its other arguments.
    """

    def __init__(self, lenses: Any, inspector: Any, arguments: Mapping[str, Any]) -> None:
        check_arguments(lenses, inspector, arguments)
        self.given = inspector is not None
        self.plain = not self.given and lenses is None and not arguments
        self._lenses, self._arguments = lenses, dict(arguments)
        if inspector is not None:
            self._lenses = inspector.lenses
            self._arguments = kept(inspector)

    def made(self) -> PyTorchInspector:
        """A new inspector; losses come from what is logged, unless a lens was asked for."""
        return PyTorchInspector(own_lenses() if self._lenses is None else self._lenses, **self._arguments)

    def __getstate__(self) -> dict[str, Any]:
        """Lenses by what they were made with, since they hang on their inspector."""
        kinds = None if self._lenses is None else [(type(lens), lens.made_with) for lens in self._lenses]
        return {**self.__dict__, "_lenses": kinds}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the lenses anew."""
        self.__dict__.update(state)
        if self._lenses is not None:
            self._lenses = [kind(*args, **kwargs) for kind, (args, kwargs) in self._lenses]


def own_lenses() -> list[AbstractLens]:
    """The default lenses without that of losses, which Lightning logs."""
    return [lens for lens in default_lenses() if not isinstance(lens, LossMetrics)]


def shared(own: PyTorchInspector, recipe: Recipe, loggers: Iterable[WidgetLogger]) -> PyTorchInspector:
    """The inspector of a callback, or that of a logger if the callback is free to choose.

    Raises
    ------
    ArgumentError
        If both were given one, and not the same.
    """
    for theirs in [logger.given for logger in loggers if logger.given is not None and logger.given is not own]:
        if not recipe.plain:
            raise ArgumentError(
                "expected one inspector for the callback and the logger; received two. Give both the same: "
                "InspectorCallback(inspector=inspector), WidgetLogger(inspector=inspector)."
            )
        for lens in [] if theirs.lenses else own_lenses():
            theirs.add(lens)
        return theirs
    return own


def first_of_all(callback: Any, callbacks: list[Any]) -> list[Any]:
    """The callbacks with this one first, behind finders: what others log in a hook comes after it."""
    others = [other for other in callbacks if other is not callback]
    finders = [other for other in others if is_finder(other)]
    return [*finders, callback, *(other for other in others if other not in finders)]
