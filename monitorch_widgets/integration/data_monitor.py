"""What the callbacks share that show histograms of the data of a Trainer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import LensFault, NotWatched, checked_count
from monitorch_widgets.numerical import Histogram
from monitorch_widgets.preprocessor import Histograms, Seen, StepBuffer

from .histogram_sinks import SUPPORTED, Sink, sinks_of
from .lightning.library import Callback
from .trainer_inspector import checked_inspector


class DataMonitor(Callback):
    """Base of the callbacks that show histograms of tensors at every n-th batch.

    Parameters
    ----------
    log_every_n_steps : int, optional
        Batches from one histogram to the next; by default the Trainer's ``log_every_n_steps``. The first one is made at
        the n-th batch of an epoch.
    inspector : PyTorchInspector, optional
        Shows them; by default that of the Trainer's ``InspectorCallback`` or ``WidgetLogger``, if it has one.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For a number of steps that is none, and an inspector that is none.
    """

    def __init__(self, log_every_n_steps: int | None = None, inspector: PyTorchInspector | None = None) -> None:
        super().__init__()
        if log_every_n_steps is not None:
            checked_count("log_every_n_steps", log_every_n_steps, "Use 1 for each batch.")
        self._asked = log_every_n_steps
        self._inspector = checked_inspector(inspector)
        self._faulted = False
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._every, self._batch_idx, self._step = 0, 0, 0
        self._sinks: list[Sink] = []
        self._buffer = StepBuffer()
        self._histograms = Histograms(self._arrived)
        self._histograms.buffer = self._buffer

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Find who takes histograms."""
        self._begin_anew()
        self._every = self._asked or trainer.log_every_n_steps
        self._sinks = sinks_of(trainer, self._inspector) if trainer.is_global_zero else []
        if not self._sinks and trainer.is_global_zero:
            self._tell_of_no_sink(trainer)

    def _tell_of_no_sink(self, trainer: Any) -> None:
        if not trainer.loggers:
            warnings.warn("Cannot log histograms because Trainer has no logger.", NotWatched, stacklevel=2)
        for logger in trainer.loggers:
            warnings.warn(
                f"{type(self).__name__} does not support logging with {type(logger).__name__}. "
                f"Supported loggers are: {', '.join(SUPPORTED)}",
                NotWatched,
                stacklevel=2,
            )

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Note which batch it is."""
        self._batch_idx, self._step = batch_idx, trainer.global_step

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Hand on what has arrived."""
        self._safely(lambda: self._buffer.flush(wait=False))

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Hand on what is on its way, and let go."""
        self._safely(self._buffer.flush)
        self._begin_anew()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Do the same after an error."""
        self.on_train_end(trainer, pl_module)

    @property
    def _due(self) -> bool:
        return bool(self._sinks) and (self._batch_idx + 1) % self._every == 0

    def log_histograms(self, batch: Any, group: str) -> None:
        """Count every tensor in a nested batch, at every n-th batch.

        Parameters
        ----------
        batch : object
            Tensors and arrays in tuples, lists and mappings.
        group : str
            What the names begin with.
        """
        if self._due:
            self._safely(partial(self._count, batch, group))

    def _count(self, batch: Any, group: str) -> None:
        head, _, name = group.partition("/")
        self._histograms.process_nested(head, name, batch, step=self._step)

    def _arrived(self, seen: Seen, histogram: Histogram, step: int) -> None:
        for sink in self._sinks:
            sink(seen, histogram, step)

    def _safely(self, action: Callable[[], object]) -> None:
        """Do something that must not end the training; one is told once."""
        try:
            action()
        except Exception as error:
            if not self._faulted:
                self._faulted = True
                words = f"{type(self).__name__} lost histograms: {type(error).__name__}: {error}. The run goes on."
                warnings.warn(words, LensFault, stacklevel=2)

    def __getstate__(self) -> dict[str, Any]:
        """All but what belongs to a running Trainer: a process of its own begins anew."""
        return {"_asked": self._asked, "_inspector": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._faulted = False
        self._begin_anew()
