"""The inspector of a Trainer's callback: made of what, and what a copy of it in another process is."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from torch import nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, unknown_name
from monitorch_widgets.inspector import PyTorchInspector

_KEPT = (
    "depth",
    "module_name_prefix",
    "master_rank",
    "max_overhead",
    "strict",
    "control",
    "log_every_n_steps",
    "refresh_rate",
)
_OWN = ("lenses", "module")  # the module is that of the Trainer


def kept(inspector: PyTorchInspector) -> dict[str, Any]:
    """Arguments for another inspector like this one, which shows nothing."""
    others = {name: getattr(inspector, name) for name in _KEPT}
    return {"visualizer": "dummy", "every": inspector._schedule.every, **others}


def in_rank(inspector: PyTorchInspector, *, first: bool) -> PyTorchInspector:
    """The inspector, or one that shows nothing where it was made before this process knew that it is not the first."""
    if first or not inspector.is_main_process:
        return inspector
    return PyTorchInspector(inspector.lenses, **kept(inspector))


def checked_inspector(inspector: object) -> PyTorchInspector | None:
    """Return the inspector, or None."""
    if inspector is None or isinstance(inspector, PyTorchInspector):
        return inspector
    hint = " Name the lenses: lenses=[...]." if isinstance(inspector, list) else ""
    raise ArgumentTypeError(f"expected inspector to be a PyTorchInspector; received {inspector!r:.100}.{hint}")


def check_arguments(lenses: object, inspector: object, arguments: Mapping[str, Any]) -> None:
    """Check what a callback was given: an inspector, or what one is made of.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For both, for a module, for arguments that an inspector doesn't have, and for an inspector that is none.
    """
    if isinstance(lenses, nn.Module):
        raise ArgumentTypeError(
            f"expected a list of lenses first; received the module {type(lenses).__name__}. Leave it out: the Trainer "
            "brings the model."
        )
    if "module" in arguments:
        raise ArgumentError("expected no module: the callback watches the one that the Trainer fits. Leave module out.")
    known = [name for name in signature(PyTorchInspector).parameters if name not in _OWN]
    for name in arguments:
        if name not in known:
            raise ArgumentError(unknown_name("argument of PyTorchInspector", name, known))
    if checked_inspector(inspector) is not None and (lenses is not None or arguments):
        raise ArgumentError(
            "expected either an inspector or what one is made of; received both. Give the lenses and the arguments to "
            "the inspector: inspector=PyTorchInspector(...)."
        )
