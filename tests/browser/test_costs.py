"""What watching costs, as the strip and its table tell it: while it changes, by keyboard, in a saved notebook."""

from __future__ import annotations

import pytest

from tests.browser.board import Board
from tests.browser.conftest import SHOTS, Open
from tests.browser.lab import Notebook, until
from tests.browser.scenes import NORM, scene

pytestmark = pytest.mark.browser

SHOWN, SET_UP, MEASURED, CHANGED, FIXED, UNKNOWN = range(6)
WATCHED = """
from monitorch_widgets.values import Cost, Overhead

def costs(share, low=4, high=4, budget=0.05):
    lenses = (
        Cost("LossMetrics", ("Loss",), 1, False, 0.00002, 0.001),
        Cost("OutputNorm", ("Output Norm",), low, False, 0.00081, share * 0.4),
        Cost("OutputGradientGeometry", ("Output Gradient Norm", "Output Gradient Correlation"), high, True, 0.0112,
             share * 0.5),
        Cost("ParameterUpdateRatio", ("Update Ratio",), 0, False),
    )
    shared = (Cost("hooks", fraction=0.002), Cost("transfer and history", fraction=0.0004), Cost("page"))
    return Overhead(share, budget, (low, high), lenses + shared)

def tell(overhead):
    global now
    now = replace(now, overhead=overhead, step=now.step + 1)
    dashboard.refresh(force=True)
"""
UNMEASURED = (
    "replace(costs(float('nan'), 2, 2), costs=tuple(Cost(c.name, c.tags, c.every_steps) for c in costs(0).costs))"
)
CELLS = [
    scene(12, 0),
    WATCHED,
    "tell(costs(0.0312))\ndashboard.finish()",
    "tell(costs(0.1249, 1, 16))",
    "tell(costs(0.0048, 1, 1, None))\ndashboard.finish()",
    f"tell({UNMEASURED})",
]
WIDTHS = "(rows) => rows.map((row) => row.offsetWidth)"
PLACE = "(e) => ['left', 'top', 'width', 'height'].map((side) => Math.round(e.getBoundingClientRect()[side]))"


@pytest.fixture(scope="module")
def notebook(open_notebook: Open) -> Notebook:
    return open_notebook("costs.ipynb", CELLS, 1600, 1500)


@pytest.fixture(scope="module")
def board(notebook: Notebook) -> Board:
    notebook.run(SHOWN)
    board = Board(notebook.page)
    board.root.scroll_into_view_if_needed()
    board.until(lambda now: NORM in now and bool(now[NORM].names()), "the panels did not fill", within_s=30)
    notebook.run(SET_UP)
    return board


def says(board: Board, words: str) -> None:
    until(
        lambda: (board.part("mw-costs").text_content() or "").replace("\u202f", " ") == words,
        f"the strip did not say {words!r}, but {board.part('mw-costs').text_content()!r}",
        within_s=10,
    )


def rows(board: Board) -> list[list[str]]:
    found: list[list[str]] = board.part("mw-costs-box").evaluate(
        "(box) => [...box.querySelectorAll('tbody tr')].map((row) => [...row.children].map((cell) => cell.textContent))"
    )
    return [[text.replace("\u202f", " ") for text in row] for row in found]


def test_where_nobody_measures_nothing_is_said(board: Board) -> None:
    assert not board.part("mw-costs").is_visible()


def test_the_strip_says_what_it_costs_and_a_click_opens_the_table(notebook: Notebook, board: Board) -> None:
    notebook.run(MEASURED)
    says(board, "costs 3.1 % · every 4 steps")
    button, box = board.part("mw-costs"), board.part("mw-costs-box")
    assert button.get_attribute("aria-expanded") == "false"
    button.click()
    box.wait_for(state="visible")
    assert button.get_attribute("aria-expanded") == "true"
    assert rows(board) == [
        ["LossMetrics", "every step", "0.02", "0.1 %"],
        ["OutputNorm", "every 4 steps", "0.81", "1.2 %"],
        ["OutputGradientGeometry", "every 4 steps, in pairs", "11.2", "1.6 %"],
        ["ParameterUpdateRatio", "–", "–", "–"],
        ["hooks", "", "", "0.2 %"],
        ["transfer and history", "", "", "0.0 %"],
        ["page", "", "", "–"],
        ["total", "", "", "3.1 %"],
    ]
    assert "budget of 5.0\u202f%" in board.part("mw-cost-words").inner_text()
    for theme, dark in (("dark", True), ("light", False)):
        notebook.theme(dark)
        board.root.screenshot(path=SHOTS / f"{theme}-costs.png")
    inside = box.evaluate(
        "(box) => box.scrollWidth <= box.clientWidth"
        " && box.getBoundingClientRect().right <= box.closest('.mw-root').getBoundingClientRect().right"
    )
    assert inside


def test_the_open_table_follows_and_nothing_moves(notebook: Notebook, board: Board) -> None:
    if not board.part("mw-costs-box").is_visible():
        board.part("mw-costs").click()
    state = board.part("mw-state").evaluate(PLACE)
    before = board.part("mw-costs-box").locator("tr").evaluate_all(WIDTHS)
    board.part("mw-costs-box").evaluate("(box) => (window.__row = box.querySelector('tbody tr'))")
    notebook.page.evaluate("() => document.activeElement.blur()")
    tell(notebook, board, CHANGED)
    says(board, "costs 12.5 % · every 1–16 steps")
    until(lambda: rows(board)[-1][-1] == "12.5 %", "the table did not follow", within_s=5)
    assert rows(board)[2][1:3] == ["every 16 steps, in pairs", "11.2"]
    after = board.part("mw-costs-box").locator("tr").evaluate_all(WIDTHS)
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) <= 8
    assert board.part("mw-state").evaluate(PLACE) == state
    assert board.part("mw-costs-box").evaluate("(box) => window.__row === box.querySelector('tbody tr')")


def tell(notebook: Notebook, board: Board, cell: int) -> None:
    """Run a cell by JupyterLab's command, since a click on it would close what is open."""
    prompt = notebook.prompt(cell)
    notebook.page.evaluate(
        "(i) => { const { content } = window.jupyterapp.shell.currentWidget;"
        " content.activeCellIndex = i; return window.jupyterapp.commands.execute('notebook:run-cell') }",
        cell,
    )
    until(lambda: notebook.prompt(cell) not in (prompt, "[*]:"), "the cell did not run")


def test_it_closes_with_escape_and_with_a_click_elsewhere_and_opens_by_keyboard(board: Board) -> None:
    button, box = board.part("mw-costs"), board.part("mw-costs-box")
    if not box.is_visible():
        button.click()
    board.part("mw-count").click()
    box.wait_for(state="hidden")
    button.focus()
    board.page.keyboard.press("Enter")
    box.wait_for(state="visible")
    board.page.keyboard.press("Escape")
    box.wait_for(state="hidden")
    assert button.get_attribute("aria-expanded") == "false"
    assert button.evaluate("(button) => button === document.activeElement && button.tabIndex === 0")
    board.page.keyboard.press("Tab")
    assert not button.evaluate("(button) => button === document.activeElement")
    board.page.keyboard.press("Shift+Tab")
    assert button.evaluate("(button) => button === document.activeElement")


def test_what_is_not_measured_yet_is_a_dash_that_says_so(notebook: Notebook, board: Board) -> None:
    notebook.run(UNKNOWN)
    says(board, "costs – · every 2 steps")
    assert "being measured" in (board.part("mw-costs").get_attribute("title") or "")


def test_fixed_strides_are_told_and_a_saved_notebook_still_does(notebook: Notebook, board: Board) -> None:
    notebook.run(FIXED)
    says(board, "costs 0.5 % · every step")
    notebook.save()
    notebook.page.reload()
    notebook.wait_idle()
    board.root.scroll_into_view_if_needed()
    board.until(lambda now: NORM in now and bool(now[NORM].names()), "the reload lost the picture", within_s=60)
    says(board, "costs 0.5 % · every step")
    board.part("mw-costs").click()
    assert "fixed stride" in board.part("mw-cost-words").inner_text()
    assert rows(board)[1] == ["OutputNorm", "every step", "0.81", "0.2 %"]
    board.page.keyboard.press("Escape")


def test_the_console_had_no_error_from_start_to_end(notebook: Notebook) -> None:
    assert notebook.complaints == []
