"""Real kernels of several versions, and a front end that is as small as can be."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jupyter_client import BlockingKernelClient, KernelManager

ROOT = Path(__file__).parents[2]
# Beside the other caches, so that one download serves all runs in this checkout.
CACHE = ROOT / ".pytest_cache" / "ipykernels"
VERSIONS = ("6.29.5", "6.31.0", "7.0.1", "7.1.0", "7.4.0" if sys.version_info >= (3, 11) else "7.3.0")
TIMEOUT_S = 60.0

Message = dict[str, Any]


def folder_of(version: str) -> Path:
    """A folder that has this ipykernel and nothing else: what it needs is there already, for all versions alike."""
    folder = CACHE / version
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=CACHE) as fresh:
            command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", f"{fresh}/{version}"]
            without_pins = {**os.environ, "PIP_CONSTRAINT": ""}
            subprocess.run([*command, f"ipykernel=={version}"], check=True, timeout=240, env=without_pins)
            with suppress(OSError):  # another run was faster
                Path(fresh, version).rename(folder)
    return folder


class Front:
    """A kernel of one version, and what a page sends to it and hears from it."""

    def __init__(self, version: str, home: Path, **more: str) -> None:
        paths = [str(folder_of(version)), str(ROOT), os.environ.get("PYTHONPATH", "")]
        own = {name: value for name, value in os.environ.items() if not name.startswith("VSCODE_")}
        own |= {"PYTHONPATH": os.pathsep.join(paths).rstrip(os.pathsep), "IPYTHONDIR": str(home / "ipython")}
        own |= {"JUPYTER_RUNTIME_DIR": str(home / "runtime"), "PYDEVD_DISABLE_FILE_VALIDATION": "1", **more}
        self.manager = KernelManager(kernel_name="python3")
        self.manager.start_kernel(env=own)
        self.client: BlockingKernelClient = self.manager.blocking_client()
        self.heard: list[Message] = []
        self.comm_id = ""

    def __enter__(self) -> Front:
        self.client.start_channels()
        self.client.wait_for_ready(timeout=TIMEOUT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)

    # -- what a page sends

    def run(self, code: str) -> list[Message]:
        """Run a cell to its end, and take the reply; what was said about it."""
        request = self.client.execute(code)
        about = self.until_idle(request)
        self.reply(request)
        return about

    def send(self, kind: str, content: Message, metadata: Message | None = None) -> str:
        """Send a message over the shell channel, as the page of a notebook does; its id."""
        message = self.client.session.msg(kind, content, metadata=metadata)
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def tell(self, n: int, do: str = "", comm_id: str = "") -> str:
        """Send a number to a comm, and what its handler is to do."""
        return self.send("comm_msg", {"comm_id": comm_id or self.comm_id, "data": {"n": n, "do": do}})

    # -- what it hears

    def until(self, wanted: Callable[[Message], object]) -> Message:
        """Listen to what all pages are told, up to the wanted message."""
        while True:
            message = self.client.get_iopub_msg(timeout=TIMEOUT_S)
            self.heard.append(message)
            if wanted(message):
                return message

    def until_idle(self, request: str) -> list[Message]:
        """Listen until a request has been dealt with; what was said about it."""
        self.until(lambda message: parent_of(message) == request and state_of(message) == "idle")
        return self.about(request)

    def until_printed(self, words: str) -> Message:
        """Listen until something was printed."""
        return self.until(lambda message: words in text_of(message))

    def about(self, request: str) -> list[Message]:
        """All that was said about a request."""
        return [message for message in self.heard if parent_of(message) == request]

    def reply(self, request: str) -> Message:
        """The answer to a request."""
        while True:
            message: Message = self.client.get_shell_msg(timeout=TIMEOUT_S)
            if parent_of(message) == request:
                return message


def parent_of(message: Message) -> str:
    return str(message["parent_header"].get("msg_id", ""))


def state_of(message: Message) -> str:
    return str(message["content"].get("execution_state", ""))


def text_of(message: Message) -> str:
    """What was printed, or an error."""
    if message["msg_type"] == "stream":
        return str(message["content"]["text"])
    return f"{message['content']['ename']}: {message['content']['evalue']}" if message["msg_type"] == "error" else ""


def printed(messages: list[Message]) -> str:
    return "".join(text_of(message) for message in messages)
