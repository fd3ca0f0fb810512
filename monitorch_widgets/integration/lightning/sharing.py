"""Which inspector a callback, a logger and a progress bar of one Trainer share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any

from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, unknown_name
from monitorch_widgets.inspector.defaults import default_lenses
from monitorch_widgets.lens import AbstractLens, LossMetrics

from .events import is_finder

if TYPE_CHECKING:
    from .logger import WidgetLogger

_KEPT = ("depth", "module_name_prefix", "master_rank", "max_overhead", "strict", "control")
_OWN = ("lenses", "module")  # the module is that of the Trainer


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
        if inspector is not None and (lenses is not None or arguments):
            raise ArgumentError(
                "expected either an inspector or what one is made of; received both. Give the lenses and the "
                "arguments to the inspector: InspectorCallback(inspector=PyTorchInspector(...))."
            )
        if isinstance(lenses, nn.Module):
            raise ArgumentTypeError(
                f"expected a list of lenses first; received the module {type(lenses).__name__}. Leave it out: the "
                "callback watches the one that the Trainer fits."
            )
        self.given = checked_inspector(inspector) is not None
        self.plain = not self.given and lenses is None and not arguments
        self._lenses = None if lenses is None else lenses
        self._arguments = _checked(arguments)
        if inspector is not None:
            self._lenses = inspector.lenses
            self._arguments = {"visualizer": "dummy", **kept(inspector)}

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


def checked_inspector(inspector: Any) -> PyTorchInspector | None:
    """Return the inspector, or None."""
    if inspector is None or isinstance(inspector, PyTorchInspector):
        return inspector
    hint = " Name the lenses: InspectorCallback(lenses=[...])." if isinstance(inspector, list) else ""
    raise ArgumentTypeError(f"expected inspector to be a PyTorchInspector; received {inspector!r}.{hint}")


def _checked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    known = [name for name in signature(PyTorchInspector).parameters if name not in _OWN]
    if "module" in arguments:
        raise ArgumentError("expected no module: the callback watches the one that the Trainer fits. Leave it out.")
    for name in arguments:
        if name not in known:
            raise ArgumentError(unknown_name("argument of PyTorchInspector", name, known))
    return dict(arguments)


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


def in_rank(inspector: PyTorchInspector, trainer: Any) -> PyTorchInspector:
    """The inspector, or one that shows nothing where it was made before this process knew that it is not the first."""
    if trainer.is_global_zero or not inspector.is_main_process:
        return inspector
    return PyTorchInspector(inspector.lenses, visualizer="dummy", **kept(inspector))


def kept(inspector: PyTorchInspector) -> dict[str, Any]:
    """Arguments for another inspector like this one."""
    return {"every": inspector._schedule.every, **{name: getattr(inspector, name) for name in _KEPT}}


def first_of_all(callback: Any, callbacks: list[Any]) -> list[Any]:
    """The callbacks with this one first, behind finders: what others log in a hook comes after it."""
    others = [other for other in callbacks if other is not callback]
    finders = [other for other in others if is_finder(other)]
    return [*finders, callback, *(other for other in others if other not in finders)]
