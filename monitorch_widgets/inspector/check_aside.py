"""Look away: what is tried with a watched model is neither read nor counted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from torch import nn

from monitorch_widgets.errors import CommandRefused
from monitorch_widgets.gatherer.optimizer_hooks import follow_optimizers, leave_optimizers
from monitorch_widgets.verification.state import undone_by, watchers

from . import namesakes

if TYPE_CHECKING:
    from .inspector import PyTorchInspector

_QUIET = "sanity"  # a phase in which what a loop logs goes nowhere


@contextlib.contextmanager
def aside(inspector: PyTorchInspector) -> Iterator[None]:
    """Neither read nor count what happens inside; nor is the loop held or ended there.

    Raises
    ------
    CommandRefused
        While the model trains in another thread and is not held.
    """
    if not inspector.state.attached:
        yield
        return
    _check_still(inspector)
    hooks, gate, phases = inspector.state.hooks, inspector.state.hooks.gate, inspector._phases
    hooks.rest.over(hooks)
    before, phase = (gate.holds, gate.passed, gate.on_pass), (phases.told, phases._unread)

    def undo() -> None:  # or the inspector would look away for ever
        if inspector.state.attached:
            follow_optimizers(hooks)
        phases.told, phases._unread = phase
        gate.holds, gate.passed, gate.on_pass = before

    with undone_by(undo):
        gate.holds, gate.on_pass = True, _let_pass
        phases.told, phases._unread = _QUIET, (_QUIET,)  # past tell(): no evaluation ends here
        leave_optimizers(hooks)
        yield


def _check_still(inspector: PyTorchInspector) -> None:
    control = inspector._control
    if control.is_elsewhere and not control.holding:
        raise CommandRefused("the model trains in the background now. Hold it meanwhile: with run.paused(): ...")


@contextlib.contextmanager
def _all_aside(model: nn.Module) -> Iterator[None]:
    """All inspectors that watch a model, its parts, or what it is a part of."""
    parts = {id(module) for module in model.modules()}
    with contextlib.ExitStack() as stack:
        for inspector in list(namesakes._attached):
            watched = inspector._watch.model
            if watched is not None and any(id(module) in parts for module in watched.modules()):
                stack.enter_context(aside(inspector))
        yield


def _let_pass(training: bool) -> None:
    """Nothing."""


watchers.append(_all_aside)
