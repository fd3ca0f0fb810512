"""The tab "Performance" while a cell trains: what watching costs, and everything that sets it."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator

from tests.browser.board import Board
from tests.browser.conftest import SHOTS, Open
from tests.browser.lab import Notebook, until

pytestmark = pytest.mark.browser


def cells(folder: Path) -> list[str]:
    """An inspector that is shown, training until a file is there, and what is then so."""
    return [
        f"""
import os, time
from pathlib import Path
import torch
from torch import nn
from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import OutputHistogram, OutputNorm, ParameterGradientGeometry

torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(64, 8)
lenses = [OutputNorm(), ParameterGradientGeometry(), OutputHistogram()]
inspector = PyTorchInspector(lenses, module=model, journal={str(folder / "runs")!r})
inspector
""",
        f"""
began = time.time()
while not Path({str(folder / "enough")!r}).exists() and time.time() < began + 200:
    optimizer.zero_grad()
    model(x).pow(2).mean().backward()
    optimizer.step()
    time.sleep(0.01)
""",
        "print(inspector.log_every_n_steps, inspector.refresh_rate, inspector.journal.max_queue, os.getpid())",
    ]


SHOW_CELL, TRAIN_CELL, AFTER_CELL = range(3)


@dataclass
class Desk:
    """A notebook whose training cell runs, and the tab of its dashboard."""

    notebook: Notebook
    board: Board
    enough: Path

    @property
    def tab(self) -> Locator:
        return self.board.root.locator("[data-testid=mw-tab][data-tab=Performance]")

    def part(self, name: str) -> Locator:
        return self.board.root.locator(f"[data-testid=mw-perf][data-part={name}]")

    def input(self, part: str, name: str) -> Locator:
        return self.part(part).locator(f"[data-testid=mw-field][data-name='{name}'] input")

    def said(self, words: str) -> None:
        said = self.board.part("mw-said")
        until(lambda: words in said.inner_text(), f"{words!r} was not said", 15)

    def fact(self, name: str) -> str:
        facts = self.board.part("mw-page-facts").locator("div").all_inner_texts()
        return dict(fact.split("\n") for fact in facts)[name]

    @property
    def bar(self) -> str:
        """Cost and budget, as a screen reader says them."""
        return self.board.part("mw-perf-bar").get_attribute("aria-valuetext") or ""

    @property
    def busy(self) -> bool:
        return self.notebook.busy(TRAIN_CELL)


@pytest.fixture(scope="module")
def desk(open_notebook: Open, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("performance")
    notebook = open_notebook("performance.ipynb", cells(folder), 1500, 1300)
    notebook.run(SHOW_CELL)
    return Desk(notebook, Board(notebook.page), folder / "enough")


def test_B21_the_tab_is_there_before_the_first_step_and_says_what_will_come(desk: Desk) -> None:
    row = desk.board.part("mw-tabs")
    row.wait_for()
    desk.tab.click()
    assert desk.part("timing").inner_text().endswith("appears with the first steps.")
    assert desk.board.part("mw-perf-figure").inner_text() == "–"
    assert "0 waiting" in desk.part("writers").inner_text()
    before = desk.part("often").bounding_box()
    desk.notebook.start(TRAIN_CELL)
    desk.board.wait_state("live")
    assert row.is_visible() and desk.part("often").bounding_box() == before


def test_B21_it_says_what_watching_costs_while_the_cell_runs(desk: Desk) -> None:
    figure = desk.board.part("mw-perf-figure")
    until(lambda: re.fullmatch(r"\d+\.\d\s%", figure.inner_text()), "no figure came", 30)
    rows = desk.part("cost").locator("tbody th").all_inner_texts()
    assert rows[:3] == ["OutputNorm", "ParameterGradientGeometry", "OutputHistogram"] and rows[-1] == "total"
    assert "of 5.0" in desk.bar
    until(lambda: desk.fact("updates now").endswith("a second"), "no rate of updates")
    until(lambda: desk.fact("acknowledged").startswith("up to"), "nothing was acknowledged")
    assert desk.fact("newest data").endswith("s ago")
    card = desk.board.root.locator("[data-testid=mw-card][data-key=timing]")
    until(lambda: card.count() == 1 and "forward" in card.inner_text(), "no time of a step", 30)
    assert desk.part("timing").count() == 0
    desk.board.root.screenshot(path=SHOTS / "performance.png")
    assert desk.busy


def test_B02_B03_each_control_is_answered_while_the_cell_runs(desk: Desk) -> None:
    slider = desk.input("often", "histograms every")
    slider.press("ArrowRight")
    desk.said("log_every_n_steps=100")
    until(lambda: slider.get_attribute("aria-valuetext") == "100 steps", "the slider does not say it")
    refresh = desk.input("page", "refresh")
    refresh.press("Home")
    desk.said("refresh_rate=0.1")
    refresh.press("End")
    desk.said("refresh_rate=30")
    for name, value in (("max_queue", "3"), ("flush_secs", "1.5")):
        field = desk.input("writers", name)
        field.fill(value)
        field.press("Enter")
        desk.said(f"journal: {name}={value}")
    assert desk.busy


def test_B21_a_refusal_says_why_and_the_field_is_what_it_was(desk: Desk) -> None:
    budget = desk.input("often", "budget")
    budget.fill("0")
    budget.press("Enter")
    desk.said("Refused: expected max_overhead to be a fraction")
    until(lambda: budget.input_value() == "5", "the field keeps what was refused", 10)
    every = desk.input("often", "every")
    every.fill("7")
    every.press("Enter")
    desk.said("every=7")
    until(lambda: "of" not in desk.bar, "there is a budget still", 10)


def test_B21_the_table_in_the_strip_leads_here_and_the_drawer_has_the_same_controls(desk: Desk) -> None:
    desk.board.root.locator("[data-testid=mw-tab][data-tab=Panels]").click()
    desk.board.part("mw-instrument").click()
    log = desk.board.part("mw-drawer").locator("[data-name='histograms every'] input")
    assert log.get_attribute("aria-valuetext") == "100 steps"
    desk.board.page.keyboard.press("Escape")
    desk.board.part("mw-costs").click()
    desk.board.part("mw-costs-more").click()
    until(lambda: desk.tab.get_attribute("aria-selected") == "true", "the tab is not in sight", 10)
    assert not desk.board.part("mw-costs-box").is_visible() and desk.busy


def test_B21_with_nobody_there_the_figures_stay_and_the_controls_say_why_they_rest(desk: Desk) -> None:
    desk.enough.touch()
    desk.notebook.wait_end(TRAIN_CELL)
    *then, pid = desk.notebook.run(AFTER_CELL).split()
    assert then == ["100", "30.0", "3"]
    os.kill(int(pid), signal.SIGKILL)
    desk.board.page.locator(".jp-Dialog").get_by_role("button").last.click()  # JupyterLab says so, too
    until(desk.input("often", "histograms every").is_disabled, "the slider can still be moved", 20)
    assert desk.input("writers", "max_queue").is_disabled()
    assert "The kernel is not there any more: nothing can be changed" in desk.part("often").inner_text()
    assert desk.board.part("mw-perf-figure").inner_text() != "–"


def test_the_console_had_no_error_from_start_to_end(desk: Desk) -> None:
    assert desk.notebook.complaints == []
