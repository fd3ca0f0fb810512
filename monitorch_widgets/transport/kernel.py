"""The kernel as a message needs it: parent, statuses, handlers, and whether a cell runs."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from inspect import iscoroutine
from typing import Any

from .shield import Shield


def running_kernel() -> Any:
    """The kernel that runs this process; None in a script and in IPython's terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return getattr(shell, "kernel", None)


class Cells:
    """Whether a cell is running on the main thread, and in which context.

    Parameters
    ----------
    kernel : object
        The ipykernel.
    """

    def __init__(self, kernel: Any) -> None:
        self._events = kernel.shell.events
        self._kernel = kernel
        self._request = self._running_request()  # made in a cell: that one has begun already
        self._depth = int(bool(self._request))
        self.context: Context = copy_context()
        self._events.register("pre_execute", self._begin)
        self._events.register("post_execute", self._end)

    @property
    def running(self) -> bool:
        """Whether a cell runs, or awaits something."""
        return self._depth > 0

    def forget(self) -> None:
        """Listen no more."""
        with suppress(ValueError):
            self._events.unregister("pre_execute", self._begin)
            self._events.unregister("post_execute", self._end)

    def _running_request(self) -> str:
        """The request whose code runs here; empty for a cell of a subshell and for the handler of a message.

        A comm tells of its handlers as if they were cells, and not of their end if they raise.
        """
        header = _parent_of(self._kernel).get("header") or {}
        is_cell = _in_main_thread() and header.get("msg_type") == "execute_request"
        return str(header["msg_id"]) if is_cell else ""

    def _begin(self) -> None:
        request = self._running_request()
        if request:
            # A magic like %%capture runs a cell within the cell.
            self._depth = self._depth + 1 if request == self._request else 1
            self._request = request
            self.context = copy_context()

    def _end(self) -> None:
        if self._running_request():
            self._depth = max(0, self._depth - 1)


class Handling:
    """Handles single messages on the main thread as the kernel itself would.

    Parameters
    ----------
    kernel : object
        The ipykernel.
    """

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    @contextmanager
    def apart(self, in_cell: bool) -> Iterator[None]:
        """Around the handling of some messages: afterwards the running cell is the parent of what is shown again."""
        kernel = self._kernel
        _flush_output()  # what the cell has printed so far is the cell's
        parent = _parent_of(kernel)
        identities = kernel._parent_ident["shell"] if parent else []
        try:
            yield
        finally:
            kernel.set_parent(identities, parent, "shell")
            if in_cell:  # front ends show the last status they were told
                kernel._publish_status("busy", "shell", parent=parent)

    def handle(self, message: list[Any]) -> None:
        """Handle one message, say busy and idle with it as parent: the page's throttle waits for that."""
        kernel = self._kernel
        identities, frames = kernel.session.feed_identities(message, copy=False)
        told = kernel.session.deserialize(frames, content=True, copy=False)
        kernel.set_parent(identities, told, "shell")
        kernel._publish_status("busy", "shell", parent=told)
        try:
            self._call(kernel.shell_handlers[told["header"]["msg_type"]], identities, told)
        finally:
            _flush_output()
            kernel._publish_status("idle", "shell", parent=told)

    def _call(self, handler: Callable[..., Any], identities: list[bytes], told: dict[str, Any]) -> None:
        replies = self._replies()
        result = handler(replies, identities, told)
        if iscoroutine(result):
            _finish(result)
        if hasattr(replies, "flush"):  # the stream of ipykernel 6 keeps what it sends until the loop turns
            replies.flush(2)

    def _replies(self) -> Any:
        thread = getattr(self._kernel, "shell_channel_thread", None)
        if thread is None:
            return self._kernel.shell_stream
        return thread.manager.get_subshell_to_shell_channel_socket(None)

    def show_error(self) -> None:
        """Show the current exception as ipywidgets shows those of its callbacks."""
        self._kernel.shell.showtraceback()


@contextmanager
def interruptible() -> Iterator[Shield]:
    """Around messages that the kernel's loop handles.

    While an async cell awaits, an interrupt is the cell's: it waits for the end of the section. An idle kernel ignores
    interrupts, but one that hangs in a handler must be freed: as around the kernel's own handlers, it raises there.
    """
    before = signal.getsignal(signal.SIGINT)
    if callable(before):
        with Shield() as shield:
            yield shield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield Shield()
    except KeyboardInterrupt:
        print("KeyboardInterrupt in the handler of a message", file=sys.__stderr__)
    finally:
        signal.signal(signal.SIGINT, before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def _parent_of(kernel: Any) -> dict[str, Any]:
    with suppress(LookupError):  # ipykernel 7.0 on a thread of the user's
        return kernel.get_parent("shell") or {}
    return {}


def _finish(coroutine: Any) -> None:
    """Run a coroutine that has nothing to wait for: the kernel's answers to requests for information."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    coroutine.close()
    raise RuntimeError("the kernel's handler waits for something, and can't while a cell runs")


def _flush_output() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # whatever the user has put there
            stream.flush()
