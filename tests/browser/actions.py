"""What a person can do to a dashboard, one action after the other, and what the picture must then show.

What is asserted is the structure of the picture (which curves, of how many points, which labels), so that it says as
much about a picture that moves with every step as about one that stands still.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.browser.board import Action, Board, Do, Holds, Picture
from tests.browser.cells import GRADIENT, NORM, WEIGHT
from tests.browser.lab import until


def actions(board: Board) -> Iterator[Action]:
    """Every control, from all modules shown to all modules shown again."""
    yield from picker(board)
    yield from lines_and_bands(board)
    yield from axes(board)
    yield from modes(board)
    yield from alone(board)
    yield from panels(board)


def shows(*names: str) -> Holds:
    """Exactly these modules have a curve of their mean, in both panels that know every module."""
    return lambda _, after: all(after[tag].names() == sorted(names) for tag in (NORM, GRADIENT))


def picker(board: Board) -> Iterator[Action]:
    every = board.modules
    conv = [name for name in every if "conv" in name]
    one = "features.bn2"
    rest = [name for name in every if name != one]

    def click(part: str) -> Do:
        return lambda: board.part(part).click()

    def find() -> None:
        board.part("mw-search").fill("features.conv*")
        board.part("mw-search").press("Enter")

    def all_again() -> None:
        board.part("mw-search").fill("")
        board.part("mw-all").click()

    yield Action("all", click("mw-all"), shows(*every))
    yield Action("a module off", lambda: board.row(one).get_by_test_id("mw-check").click(), shows(*rest))
    yield Action("invert", click("mw-invert"), shows(one))
    yield Action("a module off, the last", lambda: board.row(one).get_by_test_id("mw-check").click(), shows())
    yield Action("all, after none", click("mw-all"), shows(*every))
    yield Action("none", click("mw-none"), shows())
    yield Action("a kind on", click("mw-kind-conv"), shows(*conv))
    yield Action("all, after a kind", click("mw-all"), shows(*every))
    yield Action("a kind off", click("mw-kind-conv"), shows(*(name for name in every if name not in conv)))
    yield Action("search and Enter", find, shows(*conv))
    yield Action("all, after a search", all_again, shows(*every))


def lines_and_bands(board: Board) -> Iterator[Action]:
    count = len(board.modules)
    marks = {
        "mw-line-median": "median",
        "mw-line-min": "extremes",
        "mw-line-max": "extremes",
        "mw-band-std": "band_std",
        "mw-band-Q1-Q3": "band_q",
        "mw-band-min-max": "band_minmax",
        "mw-line-mean": "mean",
    }
    for switch, mark in marks.items():
        for _ in range(2):
            on = board.part(switch, NORM).get_attribute("aria-pressed") != "true"

            def holds(before: Picture, after: Picture, on: bool = on, mark: str = mark) -> bool:
                others = all(after[tag].names(mark) == before[tag].names(mark) for tag in (GRADIENT, WEIGHT))
                return others and len(after[NORM].names(mark)) == (count if on else 0)

            word = f"{switch.removeprefix('mw-')} {'on' if on else 'off'}"
            yield Action(word, lambda switch=switch: board.part(switch, NORM).click(), holds)
    yield Action("minimum", lambda: board.part("mw-line-min", NORM).click(), extremes(count))
    yield Action("and maximum", lambda: board.part("mw-line-max", NORM).click(), extremes(2 * count))
    yield Action("without minimum", lambda: board.part("mw-line-min", NORM).click(), extremes(count))
    yield Action("and without maximum", lambda: board.part("mw-line-max", NORM).click(), extremes(0))


def extremes(count: int) -> Holds:
    return lambda _, after: len(after[NORM].names("extremes")) == count


def axes(board: Board) -> Iterator[Action]:
    def x(unit: str) -> Do:
        return lambda: board.part("mw-x").select_option(unit)

    def window(steps: str) -> Do:
        return lambda: board.part("mw-window").select_option(steps)

    def scale(word: str) -> Do:
        return lambda: board.part(f"mw-scale-{word}", NORM).click()

    def smooth(amount: str) -> Do:
        return lambda: board.part("mw-smooth").fill(amount)

    def log(wanted: bool) -> Holds:
        labels = "axis_ylog" if wanted else "axis_y"
        return lambda before, after: (
            after[NORM].log == wanted
            and after[NORM].axes[labels] != before[NORM].axes.get("axis_y" if wanted else "axis_ylog")
            and after[GRADIENT].log == before[GRADIENT].log
        )

    def relabelled(before: Picture, after: Picture) -> bool:
        return all(before[tag].axes["axis_x"] != after[tag].axes["axis_x"] for tag in (NORM, GRADIENT, WEIGHT))

    def fewer(before: Picture, after: Picture) -> bool:
        return all(0 < 2 * after[tag].points() < before[tag].points() for tag in (NORM, GRADIENT, WEIGHT))

    def more(before: Picture, after: Picture) -> bool:
        return all(after[tag].points() > 2 * before[tag].points() for tag in (NORM, GRADIENT, WEIGHT))

    def raw(wanted: bool) -> Holds:
        return lambda _, after: all(
            after[tag].names("raw") == (after[tag].names() if wanted else []) for tag in (NORM, GRADIENT, WEIGHT)
        )

    yield Action("logarithmic", scale("log"), log(True))
    yield Action("linear", scale("lin"), log(False))
    yield Action("x by epoch", x("epoch"), relabelled)
    yield Action("x by seconds", x("seconds"), relabelled)
    yield Action("x by step", x("step"), relabelled)
    yield Action("a window of 1000 steps", window("1000"), fewer)
    yield Action("a window of its own choice", window("auto"), more)
    yield Action("smoothing", smooth("0.9"), raw(True))
    yield Action("no smoothing", smooth("0"), raw(False))


def modes(board: Board) -> Iterator[Action]:
    def is_map(_: Picture, after: Picture) -> bool:
        return all(panel.map and not panel.points() for panel in after.values())

    yield Action("map", lambda: board.part("mw-mode-map").click(), is_map)
    yield Action("lines", lambda: board.part("mw-mode-lines").click(), all_lines(board))


def all_lines(board: Board) -> Holds:
    every = sorted(board.modules)
    return lambda _, after: all(after[tag].names() == every and not after[tag].map for tag in (NORM, GRADIENT))


def alone(board: Board) -> Iterator[Action]:
    def name() -> None:
        board.row("features.conv2").get_by_test_id("mw-name").click()

    def curve() -> None:
        board.page.mouse.click(*board.on_curve(NORM, board.picture()[NORM].names()[0]))

    def one(_: Picture, after: Picture) -> bool:
        return len(after[NORM].names()) == 1 and after[NORM].names() == after[GRADIENT].names()

    yield Action("alone, by name", name, shows("features.conv2"))
    yield Action("back, by name", name, all_lines(board))
    yield Action("alone, by its curve", curve, one)
    yield Action("back, by its curve", curve, all_lines(board))


def panels(board: Board) -> Iterator[Action]:
    def large() -> None:
        board.part("mw-large", NORM).click()

    def choose() -> None:
        board.part("mw-panels").click()
        board.root.locator(f"[data-testid=mw-panel-shown][data-tag='{WEIGHT}']").click()
        board.page.keyboard.press("Escape")

    def area(picture: Picture) -> int:
        return picture[NORM].width * picture[NORM].height

    yield Action("large", large, lambda before, after: area(after) > 1.5 * area(before))
    yield Action("small", large, lambda before, after: area(before) > 1.5 * area(after))
    yield Action("a panel hidden", choose, lambda _, after: set(after) == {NORM, GRADIENT})
    yield Action("a panel shown", choose, lambda _, after: set(after) == {NORM, GRADIENT, WEIGHT})


def read_tooltip(board: Board) -> str:
    """What the tooltip says on a curve that may be moving."""

    def look() -> str:
        board.page.mouse.move(*board.on_curve(NORM, "features.conv3"))
        tip = board.part("mw-tooltip", NORM)
        return tip.inner_text() if tip.is_visible() else ""

    said = until(look, "no tooltip appeared", within_s=10)
    board.page.mouse.move(5, 5)
    return said
