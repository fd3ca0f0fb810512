"""A page takes what it can: the next message waits for it, and what nobody sees is not drawn."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.board import Board
from tests.browser.conftest import Open
from tests.browser.lab import Notebook, Server, until
from tests.browser.scenes import GRADIENT, LOSS, NORM, RATIO, scene

pytestmark = pytest.mark.browser

SHOWN, SET_UP, RUN, TOLD = range(4)
LOOP = """
import json, time
from pathlib import Path

series = [history[tag] for tag in ("Loss", "Output Norm", "Output Gradient Norm")]
told = {}

def run(stop):
    global now
    flow, began, most, first = dashboard._flow, time.time(), 0, dashboard._flow.number
    while not Path(stop).exists() and time.time() < began + 100:
        time.sleep(0.004)
        step = now.step
        for one in series:
            one.record(step, step / 200, one.modules, [rng.random() + i for i in range(one.width)])
        now = replace(now, state="live", step=step + 1, elapsed_s=step / 200)
        dashboard.refresh()
        if flow.number - first >= 10 and not Path(stop + ".many").exists():
            Path(stop + ".many").touch()
        most = max(most, flow.number - flow.heard if flow._answered else 0)
    now = replace(now, state="finished")
    dashboard.finish()
    told.update(sent=flow.number - first, heard=flow.heard, number=flow.number, waiting=most, answered=flow._answered,
                seconds=time.time() - began, step=now.step)
"""
SLOW = """
() => {
  window.__slow = setInterval(() => { const end = performance.now() + 400; while (performance.now() < end); }, 450);
}
"""
HIDE = """
(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""


class Runs:
    """A notebook whose loop runs until it is told to stop."""

    def __init__(self, notebook: Notebook, stop: Path) -> None:
        self.notebook, self.stop = notebook, stop
        self.many = stop.with_name("stop.many")  # there when ten messages were sent
        self.board = Board(notebook.page)

    def start(self) -> None:
        self.stop.unlink(missing_ok=True)
        self.many.unlink(missing_ok=True)
        self.notebook.start(RUN)
        self.board.root.scroll_into_view_if_needed()
        self.board.wait_state("live")

    def end(self) -> dict[str, Any]:
        """Stop the loop; what it tells of itself."""
        self.stop.touch()
        self.notebook.wait_end(RUN)
        told: dict[str, Any] = json.loads(self.notebook.run(TOLD).strip().splitlines()[-1])
        return told

    @property
    def step(self) -> int:
        return int("".join(filter(str.isdigit, self.board.part("mw-step").text_content() or "")) or 0)

    def wait_steps(self, count: int) -> None:
        """Wait until the page has heard of so many further steps."""
        before = self.step
        until(lambda: self.step >= before + count, "no news came", within_s=30)

    def drawings(self) -> dict[str, int]:
        """How often each panel was drawn."""
        drawn: dict[str, int] = self.board.part("mw-panel").evaluate_all(
            "(panels) => Object.fromEntries(panels.map((p) => [p.dataset.tag, Number(p.dataset.drawn ?? 0)]))"
        )
        return drawn


@pytest.fixture(scope="module")
def runs(open_notebook: Open, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    stop = tmp_path_factory.mktemp("flow") / "stop"
    cells = [scene(12, 0), LOOP, f"run({str(stop)!r})", "print(json.dumps(told))"]
    notebook = open_notebook("flow.ipynb", cells, 1600, 1500)
    notebook.run(SHOWN)
    notebook.run(SET_UP)
    runs = Runs(notebook, stop)
    runs.board.root.scroll_into_view_if_needed()
    runs.board.until(lambda now: all(now[tag].points() for tag in (NORM, GRADIENT, LOSS)), "a panel is empty", 30)
    return runs


def test_python_hears_what_the_page_has_taken_while_the_cell_runs(runs: Runs) -> None:
    runs.start()
    runs.wait_steps(300)
    told = runs.end()
    assert told["answered"]
    assert told["waiting"] <= 2  # one that is on its way, and one more that was sent before answers were known to come
    assert told["sent"] >= 3


def test_a_page_that_cannot_keep_up_gets_fewer_and_has_the_end_at_once(runs: Runs) -> None:
    runs.notebook.page.evaluate(SLOW)
    try:
        runs.start()
        runs.wait_steps(600)
        told = runs.end()
    finally:
        runs.notebook.page.evaluate("() => clearInterval(window.__slow)")
    assert told["waiting"] <= 2
    assert told["sent"] / told["seconds"] < 5
    until(lambda: runs.step == told["step"], "the page has not seen the end", within_s=10)
    runs.board.wait_state("finished")


def test_a_panel_that_is_hidden_or_off_screen_is_not_drawn(runs: Runs) -> None:
    board, page = runs.board, runs.notebook.page
    page.set_viewport_size({"width": 1100, "height": 420})
    board.part("mw-panels").click()
    board.root.locator(f"[data-testid=mw-panel-shown][data-tag='{RATIO}']").click()
    page.keyboard.press("Escape")
    try:
        runs.start()
        board.panel(LOSS).evaluate("(panel) => panel.scrollIntoView({ block: 'start' })")
        runs.wait_steps(100)
        before = runs.drawings()
        runs.wait_steps(300)
        after = runs.drawings()
        seen = board.part("mw-panel").evaluate_all(
            "(panels) => Object.fromEntries(panels.map((p) => { const box = p.getBoundingClientRect();"
            " return [p.dataset.tag, box.height > 0 && box.bottom > -100 && box.top < innerHeight + 100] }))"
        )
        assert after[LOSS] > before[LOSS]
        away = [tag for tag, here in seen.items() if not here]
        assert RATIO in away and len(away) >= 2
        assert all(after[tag] == before[tag] for tag in away)
        last = board.panel(away[0] if away[0] != RATIO else away[1])
        last.scroll_into_view_if_needed()
        tag = last.get_attribute("data-tag") or ""
        until(lambda: runs.drawings()[tag] > after[tag], "it is not drawn when it comes into sight", within_s=10)
    finally:
        runs.end()
        page.set_viewport_size({"width": 1600, "height": 1500})
        board.part("mw-panels").click()
        board.root.locator(f"[data-testid=mw-panel-shown][data-tag='{RATIO}']").click()
        page.keyboard.press("Escape")


def test_a_hidden_tab_takes_all_and_draws_nothing_until_it_is_seen(runs: Runs) -> None:
    board, page = runs.board, runs.notebook.page
    runs.start()
    page.evaluate(HIDE, True)
    try:
        before, drawn, step = runs.drawings(), board.root.get_attribute("data-drawn"), runs.step
        until(runs.many.exists, "a hidden page stopped the messages", within_s=30)
        told = runs.end()
    finally:
        hidden = (runs.drawings(), board.root.get_attribute("data-drawn"), runs.step)
        page.evaluate(HIDE, False)
    assert hidden == (before, drawn, step)
    assert told["answered"] and told["waiting"] <= 2
    until(lambda: runs.step == told["step"], "it did not catch up", within_s=10)
    board.wait_state("finished")
    assert runs.drawings()[NORM] <= before[NORM] + 40  # a few while the axes settle, and none for each message


def test_a_second_page_that_is_closed_does_not_stop_the_first(runs: Runs, server: Server, browser: Browser) -> None:
    runs.notebook.save()
    context = browser.new_context(viewport={"width": 1600, "height": 1500})
    other = context.new_page()
    other.goto(server.address("flow.ipynb").replace("/lab/tree/", "/lab/workspaces/other/tree/"))
    second = Board(other)
    second.root.wait_for(timeout=60_000)
    second.root.scroll_into_view_if_needed()
    runs.start()
    second.wait_state("live")
    runs.wait_steps(100)
    context.close()
    runs.wait_steps(1500)
    told = runs.end()
    assert told["answered"]
    until(lambda: runs.step == told["step"], "the page has not seen the end", within_s=10)


def test_the_console_had_no_error_from_start_to_end(runs: Runs) -> None:
    assert runs.notebook.complaints == []
