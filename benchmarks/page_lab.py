"""A notebook in a JupyterLab of its own, whose page also tells what memory it takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks.jupyter import FLAGS, Server, chromium
from benchmarks.notebook import Notebook


@contextmanager
def opened(cells: list[str], width: int = 1600, height: int = 1300) -> Iterator[Notebook]:
    """A notebook with these cells in a page of its own; everything is ended and removed afterwards."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = Server(Path(folder))
        try:
            browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
            page = browser.new_context(viewport={"width": width, "height": height}).new_page()
            yield Notebook(page, server, "page.ipynb", cells)
            browser.close()
        finally:
            server.stop()


def heap_bytes(notebook: Notebook) -> float:
    """What the page's JavaScript holds after a garbage collection."""
    devtools = notebook.page.context.new_cdp_session(notebook.page)
    devtools.send("Performance.enable")
    for _ in range(2):  # what the first one finalizes goes with the second
        devtools.send("HeapProfiler.collectGarbage")
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    devtools.detach()
    return float(next(metric["value"] for metric in metrics if metric["name"] == "JSHeapUsedSize"))
