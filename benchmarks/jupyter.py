"""A Jupyter server of its own, whose notebooks open in JupyterLab and in Notebook 7; and the browser for its pages.

The tests of `tests/browser` start theirs from here too.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TypeVar

PROJECT = Path(__file__).parents[1]
PATIENCE_S = 90.0
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Quiet on the network, at home in a container, and exact about the memory that a page takes.
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-precise-memory-info"),
]
App = Literal["lab", "notebook"]
_PAGES: dict[App, str] = {"lab": "lab/tree", "notebook": "notebooks"}
T = TypeVar("T")


class Server:
    """A Jupyter server on a free port, with every folder of its own below `folder`.

    Parameters
    ----------
    folder : Path
        An empty one; its `notebooks` are what the server shows.
    kernels : mapping of str to str, optional
        Further kernels: their names, and the Python of each. ``python3`` is the one that runs here.
    """

    def __init__(self, folder: Path, kernels: Mapping[str, str] | None = None) -> None:
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir()
        self.token = secrets.token_hex(16)
        self.port = _free_port()
        self._log_path = folder / "server.log"
        with self._log_path.open("w") as log:
            self._process = subprocess.Popen(
                self._command(),
                env=_environment(folder, {**(kernels or {}), "python3": sys.executable}),
                cwd=self.notebooks,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        try:
            until(self._answers, "the Jupyter server did not start")
        except BaseException:
            self.stop()
            raise

    def address(self, notebook: str, app: App = "lab") -> str:
        """Where a notebook is seen, in a workspace that starts empty."""
        return f"http://127.0.0.1:{self.port}/{_PAGES[app]}/{notebook}?reset&token={self.token}"

    def stop(self) -> None:
        """End what was started here: the server, which ends its kernels."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            *("--ip=127.0.0.1", f"--port={self.port}", "--ServerApp.port_retries=0"),
            *(f"--IdentityProvider.token={self.token}", f"--ServerApp.root_dir={self.notebooks}"),
            *("--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
            *("--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True"),
            "--LabServerApp.blocked_extensions_uris=",
        ]

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"the Jupyter server ended at once:\n{self._log_path.read_text()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api?token={self.token}", timeout=5):
                return True
        except (urllib.error.URLError, OSError):
            return False


def until(condition: Callable[[], T], otherwise: str, within_s: float = PATIENCE_S) -> T:
    """Ask again until the answer is true; it is given back.

    Raises
    ------
    AssertionError
        If it does not become true in time.
    """
    end = time.monotonic() + within_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"{otherwise} within {within_s:.0f} s")
        time.sleep(0.02)


def chromium() -> str:
    """Path of the browser: the one that CHROMIUM names, else the first that is found."""
    named = os.environ.get("CHROMIUM")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if not (named or found):
        raise FileNotFoundError("no Chromium was found; name one with CHROMIUM=/path/to/chromium")
    return named or str(found)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(folder: Path, kernels: Mapping[str, str]) -> dict[str, str]:
    """Every place that Jupyter reads or writes."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTER_PATH")
    own = {name: str(folder / name.lower()) for name in names}
    for name, python in kernels.items():
        _write_kernel(Path(own["JUPYTER_PATH"]) / "kernels" / name, name, python)
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}  # else it asks, in a box that covers what is looked at
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    own["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, **own, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def _write_kernel(folder: Path, name: str, python: str) -> None:
    folder.mkdir(parents=True)
    argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (folder / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": name, "language": "python"}))
