"""A JupyterLab of its own for the tests, and a notebook in it that is driven cell by cell."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import nbformat
from playwright.sync_api import ConsoleMessage, Locator, Page

PROJECT = Path(__file__).parents[2]
PATIENCE_S = 60.0

T = TypeVar("T")

# Errors in the console that are not this project's.
THIRD_PARTY = (
    # Chromium itself, when JupyterLab opens the channels of a killed kernel that is not replaced yet
    "WebSocket connection to",
)


class Server:
    """JupyterLab on a free port, with every folder of its own below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir()
        self.token = secrets.token_hex(16)
        self.port = _free_port()
        self._log_path = folder / "server.log"
        with self._log_path.open("w") as log:
            self._process = subprocess.Popen(
                self._command(),
                env=_environment(folder),
                cwd=self.notebooks,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        until(self._answers, "JupyterLab did not start")

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *("--ip=127.0.0.1", f"--port={self.port}", "--ServerApp.port_retries=0"),
            *(f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.notebooks}"),
            *("--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
            *("--LabApp.expose_app_in_browser=True", "--LabServerApp.blocked_extensions_uris="),
        ]

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"JupyterLab ended at once:\n{self._log_path.read_text()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api?token={self.token}", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def address(self, notebook: str) -> str:
        """Where a notebook is seen, in a workspace that starts empty."""
        return f"http://127.0.0.1:{self.port}/lab/tree/{notebook}?reset&token={self.token}"

    def stop(self) -> None:
        """End what was started here: the server, which ends its kernels."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(folder: Path) -> dict[str, str]:
    """Every place that Jupyter reads or writes, and a kernel that is this Python."""
    own = {
        name: str(folder / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTER_PATH")
    }
    spec = Path(own["JUPYTER_PATH"]) / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}  # else it asks, in a box that covers what is looked at
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    own["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, **own, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def until(condition: Callable[[], T], otherwise: str, within_s: float = PATIENCE_S) -> T:
    """Ask again until the answer is true; it is given back."""
    end = time.monotonic() + within_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{otherwise} within {within_s:.0f} s")
        time.sleep(0.02)


class Notebook:
    """An open notebook: its page, its cells, and what the page has complained of."""

    def __init__(self, page: Page, server: Server, name: str, cells: list[str]) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.let_pass: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(document, server.notebooks / name)
        page.goto(server.address(name))
        self.wait_idle()
        page.keyboard.press("Control+b")  # the file browser takes room

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            ours = not any(words in message.text for words in THIRD_PARTY)
            (self.complaints if ours else self.let_pass).append(message.text[:500])

    def wait_idle(self) -> None:
        """Wait until the kernel has started and says so."""
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=PATIENCE_S * 1000)
        self.page.wait_for_function(
            "() => /Idle/.test(document.querySelector('#jp-main-statusbar')?.innerText ?? '')"
            " && document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=idle]')",
            timeout=PATIENCE_S * 1000,
        )

    def cell(self, i: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(i)

    def prompt(self, i: int) -> str:
        """``[*]:`` while the cell runs, ``[7]:`` after."""
        return self.cell(i).locator(".jp-InputPrompt").text_content() or ""

    def busy(self, i: int) -> bool:
        return "*" in self.prompt(i)

    def start(self, i: int) -> None:
        """Run a cell without waiting for its end."""
        before = self.prompt(i)
        self.cell(i).locator(".cm-content").first.click()
        self.page.keyboard.press("Control+Enter")
        until(lambda: self.prompt(i) != before, f"cell {i} did not start", within_s=10)

    def wait_end(self, i: int) -> str:
        """Wait for a cell's end; gives what it printed."""
        until(lambda: not self.busy(i), f"cell {i} did not end", within_s=180)
        said = "\n".join(self.cell(i).locator(".jp-OutputArea-output").all_inner_texts())
        assert "Traceback (most recent call last)" not in said, f"cell {i} raised:\n{said}"
        return said

    def run(self, i: int) -> str:
        """Run a cell to its end; gives what it printed."""
        self.start(i)
        return self.wait_end(i)

    def save(self) -> None:
        """Save the notebook, and wait until it is."""
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def theme(self, dark: bool) -> None:
        """Change JupyterLab's theme."""
        theme = "JupyterLab Dark" if dark else "JupyterLab Light"
        self.page.evaluate("(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", theme)
        self.page.wait_for_function(
            "(light) => document.body.dataset.jpThemeLight === light", arg="false" if dark else "true"
        )
        # JupyterLab's splash covers everything while the theme changes, and fades
        self.page.wait_for_function("() => !document.getElementById('jupyterlab-splash')")
