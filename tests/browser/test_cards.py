"""What is shown beside the curves, used while the cell runs: data, gallery, checks, learning-rate finder, run."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Locator

from tests.browser.board import Board
from tests.browser.conftest import SHOTS, Open
from tests.browser.lab import Notebook, until

pytestmark = pytest.mark.browser

SETUP = """
import math, time
from pathlib import Path
import torch
from torch import nn
from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import InputHistogram, OutputHistogram, OutputNorm

torch.manual_seed(0)
torch.set_num_threads(1)

class Centred(nn.Module):
    def forward(self, x):
        return x - x.mean(0)  # mixes the samples of a batch

model = nn.Sequential()
model.add_module("first", nn.Linear(8, 16))
model.add_module("centred", Centred())
model.add_module("last", nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(64, 8)
batch = (x, x.mean(1, keepdim=True))

def slow_loss(output, target):
    time.sleep(0.03)
    return nn.functional.mse_loss(output, target)

def train_step():
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), batch[1])
    loss.backward()
    optimizer.step()
    time.sleep(0.01)
    return loss
"""
SHOW = """
lenses = [OutputNorm(), InputHistogram(), OutputHistogram()]
inspector = PyTorchInspector(lenses=lenses, module=model, every=1, control=True)
inspector
"""
PUT = """
inspector.log_hyperparams({"lr": 0.01, "<img src=x onerror=__pwned=1>": "MARKUP"}, {"hp/loss": 0.0})
inspector.check_batches()

from monitorch_widgets.values import Card

TIMES = {"words": "By part.", "bars": {"labels": ["forward", "backward"], "values": [4.3, None], "unit": "ms"}}
inspector.cards.put(Card("times", "Run", "report", "Times", TIMES))
"""
FIND = "finder = inspector.lr_find([batch], optimizer, slow_loss)\n"
EPOCH, PICTURES = 50, 10


def training(enough: Path) -> str:
    return f"""
began = time.time()
while not Path({str(enough)!r}).exists() and time.time() < began + 240:
    loss = train_step()
    step = inspector.status().step
    inspector.log("accuracy", 1 - loss, prog_bar=True, on_step=True, on_epoch=True)
    if step % {PICTURES} == 0:
        inspector.add_image("waves", torch.sin(torch.arange(256.0).reshape(1, 16, 16) / 9 + step) / 2 + 0.5)
        inspector.add_histogram("spiky", torch.tensor([0.0, 1.0, math.nan, math.inf]))
    if step % {EPOCH} == 0:
        inspector.tick_epoch()
"""


PID = "import os\nprint(os.getpid())"
SETUP_CELL, SHOW_CELL, TRAIN_CELL, LR_CELL, PID_CELL = range(5)
TABS = ["Panels", "Data", "Gallery", "Checks", "LR finder", "Run", "Performance"]


@dataclass
class Desk:
    """A notebook whose training cell runs, and the cards of its dashboard."""

    notebook: Notebook
    board: Board
    enough: Path

    def tab(self, name: str) -> Locator:
        return self.board.root.locator(f"[data-testid=mw-tab][data-tab='{name}']")

    def open(self, name: str) -> None:
        self.wait(lambda: self.tab(name).count() == 1, f"no tab {name}")
        self.tab(name).click()
        self.wait(lambda: self.tab(name).get_attribute("aria-selected") == "true", f"{name} was not opened")
        if name != "Panels":
            self.wait(lambda: self.part("mw-pane").get_attribute("data-tab") == name, f"{name} is not in sight")

    def part(self, testid: str) -> Locator:
        return self.board.part(testid)

    def card(self, key: str) -> Locator:
        return self.board.root.locator(f"[data-testid=mw-card][data-key='{key}']")

    def tensor(self, key: str) -> Locator:
        return self.board.root.locator(f"[data-testid=mw-tensor][data-key='histogram/{key}']")

    def text(self, testid: str, within: Locator | None = None) -> str:
        return (within or self.board.root).get_by_test_id(testid).inner_text()

    def wait(self, holds: Callable[[], object], otherwise: str, within_s: float = 20) -> None:
        until(holds, otherwise, within_s)

    def wait_said(self, words: str) -> None:
        self.wait(lambda: words in self.text("mw-said"), f"{words!r} is not said")

    def drawn(self) -> int:
        return int(self.board.root.get_attribute("data-drawn") or 0)

    @property
    def busy(self) -> bool:
        return self.notebook.busy(TRAIN_CELL)


@pytest.fixture(scope="module")
def desk(open_notebook: Open, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    enough = tmp_path_factory.mktemp("cards") / "enough"
    cells = [SETUP, SHOW, PUT + FIND + training(enough), "print('lr', optimizer.param_groups[0]['lr'])", PID]
    notebook = open_notebook("cards.ipynb", cells, 1500, 1300)
    notebook.run(SETUP_CELL)
    notebook.run(SHOW_CELL)
    notebook.save()
    made = Desk(notebook, Board(notebook.page), enough)
    notebook.start(TRAIN_CELL)
    return made


def number_in(text: str) -> float:
    """The first number of a text, as the page writes it."""
    found = re.search(r"[−\d][\d.,]*(?:e[−\d]+)?", text)
    assert found is not None, text
    return float(found[0].replace("−", "-"))


def test_N30_N34_the_curve_grows_while_the_finder_runs_and_has_a_red_point(desk: Desk) -> None:
    desk.open("LR finder")
    card = desk.card("lr_finder")
    dots = card.locator(".mw-lr-dots")
    seen = set()
    while card.get_by_test_id("mw-card-state").inner_text() == "running":
        seen.add(len(dots.get_attribute("d") or ""))
    assert len(seen) > 5
    desk.wait(lambda: desk.text("mw-card-state", card) == "finished", "the search did not end")
    assert card.locator(".mw-lr-suggested").count() == 1
    assert "suggested" in desk.text("mw-lr-value")
    assert "1e−8" in card.locator(".mw-fig-axes").text_content()  # a logarithmic axis
    assert desk.busy


def test_N34_another_point_is_chosen_by_click_and_by_key_and_applied(desk: Desk) -> None:
    desk.board.wait_state("live")
    figure, value = desk.part("mw-lr-figure"), desk.part("mw-lr-value")
    suggested = value.inner_text()
    box = figure.bounding_box()
    assert box is not None
    figure.click(position={"x": box["width"] * 0.55, "y": box["height"] * 0.5})
    desk.wait(lambda: "chosen" in value.inner_text(), "the click chose nothing")
    clicked = value.inner_text()
    figure.press("ArrowRight")
    desk.wait(lambda: value.inner_text() != clicked, "the key chose nothing")
    assert number_in(value.inner_text()) > number_in(clicked)
    desk.part("mw-lr-back").click()
    desk.wait(lambda: value.inner_text() == suggested, "the suggestion did not come back")
    figure.click(position={"x": box["width"] * 0.55, "y": box["height"] * 0.5})
    desk.wait(lambda: value.inner_text() == clicked, "the click chose another")
    apply = desk.card("lr_finder").locator("[data-action=apply]")
    assert number_in(apply.inner_text()) == number_in(clicked)
    apply.click()
    desk.wait_said(" · step ")
    assert "Refused" not in desk.text("mw-said")
    desk.wait(lambda: apply.get_attribute("data-awaited") is None, "the answer is still awaited")
    assert desk.busy


def test_A02_A03_tensors_stand_in_a_tree_by_group_with_their_shapes(desk: Desk) -> None:
    desk.open("Data")
    desk.wait(lambda: desk.tensor("output/last").count() == 1, "no histogram of outputs")
    groups = desk.part("mw-tensor-group").evaluate_all("heads => heads.map((head) => head.dataset.group)")
    assert {"batch", "input", "output", "logged"} <= set(groups)
    assert "[64, 8]" in desk.tensor("input/first").inner_text()
    head = desk.board.root.locator("[data-testid=mw-tensor-group][data-group=input]")
    for seen in (False, True):
        head.click()
        assert desk.tensor("input/first").is_visible() is seen


def test_A08_tensors_with_nan_and_infinity_have_badges(desk: Desk) -> None:
    desk.wait(lambda: desk.tensor("logged/spiky").count() == 1, "no histogram was logged")
    assert re.search(r"NaN\s*Inf", desk.tensor("logged/spiky").inner_text())
    assert "NaN" not in desk.tensor("output/last").inner_text()
    assert desk.tab("Data").locator(".mw-tab-dot[data-dot=bad]").is_visible()
    assert "1 tensor with NaN or infinity" in (desk.tab("Data").get_attribute("aria-label") or "")


def test_A02_the_chosen_tensor_has_bars_and_a_map_that_grow_with_the_run(desk: Desk) -> None:
    desk.tensor("input/first").click()
    desk.wait(lambda: desk.text("mw-tensor-title") == "first", "another tensor was not chosen")
    every = desk.part("mw-histogram-every").locator("input")
    every.fill("5")
    every.press("Enter")
    desk.wait_said("log_every_n_steps=5")
    step = desk.part("mw-histogram").locator("xpath=preceding-sibling::h4")
    before = step.inner_text()
    desk.wait(lambda: step.inner_text() != before, "no newer histogram came")
    assert len(desk.part("mw-histogram").locator(".mw-bar").get_attribute("d") or "") > 100
    painted = (
        "c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter((v, i) => i % 4 == 3 && v).length"
    )
    assert desk.part("mw-histogram-map").locator("canvas").evaluate(painted) > 100
    assert "float32" in desk.text("mw-tensor-facts")
    assert desk.busy


@pytest.mark.parametrize("figure", ["mw-histogram", "mw-histogram-map"])
def test_A02_bars_and_cells_say_what_they_are(desk: Desk, figure: str) -> None:
    tip = desk.part(figure).get_by_test_id("mw-tooltip")

    def look() -> bool:
        desk.part(figure).hover(position={"x": 300, "y": 90})
        return tip.is_visible() and " to " in tip.inner_text()

    desk.wait(look, "no tooltip appeared")
    desk.board.page.mouse.move(2, 2)


def test_nothing_is_drawn_for_a_tab_that_is_not_in_sight(desk: Desk) -> None:
    panel = desk.board.panel("Output Norm")
    panels = panel.get_attribute("data-drawn")
    desk.board.wait_drawings(5)
    assert panel.get_attribute("data-drawn") == panels
    bars = desk.part("mw-histogram").locator(".mw-bar")
    desk.open("Run")
    before = bars.get_attribute("d")
    desk.board.wait_drawings(10)
    assert bars.get_attribute("d") == before
    desk.open("Panels")
    desk.wait(lambda: panel.get_attribute("data-drawn") != panels, "the panels were not drawn again")


def test_N19_older_pictures_are_a_step_back_while_newer_ones_come(desk: Desk) -> None:
    desk.open("Gallery")
    step, picture = desk.part("mw-picture-step"), desk.part("mw-picture")
    desk.wait(lambda: desk.part("mw-picture-older").is_visible(), "no second picture came")
    assert "newest" in step.inner_text()
    newest, url = step.inner_text(), picture.get_attribute("src")
    desk.wait(lambda: step.inner_text() != newest, "no newer picture came")
    assert picture.get_attribute("src") != url
    desk.part("mw-picture-older").click()
    desk.wait(lambda: "newest" not in step.inner_text(), "no older picture is shown")
    stays, count = step.inner_text(), desk.part("mw-picture-slider").get_attribute("max")
    desk.board.wait_drawings(8)
    assert step.inner_text() == stays or count == "11"  # the oldest of twelve goes some time
    assert picture.evaluate("async (image) => { await image.decode(); return image.naturalWidth }") == 16
    with desk.board.page.expect_download() as saved:
        desk.part("mw-picture-save").click()
    assert re.fullmatch(r"waves-\d+\.png", saved.value.suggested_filename)
    assert desk.busy


def test_A11_A13_a_check_is_asked_for_by_its_button_and_the_card_answers(desk: Desk) -> None:
    desk.open("Checks")
    card = desk.card("checks/batch_mixing")
    state = card.get_by_test_id("mw-card-state")
    desk.wait(lambda: state.inner_text() == "failed", "the first check found nothing")
    assert "centred" in card.inner_text()
    assert "mixing data across the batch" in desk.text("mw-card-words", card)
    assert len(card.locator(".mw-bar-is-lit").get_attribute("d") or "") > 20
    assert desk.tab("Checks").locator(".mw-tab-dot[data-dot=bad]").is_visible()
    card.evaluate(
        "(card) => { window.__states = []; new MutationObserver(() => window.__states.push("
        "card.querySelector('[data-testid=mw-card-state]').dataset.state)).observe(card,"
        "{ subtree: true, attributes: true, childList: true, characterData: true }) }"
    )
    card.get_by_test_id("mw-card-act").click()
    desk.wait_said("waiting for the next training batch")
    desk.wait(lambda: desk.board.page.evaluate("window.__states.length > 0"), "the card did not change")
    desk.wait(lambda: state.inner_text() == "failed", "the check did not end")
    assert desk.busy


def test_A01_N22_the_run_has_hyperparameters_and_a_row_of_metrics_per_epoch(desk: Desk) -> None:
    desk.open("Run")
    assert "<img src=x onerror=__pwned=1>" in desk.card("hparams").inner_text()
    desk.wait(lambda: desk.card("metrics").count() == 1, "no table of metrics")
    rows = desk.card("metrics").locator("tbody tr")
    count = rows.count()
    desk.wait(lambda: rows.count() > count, "no row came with the next epoch")
    assert desk.card("times").get_by_test_id("mw-bar-rows").inner_text().split() == [
        "forward",
        "4.3",
        "ms",
        "backward",
        "–",
    ]
    assert desk.board.page.evaluate("window.__pwned") is None


def test_N21_what_is_logged_for_the_progress_bar_stands_in_the_strip(desk: Desk) -> None:
    strip = desk.part("mw-strip")
    desk.wait(lambda: "accuracy" in strip.inner_text(), "the metric does not stand in the strip")


def test_N24_the_panel_of_a_group_is_folded_and_opened_again(desk: Desk) -> None:
    desk.open("Panels")
    panel = desk.board.panel("hp")
    desk.board.look_at("hp")
    fold = panel.get_by_test_id("mw-fold-panel")
    for folded in (True, False):
        fold.click()
        desk.wait(lambda folded=folded: panel.locator(".mw-plot").is_visible() is not folded, "the fold does nothing")
        assert fold.get_attribute("aria-expanded") == str(not folded).lower()
    drawn = panel.get_attribute("data-drawn")
    desk.wait(lambda: panel.get_attribute("data-drawn") != drawn, "it was not drawn again")


def test_tabs_are_gone_through_with_the_keyboard(desk: Desk) -> None:
    desk.tab("Panels").click()
    names = desk.part("mw-tab").evaluate_all("tabs => tabs.map((tab) => tab.dataset.tab)")
    assert names == TABS
    cells = desk.board.page.locator(".jp-Notebook .jp-CodeCell").count()
    for name in [*names[1:], names[0]]:
        desk.board.page.keyboard.press("ArrowRight")
        desk.wait(lambda name=name: desk.tab(name).get_attribute("aria-selected") == "true", f"{name} was not reached")
        assert desk.tab(name).evaluate("(tab) => tab === document.activeElement")
        assert desk.part("mw-tab").evaluate_all("tabs => tabs.filter((tab) => tab.tabIndex === 0).length") == 1
    desk.board.page.keyboard.press("End")
    desk.wait(lambda: desk.tab(TABS[-1]).get_attribute("aria-selected") == "true", "the last tab was not reached")
    assert desk.board.page.locator(".jp-Notebook .jp-CodeCell").count() == cells


def test_a_reloaded_page_has_the_cards_and_the_tab_that_was_open(desk: Desk) -> None:
    desk.open("Data")
    desk.board.page.reload()
    desk.notebook.page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    desk.board.root.wait_for(timeout=60_000)
    desk.wait(lambda: desk.tab("Data").get_attribute("aria-selected") == "true", "the tab is not open", 60)
    desk.wait(lambda: desk.part("mw-tab").count() == len(TABS), "tabs are missing")
    step = desk.part("mw-histogram").locator("xpath=preceding-sibling::h4")
    before = step.inner_text()
    desk.wait(lambda: step.inner_text() != before, "no newer histogram came after the reload")
    desk.open("Gallery")
    assert int(desk.part("mw-picture-slider").get_attribute("max") or 0) > 1


def test_after_the_cell_everything_is_there_and_the_rate_was_set(desk: Desk) -> None:
    desk.enough.touch()
    desk.notebook.wait_end(TRAIN_CELL)
    desk.board.wait_state("finished")
    desk.open("LR finder")
    said = desk.notebook.run(LR_CELL)
    applied = desk.card("lr_finder").locator("[data-testid=mw-card-words]").inner_text()
    assert number_in(said.split("lr ")[1]) != 0.01
    assert applied
    for name in TABS[1:]:
        desk.open(name)
        desk.board.root.screenshot(path=SHOTS / f"cards-{name.split()[0].lower()}.png")


def test_without_a_kernel_cards_stay_and_their_buttons_say_why_they_rest(desk: Desk) -> None:
    os.kill(int(desk.notebook.run(PID_CELL)), signal.SIGKILL)
    desk.board.page.locator(".jp-Dialog").get_by_role("button").last.click()  # JupyterLab says so, too
    desk.open("Checks")
    act = desk.card("checks/batch_mixing").get_by_test_id("mw-card-act")
    desk.wait(lambda: act.get_attribute("aria-disabled") == "true", "the button can still be pressed")
    assert "kernel" in (act.get_attribute("title") or "")
    act.click(force=True)
    desk.wait_said("The kernel is not there any more")
    desk.open("Gallery")
    desk.part("mw-picture-older").click()
    desk.wait(lambda: "newest" not in desk.text("mw-picture-step"), "the gallery does not answer")


def test_the_console_had_no_error_from_start_to_end(desk: Desk) -> None:
    assert desk.notebook.complaints == []
