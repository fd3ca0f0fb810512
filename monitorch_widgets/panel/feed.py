"""What a page that was kept up to date has not seen yet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from monitorch_widgets.history import STATS, Bins, History, Rows
from monitorch_widgets.history.bins import fold_rows
from monitorch_widgets.values import Overhead, Status

from .payload import STATUS_PARTS, Json, float32, int32, series_names, status_content, status_part

# Parts of the status that a message leaves out while they are unchanged.
SELDOM = (
    *("epoch_marks", "faults", "events", "stages", "memory_bytes", "unwatched", "overhead"),
    *("asked", "reach", "learning_rates", "instrument", "items", "writers"),
)
# Parts that change with the clock, and are no reason to send.
ALWAYS = ("elapsed_s", "steps_per_s", "eta_s", "overhead", "writers")
_REASONS = tuple(name for name in STATUS_PARTS if name not in ALWAYS)
MESSAGE_BYTES = 200_000
"""About how many bytes of numbers a message may have before its rows are folded into bins."""
NEWS = 0.05  # by which share a cost must have changed to be told again


@dataclass(slots=True)
class Cursor:
    """How far one series was sent: number of rows, number of columns, values of the newest row."""

    rows: int = 0
    width: int = 0
    newest: bytes = b""

    def advance(self, rows: Rows) -> None:
        """Remember `rows` as sent."""
        self.rows = rows.first + len(rows.steps)
        self.width = rows.values.shape[1]
        self.newest = rows.values[-1:].tobytes()


@dataclass(frozen=True, slots=True)
class Delta:
    """One message for all panels.

    Attributes
    ----------
    content : dict
        ``{"t": "delta", "status": ..., "parts": [...]}``; a part says how many bins and rows of which width it has.
    buffers : list of bytes
        Steps, seconds and values of all parts, one after the other; in each its bins, then its rows.
    """

    content: Json
    buffers: list[bytes]

    @property
    def size(self) -> int:
        """Bytes that it takes on the wire, without the envelope."""
        return len(json.dumps(self.content)) + sum(map(len, self.buffers))


class Feed:
    """Cursors over the series of all panels: nothing is queued, what is new is read from the history.

    Parameters
    ----------
    history : History
        Where the readings are.
    tags : sequence of str
        One series per panel.
    """

    def __init__(self, history: History, tags: Sequence[str]) -> None:
        self._history = history
        self._tags = list(tags)
        self._cursors = [Cursor() for _ in self._tags]
        self._status: Status | None = None
        self.torn = False  # rows were folded before they could be sent: only the whole state helps

    def __repr__(self) -> str:
        return f"Feed({dict(zip(self._tags, (cursor.rows for cursor in self._cursors), strict=True))})"

    def seen(self, status: Status) -> None:
        """Take all that is in the history, and `status`, for sent: the page got the whole state."""
        self._status, self.torn = status, False
        for tag, cursor in zip(self._tags, self._cursors, strict=True):
            if tag in self._history:
                series = self._history[tag]
                cursor.advance(series.newest(series.rows - 1))

    def delta(self, status: Status, most_bytes: int = MESSAGE_BYTES) -> Delta | None:
        """What is new since the last call, or None; the newest row counts again when it changed.

        Where rows were folded in the history before they could be sent there is None too, and :attr:`torn` is set.
        Rows that take more than `most_bytes` are folded into bins: a wide model at many steps a second loses detail in
        time, until the whole state is sent, and neither extremes nor readings.
        """
        unseen = [(place, rows) for place, tag in enumerate(self._tags) if (rows := self._unseen(place, tag))]
        self.torn = any(rows.first > self._cursors[place].rows for place, rows in unseen)
        if self.torn or not (unseen or self._has_changed(status)):
            return None
        parts: list[Json] = []
        numbers = Numbers()
        for place, rows in unseen:
            bins, rest = _within(rows, self._cursors[place].rows, most_bytes // len(unseen))
            parts.append(self._part(place, bins, rest))
            numbers.add(bins, rest)
            self._cursors[place].advance(rest)
        return Delta({"t": "delta", "status": self._news(status), "parts": parts}, numbers.buffers)

    def _unseen(self, place: int, tag: str) -> Rows | None:
        """Rows from the newest one that was sent, for late readings may have joined it."""
        if tag not in self._history:
            return None
        cursor = self._cursors[place]
        rows = self._history[tag].newest(max(cursor.rows - 1, 0))
        count = len(rows.steps)
        same = rows.first + count == cursor.rows and rows.values[-1:].tobytes() == cursor.newest
        return None if same or not count else rows

    def _part(self, place: int, bins: Bins, rows: Rows) -> Json:
        width = int(rows.values.shape[1])
        part: Json = {"p": place, "w": width, "n": len(rows.steps), "first": rows.first}
        if len(bins):
            part["bins"] = len(bins)
        if width != self._cursors[place].width:
            part["series"] = series_names(self._history, self._tags[place])[:width]
        return part

    def _has_changed(self, status: Status) -> bool:
        former = self._status
        return former is None or any(getattr(status, name) != getattr(former, name) for name in _REASONS)

    def _news(self, status: Status) -> Json:
        """Status without the lists that the page has already."""
        former, self._status = self._status, status
        if former is None:
            return status_content(status)
        if not overhead_differs(former.overhead, status.overhead):
            self._status = replace(status, overhead=former.overhead)  # a slow drift is told when it has come far
        return {
            name: status_part(status, name)
            for name in STATUS_PARTS
            if name not in SELDOM or getattr(self._status, name) != getattr(former, name)
        }


class Numbers:
    """Steps, seconds and values of all parts of a message, joined before they are narrowed: one call is one cost."""

    def __init__(self) -> None:
        self._steps: list[npt.NDArray[np.int64]] = []
        self._seconds: list[npt.NDArray[np.float64]] = []
        self._values: list[npt.NDArray[np.float64]] = []

    def add(self, bins: Bins, rows: Rows) -> None:
        """Add a part."""
        if len(bins):
            self._steps.append(bins.last_step)
            self._seconds.append(bins.seconds)
            self._values.append(bins.stats.ravel())
        self._steps.append(rows.steps)
        self._seconds.append(rows.seconds)
        self._values.append(rows.values.ravel())

    @property
    def buffers(self) -> list[bytes]:
        """Three buffers; none where there is no part."""
        if not self._steps:
            return []
        joined = np.concatenate
        return [int32(joined(self._steps)), float32(joined(self._seconds)), float32(joined(self._values))]


def _within(rows: Rows, sent: int, size: int) -> tuple[Bins, Rows]:
    """Rows in about `size` bytes: the older ones as bins, where there are enough of them to make that smaller.

    The row that was sent already is then left out: it would be in the page twice.
    """
    n, width = rows.values.shape
    most = max(size // max(4 * len(STATS) * width, 1), 1)
    again = 1 if 0 < sent == rows.first + 1 else 0
    wide = (n - 1 - again) // most
    if 4 * n * width <= size or wide < len(STATS):
        return Bins.empty(0), rows
    end = again + most * wide
    bins = fold_rows(rows.steps[again:end], rows.seconds[again:end], rows.values[again:end], wide)
    return bins, Rows(rows.first + end, rows.steps[end:], rows.seconds[end:], rows.values[end:])


def overhead_differs(told: Overhead, now: Overhead) -> bool:
    """Whether what watching costs has changed by more than a small share since it was told, or in kind.

    Examples
    --------
    >>> overhead_differs(Overhead(0.0310), Overhead(0.0315)), overhead_differs(Overhead(0.031), Overhead(0.04))
    (False, True)
    """
    if told is now:
        return False
    if (told.every_steps, told.max_fraction, len(told.costs)) != (now.every_steps, now.max_fraction, len(now.costs)):
        return True
    if _moved(told.fraction, now.fraction):
        return True
    return any(
        (old.name, old.tags, old.every_steps, old.pairs) != (new.name, new.tags, new.every_steps, new.pairs)
        or _moved(old.fraction, new.fraction)
        or _moved(old.once_s, new.once_s)
        for old, new in zip(told.costs, now.costs, strict=True)
    )


def _moved(old: float, new: float) -> bool:
    """Whether a number has changed visibly; NaN is one value."""
    if old != old or new != new:
        return (old == old) != (new == new)
    return abs(new - old) > NEWS * max(abs(old), abs(new))
