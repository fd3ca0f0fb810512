"""The flow of messages to the page: how often there may be one, so that no queue grows anywhere on the way."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic

RATE = 10.0  # messages a second, where nobody asks for more or fewer
INTERVAL_S = 1 / RATE
BYTES_PER_S = 400_000  # a Jupyter server drops what is above 1 MB/s, and others send through it too
SHARE = 0.25  # of the wall time that refreshing may take
PATIENCE_S = 2.0  # that a page gets to take a message, before nobody waits for it any more
LOST_INTERVAL_S = 0.5  # between messages once a page that answered has stopped to
POLL_S = 0.005  # between looks at whether an answer has come
PAUSE_S = 1.0  # without a look: another loop may run by now, where pages can't be heard; more where messages are rare
BURST_S = 0.5  # worth of messages that may be forced at once


@dataclass(frozen=True, slots=True)
class Taken:
    """The newest message that a page has taken and drawn, and when it said so."""

    number: int
    at: float


class Flow:
    """Says when the next message may be sent.

    A page answers each message when it has taken and drawn it (or has nothing to draw, as it is hidden). Where answers
    are heard, the next message waits for all pages that answer: a slow one gets fewer. Where none is heard, as with a
    kernel that listens only between cells, time and size alone say when. Nothing is queued: a message has all that is
    new at the moment when it may be sent.

    Attributes
    ----------
    due : float
        Time on the monotonic clock before which :meth:`ready` need not be asked.
    share : float
        Fraction of the wall time that refreshing may take.
    rate : float
        Messages a second, at most; may be set.
    number : int
        Number of the newest message; the page answers with it.

    Examples
    --------
    >>> flow = Flow()
    >>> flow.ready(100.0), flow.next_number(), flow.sent(100.0, 100.001, size=1000), flow.due
    (True, 1, None, 100.1)
    >>> flow.taken("page", 1, now=100.05)
    >>> flow.ready(100.11), flow.heard
    (True, 1)
    """

    def __init__(self, share: float = SHARE) -> None:
        self.share = share
        self.due = 0.0
        self.number = 0
        self._lock = threading.Lock()
        self._pages: dict[str, Taken] = {}
        self._asked = 0.0  # when the newest message went out
        self._paid = 0.0  # until when the messages so far have used up what they may
        self._free = 0.0  # when size and time spent allow the next one
        self._interval = self._wait = INTERVAL_S
        self._fresh = False  # the newest message was sent by the loop that runs now
        self._answered = False  # a message of the loop that runs now was answered

    def __repr__(self) -> str:
        return f"Flow({self.number} sent, {self.heard} taken, {len(self._pages)} pages)"

    @property
    def rate(self) -> float:
        """Messages a second, at most."""
        return 1 / self._interval

    @rate.setter
    def rate(self, rate: float) -> None:
        if 1 / rate != self._interval:
            self._interval = self._wait = 1 / rate
            self.due = max(self._free, self._asked + self._interval)

    @property
    def heard(self) -> int:
        """Number of the newest message that any page has taken; 0 for none."""
        with self._lock:
            return max((taken.number for taken in self._pages.values()), default=0)

    def taken(self, page: str, number: int, now: float | None = None) -> None:
        """Note that `page` has taken message `number`. May be called on any thread."""
        with self._lock:
            self._pages[page] = Taken(min(number, self.number), monotonic() if now is None else now)

    def ready(self, now: float) -> bool:
        """Whether a message may be sent; where it may not yet, :attr:`due` says when to ask again."""
        if now - self.due > max(PAUSE_S, 2 * self._interval):
            self._fresh = self._answered = False
            self._wait = self._interval
        if self._all_have_taken(now):
            if self._fresh:
                self._answered, self._wait = True, self._interval
            return True
        wait = PATIENCE_S if self._answered else self._wait
        if now < self._asked + wait:
            self.due = min(now + POLL_S, self._asked + wait)
            return False
        if self._answered:
            self._give_up()
        return True

    def may_be_forced(self, now: float) -> bool:
        """Whether a message may be sent out of turn: some may, but not one after each of many short epochs."""
        return self._paid <= now + BURST_S

    def next_number(self) -> int:
        """Number for the message that is about to be sent."""
        self.number += 1
        return self.number

    def sent(self, began: float, ended: float, size: int) -> None:
        """Note that a message of `size` bytes was made and sent between `began` and `ended`."""
        self._asked, self._fresh = began, True
        self._paid = max(self._paid, began) + max(min(self._interval, INTERVAL_S), size / BYTES_PER_S)
        pause = (ended - began) * (1 - self.share) / self.share
        self._free = max(self._free, self._paid, ended + pause)
        self.due = max(self._free, began + self._interval)

    def hold(self, until: float) -> None:
        """Send nothing before `until`."""
        self.due = self._free = until

    def _all_have_taken(self, now: float) -> bool:
        """Whether no page that answers is behind; one that has stopped to is dropped where others go on."""
        with self._lock:
            late = [page for page, taken in self._pages.items() if taken.number < self.number]
            if len(late) == len(self._pages):
                return not self.number
            for page in late:
                if now - self._pages[page].at > PATIENCE_S:
                    del self._pages[page]
            return all(taken.number >= self.number for taken in self._pages.values())

    def _give_up(self) -> None:
        """Wait no longer for the pages that have not taken the newest message."""
        with self._lock:
            self._pages = {page: taken for page, taken in self._pages.items() if taken.number >= self.number}
            self._answered = bool(self._pages)
        self._wait = max(LOST_INTERVAL_S, self._interval)
