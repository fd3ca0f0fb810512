"""The training loop as the control sees it, for one inspector."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from monitorch_widgets.errors import MonitorchWarning
from monitorch_widgets.values import CommandRecord

from .commands import carry_out
from .control import TOO_LATE, Command

if TYPE_CHECKING:
    from .inspector import PyTorchInspector

_SHORT = 1000  # characters of what is told of a command
_SILENT = ("resume", "step", "step_epoch")  # that leave no mark on the axis


class TrainingLoop:
    """What the loop of an inspector's model does, and how it is told of commands; see :class:`~.control.Loop`."""

    def __init__(self, inspector: PyTorchInspector) -> None:
        self._inspector = inspector

    @property
    def running(self) -> bool:
        """Whether training is under way."""
        inspector = self._inspector
        return inspector.state.attached and inspector._clock.state in ("live", "paused")

    @property
    def attached(self) -> bool:
        """Whether a model is watched."""
        return self._inspector.state.attached

    @property
    def in_step(self) -> bool:
        """Whether a step has begun."""
        return self._inspector.state.in_step

    def apply(self, command: Command) -> str:
        """Do what was asked for."""
        return carry_out(self._inspector, command)

    def told(self, command: Command, words: str, refused: bool) -> None:
        """Write down what came of a command, and show it."""
        inspector = self._inspector
        words = words if len(words) <= _SHORT else f"{words[:_SHORT]}…"
        record = CommandRecord(command.name, command.origin, inspector.state.buffer.step, words, refused)
        inspector._history.commands.append(record)
        if refused and command.origin == "python" and self.running and words != TOO_LATE:
            warnings.warn(f"{command.name} was refused: {words}", MonitorchWarning, stacklevel=2)
        elif not refused and command.name not in _SILENT and record.step:
            inspector._events.add("command", record.step, _sentence(words))
        with inspector._faults.border(None):
            inspector.visualizer.answer(command.number, record)
            if not refused:
                inspector.visualizer.refresh(force=True)  # what has changed is seen with the answer

    def close(self) -> None:
        """Stand before the model."""
        hooks = self._inspector.state.hooks
        hooks.gate.close(hooks)

    def open(self) -> None:
        """Stand aside, unless somebody is looking and may want to be heard in an evaluation too."""
        hooks = self._inspector.state.hooks
        if not self._inspector.visualizer.live:
            hooks.gate.open(hooks)

    def held(self) -> None:
        """Show that the loop is held, with everything that was read."""
        inspector = self._inspector
        if inspector._clock.state != "paused":
            inspector._clock.go_on()  # held before its first pass, it has begun all the same
            inspector._clock.stop("paused")
            inspector._bring_up_to_date(whole=True)
            inspector.visualizer.refresh(force=True)  # who clicked waits for it
        inspector.visualizer.refresh()

    def released(self) -> None:
        """Let the clock go on."""
        self._inspector._clock.go_on()
        self._inspector.visualizer.refresh(force=True)

    def over(self, error: BaseException | None = None) -> None:
        """The loop has ended, maybe by an error."""
        self._inspector._cell_ended(error)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
