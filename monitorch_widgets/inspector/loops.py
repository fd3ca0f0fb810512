"""Loops over epochs and batches, and what is done when an epoch ends."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, TypeVar, cast

from torch.utils.data import DataLoader

from monitorch_widgets.errors import NotWatched

from .arguments import checked_epoch
from .modules import told_changes
from .progress import Progress, length_of, limited

if TYPE_CHECKING:
    from monitorch_widgets.gatherer import InspectorState
    from monitorch_widgets.lens import AbstractLens
    from monitorch_widgets.logging.logbook import Logbook
    from monitorch_widgets.preprocessor import ExplicitCall
    from monitorch_widgets.visualizer import AbstractVisualizer

    from .clock import Clock
    from .control import Control
    from .faults import Faults
    from .inspector import PyTorchInspector
    from .namesakes import Namesakes
    from .schedule import Schedule
    from .step_parts import StepParts
    from .timing import Timing
    from .watch import Watch

T = TypeVar("T")


class Loops:
    """Loops over epochs and batches."""

    state: InspectorState
    lenses: list[AbstractLens]
    visualizer: AbstractVisualizer
    master_rank: int
    is_main_process: bool
    _call_preprocessor: ExplicitCall
    _changes_told: tuple[list[str], list[str]]
    _clock: Clock
    _control: Control
    _faults: Faults
    _logbook: Logbook
    _namesakes: Namesakes
    _newest_loop: object
    _progress: Progress
    _record: AbstractVisualizer
    _schedule: Schedule
    _timing: Timing
    _watch: Watch

    if TYPE_CHECKING:

        def _settle(self, *, wait: bool = True) -> None: ...

        def _cell_ended(self, error: BaseException | None = None) -> None: ...

    def tick_epoch(self, epoch: int | None = None) -> None:
        """End an epoch: aggregate it, show its figures, begin the next.

        Parameters
        ----------
        epoch : int, optional
            Number of the epoch that begins; by default the next one.
        """
        epoch = checked_epoch(epoch)
        self._namesakes.step_aside(cast("PyTorchInspector", self))
        with self._faults.border(None):
            self._logbook.end_epoch()
        self._settle()
        began = perf_counter()
        if self.state.is_active:
            self._finish_epoch()
        with self._faults.border(None):
            self._logbook.show_epoch(self.state.counter)
        self._clock.finish_epoch()
        self._call_preprocessor.reset()
        self._look_for_changes()
        if epoch is None:
            self.state.tick()
        else:
            self.state.counter = epoch
        self.state.hooks.skip(0, None, until=0.0)
        self._schedule.again()
        with self._faults.border(None):
            self.visualizer.refresh(force=True)
        self._schedule.meter.note_page(perf_counter() - began)
        self._control.epoch_over()

    tick = tick_epoch

    def _look_for_changes(self) -> None:
        """Warn, once, of modules that came or went since they were looked at."""
        came, went = self._watch.changes() if self.state.attached else ([], [])
        if (came or went) and (came, went) != self._changes_told:
            self._changes_told = (came, went)
            warnings.warn(
                f"{told_changes(came, went)} They are not watched before inspector.refresh() is called.",
                NotWatched,
                stacklevel=3,
            )

    def _finish_epoch(self) -> None:
        each, lenses = self._faults.each, self.lenses
        for lens in lenses:  # a muted one too: its peers on other ranks wait for it
            with self._faults.border(lens):
                lens.start_sync(self.master_rank)
                lens.finish_sync()
        each(lenses, lambda lens: lens.finalize_epoch())
        if self.is_main_process:
            each(lenses, lambda lens: lens.vizualize(self._record, self.state.counter))
        each(lenses, lambda lens: lens.reset_epoch())

    def iter(self, iterable: Iterable[T], limit: int | float | None = None) -> Iterator[T]:
        """Iterate over epochs: each one ends with :meth:`tick_epoch`.

        Within such a loop (:meth:`range`, or this one), and with `limit` anywhere, iterate over batches: that loop just
        ends when the run is stopped, as this one does. A ``DataLoader`` has batches wherever it is iterated over.

        Parameters
        ----------
        iterable : iterable
            Epochs, or a loader: a ``DataLoader``, or within a loop over epochs anything.
        limit : int or float, optional
            Iterate over so many batches of a loader, or over this fraction of them; over batches in any case.

        Raises
        ------
        ArgumentError
            For 0 and below, a fraction above 1, and a fraction of something without a length.

        Examples
        --------
        >>> from monitorch_widgets import PyTorchInspector
        >>> inspector = PyTorchInspector(visualizer="dummy")
        >>> list(inspector.iter("ab")), inspector.state.counter
        (['a', 'b'], 3)
        >>> [(epoch, batch) for epoch in inspector.range(2) for batch in inspector.iter("xy")]
        [(0, 'x'), (0, 'y'), (1, 'x'), (1, 'y')]
        >>> inspector.state.counter
        5
        >>> list(inspector.iter("abcdef", limit=0.5))
        ['a', 'b', 'c']
        """
        if limit is not None:
            return self._batches(limited(iterable, limit))
        batches = self._control.iterates or isinstance(iterable, DataLoader)
        return self._batches(iterable) if batches else self._epochs(iterable)

    def _epochs(self, iterable: Iterable[T]) -> Iterator[T]:
        loop = self._newest_loop = object()
        self._control.iterates = True
        self._progress.begin(length_of(iterable), self._clock.seconds)
        try:
            for item in self._until_stopped(iterable):
                self._control.ends_itself = 0  # loops over batches that were left, and are still held by somebody
                yield item
                if not self._control.stopping:
                    self.tick_epoch()
                    self._progress.epoch_over(self._clock.seconds)
        finally:
            if self._newest_loop is loop:
                self._logbook.break_off()
                self._progress.leave()
                self._control.iterates, self._control.ends_itself = False, 0
                self._control.stopping = False  # the loop that it was meant for is left
        self._control.reset()
        self._cell_ended()

    def _batches(self, iterable: Iterable[T]) -> Iterator[T]:
        self._control.ends_itself += 1
        try:
            batches = waited_for(self._progress.over_batches(iterable), self._timing.parts)
            for batch in self._until_stopped(batches):
                self._logbook.sizes.take(batch)
                yield batch
        finally:
            self._logbook.sizes.forget()
            self._control.ends_itself = max(self._control.ends_itself - 1, 0)
            if not (self._control.iterates or self._control.ends_itself):
                self._control.stopping = False  # the loop that it was meant for is left

    def _until_stopped(self, iterable: Iterable[T]) -> Iterator[T]:
        for item in iterable:
            self._control.between()
            if self._control.stopping:
                return
            yield item

    def range(self, *args: int) -> Iterator[int]:
        """Iterate over ``range(...)``, one epoch a number; see :meth:`iter`."""
        return self._epochs(range(*args))


def waited_for(iterable: Iterable[T], parts: StepParts) -> Iterator[T]:
    """Tell how long the loop waits for each batch."""
    parts.asks_for_batch()
    for batch in iterable:
        parts.has_batch()
        yield batch
        parts.asks_for_batch()
    parts.has_batch()  # there is none any more
