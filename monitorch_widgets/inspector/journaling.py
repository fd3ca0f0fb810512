"""What the journal gets besides readings, and what is told when it can't write."""

from __future__ import annotations

import atexit
import os
import warnings
import weakref
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from itertools import takewhile
from multiprocessing import process as processes
from multiprocessing import util
from typing import TYPE_CHECKING, Any

from monitorch_widgets.errors import JournalFault
from monitorch_widgets.history import EpochFigures, History, Journal
from monitorch_widgets.values import Event

from .clock import Clock
from .events import Events

if TYPE_CHECKING:
    from .inspector import PyTorchInspector

_PATIENCE_S = 10.0  # for a disk that is slow
_writing: weakref.WeakKeyDictionary[PyTorchInspector, int] = weakref.WeakKeyDictionary()  # and in which process


class Journaling:
    """Looks for what is new, whenever readings are brought to the history.

    Parameters
    ----------
    history : History
        Has hyper-parameters and epoch figures.
    clock : Clock
        Knows where epochs end.
    events : Events
        What happened.
    strict : bool
        Raise what keeps the journal from being written, rather than warn.
    """

    def __init__(self, history: History, clock: Clock, events: Events, strict: bool) -> None:
        self._history, self._clock, self._events = history, clock, events
        self._strict = strict
        self._params: dict[str, Any] = {}
        self._known: tuple[Event, ...] = ()
        self._mark: tuple[int, int] | None = None
        self._told_fault = self._told_lost = False

    def settle(self, journal: Journal) -> None:
        """Hand on what is new; tell of what went wrong, once."""
        if self._history.hyperparams != self._params:
            self._params = dict(self._history.hyperparams)
            journal.note_hyperparams(self._params)
        events = self._events.all
        if events != self._known:
            self._take_events(journal, events)
        marks = self._clock.epoch_marks
        if marks and marks[-1] != self._mark:
            self._take_epochs(journal, list(marks))
        journal.settle()
        self._tell(journal)

    def finish(self, journal: Journal | None) -> None:
        """The run is over, or may be: let all be written, and wait for it a while."""
        if journal is not None:
            self.settle(journal)
            journal.flush(_PATIENCE_S)
            self._tell(journal)

    def _take_events(self, journal: Journal, events: Sequence[Event]) -> None:
        known, self._known = set(self._known), tuple(events)
        for event in events:
            if event not in known:
                journal.note(
                    "event",
                    event=event.kind,
                    step=event.step,
                    last_step=event.last_step,
                    count=event.count,
                    words=event.words,
                )

    def _take_epochs(self, journal: Journal, marks: list[tuple[int, int]]) -> None:
        new = list(takewhile(lambda mark: mark != self._mark, reversed(marks)))
        self._mark = marks[-1]
        for epoch, step in reversed(new):
            journal.note("epoch", epoch=epoch, step=step, figures=self._figures(epoch))

    def _figures(self, epoch: int) -> dict[str, Any]:
        by_tag = {tag: self._history[tag].epochs.get(epoch) for tag in self._history.tags}
        return {tag: _plain(figures) for tag, figures in by_tag.items() if figures is not None}

    def _tell(self, journal: Journal) -> None:
        fault = journal.fault
        if fault is not None and not self._told_fault:
            self._told_fault = True
            if self._strict:
                raise fault
            words = f"{type(fault).__name__}: {fault}"
            warnings.warn(
                f"the journal {journal.path!r} is written no further: {words}. The run goes on.",
                JournalFault,
                stacklevel=3,
            )
        if journal.lost and not self._told_lost:
            self._told_lost = True
            warnings.warn(
                f"the disk is too slow for the journal {journal.path!r}, so readings are left out there; "
                "inspector.journal.lost counts them. Raise every, or write to a faster disk.",
                JournalFault,
                stacklevel=3,
            )


def note_writing(inspector: PyTorchInspector) -> None:
    """Let what an inspector with a journal has read be written when Python ends, or a process of multiprocessing."""
    process = os.getpid()
    if inspector.journal is None or _writing.get(inspector) == process:
        return
    _writing[inspector] = process
    inspector.journal.bring = partial(_bring, weakref.ref(inspector))
    if processes.parent_process() is not None:
        util.Finalize(None, _finish_all, exitpriority=100)  # such a process may leave without atexit


def _bring(known: weakref.ref[PyTorchInspector]) -> None:
    inspector = known()
    if inspector is not None and inspector.state.attached and not inspector._control.is_elsewhere:
        inspector._settle()


@atexit.register
def _finish_all() -> None:
    for inspector, process in list(_writing.items()):
        if process == os.getpid():
            with suppress(Exception):
                inspector._journaling.finish(inspector.journal)


def _plain(figures: EpochFigures) -> list[Any]:
    bands = {
        name: [[low, high, start, end] for (low, high), (start, end) in ranges.items()]
        for name, ranges in figures.ranges.items()
    }
    return [figures.values, bands]
