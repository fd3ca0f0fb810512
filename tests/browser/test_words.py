"""What the page says in words and marks beside the lines: stages, events, what is not watched, lone readings, zeros."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Locator

from tests.browser.board import Board
from tests.browser.conftest import SHOTS, Open
from tests.browser.lab import Notebook, until
from tests.browser.scenes import CHANGE, GRADIENT, LOSS, MARKUP, NORM, RATIO, STAGE, STEPS, scene

pytestmark = pytest.mark.browser

TWELVE, NONE_LOST, MANY, CHANGED = range(4)
FIRST = "block1.linear1"

# Height and place of everything whose moving would be a jump.
BOXES = """
(root) => [...root.querySelectorAll(".mw-panel, .mw-plot, .mw-panel-bar, .mw-panel-foot")].map((element) => {
  const box = element.getBoundingClientRect(), top = root.getBoundingClientRect().top;
  return [box.left, box.top - top, box.width, box.height].map(Math.round).join();
})
"""


@pytest.fixture(scope="module")
def notebook(open_notebook: Open) -> Notebook:
    cells = [scene(12, 10), scene(12, 0), scene(200, 200, "CROWD"), CHANGE]
    return open_notebook("words.ipynb", cells, 1600, 1500)


@pytest.fixture(scope="module")
def shown(notebook: Notebook) -> Board:
    return show(notebook, TWELVE)


def show(notebook: Notebook, cell: int) -> Board:
    notebook.run(cell)
    board = Board(notebook.page, cell)
    board.root.scroll_into_view_if_needed()
    board.until(lambda now: NORM in now and bool(now[NORM].names()), "the panels did not fill", within_s=30)
    board.until(lambda now: all(now[tag].points() for tag in (NORM, GRADIENT, LOSS)), "a panel is empty", within_s=30)
    return board


def events(board: Board, tag: str) -> Locator:
    return board.part("mw-event-mark", tag)


def path_of(board: Board, tag: str, name: str) -> str:
    path: str = (
        board.panel(tag).locator(f".mw-mark-mean .curve[data-name='{name}'] .line").get_attribute("d", timeout=5000)
        or ""
    )
    return path


# ------------------------------------------------------------------ stages


def test_each_panel_says_at_which_stage_its_numbers_are(shown: Board) -> None:
    words = shown.part("mw-stage", GRADIENT)
    assert words.inner_text() == STAGE
    assert words.get_attribute("title") == STAGE
    assert words.evaluate("(line) => line.clientHeight < 18 && line.scrollWidth > 0")
    assert shown.part("mw-stage", NORM).inner_text() == "per micro-batch"  # as the lens said it
    heights = {shown.part("mw-stage", tag).evaluate("(line) => line.offsetHeight") for tag in (LOSS, NORM, GRADIENT)}
    assert len(heights) == 1  # kept where there are no words


def test_the_explanation_has_the_stage_and_the_memory(shown: Board) -> None:
    shown.part("mw-menu", GRADIENT).click()
    said = shown.part("mw-menu-box", GRADIENT).inner_text()
    assert f"Taken: {STAGE}" in said
    assert "keeps copies of tensors: 1.2 MB" in said
    shown.page.keyboard.press("Escape")
    shown.part("mw-menu", NORM).click()
    said = shown.part("mw-menu-box", NORM).inner_text()
    assert "Taken: per micro-batch" in said
    assert "copies of tensors" not in said
    shown.page.keyboard.press("Escape")


# ------------------------------------------------------------------ what is not watched


def test_what_is_not_watched_opens_by_keyboard_with_names_as_text(shown: Board) -> None:
    head, names = shown.part("mw-unwatched-head"), shown.part("mw-unwatched-item")
    assert head.inner_text() == "Not watched (10)"
    assert not names.first.is_visible()
    shown.part("mw-all").focus()
    shown.page.keyboard.press("Shift+Tab")
    assert head.evaluate("(head) => head === document.activeElement")
    shown.page.keyboard.press("Enter")
    names.first.wait_for(state="visible")
    assert names.first.inner_text() == f"{MARKUP} ScriptModule"
    said = shown.part("mw-unwatched-list").inner_text()
    assert "torch.jit hides what it computes from hooks" in said
    assert names.count() == 10
    assert shown.part("mw-unwatched").locator("b, img").count() == 0
    shown.page.keyboard.press("Tab")
    assert shown.part("mw-unwatched-list").evaluate("(list) => list === document.activeElement")
    shown.page.keyboard.press("Shift+Tab")
    shown.page.keyboard.press("Enter")
    names.first.wait_for(state="hidden")


def test_a_search_looks_among_what_is_not_watched_too(shown: Board) -> None:
    shown.part("mw-search").fill("layers.7")
    until(lambda: shown.part("mw-unwatched-head").inner_text() == "Not watched (1 of 10)", "the search found nothing")
    shown.part("mw-search").fill("")
    until(lambda: shown.part("mw-unwatched-head").inner_text() == "Not watched (10)", "the others did not come back")


def test_where_all_is_watched_nothing_is_said(notebook: Notebook) -> None:
    assert not show(notebook, NONE_LOST).part("mw-unwatched").is_visible()


def test_two_hundred_that_are_not_watched_scroll_inside_the_picker(notebook: Notebook) -> None:
    board = show(notebook, MANY)
    board.part("mw-unwatched-head").click()
    board.part("mw-unwatched-item").last.scroll_into_view_if_needed()
    inside = board.part("mw-unwatched-list").evaluate(
        "(list) => list.scrollHeight > 2 * list.clientHeight && list.clientHeight > 100 && list.scrollTop > 0"
    )
    assert inside
    picker = board.root.locator(".mw-picker")
    assert picker.evaluate(
        "(box) => [...box.children].every((part) => !part.getClientRects().length"
        " || part.getBoundingClientRect().bottom <= box.getBoundingClientRect().bottom + 1)"
    )
    assert board.part("mw-tree").evaluate("(tree) => tree.clientHeight >= 100")
    for theme, dark in (("dark", True), ("light", False)):
        board.page.evaluate("() => document.activeElement.blur()")
        Notebook.theme(notebook, dark)
        board.root.screenshot(path=SHOTS / f"{theme}-unwatched-200.png")
    board.part("mw-unwatched-head").click()


def test_on_a_narrow_page_the_list_is_in_the_folded_picker(notebook: Notebook, shown: Board) -> None:
    page = shown.page
    page.set_viewport_size({"width": 820, "height": 1500})
    try:
        shown.root.scroll_into_view_if_needed()
        fold = shown.part("mw-fold-picker")
        fold.click()
        shown.part("mw-unwatched-head").click()
        shown.part("mw-unwatched-item").first.wait_for(state="visible")
        assert shown.root.locator(".mw-picker").evaluate("(box) => box.offsetHeight <= 322")
        assert shown.part("mw-count").is_visible()
        shown.part("mw-unwatched-head").click()
        fold.click()
    finally:
        page.set_viewport_size({"width": 1600, "height": 1500})


# ------------------------------------------------------------------ events


def test_an_event_is_a_hairline_whose_tooltip_tells_what_how_often_and_when(shown: Board) -> None:
    shown.root.scroll_into_view_if_needed()
    assert events(shown, GRADIENT).count() == 3
    box = events(shown, GRADIENT).nth(1).bounding_box()
    assert box is not None
    shown.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    tip = shown.part("mw-tooltip", GRADIENT)
    until(tip.is_visible, "no tooltip appeared", within_s=5)
    said = tip.inner_text()
    assert "Gradients were set to zero before a step was made of them" in said
    assert re.search(r"how often\s+12 times", said)
    assert re.search(r"before steps\s+40–60", said)
    shown.page.mouse.move(5, 5)


@pytest.mark.parametrize(("unit", "third"), [("step", 79), ("epoch", 66 / 33 + 14 / 33), ("seconds", 79 / 20)])
def test_events_stand_where_they_happened_on_every_axis(shown: Board, unit: str, third: float) -> None:
    shown.part("mw-x").select_option(unit)
    end = {"step": STEPS - 1, "epoch": 2 + 34 / 33, "seconds": (STEPS - 1) / 20}[unit]

    def holds() -> bool:
        xs = events(shown, NORM).evaluate_all("(marks) => marks.map((mark) => mark.getBBox().x)")
        plot = shown.panel(NORM).locator(".mw-plot").evaluate("(plot) => plot.clientWidth")
        left, width = 50, plot - 64
        return len(xs) == 3 and abs(xs[2] - left - third / end * width) < 2 and abs(xs[0] - left) < 1

    until(holds, f"the hairlines do not stand where they should by {unit}", within_s=10)
    shown.part("mw-x").select_option("step")


def test_many_events_never_cover_the_chart(notebook: Notebook) -> None:
    board = Board(notebook.page, MANY)
    board.root.scroll_into_view_if_needed()
    xs = events(board, NORM).evaluate_all("(marks) => marks.map((mark) => mark.getBBox().x)")
    assert 3 < len(xs) < STEPS / 3
    assert min(right - left for left, right in pairwise(xs)) >= 28


# ------------------------------------------------------------------ lone readings, zeros, empty panels


def test_each_reading_between_two_gaps_is_a_dot(shown: Board) -> None:
    path = path_of(shown, GRADIENT, "block1.norm1")
    assert path.count("M") == path.count("m-0.9,0a") == STEPS // 2
    assert "L" not in path
    whole = path_of(shown, NORM, "block1.norm1")
    assert (whole.count("M"), "a0.9" in whole) == (1, False)


def test_zeros_on_a_logarithmic_axis_are_told_and_nothing_moves(shown: Board) -> None:
    note, before = shown.part("mw-plot-note", NORM), shown.root.evaluate(BOXES)
    assert note.inner_text() == "30 zeros are not shown on a logarithmic axis"
    assert "30 zeros" in (shown.panel(NORM).locator(".mw-plot").get_attribute("aria-label") or "")
    shown.part("mw-scale-lin", NORM).click()
    note.wait_for(state="hidden")
    assert shown.root.evaluate(BOXES) == before
    shown.part("mw-scale-log", NORM).click()
    note.wait_for(state="visible")
    assert shown.root.evaluate(BOXES) == before


def test_a_panel_without_readings_says_why_and_stays(shown: Board) -> None:
    said = shown.panel(RATIO).locator(".mw-message").inner_text()
    assert "No parameter of the chosen modules was stepped so far." in said
    assert shown.panel(RATIO).bounding_box()["height"] == shown.panel(GRADIENT).bounding_box()["height"]  # type: ignore[index]


def test_a_figure_that_bqplot_hides_comes_back(shown: Board) -> None:
    figure = shown.panel(LOSS).locator(".bqplot")
    figure.evaluate("(figure) => { figure.style.visibility = 'hidden' }")
    until(
        lambda: figure.evaluate("(figure) => getComputedStyle(figure).visibility") == "visible", "it stayed hidden", 5
    )


# ------------------------------------------------------------------ calls


def test_calls_of_a_module_are_folded_into_its_row(shown: Board) -> None:
    assert "block1.linear1#2" not in shown.shown()  # only the first at first, as there are more than twelve
    row = shown.row(FIRST)
    assert not shown.row(f"{FIRST}#2").is_visible()
    row.get_by_test_id("mw-further").focus()
    shown.page.keyboard.press("Enter")
    shown.row(f"{FIRST}#2").wait_for(state="visible")
    assert shown.row(f"{FIRST}#2").inner_text().startswith("#2")
    row.get_by_test_id("mw-check").click()
    every = [FIRST, f"{FIRST}#2", f"{FIRST}#3"]
    drawn = shown.until(lambda now: set(every) <= set(now[NORM].names()), "the calls did not join")
    colours = {shown.row(name).locator(".mw-swatch").get_attribute("style") for name in every}
    assert len(colours) == 1
    row.get_by_test_id("mw-name").click()
    shown.until(lambda now: now[NORM].names() == every, "the module alone is not all of its calls")
    row.get_by_test_id("mw-name").click()
    shown.until(lambda now: now[NORM].names() == drawn[NORM].names(), "the others did not come back")


# ------------------------------------------------------------------ what changes while it is shown


def test_a_change_is_told_and_nothing_moves(notebook: Notebook, shown: Board) -> None:
    """The first scene's dashboard is the one that the last cell changes."""
    show(notebook, TWELVE)
    before = shown.root.evaluate(BOXES)
    notebook.run(CHANGED)
    shown.root.scroll_into_view_if_needed()
    until(lambda: shown.part("mw-stage", GRADIENT).inner_text() == "per micro-batch, later", "the stage did not change")
    assert shown.part("mw-unwatched-head").inner_text() == "Not watched (1)"
    until(lambda: events(shown, GRADIENT).count() == 1, "the events did not change")
    assert shown.root.evaluate(BOXES) == before
    notebook.save()
    notebook.page.reload()
    notebook.wait_idle()
    shown.root.scroll_into_view_if_needed()
    shown.until(lambda now: NORM in now and bool(now[NORM].names()), "the reload lost the picture", within_s=60)
    assert shown.part("mw-stage", GRADIENT).inner_text() == "per micro-batch, later"
    assert shown.part("mw-unwatched-head").inner_text() == "Not watched (1)"
    assert events(shown, GRADIENT).count() == 1


def test_the_console_had_no_error_from_start_to_end(notebook: Notebook) -> None:
    assert notebook.complaints == []
