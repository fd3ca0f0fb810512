"""One Jupyter server and one Chromium for all tests of this folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from benchmarks.jupyter import FLAGS, chromium
from tests.browser.lab import App, Notebook, Server

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
        started = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def open_notebook(server: Server, browser: Browser) -> Iterator[Open]:
    """Open a notebook with the given cells in a page of its own: ``open_notebook(name, cells, width, height, app)``."""
    contexts = []

    def opened(name: str, cells: list[str], width: int = 1600, height: int = 1300, app: App = "lab") -> Notebook:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}))
        return Notebook(contexts[-1].new_page(), server, name, cells, app)

    yield opened
    for context in contexts:
        context.close()
