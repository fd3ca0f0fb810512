"""The ways into a kernel: where a message can be seen while a cell runs, by the kind of kernel."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from .shield import Shield

# How often the socket of an ipykernel 6 is looked at, at most: a look takes 2 us.
LOOK_S = 0.02
# How often the socket of an ipykernel 7.0 to 7.3 is looked at for a message that was forgotten there.
FORGOTTEN_S = 0.1
# How long the kernel's own thread may take to put the door in.
PATIENCE_S = 5.0
# Flags of zmq that are the same in every version; zmq itself need not be there.
POLLIN = 1

Offer = Callable[[list[Any]], bool]


class ClosedDoor:
    """No way in: messages wait for the end of the cell, as if nobody listened.

    Parameters
    ----------
    why : str
        Why there is none.
    """

    mode = "none"
    # Whether messages are only seen when somebody looks.
    needs_looks = False

    def __init__(self, why: str = "") -> None:
        self.why = why

    def look(self, force: bool) -> None:
        """Offer what waits in the socket."""

    def nap(self, arrived: threading.Event, seconds: float) -> None:
        """Sleep until a message is there, or for some seconds; an interrupt of the main thread ends it."""
        if arrived.wait(seconds):
            arrived.clear()

    def close(self) -> None:
        """Put back what was there before."""


class StreamDoor(ClosedDoor):
    """The shell stream of a kernel that reads it on the main thread: ipykernel 6.

    Messages are seen when the stream is read: by the kernel's loop when it is idle, by :meth:`look` during a cell. What
    is not taken joins the kernel's queue in its order.

    Parameters
    ----------
    kernel : object
        The ipykernel.
    offer : callable
        Called with each message on its arrival; true if it takes the message.
    """

    mode = "main"
    needs_looks = True

    def __init__(self, kernel: Any, offer: Offer) -> None:
        super().__init__()
        self._stream = kernel.shell_stream
        self._offer = offer
        self._before = self._stream._recv_callback
        self._next_look = 0.0
        self._run_in_loop(self._open, kernel.io_loop)

    def _run_in_loop(self, act: Callable[[], None], loop: Any) -> None:
        """A stream belongs to the thread of its loop."""
        if threading.current_thread() is threading.main_thread():
            act()
        else:
            loop.add_callback(act)

    def _open(self) -> None:
        self._stream.on_recv(self._seen, copy=False)

    def _seen(self, message: list[Any]) -> Any:
        if self._offer(message):
            return None
        return self._before(message)  # a coroutine in ipykernel 7, which the stream awaits

    def look(self, force: bool) -> None:
        """Read what waits in the socket, if the last look is a while ago."""
        now = monotonic()
        if now < self._next_look and not force:
            return
        self._next_look = now + LOOK_S
        if self._stream.socket is not None and self._stream.socket.events & POLLIN:
            with Shield():  # an interrupt would tear the message
                self._stream.flush(POLLIN)

    def nap(self, arrived: threading.Event, seconds: float) -> None:
        """Sleep until something comes in through the socket."""
        self._stream.socket.poll(max(1, int(seconds * 1000)))

    def close(self) -> None:
        """Give the stream back, unless somebody has come after us and wrapped ours: then everything passes."""
        self._offer = _take_nothing
        self._run_in_loop(self._restore, self._stream.io_loop)

    def _restore(self) -> None:
        if self._stream.socket is not None and self._stream._recv_callback == self._seen:
            self._stream.on_recv(self._before, copy=False)


class ThreadDoor(StreamDoor):
    """The shell channel thread of ipykernel 7, which is always free: messages are seen at their arrival.

    It stands before the kernel chooses a subshell for the message, so it doesn't matter what the front end or the
    kernel's version make of subshells.
    """

    mode = "thread"
    needs_looks = False

    def __init__(self, kernel: Any, offer: Offer) -> None:
        super().__init__(kernel, offer)
        manager = getattr(kernel.shell_channel_thread, "_manager", None)
        if hasattr(manager, "_shell_socket"):
            self._stream.io_loop.add_callback(self._find_forgotten)

    def _find_forgotten(self) -> None:
        """Before 7.4 the kernel sends replies past its stream, which so can miss a message and all that come after."""
        if self._offer is not _take_nothing and self._stream.socket is not None:
            self._stream._rebuild_io_state()
            self._stream.io_loop.call_later(FORGOTTEN_S, self._find_forgotten)

    def _run_in_loop(self, act: Callable[[], None], loop: Any) -> None:
        done = threading.Event()

        def acted() -> None:
            act()
            done.set()

        self._stream.io_loop.add_callback(acted)
        if not done.wait(PATIENCE_S):
            raise TimeoutError("the shell channel thread doesn't answer")

    def look(self, force: bool) -> None:
        """Nothing to do: every message has been offered."""

    nap = ClosedDoor.nap


def opened_door(kernel: Any, offer: Offer) -> ClosedDoor:
    """The door that suits this kernel, put in place.

    Parameters
    ----------
    kernel : object or None
        What IPython calls its kernel.
    offer : callable
        Called with each message on its arrival, on any thread; true if it takes the message.
    """
    stranger = stranger_because(kernel)
    if stranger:
        return ClosedDoor(stranger)
    threaded = getattr(kernel, "shell_channel_thread", None) is not None
    return ThreadDoor(kernel, offer) if threaded else StreamDoor(kernel, offer)


def stranger_because(kernel: Any) -> str:
    """Why nothing is known of this kernel; empty for ipykernel's own classes, built as they are known to be.

    A kernel derived from them (Colab's) may bring a front end of which nothing is known, so it is a stranger.

    >>> stranger_because(None)
    'no notebook kernel'
    >>> stranger_because(object())
    'an unknown kind of kernel: builtins.object'
    """
    if kernel is None:
        return "no notebook kernel" if sys.platform != "emscripten" else "a kernel in the browser has no sockets"
    kind = type(kernel)
    if kind.__module__ != "ipykernel.ipkernel":
        return f"an unknown kind of kernel: {kind.__module__}.{kind.__qualname__}"
    stream = getattr(kernel, "shell_stream", None)
    parts = [hasattr(stream, part) for part in ("on_recv", "_recv_callback", "flush", "io_loop")]
    parts += ["comm_msg" in getattr(kernel, "shell_handlers", {}), hasattr(kernel, "io_loop")]
    return "" if all(parts) else "an ipykernel built in an unknown way"


def _take_nothing(message: list[Any]) -> bool:
    return False
