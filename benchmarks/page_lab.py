"""A JupyterLab of its own in a headless Chromium, and a notebook in it that is run cell by cell."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Browser, Page, sync_playwright

PROJECT = Path(__file__).parents[1]
PATIENCE_S = 90.0
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--enable-precise-memory-info"),
)


@contextmanager
def opened(cells: list[str], width: int = 1600, height: int = 1300) -> Iterator[Notebook]:
    """A notebook with these cells in a page of its own; everything is ended and removed afterwards."""
    with _server() as (address, notebooks), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=list(FLAGS))
        try:
            yield Notebook(browser, address, notebooks, cells, width, height)
        finally:
            browser.close()


def until(condition: Callable[[], Any], otherwise: str, within_s: float = PATIENCE_S) -> None:
    """Ask again until the answer is true."""
    end = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{otherwise} within {within_s:.0f} s")
        time.sleep(0.1)


class Notebook:
    """An open notebook: its page, and its cells."""

    def __init__(
        self, browser: Browser, address: Callable[[str], str], folder: Path, cells: list[str], width: int, height: int
    ) -> None:
        document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        document.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(document, folder / "page.ipynb")
        self.page: Page = browser.new_context(viewport={"width": width, "height": height}).new_page()
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.goto(address("page.ipynb"))
        self.page.wait_for_function(
            "() => /Idle/.test(document.querySelector('#jp-main-statusbar')?.innerText ?? '')"
            " && document.querySelector('.jp-Notebook-ExecutionIndicator[data-status=idle]')",
            timeout=PATIENCE_S * 1000,
        )
        self.page.keyboard.press("Control+b")  # the file browser takes room
        self._devtools = self.page.context.new_cdp_session(self.page)
        self._devtools.send("Performance.enable")

    def prompt(self, i: int) -> str:
        """``[*]:`` while the cell runs, ``[7]:`` after."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(i).locator(".jp-InputPrompt").text_content() or ""

    def start(self, i: int) -> None:
        """Run a cell without waiting for its end."""
        before = self.prompt(i)
        self.page.locator(".jp-Notebook .jp-CodeCell").nth(i).locator(".cm-content").first.click()
        self.page.keyboard.press("Control+Enter")
        until(lambda: self.prompt(i) != before, f"cell {i} did not start", within_s=20)

    def wait_end(self, i: int, within_s: float = PATIENCE_S) -> str:
        """Wait for a cell's end; gives what it printed."""
        until(lambda: "*" not in self.prompt(i), f"cell {i} did not end", within_s)
        cell = self.page.locator(".jp-Notebook .jp-CodeCell").nth(i)
        said = "\n".join(cell.locator(".jp-OutputArea-output").all_inner_texts())
        if "Traceback (most recent call last)" in said:
            raise RuntimeError(f"cell {i} raised:\n{said}")
        return said

    def run(self, i: int, within_s: float = PATIENCE_S) -> str:
        """Run a cell to its end; gives what it printed."""
        self.start(i)
        return self.wait_end(i, within_s)

    def heap_bytes(self) -> float:
        """What the page's JavaScript holds after a garbage collection."""
        for _ in range(2):  # what the first one finalizes goes with the second
            self._devtools.send("HeapProfiler.collectGarbage")
        metrics = self._devtools.send("Performance.getMetrics")["metrics"]
        return next(metric["value"] for metric in metrics if metric["name"] == "JSHeapUsedSize")


def _chromium() -> str:
    named = os.environ.get("CHROMIUM")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not (named or found):
        raise FileNotFoundError("no Chromium was found; name one with CHROMIUM=/path/to/chromium")
    return named or str(found)


@contextmanager
def _server() -> Iterator[tuple[Callable[[str], str], Path]]:
    """JupyterLab on a free port with every folder of its own: what gives a notebook's address, and where they are."""
    with tempfile.TemporaryDirectory() as name:
        folder, token, port = Path(name), secrets.token_hex(16), _free_port()
        notebooks = folder / "notebooks"
        notebooks.mkdir()
        process = subprocess.Popen(
            _command(port, token, notebooks),
            env=_environment(folder),
            cwd=notebooks,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until(lambda: _answers(process, port, token), "JupyterLab did not start")
            yield lambda notebook: f"http://127.0.0.1:{port}/lab/tree/{notebook}?reset&token={token}", notebooks
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _command(port: int, token: str, notebooks: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
        *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
        *(f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={notebooks}"),
        *("--LabApp.news_url=", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"),
        *("--LabApp.expose_app_in_browser=True", "--LabServerApp.blocked_extensions_uris="),
    ]


def _answers(process: subprocess.Popen[bytes], port: int, token: str) -> bool:
    if process.poll() is not None:
        raise RuntimeError("JupyterLab ended at once; is it installed?")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={token}", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def _environment(folder: Path) -> dict[str, str]:
    """Every place that Jupyter reads or writes, and a kernel that is this Python."""
    names = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR", "JUPYTER_PATH")
    own = {name: str(folder / name.lower()) for name in names}
    spec = Path(own["JUPYTER_PATH"]) / "kernels" / "python3"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Python 3", "language": "python"}))
    settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    own["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, **own, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
