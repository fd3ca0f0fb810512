"""How it looks in both themes with few and many modules, and what a lens that fails looks like.

The screenshots in screenshots/ are for whoever develops this to look at; git ignores them.
"""

from __future__ import annotations

import pytest

from tests.browser.board import Board
from tests.browser.cells import faulty, layers
from tests.browser.conftest import SHOTS, Open
from tests.browser.lab import Notebook

pytestmark = pytest.mark.browser

SIZES = (3, 12, 200)
FAULTY = len(SIZES)

# Words that are really there to be read: of some size, in a colour that is not that of what lies behind.
READABLE = """
(root) => {
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)" && colour !== "transparent") return colour;
    }
    return "";
  };
  let words = 0;
  const unreadable = [];
  for (const e of root.querySelectorAll("*")) {
    const own = [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !e.getClientRects().length) continue;
    const style = getComputedStyle(e);
    const colour = e.namespaceURI.includes("svg") ? style.fill : style.color;
    words += 1;
    if (colour === behind(e)) unreadable.push(e.textContent.trim().slice(0, 40));
  }
  return { words, unreadable, background: behind(root.querySelector(".mw-panel")) };
}
"""


@pytest.fixture(scope="module")
def notebook(open_notebook: Open) -> Notebook:
    opened = open_notebook("looks.ipynb", [*(layers(n) for n in SIZES), faulty()], 1600, 1400)
    return opened


@pytest.mark.parametrize(("cell", "modules"), list(enumerate(SIZES)))
def test_both_themes(notebook: Notebook, cell: int, modules: int) -> None:
    notebook.run(cell)
    board = Board(notebook.page, cell)
    board.root.scroll_into_view_if_needed()
    first = min(modules, 12)
    board.until(
        lambda now: len(now) == 3 and all(len(panel.names()) >= first // 2 for panel in now.values()),
        "the panels did not fill",
        within_s=30,
    )
    board.wait_state("finished")  # each cell trains to its end and shows what was seen
    assert len(board.modules) == modules
    assert len(board.shown()) == first
    backgrounds = set()
    for theme, dark in (("dark", True), ("light", False)):
        notebook.theme(dark)
        board.root.evaluate("(root) => root.scrollIntoView({ block: 'start' })")
        seen = board.root.evaluate(READABLE)
        board.root.screenshot(path=SHOTS / f"{theme}-{modules}.png")
        assert seen["unreadable"] == []
        assert seen["words"] > 40
        assert any(panel.axes["axis_x"] for panel in board.picture().values())
        backgrounds.add(seen["background"])
    assert len(backgrounds) == 2


def test_the_map_of_two_hundred_modules(notebook: Notebook) -> None:
    board = Board(notebook.page, SIZES.index(200))
    board.root.scroll_into_view_if_needed()
    board.part("mw-mode-map").click()
    board.part("mw-map-all").click()
    board.until(lambda now: all(panel.map for panel in now.values()), "there is no map")
    board.root.screenshot(path=SHOTS / "light-200-map.png")
    assert len(board.shown()) == 200


def test_a_lens_that_fails_says_so_in_its_panel(notebook: Notebook) -> None:
    notebook.run(FAULTY)
    board = Board(notebook.page, FAULTY)
    board.root.scroll_into_view_if_needed()
    board.wait_state("fault")
    said = board.part("mw-fault")
    said.first.wait_for(state="visible")
    assert "ValueError: the lens is out of order" in said.first.inner_text()
    assert "OutOfOrder" in said.first.inner_text()
    assert board.panel("Out Of Order").get_by_test_id("mw-fault").count() == 1
    assert board.panel("Output Norm").get_by_test_id("mw-fault").count() == 0
    board.until(lambda now: bool(now["Output Norm"].names()), "the other lens stopped, too")
    board.root.screenshot(path=SHOTS / "light-fault.png")


def test_the_console_had_no_error_from_start_to_end(notebook: Notebook) -> None:
    assert notebook.complaints == []
