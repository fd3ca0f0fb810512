"""The inbox: messages of the page to our controls reach the running cell at its next step."""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Any

from .doors import ClosedDoor, opened_door
from .kernel import Cells, Handling, interruptible, running_kernel
from .shield import Shield
from .sieve import Sieve

REACHES = {"thread": "live control", "main": "at the next step", "none": "when the cell ends"}
# Where a kernel keeps its inbox: there it survives a re-import of this package.
PLACE = "_monitorch_widgets_inbox"
# One call of pump takes no longer, but for the last handler: what is left waits for the next.
PUMP_S = 0.1
# A nap's length at most: on Windows nothing else lets an interrupt through.
NAP_S = 0.1


class Inbox:
    """Messages of the page for watched comms, handled on the main thread while a cell runs there.

    Use :meth:`get`: a kernel has one. Whoever comes first handles what waits: :meth:`pump`, which the training loop
    calls at each step boundary, or the kernel's own loop, when it is idle or an async cell awaits. Cell requests and
    whatever else comes in go their usual way. Without a kernel, or with one that nothing is known of, everything is
    there and does nothing: `mode` is ``"none"``, `why` says for what reason.

    Parameters
    ----------
    kernel : object or None
        What IPython calls its kernel.

    Examples
    --------
    >>> inbox = Inbox(None)
    >>> inbox.mode, inbox.reach, inbox.why, inbox.pump()
    ('none', '', 'no notebook kernel', 0)
    """

    def __init__(self, kernel: Any) -> None:
        self.faults: list[Exception] = []
        self._kernel = kernel
        self._waiting: deque[list[Any]] = deque()
        self._arrived = threading.Event()
        self._callers: list[weakref.WeakMethod[Callable[[], None]]] = []
        self._handled = threading.Condition()
        self._count = 0
        self._handling_now = False
        self._loop_called = False
        self._door: ClosedDoor = ClosedDoor("not installed yet")
        try:
            self._install()
        except Exception as error:  # the user's kernel must go on whatever it is made of
            self._noted(error)
            self._door = ClosedDoor(f"{type(error).__name__}: {error}")

    @classmethod
    def get(cls) -> Inbox:
        """The inbox of this process's kernel; made at the first call."""
        kernel = running_kernel()
        if kernel is None:
            return cls(None)
        found: Inbox | None = getattr(kernel, PLACE, None)
        if found is None:
            found = cls(kernel)
            with suppress(AttributeError):  # one that can keep nothing is none that we know
                setattr(kernel, PLACE, found)
        return found

    @property
    def mode(self) -> str:
        """How messages are seen: ``"thread"`` at arrival, ``"main"`` when pumped, ``"none"`` after the cell."""
        return self._door.mode

    @property
    def why(self) -> str:
        """Why messages aren't seen before the end of the cell; empty if they are."""
        return self._door.why

    @property
    def reach(self) -> str:
        """What to promise a reader: when a click takes effect; empty where there is no notebook at all."""
        if self._kernel is None and sys.platform != "emscripten":
            return ""
        return REACHES[self.mode]

    def watch(self, comm_id: str) -> None:
        """Take the page's messages to this comm from now on."""
        if self.mode != "none":
            self._sieve.watch(comm_id)

    def unwatch(self, comm_id: str) -> None:
        """Let the page's messages to this comm go their usual way again."""
        if self.mode != "none":
            self._sieve.unwatch(comm_id)

    def call(self, told: Callable[[], None]) -> None:
        """Call a method when a message arrives, on whichever thread sees it; its object is not kept alive."""
        self._callers = [caller for caller in self._callers if caller() is not None]
        self._callers.append(weakref.WeakMethod(told))

    def _told(self) -> list[Callable[[], None]]:
        return [told for told in (caller() for caller in self._callers) if told is not None]

    # -- arrival, on the thread that sees messages

    def _install(self) -> None:
        if self._kernel is not None and hasattr(self._kernel, "session"):
            self._sieve = Sieve(self._kernel.session)
        door = opened_door(self._kernel, self._offered)
        if door.mode != "none":
            try:
                self._cells = Cells(self._kernel)
            except Exception:
                door.close()
                raise
            self._messages = Handling(self._kernel)
            _forget_in_children(self)
        self._door = door

    def _offered(self, message: list[Any]) -> bool:
        """Whether a message is ours; then it waits here."""
        try:
            if not self._may_take() or not self._sieve.takes(message, self._cells.running):
                return False
        except Exception as error:
            self._noted(error)
            return False
        self._waiting.append(message)
        self._arrived.set()
        try:
            self._call_the_loop()
            for told in self._told():
                told()
        except Exception as error:  # the message is here, and handled at the latest when the next one comes
            self._noted(error)
        return True

    def _may_take(self) -> bool:
        # Between cells a GUI's event loop (%gui) is only woken by the kernel's socket, not by ours.
        return self.mode != "none" and (self._kernel.eventloop is None or self._cells.running)

    def _call_the_loop(self) -> None:
        """Ask the kernel's loop to handle what is here, once it turns: at once if the kernel is idle."""
        if self._loop_called:
            return
        self._loop_called = True
        self._kernel.io_loop.add_callback(self._loop_turns)

    # -- handling, on the main thread

    def pump(self, force: bool = False) -> int:
        """Handle what waits, for a limited time; cheap if nothing does.

        Parameters
        ----------
        force : bool
            Look into the socket of an ipykernel 6 even if that was done a moment ago.

        Returns
        -------
        int
            How many messages were handled: none on other threads than the main one, and none inside a handler.

        Raises
        ------
        KeyboardInterrupt
            After the handler, if the user interrupted meanwhile.
        """
        if not self._waiting and not self._door.needs_looks:
            return 0
        if self._handling_now or threading.current_thread() is not threading.main_thread():
            return 0
        if self._door.needs_looks:
            self._look(force)
        if not self._waiting:
            return 0
        with Shield() as shield:  # an interrupt would tear the message; it comes right after
            return self._drain(shield, monotonic() + PUMP_S)

    def _look(self, force: bool) -> None:
        try:
            self._door.look(force)
        except Exception as error:
            self._noted(error)

    def _drain(self, shield: Shield, deadline: float) -> int:
        done = 0
        self._handling_now = True
        try:
            with self._messages.apart(self._cells.running):
                while self._waiting and not shield.pending and monotonic() < deadline:
                    self._handle(self._waiting.popleft())
                    done += 1
        finally:
            self._handling_now = False
            self._tell_waiters(done)
        return done

    def _handle(self, message: list[Any]) -> None:
        try:
            self._messages.handle(message)
        except Exception as error:
            self._noted(error)
            self._messages.show_error()

    def _loop_turns(self) -> None:
        """The kernel is idle, or an async cell awaits."""
        self._loop_called = False
        if self._waiting and not self._handling_now:
            # In the cell's context, not in that of the thread that called: there its parent is found, and kept.
            self._cells.context.copy().run(self._drain_in_loop)

    def _drain_in_loop(self) -> None:
        try:
            with interruptible() as shield:
                self._drain(shield, monotonic() + PUMP_S)
        finally:
            if self._waiting:
                self._call_the_loop()

    # -- waiting

    def wait(self, seconds: float) -> int:
        """Sleep until a message has been handled, or for some seconds: what a paused loop sits in.

        On the main thread it handles messages as they arrive. On another thread it sleeps until the main one has.

        Returns
        -------
        int
            How many messages were handled.

        Raises
        ------
        KeyboardInterrupt
            If the user interrupts; on the main thread.
        """
        if self._handling_now or threading.current_thread() is not threading.main_thread():
            return self._wait_for_others(seconds)
        end = monotonic() + seconds
        while not (done := self.pump(force=True)) and (left := end - monotonic()) > 0:
            self._door.nap(self._arrived, min(left, NAP_S))
        return done

    def _wait_for_others(self, seconds: float) -> int:
        with self._handled:
            before = self._count
            self._handled.wait(seconds)
            return self._count - before

    def _tell_waiters(self, done: int) -> None:
        with self._handled:
            self._count += done
            self._handled.notify_all()

    # -- the end

    def uninstall(self) -> None:
        """Leave the kernel as it was; what still waits is handled when its loop turns."""
        if self.mode == "none":
            return
        door, self._door = self._door, ClosedDoor("uninstalled")
        self._cells.forget()
        door.close()
        if getattr(self._kernel, PLACE, None) is self:
            delattr(self._kernel, PLACE)

    def _forked(self) -> None:
        """In a child process: sockets, threads and locks are the parent's."""
        self._door = ClosedDoor("a child process of the kernel")
        self._waiting.clear()
        self._handled = threading.Condition()
        self._arrived = threading.Event()

    def _noted(self, error: Exception) -> None:
        del self.faults[:-9]  # the last ones are enough
        self.faults.append(error)


def _forget_in_children(inbox: Inbox) -> None:
    """A worker of a DataLoader is forked from the kernel and must not touch its sockets."""
    known = weakref.ref(inbox)

    def forget() -> None:
        found = known()
        if found is not None:
            found._forked()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
