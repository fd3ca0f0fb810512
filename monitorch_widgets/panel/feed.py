"""What a page that was kept up to date has not seen yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from monitorch_widgets.history import History, Rows, Series
from monitorch_widgets.values import Status

from .payload import Json, float32, int32, series_names, status_content

# Parts of the status that a message leaves out while they are unchanged.
SELDOM = ("epoch_marks", "faults", "events", "stages", "memory_bytes", "unwatched")
ALWAYS = ("elapsed_s", "steps_per_s")  # change with the clock, and are no reason to send


@dataclass(slots=True)
class Cursor:
    """How far one series was sent: number of rows, names of the columns, values of the newest row."""

    rows: int = 0
    names: list[str] = field(default_factory=list)
    newest: bytes = b""

    def advance(self, series: Series, rows: Rows) -> None:
        """Remember `rows` as sent."""
        self.rows = rows.first + len(rows.steps)
        self.names = series.modules
        self.newest = rows.values[-1:].tobytes()


@dataclass(frozen=True, slots=True)
class Delta:
    """One message for all panels.

    Attributes
    ----------
    content : dict
        ``{"t": "delta", "status": ..., "parts": [...]}``.
    buffers : list of bytes
        Steps, seconds and values of each part in turn.
    """

    content: Json
    buffers: list[bytes]


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
        self._status: Json = {}

    def __repr__(self) -> str:
        return f"Feed({dict(zip(self._tags, (cursor.rows for cursor in self._cursors), strict=True))})"

    def seen(self, status: Json) -> None:
        """Take all that is in the history, and `status`, for sent: the page got the whole state."""
        self._status = status
        for tag, cursor in zip(self._tags, self._cursors, strict=True):
            if tag in self._history:
                series = self._history[tag]
                cursor.advance(series, series.newest(series.rows - 1))

    @property
    def torn(self) -> bool:
        """Whether rows were folded before they could be sent, so that only the whole state helps."""
        return any(
            tag in self._history and self._history[tag].newest(cursor.rows).first > cursor.rows
            for tag, cursor in zip(self._tags, self._cursors, strict=True)
        )

    def delta(self, status: Status) -> Delta | None:
        """What is new since the last call, or None; the newest row counts again when it changed."""
        parts: list[Json] = []
        buffers: list[bytes] = []
        for place, (tag, cursor) in enumerate(zip(self._tags, self._cursors, strict=True)):
            rows = self._unseen(tag, cursor)
            if rows is not None:
                parts.append(self._part(place, tag, cursor, rows))
                buffers += [int32(rows.steps), float32(rows.seconds), float32(rows.values)]
        content = status_content(status)
        if not parts and _lasting(content) == _lasting(self._status):
            return None
        return Delta({"t": "delta", "status": self._news(content), "parts": parts}, buffers)

    def _unseen(self, tag: str, cursor: Cursor) -> Rows | None:
        """Rows from the newest one that was sent, for late readings may have joined it."""
        if tag not in self._history:
            return None
        rows = self._history[tag].newest(max(cursor.rows - 1, 0))
        same = rows.first + len(rows.steps) == cursor.rows and rows.values[-1:].tobytes() == cursor.newest
        return None if same or not len(rows.steps) else rows

    def _part(self, place: int, tag: str, cursor: Cursor, rows: Rows) -> Json:
        width = int(rows.values.shape[1])
        part: Json = {"p": place, "w": width, "n": len(rows.steps), "first": rows.first}
        names = series_names(self._history, tag)[:width]
        if names != cursor.names:
            part["series"] = names
        cursor.advance(self._history[tag], rows)
        return part

    def _news(self, content: Json) -> Json:
        """Status without the lists that the page has already."""
        former, self._status = self._status, content
        return {key: value for key, value in content.items() if key not in SELDOM or value != former.get(key)}


def _lasting(content: Json) -> Json:
    return {key: value for key, value in content.items() if key not in ALWAYS}
