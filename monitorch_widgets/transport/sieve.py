"""Which messages are taken out of the kernel's way: those of watched comms, and what a reloaded page asks."""

from __future__ import annotations

import os
from typing import Any

CONTROL_TARGET = "jupyter.widget.control"
INFO_REQUESTS = ("kernel_info_request", "comm_info_request")
# One of them stands in the header of every message that may be taken: others are told by it without parsing.
MARKS = (b"comm_", b"kernel_info_request")


class Sieve:
    """Chooses by header and comm id; anything else, cell requests above all, goes the way it always went.

    Parameters
    ----------
    session : object
        The kernel's ``Session``, which parses and verifies messages.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._watched: set[str] = set()
        self._asking: set[str] = set()
        # VS Code takes the reply to a kernel_info_request for the end of the running cell.
        self._answers_reload = not any(name.startswith("VSCODE_") for name in os.environ)

    def watch(self, comm_id: str) -> None:
        """Take the messages of this comm from now on."""
        self._watched.add(comm_id)

    def unwatch(self, comm_id: str) -> None:
        """Let the messages of this comm go their way again."""
        self._watched.discard(comm_id)

    def takes(self, message: list[Any], in_cell: bool) -> bool:
        """Whether this message is to be taken.

        Parameters
        ----------
        message : list of zmq.Frame
            As received: identities, delimiter, signature, header, parent, metadata, content, buffers.
        in_cell : bool
            Whether a cell is running; the requests of a reloaded page need no help otherwise.
        """
        if not self._watched:
            return False
        _, frames = self._session.feed_identities(message, copy=False)
        header = frames[1].bytes
        if not any(mark in header for mark in MARKS):
            return False
        told = self._session.deserialize(frames, content=False, copy=False)  # verifies, too; remembers nothing
        kind = told["header"]["msg_type"]
        if kind in ("comm_msg", "comm_close"):
            return self._takes_of_comm(kind, self._session.unpack(told["content"])["comm_id"])
        return in_cell and self._answers_reload and self._takes_of_reload(kind, told)

    def _takes_of_comm(self, kind: str, comm_id: str) -> bool:
        known = comm_id in self._watched or comm_id in self._asking
        if known and kind == "comm_close":
            self._watched.discard(comm_id)
            self._asking.discard(comm_id)
        return known

    def _takes_of_reload(self, kind: str, told: dict[str, Any]) -> bool:
        """A reloaded page asks for all comms, opens one of its own and asks there for the state of all widgets."""
        if told["header"].get("subshell_id"):
            return False  # a thread of the kernel is free to answer
        if kind != "comm_open":
            return kind in INFO_REQUESTS
        content = self._session.unpack(told["content"])
        if content.get("target_name") != CONTROL_TARGET:
            return False
        self._asking.add(content["comm_id"])
        return True
