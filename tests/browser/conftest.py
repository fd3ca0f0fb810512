"""One JupyterLab and one Chromium for all tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.lab import Notebook, Server

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
# Quiet on the network, and at home in a container.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

SHOTS = Path(__file__).parent / "screenshots"

Open = Callable[..., Notebook]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    SHOTS.mkdir(exist_ok=True)
    started = Server(tmp_path_factory.mktemp("jupyter"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def open_notebook(server: Server, browser: Browser) -> Iterator[Open]:
    """Open a notebook with the given cells in a page of its own: ``open_notebook(name, cells, width, height)``."""
    contexts = []

    def opened(name: str, cells: list[str], width: int = 1600, height: int = 1300) -> Notebook:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}))
        return Notebook(contexts[-1].new_page(), server, name, cells)

    yield opened
    for context in contexts:
        context.close()
