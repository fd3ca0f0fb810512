"""Nothing is lost while a cell trains: reload, closed tab, second browser, no network, interrupt, error, restart."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser.board import Board
from tests.browser.cells import GRADIENT, NORM
from tests.browser.conftest import SHOTS
from tests.browser.lab import App, Notebook, Server, until
from tests.browser.network import Cable

pytestmark = pytest.mark.browser

BACK_S = 5.0  # that the panel may take once it can be there again
PAGE_S = 60.0  # that the front end may take to open a page, whatever is in it
SHOWN = "layer.2"  # the module that is chosen

SETUP = """
import json, time
from pathlib import Path
import torch
from torch import nn
from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import LossMetrics, OutputGradientGeometry, OutputNorm

torch.manual_seed(0)
torch.set_num_threads(1)
model = nn.Sequential()
model.add_module("layer", nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 1)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(64, 8)
enough = Path({enough!r})
calls = 0

def train(most=10**6, fail_at=None):
    global calls
    enough.unlink(missing_ok=True)
    began = time.time()
    while not enough.exists() and time.time() < began + 150 and calls < most:
        optimizer.zero_grad()
        loss = model(x).pow(2).mean()
        if calls == fail_at:
            raise ValueError("the loss is no number")
        loss.backward()
        optimizer.step()
        calls += 1
        if calls % 20 == 0:
            enough.with_name("next").write_text(str(calls))
            enough.with_name("next").replace(enough.with_name("calls"))  # whole, or not there: never a part
        time.sleep(0.01)  # the newest 4096 steps are kept one by one, and all are compared
    print("trained", calls, "steps")
"""
SHOW = """
lenses = [OutputNorm(), OutputGradientGeometry(skip_activation=False, compute_correlation=False)]
inspector = PyTorchInspector(lenses=lenses, module=model, every=1)
inspector
"""
TOLD = f"""
series = inspector.history[{NORM!r}]
column = series.values[:, series.modules.index({SHOWN!r})]
hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules())
state = inspector.status().state
told = dict(steps=series.steps.tolist(), values=column.tolist(), calls=calls, state=state, hooks=hooks)
Path({{told!r}}).write_text(json.dumps(told))
"""
SHOW_AGAIN = "inspector.show()"
FAIL = "train(fail_at=calls + 120)"
DETACH = "inspector.detach()"
CELLS = [SETUP, SHOW, "train()", TOLD, SHOW_AGAIN, FAIL, DETACH]
SETUP_CELL, SHOW_CELL, TRAIN_CELL, TOLD_CELL, AGAIN_CELL, FAIL_CELL, DETACH_CELL = range(7)
# JupyterLab's box about the lost connection, which covers everything and says no more this time.
DISMISS = """
() => document.querySelectorAll(".jp-Dialog").forEach((box) => {
  box.querySelector("input[type=checkbox]")?.click();
  box.querySelector(".jp-Dialog-footer button:last-of-type")?.click();
})
"""
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
NUMBER = re.compile(r"\d+")


class Run:
    """A notebook whose cell trains, looked at through a cable, with a view of one's own."""

    def __init__(self, browser: Browser, server: Server, name: str, app: App, folder: Path) -> None:
        self.cable, self.name, self.app = Cable(server), name, app
        self.enough = folder / "enough"
        self.browser = browser
        self.context = browser.new_context(viewport={"width": 1600, "height": 1500})
        self.told = folder / "told"
        paths = {"{enough!r}": repr(str(self.enough)), "{told!r}": repr(str(self.told))}
        cells = [re.sub("|".join(map(re.escape, paths)), lambda found: paths[found[0]], cell) for cell in CELLS]
        self.notebook = Notebook(self.context.new_page(), self.cable, name, cells, app)  # type: ignore[arg-type]
        self.at(self.notebook.page)

    def at(self, page: Page) -> None:
        """Go on in this page; its front end asks some things that nobody here has to read."""
        self.notebook.page, self.board = page, Board(page)
        page.on("dialog", lambda dialog: dialog.accept())
        page.add_locator_handler(page.locator(".jp-Dialog"), lambda: page.evaluate(DISMISS))

    def begin(self) -> None:
        """Show the panel, save the notebook, train, and choose what is seen."""
        self.notebook.run(SETUP_CELL)
        self.notebook.run(SHOW_CELL)
        self.notebook.save()
        self.start()
        self.choose()

    def start(self) -> None:
        """Train, if it does not already."""
        if not self.notebook.busy(TRAIN_CELL):
            self.notebook.start(TRAIN_CELL)
        self.board.root.scroll_into_view_if_needed()
        self.wait_steps(self.board, 50)

    def choose(self) -> None:
        """Look at one module, on a logarithmic scale."""
        self.board.part("mw-none").click()
        self.board.row(SHOWN).get_by_test_id("mw-check").click()
        self.board.part("mw-scale-log", NORM).click()
        self.wait_view(self.board)

    def wait_view(self, board: Board, within_s: float = 30.0) -> None:
        board.root.scroll_into_view_if_needed()
        board.until(
            lambda now: now[NORM].names() == now[GRADIENT].names() == [SHOWN] and now[NORM].log,
            "the view is another",
            within_s,
        )

    def step(self, board: Board) -> int:
        """The step that the page shows; 0 before the first."""
        words = board.part("mw-step").text_content() if board.part("mw-step").count() else ""
        return int("".join(NUMBER.findall(words or "")) or 0)

    def wait_steps(self, board: Board, count: int, within_s: float = 30.0) -> None:
        """Wait until the page has heard of some further steps."""
        before = self.step(board)
        until(lambda: self.step(board) >= before + count, f"no news came after step {before}", within_s)

    def wait_caught_up(self, within_s: float = BACK_S) -> None:
        """Wait until the page shows the step that the kernel has come to by now."""
        calls = self.calls()
        until(lambda: self.step(self.board) >= calls, f"the page has not heard of step {calls}", within_s)

    def wait_words(self, words: str) -> str:
        """Wait until the state is told in words that begin so; they are given back."""
        state = self.board.part("mw-state")
        until(lambda: state.inner_text().startswith(words), f"the state is not told as {words!r}", within_s=10)
        return state.inner_text()

    def come_back(self, page: Page) -> Board:
        """Wait for the panel on a page that was opened anew; from then on it has some seconds."""
        board = Board(page)
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=PAGE_S * 1000)
        board.root.wait_for(timeout=BACK_S * 1000)
        until(lambda: self.step(board) > 0, "nothing is shown", BACK_S)
        self.wait_steps(board, 20, BACK_S)
        self.wait_view(board, BACK_S)
        return board

    def opened(self) -> Page:
        """The notebook in a new tab."""
        page = self.context.new_page()
        page.goto(self.cable.address(self.name, self.app).replace("reset&", ""))
        return page

    def passes(self, count: int) -> None:
        """Let the kernel make some further steps, whether a page hears of them or not."""
        before = self.calls()
        until(lambda: self.calls() >= before + count, "the cell does not train", within_s=60)

    def calls(self) -> int:
        """How many steps the kernel has made, to twenty or so."""
        return int(self.enough.with_name("calls").read_text())

    def end(self) -> None:
        """Let the cell end."""
        self.enough.touch()
        self.board.wait_state("finished")

    def ask(self) -> dict[str, Any]:
        """What the kernel has of the chosen module."""
        self.told.unlink(missing_ok=True)
        self.notebook.run(TOLD_CELL)
        told: dict[str, Any] = json.loads(self.told.read_text())
        return told

    def table(self) -> list[list[float]]:
        """What the page has of it: first step, last step, and mean of all that it draws."""
        self.board.part("mw-menu", NORM).click()
        with self.notebook.page.expect_download() as download:
            self.board.part("mw-save-csv").click()
        with Path(download.value.path()).open() as file:
            rows = list(csv.DictReader(file))
        mean = next(name for name in rows[0] if name in (SHOWN, f"{SHOWN} mean"))
        return [[float(row["first step"]), float(row["last step"]), float(row[mean])] for row in rows]

    def compare(self) -> dict[str, Any]:
        """The page has every reading that the kernel has, with the same numbers."""
        told = self.ask()
        steps, values = told["steps"], told["values"]
        assert steps == list(range(told["calls"])) and len(values) == len(steps)
        until(lambda: self.table()[-1][1] == steps[-1], "the page has not seen the end", within_s=BACK_S)
        table = self.table()
        assert table[0][0] == 0 and all(after[0] == before[1] + 1 for before, after in pairwise(table))
        for first, last, mean in table:
            assert mean == pytest.approx(fmean(values[int(first) : int(last) + 1]), rel=1e-4)
        return told

    def close(self) -> None:
        self.enough.touch()
        self.context.close()
        self.cable.remove()


@pytest.fixture(scope="module", params=["lab", "notebook"])
def run(
    request: pytest.FixtureRequest, browser: Browser, server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Run]:
    """A notebook that trains from the first test on."""
    app: App = request.param
    run = Run(browser, server, f"lost-{app}.ipynb", app, tmp_path_factory.mktemp(app))
    try:
        run.begin()
        yield run
    finally:
        run.close()


def test_a_reloaded_page_has_the_whole_history_and_goes_on(run: Run) -> None:
    run.notebook.page.reload()
    run.board = run.come_back(run.notebook.page)


def test_a_tab_that_was_closed_and_opened_again_goes_on(run: Run) -> None:
    run.notebook.page.close()
    run.passes(100)
    run.at(run.opened())
    run.board = run.come_back(run.notebook.page)
    assert run.step(run.board) > 100


def test_a_second_browser_shows_the_same_and_goes_on(run: Run) -> None:
    context = run.browser.new_context(viewport={"width": 1600, "height": 1500})
    page = context.new_page()
    page.goto(run.cable.address(run.name, run.app))
    run.come_back(page)
    context.close()
    run.wait_steps(run.board, 20, BACK_S)


def test_a_network_that_was_gone_loses_nothing(run: Run) -> None:
    run.cable.unplug()
    before = run.step(run.board)
    run.passes(800)
    assert run.step(run.board) - before < 100
    run.cable.plug()
    run.wait_caught_up()
    run.wait_view(run.board, BACK_S)
    run.wait_steps(run.board, 20, BACK_S)


def test_a_browser_that_was_offline_goes_on(run: Run) -> None:
    run.context.set_offline(True)
    before = run.step(run.board)
    run.passes(400)
    assert run.step(run.board) - before < 100
    run.context.set_offline(False)
    run.wait_caught_up()
    run.wait_view(run.board, BACK_S)
    run.wait_steps(run.board, 20, BACK_S)


def test_after_all_this_the_page_has_every_number_of_the_kernel(run: Run) -> None:
    run.end()
    told = run.compare()
    assert told["state"] == "finished"


def test_an_interrupted_cell_is_run_again(run: Run) -> None:
    run.start()
    run.notebook.page.locator("[data-command='notebook:interrupt-kernel']").first.click()
    with pytest.raises(RuntimeError, match="KeyboardInterrupt"):
        run.notebook.wait_end(TRAIN_CELL)
    run.wait_words("interrupted at step ")
    run.start()
    assert run.board.state == "live"
    run.wait_view(run.board)
    run.end()
    steps = run.ask()["steps"]
    assert steps == list(range(len(steps)))


def test_an_error_in_training_is_told_and_everything_stays(run: Run) -> None:
    run.notebook.start(FAIL_CELL)
    with pytest.raises(RuntimeError, match="the loss is no number"):
        run.notebook.wait_end(FAIL_CELL)
    words = run.wait_words("stopped by ValueError at step ")
    told = run.ask()
    assert int("".join(NUMBER.findall(words))) == told["steps"][-1]  # whose forward pass was read
    assert told["hooks"] == 0
    run.wait_view(run.board)
    run.notebook.run(AGAIN_CELL)
    again = Board(run.notebook.page, 1)
    again.root.scroll_into_view_if_needed()
    again.until(lambda now: now[NORM].names() == [SHOWN] and now[NORM].points() > 20, "the new view is empty")
    run.board.root.screenshot(path=str(SHOTS / f"stopped-by-error-{run.app}.png"))


def test_a_restarted_kernel_leaves_a_panel_that_answers(run: Run) -> None:
    run.start()
    run.notebook.page.evaluate(RESTART)
    run.board.wait_state("gone")
    assert "kernel gone" in run.board.part("mw-state").inner_text()
    run.board.part("mw-all").click()
    run.board.until(lambda now: len(now[NORM].names()) == 5 and now[NORM].points() > 20, "the panel does not answer")
