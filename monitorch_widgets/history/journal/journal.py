"""The journal: the whole run at full detail, on disk."""

from __future__ import annotations

import copy
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from monitorch_widgets.errors import ArgumentTypeError, checked_queue, checked_seconds
from monitorch_widgets.history.points import Floats, Ints

from .blocks import Come, Note
from .places import place_of
from .reader import RecordedRun, read
from .writer import Writer

_FLUSH_S = 30.0


class Journal:
    """Writes all that an inspector reads to a file, which grows while the run goes on.

    There is one file for each inspector, named by the date; an older one is never written over. It is begun when the
    first reading comes. A thread of its own writes, so a slow disk doesn't hold the training; up to 128 MB may wait.

    Parameters
    ----------
    save_dir : str or os.PathLike
        Folder of the file; it is made if it is not there. A URL of fsspec works too, like ``"s3://bucket/runs"``: it
        needs fsspec, and what that needs for the protocol.
    max_queue : int
        Events that may wait before they are written: a step of one tag is one.
    flush_secs : float
        Seconds after which what waits is written in any case. Both may be set later, see the attributes.

    Raises
    ------
    ArgumentError
        For a folder that can't be made or written to, a URL that nothing installed knows or that files can't be
        appended to, a queue of nothing, and seconds below 0.
    ArgumentTypeError
        For what is no path.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> folder = tempfile.TemporaryDirectory()
    >>> journal = Journal(folder.name, max_queue=100)
    >>> journal.take("Output Norm", ["fc"], np.array([0]), np.array([0.1]), np.array([2.0]))
    >>> journal.waiting, journal.flush(), journal.waiting
    (1, True, 0)
    >>> Journal.read(journal.path)["Output Norm"].values
    array([[2.]])
    >>> folder.cleanup()
    """

    def __init__(self, save_dir: str | os.PathLike[str], *, max_queue: int = 10, flush_secs: float = 120) -> None:
        self._save_dir = save_dir
        self._place = place_of(save_dir)
        self._writer = Writer(self._place)
        self._writer.max_queue, self._writer.flush_secs = checked_queue(max_queue), checked_seconds(flush_secs)
        self._place.prepare()
        self._begin()
        self._used = False
        self.bring: Callable[[], None] = _nothing  # what is read, and not here yet
        weakref.finalize(self, self._writer.end).atexit = False  # the thread's own end comes later

    def _begin(self) -> None:
        self._widths: dict[str, int] = {}
        self._newest = -1

    def __repr__(self) -> str:
        return f"Journal({self.path!r}, max_queue={self.max_queue}, flush_secs={self.flush_secs:g})"

    def __reduce__(self) -> tuple[Callable[..., Journal], tuple[Any, ...]]:
        return _copied, (self._save_dir, self.max_queue, self.flush_secs)  # with a file of its own

    @staticmethod
    def read(path: str | os.PathLike[str]) -> RecordedRun:
        """Read a journal, also one that is still written: a file, or the newest one of a folder.

        Nothing in the file is run, and no more memory is asked for than its size warrants.

        Raises
        ------
        ArgumentError
            For a file that is no journal, and a folder without one.
        FileNotFoundError
            If there is nothing.
        """
        return read(path)

    @property
    def max_queue(self) -> int:
        """Events that may wait before they are written."""
        return self._writer.max_queue

    @max_queue.setter
    def max_queue(self, max_queue: int) -> None:
        self._writer.max_queue = checked_queue(max_queue)

    @property
    def flush_secs(self) -> float:
        """Seconds after which what waits is written; others begin with a write."""
        return self._writer.flush_secs

    @flush_secs.setter
    def flush_secs(self, flush_secs: float) -> None:
        self._writer.flush_secs = checked_seconds(flush_secs)
        self._mind_fork()
        if self.waiting:
            self._writer.call()

    @property
    def waiting(self) -> int:
        """Events that are not written yet."""
        return self._writer.waiting

    @property
    def lost(self) -> int:
        """Readings that came while more than 128 MB waited: the disk is too slow for them."""
        return self._writer.lost

    @property
    def fault(self) -> Exception | None:
        """Why nothing is written any more, if so."""
        return self._writer.fault

    @property
    def path(self) -> str:
        """Path or URL of the file. Before the first write it may still change, if another journal takes the name."""
        return self._place.path(self._writer.name)

    @property
    def where(self) -> str:
        """Where the readings can be found."""
        return f"written to {self.path}"

    def flush(self, timeout_s: float = _FLUSH_S) -> bool:
        """Write all that was read so far, and wait for it; whether all of it was written in time."""
        self.bring()
        self._mind_fork()
        return self._writer.flush(timeout_s)

    # ------------------------------------------------------------------ what comes

    def used(self) -> Journal:
        """The journal for an inspector: this one, or where another inspector has it already, one like it."""
        if self._used:
            return copy.copy(self).used()
        self._used = True
        return self

    def width(self, tag: str) -> int:
        """Number of columns of a tag that were declared."""
        return self._widths.get(tag, 0)

    def declare(self, tag: str, names: Sequence[str]) -> None:
        """Name the columns of a tag, in model order; those that come later are appended."""
        self._mind_fork()
        self._widths[tag] = len(names)
        self._writer.take(Note({"kind": "columns", "tag": tag, "names": list(names)}), 0)

    def take(self, tag: str, names: Sequence[str], steps: Ints, seconds: Floats, values: Floats, rows: int = 1) -> None:
        """Take readings of one tag: four flat lists of equal length, sorted by step; nobody may change them later.

        `rows` is the number of steps among them.
        """
        self._mind_fork()
        self._newest = max(self._newest, int(steps[-1]))
        self._writer.take(Come("readings", tag, names, steps, seconds, values), rows)

    def replace(self, tag: str, names: Sequence[str], steps: Ints, seconds: Floats, values: Floats) -> None:
        """Take results, which stand in place of what their steps have so far."""
        self._mind_fork()
        self._newest = max(self._newest, int(steps[-1]))
        self._writer.take(Come("results", tag, names, steps, seconds, values), len(names))

    def settle(self) -> None:
        """Note that all is here that came together: what is due now is written."""
        self._mind_fork()
        self._writer.settle()

    def withdraw(self, step: int) -> None:
        """Take back what came for a step that was not made."""
        if step <= self._newest:
            self.note("withdrawn", step=step)

    def note(self, kind: str, **fields: Any) -> None:
        """Take something that is no reading; `fields` are plain values."""
        self._mind_fork()
        self._writer.take(Note({"kind": kind, **fields}), 1)

    def note_hyperparams(self, params: Mapping[str, Any]) -> None:
        """Take the hyper-parameters of the run."""
        self.note("hyperparams", values=dict(params))

    def _mind_fork(self) -> None:
        if self._writer.forked:
            self._writer.begin_anew()
            self._begin()


def _nothing() -> None:
    """Where no inspector reads."""


def _copied(save_dir: str, max_queue: int, flush_secs: float) -> Journal:
    return Journal(save_dir, max_queue=max_queue, flush_secs=flush_secs)


def checked_journal(journal: object) -> Journal | None:
    """Return the journal that was given, or one in the folder that was; None for None."""
    if journal is None:
        return None
    if isinstance(journal, str | os.PathLike):
        journal = Journal(journal)
    if not isinstance(journal, Journal):
        raise ArgumentTypeError(
            f"expected journal to be a folder, a URL or a Journal; received {journal!r}. Use journal='runs'."
        )
    return journal.used()
