"""The inspector of a callback for ``transformers.Trainer``: made of what, and in which process."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from torch import nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, unknown_name
from monitorch_widgets.inspector import PyTorchInspector

_KEPT = ("depth", "module_name_prefix", "master_rank", "max_overhead", "strict", "control", "log_every_n_steps")


def in_rank(inspector: PyTorchInspector, state: Any) -> PyTorchInspector:
    """The inspector, or one that shows nothing where it was made before this process knew that it is not the first."""
    if state.is_world_process_zero or not inspector.is_main_process:
        return inspector
    kept = {name: getattr(inspector, name) for name in _KEPT}
    return PyTorchInspector(inspector.lenses, visualizer="dummy", every=inspector._schedule.every, **kept)


def check_arguments(lenses: object, inspector: object, arguments: Mapping[str, Any]) -> None:
    """Check what the callback was given: an inspector, or what one is made of.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For both, for a module, and for an inspector that is none.
    """
    if isinstance(lenses, nn.Module):
        raise ArgumentTypeError(
            f"expected a list of lenses first; received the module {type(lenses).__name__}. Leave it out: the Trainer "
            "brings the model."
        )
    if "module" in arguments:
        raise ArgumentError("expected no module: the Trainer brings the model. Leave module out")
    known = [name for name in signature(PyTorchInspector).parameters if name not in ("lenses", "module")]
    for name in arguments:
        if name not in known:
            raise ArgumentError(unknown_name("argument of PyTorchInspector", name, known))
    if inspector is None:
        return
    if not isinstance(inspector, PyTorchInspector):
        raise ArgumentTypeError(f"expected inspector to be a PyTorchInspector; received {inspector!r}")
    if lenses is not None or arguments:
        raise ArgumentError(
            "expected either an inspector, or lenses and arguments to make one of; received both. "
            "Give them to PyTorchInspector(...) instead"
        )
