"""How cards look in both themes, with few and many tensors and in a narrow notebook.

The screenshots in screenshots/ are for whoever develops this to look at; git ignores them.
"""

from __future__ import annotations

import pytest

from tests.browser.board import Board
from tests.browser.card_cells import scene
from tests.browser.conftest import SHOTS, Open
from tests.browser.lab import Notebook, until

pytestmark = pytest.mark.browser

TABS = ["Data", "Gallery", "Checks", "LR finder", "Run", "Performance"]
SIZES = (3, 12, 200)

# Texts whose contrast with what lies behind them is below 4.5:1, words that reach beyond their box, and what reaches
# beyond the dashboard.
SEEN = """
(root) => {
  const parse = (text) => {
    const numbers = text.match(/-?[0-9.]+(e-?[0-9]+)?/g).map(Number);
    const scale = text.startsWith("color(") ? 255 : 1;
    return [numbers[0] * scale, numbers[1] * scale, numbers[2] * scale, numbers[3] ?? 1];
  };
  const over = (top, below) => top.slice(0, 3).map((v, k) => v * top[3] + below[k] * (1 - top[3]));
  const behind = (e) => {
    const layers = [];
    for (; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour[3] > 0) layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (rgb) => {
    const linear = rgb.map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const edge = root.getBoundingClientRect().right + 1;
  const found = { words: 0, faint: [], clipped: [], outside: [] };
  for (const e of root.querySelectorAll("*")) {
    const own = [...e.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !e.getClientRects().length) continue;
    if (e.closest("button:disabled, [aria-disabled=true], fieldset:disabled")) continue;
    const style = getComputedStyle(e);
    if (style.visibility === "hidden") continue;
    found.words++;
    const back = behind(e);
    const [a, b] = [light(over(parse(e.namespaceURI.includes("svg") ? style.fill : style.color), back)), light(back)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const words = e.textContent.trim().slice(0, 40);
    if (contrast < 4.5) found.faint.push(`${words}: ${contrast.toFixed(1)}`);
    const cuts = style.overflow !== "visible" && style.display !== "inline";
    if (cuts && e.scrollWidth > e.clientWidth + 1) found.clipped.push(words);
    const scrolls = e.closest(".mw-card-table, .mw-tabs, .mw-tensor-list");
    if (!scrolls && e.getBoundingClientRect().right > edge) found.outside.push(words);
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def notebook(open_notebook: Open) -> Notebook:
    return open_notebook("cards-looks.ipynb", [scene(n) for n in SIZES], 1500, 1250)


@pytest.fixture(scope="module")
def narrow(open_notebook: Open) -> Notebook:
    return open_notebook("cards-narrow.ipynb", [scene(12)], 640, 1250)


def look(notebook: Notebook, board: Board, theme: str, name: str) -> None:
    """Each tab has words that can be read, and nothing is cut off."""
    for tab in TABS:
        board.root.locator(f"[data-testid=mw-tab][data-tab='{tab}']").click()
        until(lambda tab=tab: board.part("mw-pane").get_attribute("data-tab") == tab, f"{tab} is not in sight")  # type: ignore[misc]
        board.root.evaluate("(root) => root.scrollIntoView({ block: 'start' })")
        notebook.page.mouse.move(2, 2)
        until(lambda: board.root.evaluate(SEEN)["faint"] == [], f"{tab}: {board.root.evaluate(SEEN)['faint']}", 5)
        seen = board.root.evaluate(SEEN)
        board.root.screenshot(path=SHOTS / f"cards-{theme}-{name}-{tab.split()[0].lower()}.png")
        assert (seen["clipped"], seen["outside"]) == ([], [])
        assert seen["words"] > 20


@pytest.mark.parametrize(("cell", "tensors"), list(enumerate(SIZES)))
def test_cards_can_be_read_in_both_themes(notebook: Notebook, cell: int, tensors: int) -> None:
    notebook.run(cell)
    board = Board(notebook.page, cell)
    board.root.scroll_into_view_if_needed()
    for theme in ("dark", "light"):
        notebook.theme(theme == "dark")
        look(notebook, board, theme, str(tensors))
    assert board.part("mw-tensor").count() == tensors
    assert notebook.page.evaluate("window.__pwned") is None


def test_a_tensor_is_found_by_its_name_and_by_what_is_wrong_with_it(notebook: Notebook) -> None:
    board = Board(notebook.page, SIZES.index(200))
    board.root.locator("[data-testid=mw-tab][data-tab=Data]").click()
    search, rows = board.part("mw-tensor-search"), board.root.locator("[data-testid=mw-tensor]:visible")
    for words, count in (("block12.", 4), ("NaN", 29), ("", 200)):
        search.fill(words)
        until(lambda count=count: rows.count() == count, f"{words}: {rows.count()} tensors", 5)  # type: ignore[misc]
    rows.nth(3).click()
    search.page.keyboard.press("ArrowDown")
    until(lambda: rows.nth(4).get_attribute("aria-pressed") == "true", "the key chose nothing", 5)


def test_cards_have_room_in_a_narrow_notebook(narrow: Notebook) -> None:
    narrow.run(0)
    board = Board(narrow.page)
    board.root.scroll_into_view_if_needed()
    look(narrow, board, "light", "narrow")


def test_the_console_had_no_error_from_start_to_end(notebook: Notebook, narrow: Notebook) -> None:
    assert notebook.complaints + narrow.complaints == []
