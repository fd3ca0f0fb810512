"""The phase of the loop: as it is told, or as the model and the grad mode say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from monitorch_widgets.errors import check_choice
from monitorch_widgets.lens import LossMetrics

if TYPE_CHECKING:
    from .inspector import PyTorchInspector

PHASES = ("train", "val", "test", "predict", "sanity")
_TEST_LOSS = "test_loss"


class Phases:
    """Knows the phase, and keeps what is not to be read out of the lenses.

    Parameters
    ----------
    inspector : PyTorchInspector
        Whose phases these are.

    Attributes
    ----------
    told : str or None
        The phase as the loop says it; None where it is found.
    unread : tuple of str
        Phases in which nothing is read.
    """

    def __init__(self, inspector: PyTorchInspector) -> None:
        self._inspector = inspector
        self.told: str | None = None
        self._unread: tuple[str, ...] = ("predict", "sanity")
        self._former_loss: str | None = None

    def tell(self, phase: str | None) -> None:
        """Set the phase, or let it be found."""
        phase = None if phase is None else check_choice("phase", phase, PHASES)
        if phase == self.told:
            return
        if self.told in ("val", "test"):
            with self._inspector._faults.border(None):
                self._inspector._logbook.close_evaluations()
        self.told = self._inspector._clock.told_phase = phase
        self._name_losses(test=phase == "test")
        self._inspector._schedule.hush(self.quiet)

    @property
    def unread(self) -> tuple[str, ...]:
        """Phases in which nothing is read."""
        return self._unread

    @unread.setter
    def unread(self, phases: tuple[str, ...]) -> None:
        self._unread = tuple(check_choice("phase", phase, PHASES) for phase in phases)
        self._inspector._schedule.hush(self.quiet)

    @property
    def quiet(self) -> bool:
        """Whether nothing is read now."""
        return self.told in self._unread

    @property
    def now(self) -> str:
        """The phase; where it is not told, the model's switch decides, and the grad mode with the newest pass."""
        if self.told is not None:
            return self.told
        inspector = self._inspector
        model, buffer = inspector._watch.model if inspector.state.attached else None, inspector.state.buffer
        if model is None:
            return "train" if torch.is_grad_enabled() else "val"
        evaluates = not torch.is_grad_enabled() and buffer.evaluated == buffer.step
        return "val" if evaluates or not model.training else "train"

    def _name_losses(self, *, test: bool) -> None:
        """Let losses of a test stand apart from those of validation."""
        call = self._inspector._call_preprocessor
        if test == (self._former_loss is not None):
            return
        if test:
            self._former_loss, call.non_train_loss_str = call.non_train_loss_str, _TEST_LOSS
        elif self._former_loss is not None:
            call.non_train_loss_str, self._former_loss = self._former_loss, None
        for lens in self._inspector.lenses:
            if isinstance(lens, LossMetrics):
                lens.register_foreign_preprocessor(call, self._inspector.state)
