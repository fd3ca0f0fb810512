"""The thread that writes a journal, so that a slow disk never holds the training."""

from __future__ import annotations

import atexit
import os
import threading
import time
from collections import deque
from contextlib import suppress
from datetime import datetime, timezone
from queue import Empty, SimpleQueue

from .blocks import Blocks, Come, Item
from .format import encoded, header
from .places import SUFFIX, Place

MOST_BYTES = 2**27  # that may wait; what comes while there are more is lost, and told
_EACH = 32  # bytes of a waiting reading
_SHORTEST_S, _LONGEST_S = 0.1, 1e6  # between two looks
_AT_EXIT_S = 30.0

Call = SimpleQueue[bool] | None
_at_work: set[Writer] = set()


class Writer:
    """Takes items from the thread that trains, and writes them from one of its own.

    No lock is held by who brings something, and each item brings what was counted until it came: an interrupt at any
    line leaves it in order. In a forked process, which has no thread, it begins a file of its own.

    Parameters
    ----------
    place : Place
        Folder of the file.

    Attributes
    ----------
    name : str
        Name of the file; another one is taken at the first write if somebody else has that by then.
    fault : Exception or None
        Why nothing is written any more.
    lost : int
        Readings that came while too much waited.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self.max_queue, self.flush_secs = 10, 120.0
        self.fault: Exception | None = None
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._stem = time.strftime("%Y%m%d-%H%M%S")
        self.name = self._stem + SUFFIX
        self.taken = self._held = self.lost = 0  # by who brings something
        self._drained = self._written = self._let_go = self._lost_told = 0  # by the thread
        self._pending: deque[tuple[Item, int, int]] = deque()
        self._calls: SimpleQueue[Call] = SimpleQueue()
        self._called = self._ending = False
        self._alone = threading.Lock()
        self._thread: threading.Thread | None = None
        self._blocks: Blocks | None = None  # none before the file is there

    @property
    def forked(self) -> bool:
        """Whether this process is another one than that which wrote."""
        return os.getpid() != self._pid

    @property
    def waiting(self) -> int:
        """Events that are not written yet."""
        return 0 if self.fault is not None else max(self.taken - self._written, 0)

    # ------------------------------------------------------------------ the thread that trains

    def take(self, item: Item, events: int) -> None:
        """Take something that counts as so many events."""
        if self.fault is not None:
            return
        readings = len(item.values) if isinstance(item, Come) else 0
        if readings and self._held - self._let_go > MOST_BYTES:
            self.lost += readings
            return
        taken, held = self.taken + events, self._held + _EACH * readings
        self._pending.append((item, taken, held))
        self.taken, self._held = taken, held

    def settle(self) -> None:
        """Let the thread write, if so much waits; once for all that came together."""
        if self._pending and self.fault is None:
            if self.taken - self._drained < self.max_queue:
                self._start()
            elif not self._called:
                self.call()

    def begin_anew(self) -> None:
        """Begin a file of its own, in a process that was forked."""
        self._begin()

    def call(self, call: Call = None) -> None:
        """Let the thread write what waits."""
        self._called = True
        self._calls.put(call)
        self._start()

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        self._ending = False
        self._thread = threading.Thread(target=self._work, name="monitorch journal", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # Python is about to end, or there are too many
            self.fault = error

    def flush(self, timeout_s: float) -> bool:
        """Write what waits, and wait for it; whether all of it was written."""
        if self.fault is not None:
            return False
        if self._pending or self.waiting or self.lost > self._lost_told:
            done: SimpleQueue[bool] = SimpleQueue()
            self.call(done)
            with suppress(Empty):
                done.get(timeout=timeout_s)
        return self.fault is None and not self.waiting

    def end(self) -> None:
        """Write what waits, and let the thread end; nobody waits for it."""
        if not self.forked and self._thread is not None:
            self._ending = True
            self._calls.put(None)

    def join(self, timeout_s: float) -> None:
        """Wait for the end of the thread."""
        thread = self._thread
        if not self.forked and thread is not None and thread is not threading.current_thread():
            thread.join(timeout_s)

    # ------------------------------------------------------------------ its own thread

    def _work(self) -> None:
        if not self._alone.acquire(blocking=False):  # an interrupt may have let it be started twice
            return
        _at_work.add(self)
        try:
            while not self._ending or self._pending or not self._calls.empty():
                self._round()
        finally:
            _at_work.discard(self)
            self._alone.release()

    def _round(self) -> None:
        calls = self._waited()
        self._called = False
        batch: list[Item] = []
        held = self._let_go
        while self._pending:
            item, self._drained, held = self._pending.popleft()
            batch.append(item)
        self._write_safely(batch)
        self._written, self._let_go = self._drained, held
        for call in calls:
            if call is not None:
                call.put(True)

    def _waited(self) -> list[Call]:
        """Wait until somebody calls, or for as long as things may wait; who has called."""
        calls: list[Call] = []
        with suppress(Empty):
            longest_s = 0.0 if self._ending else min(max(self.flush_secs, _SHORTEST_S), _LONGEST_S)
            calls.append(self._calls.get(timeout=longest_s))
            while True:
                calls.append(self._calls.get_nowait())
        return calls

    def _write_safely(self, batch: list[Item]) -> None:
        lost = self.lost - self._lost_told
        if self.fault is not None or not (batch or lost):
            return
        try:
            self._write(batch, lost)
        except Exception as error:
            self.fault = error
        self._lost_told += lost

    def _write(self, batch: list[Item], lost: int) -> None:
        if self._blocks is None:
            self._claim()
            self._blocks = Blocks()
        content = b"".join(self._blocks.made(batch))
        if lost:
            content += encoded({"kind": "lost", "readings": lost})
        self._place.append(self.name, content)

    def _claim(self) -> None:
        """Begin a file that nobody else has."""
        first, count = header(datetime.now(timezone.utc).isoformat(timespec="seconds")), 1
        while not self._place.claim(self.name, first):
            count += 1
            self.name = f"{self._stem}-{count}{SUFFIX}"


@atexit.register
def _end_all() -> None:
    """Write what waits when Python ends."""
    writers = list(_at_work)
    for writer in writers:
        writer.end()
    for writer in writers:
        writer.join(_AT_EXIT_S)
