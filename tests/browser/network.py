"""The cable between a browser and a Jupyter server: it can be unplugged, which cuts websockets too."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

from benchmarks.jupyter import App, Server


class Cable:
    """A port of its own that leads to a server; for a notebook it is the server.

    Parameters
    ----------
    server : Server
        Where it leads.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.notebooks: Path = server.notebooks
        self._plugged, self._ends = True, list[socket.socket]()
        self._lock = threading.Lock()
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def address(self, notebook: str, app: App = "lab") -> str:
        """Where a notebook is seen through the cable."""
        return self._server.address(notebook, app).replace(f":{self._server.port}/", f":{self.port}/")

    def unplug(self) -> None:
        """Cut all connections, and let no new one through."""
        with self._lock:
            self._plugged = False
            for end in self._ends:
                _cut(end)
            self._ends.clear()

    def plug(self) -> None:
        """Let connections through again."""
        self._plugged = True

    def remove(self) -> None:
        """Take it away for good."""
        self.unplug()
        self._door.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the door is closed
            while True:
                near, _ = self._door.accept()
                with self._lock:
                    self._connect(near) if self._plugged else near.close()

    def _connect(self, near: socket.socket) -> None:
        far = socket.create_connection(("127.0.0.1", self._server.port))
        self._ends += [near, far]
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    _cut(other)
    one.close()


def _cut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
