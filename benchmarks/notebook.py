"""A notebook in a page of the browser, in JupyterLab or in Notebook 7, that is run cell by cell."""

from __future__ import annotations

import re

import nbformat
from playwright.sync_api import ConsoleMessage, Error, Locator, Page

from benchmarks.jupyter import PATIENCE_S, App, Server, until

# Errors in the console that are not this project's.
THIRD_PARTY = (
    # Chromium itself, when the front end opens the channels of a killed kernel that is not replaced yet
    "WebSocket connection to",
)
URL = re.compile(r"\w+:[^\s)]+:\d+:\d+")  # of a line in a stack
# Where Notebook 7 has its own code; as it starts it throws some errors, without any widget too.
NOTEBOOK_7 = "/static/notebook/"
IDLE = """
() => {
  const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
  return kernel?.connectionStatus === "connected" && kernel.status === "idle"
    && document.querySelector(".jp-Notebook-ExecutionIndicator[data-status=idle]");
}
"""


class Notebook:
    """An open notebook: its page, its cells, and what the page has complained of.

    Parameters
    ----------
    page : playwright.sync_api.Page
        A blank page.
    server : Server
        Where the notebook is written, and opened from.
    name : str
        File name of the notebook.
    cells : list of str
        Code of its cells.
    app : {'lab', 'notebook'}
        The front end: JupyterLab, or Notebook 7.
    kernel : str
        One of the server's kernels.
    """

    def __init__(
        self, page: Page, server: Server, name: str, cells: list[str], app: App = "lab", kernel: str = "python3"
    ) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.let_pass: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", self._thrown)
        document = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
        document.metadata["kernelspec"] = {"name": kernel, "display_name": kernel, "language": "python"}
        nbformat.write(document, server.notebooks / name)
        page.goto(server.address(name, app))
        self.wait_idle()
        if app == "lab":
            page.keyboard.press("Control+b")  # the file browser takes room

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(message.text, ours=not any(words in message.text for words in THIRD_PARTY))

    def _thrown(self, error: Error) -> None:
        places = URL.findall(error.stack or "")
        self._note(f"uncaught: {error}", ours=not places or any(NOTEBOOK_7 not in place for place in places))

    def _note(self, text: str, ours: bool) -> None:
        (self.complaints if ours else self.let_pass).append(text[:500])

    def wait_idle(self) -> None:
        """Wait until the kernel has started and says so."""
        self.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=PATIENCE_S * 1000)
        self.page.wait_for_function(IDLE, timeout=PATIENCE_S * 1000)

    def cell(self, i: int) -> Locator:
        """The code cell with this number, from 0."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(i)

    def prompt(self, i: int) -> str:
        """``[*]:`` while the cell runs, ``[7]:`` after."""
        return self.cell(i).locator(".jp-InputPrompt").text_content() or ""

    def busy(self, i: int) -> bool:
        """Whether the cell runs."""
        return "*" in self.prompt(i)

    def start(self, i: int) -> None:
        """Run a cell without waiting for its end."""
        before = self.prompt(i)
        self.cell(i).locator(".cm-content").first.click()
        self.page.keyboard.press("Control+Enter")
        until(lambda: self.prompt(i) != before, f"cell {i} did not start", within_s=20)

    def wait_end(self, i: int, within_s: float = 180) -> str:
        """Wait for a cell's end; gives what it printed.

        Raises
        ------
        RuntimeError
            If the cell raised an exception.
        """
        until(lambda: not self.busy(i), f"cell {i} did not end", within_s)
        said = "\n".join(self.cell(i).locator(".jp-OutputArea-output").all_inner_texts())
        if "Traceback (most recent call last)" in said:
            raise RuntimeError(f"cell {i} raised:\n{said}")
        return said

    def run(self, i: int, within_s: float = 180) -> str:
        """Run a cell to its end; gives what it printed."""
        self.start(i)
        return self.wait_end(i, within_s)
