"""A progress bar that is one line of the panel's strip, and prints nothing."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Any

from torch import Tensor

from monitorch_widgets import PyTorchInspector

from ..notebook import display
from ..trainer_inspector import checked_inspector
from .callback import InspectorCallback
from .library import ProgressBar
from .logger import WidgetLogger

_EVERY_S = 0.1  # what is shown more often nobody can read; each look may wait for the device


class InspectorProgressBar(ProgressBar):
    """Shows the loss, the version, and what is logged with ``prog_bar=True``, in the strip of the panel.

    It takes the inspector of the Trainer's :class:`InspectorCallback` or :class:`WidgetLogger`; without either it has
    one of its own. What is shown can be changed as for any bar: override :meth:`get_metrics`.

    Parameters
    ----------
    inspector : PyTorchInspector, optional
        Another one.

    Examples
    --------
    >>> class CustomProgressBar(InspectorProgressBar):
    ...     def get_metrics(self, *args, **kwargs):
    ...         items = super().get_metrics(*args, **kwargs)
    ...         items.pop("v_num", None)  # don't show the version
    ...         return items
    """

    def __init__(self, inspector: PyTorchInspector | None = None) -> None:
        super().__init__()
        self._given = checked_inspector(inspector)
        self._inspector: PyTorchInspector | None = self._given
        self._enabled = True
        self._loss: Tensor | None = None
        self._shown: set[str] = set()
        self._due_s = 0.0

    @property
    def inspector(self) -> PyTorchInspector:
        """Whose strip it is."""
        if self._inspector is None:
            self._inspector = PyTorchInspector([])
        return self._inspector

    def disable(self) -> None:
        """Show nothing from now on."""
        self._enabled = False

    def enable(self) -> None:
        """Show again."""
        self._enabled = True

    def get_metrics(self, trainer: Any = None, pl_module: Any = None) -> dict[str, Any]:
        """What is shown, by name: the training loss, the version, and what is logged with ``prog_bar=True``."""
        trainer = self.trainer if trainer is None else trainer
        items = super().get_metrics(trainer, trainer.lightning_module if pl_module is None else pl_module)
        return items if self._loss is None else {"loss": self._loss, **items}

    # ------------------------------------------------------------------ hooks

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Find the inspector."""
        super().setup(trainer, pl_module, stage)
        if self._given is None:
            self._inspector = _found(trainer) or self._inspector

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Show the panel, if nobody does."""
        if self._enabled:
            display(self.inspector)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Show the newest numbers, some times a second."""
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if isinstance(loss, Tensor) and loss.numel() == 1:
            parts = trainer.accumulate_grad_batches if pl_module.automatic_optimization else 1
            self._loss = loss.detach() * parts
        self._show(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Show the numbers of the epoch."""
        self._show(trainer, pl_module, force=True)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Show the last numbers."""
        self._show(trainer, pl_module, force=True)

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Show how far validation is."""
        title = self.sanity_check_description if trainer.sanity_checking else self.validation_description
        self.has_dataloader_changed(dataloader_idx)
        self._count(title, batch_idx, self.total_val_batches_current_dataloader)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Show what validation has found."""
        self._forget(self.sanity_check_description, self.validation_description)
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._show(trainer, pl_module, force=True)

    def on_test_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Show how far the test is."""
        self.has_dataloader_changed(dataloader_idx)
        self._count(self.test_description, batch_idx, self.total_test_batches_current_dataloader)

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """Show the numbers of the test."""
        self._forget(self.test_description)

    def on_predict_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Show how far prediction is."""
        self.has_dataloader_changed(dataloader_idx)
        self._count(self.predict_description, batch_idx, self.total_predict_batches_current_dataloader)

    def on_predict_end(self, trainer: Any, pl_module: Any) -> None:
        """Show it no more."""
        self._forget(self.predict_description)

    def __getstate__(self) -> dict[str, Any]:
        """All but the inspector: a copy in another process finds another one."""
        return {**self.__dict__, "_inspector": None, "_given": None, "_trainer": None}

    # ------------------------------------------------------------------ inside

    def _is_due(self, force: bool) -> bool:
        if not self._enabled or not (force or perf_counter() >= self._due_s):
            return False
        self._due_s = perf_counter() + _EVERY_S
        return True

    def _show(self, trainer: Any, pl_module: Any, *, force: bool = False) -> None:
        if self._is_due(force):
            items = {str(name): _text(value) for name, value in self.get_metrics(trainer, pl_module).items()}
            for name in self._shown - items.keys():
                self.inspector.show_item(name, None)
            for name, text in items.items():
                self.inspector.show_item(name, text)
            self._shown = set(items)

    def _count(self, title: str, batch_idx: int, total: float) -> None:
        if self._is_due(force=False):
            words = f"{batch_idx + 1}" if total == float("inf") else f"{batch_idx + 1}/{int(total)}"
            self.inspector.show_item(title, words)
            self.inspector.visualizer.refresh()

    def _forget(self, *titles: str) -> None:
        if self._enabled:
            for title in titles:
                self.inspector.show_item(title, None)


def _found(trainer: Any) -> PyTorchInspector | None:
    """The inspector of the Trainer's callback, or of its logger."""
    others = [*trainer.callbacks, *trainer.loggers]
    return next((other.inspector for other in others if isinstance(other, InspectorCallback | WidgetLogger)), None)


def _text(value: Any) -> str:
    """A value in a few signs.

    >>> _text(0.123456), _text(3), _text("abcd")
    ('0.1235', '3', 'abcd')
    """
    if isinstance(value, Tensor):
        value = value.item()
    return f"{value:.4g}" if isinstance(value, float) else str(value)
