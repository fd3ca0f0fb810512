"""Pointing at one of many lines: it stands out in every panel, with its band, and the chart below is left as it is."""

from __future__ import annotations

import pytest

from tests.browser.board import Board
from tests.browser.conftest import SHOTS, Open
from tests.browser.lab import Notebook, until
from tests.browser.scenes import GRADIENT, NORM, scene

pytestmark = pytest.mark.browser

MANY = 80  # more than have their bands drawn


@pytest.fixture(scope="module")
def notebook(open_notebook: Open) -> Notebook:
    return open_notebook("pointing.ipynb", [scene(MANY, 0)], 1600, 1500)


@pytest.fixture(scope="module")
def board(notebook: Notebook) -> Board:
    notebook.run(0)
    board = Board(notebook.page)
    board.root.scroll_into_view_if_needed()
    board.part("mw-all").click()
    board.part("mw-window").select_option("10")
    board.until(lambda now: NORM in now and len(now[NORM].names()) > 60, "not all lines are drawn", within_s=30)
    return board


def test_the_line_under_the_pointer_is_drawn_with_its_band_above_a_veil(notebook: Notebook, board: Board) -> None:
    before = board.picture()
    name = before[GRADIENT].names()[-1]
    assert before[GRADIENT].names("band_minmax") == []
    assert "band of the line you point at" in board.panel(GRADIENT).locator(".mw-panel-foot").inner_text()
    panel = board.panel(GRADIENT)
    notebook.page.mouse.move(*board.on_curve(GRADIENT, name))
    until(lambda: panel.locator(".mw-lit-line").count() == 1, "no line is lit")
    lit = panel.locator(".mw-lit-line").get_attribute("data-name")
    assert lit in board.part("mw-tooltip", GRADIENT).inner_text()
    heights = [panel.locator(part).evaluate("(e) => e.getBBox().height") for part in (".mw-lit-band", ".mw-lit-line")]
    assert heights[0] > heights[1] > 0
    assert board.panel(NORM).locator(f".mw-lit-line[data-name='{lit}']").count() == 1
    assert panel.locator(".mw-veil").is_visible()
    board.root.screenshot(path=str(SHOTS / "pointing.png"))
    assert board.picture()[GRADIENT] == before[GRADIENT]


def test_all_lines_are_bright_again_when_the_pointer_leaves(notebook: Notebook, board: Board) -> None:
    notebook.page.mouse.move(2, 2)
    until(lambda: not board.root.locator(".mw-veil:visible").count(), "the veil stays")
    assert board.root.locator(".mw-lit-line").count() == 0
    assert notebook.complaints == []
