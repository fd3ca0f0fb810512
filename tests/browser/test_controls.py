"""A whole life of a dashboard: while its cell trains, after, in a second view, reloaded, and with the kernel killed."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import pytest

from tests.browser.actions import actions, read_tooltip
from tests.browser.board import Board, Picture
from tests.browser.cells import GRADIENT, INSPECTOR, MARKUP, MODEL, NORM, WEIGHT, training
from tests.browser.conftest import SHOTS, Open
from tests.browser.lab import Notebook, until

pytestmark = pytest.mark.browser

SETUP, SHOW, TRAIN, READ, SET, AGAIN, MORE, PID, LAST_TRAIN = range(9)
CLICKS = 24


@dataclass
class Life:
    """The notebook of this file, and how far it has come."""

    notebook: Notebook
    enough: Path
    never: Path

    @property
    def board(self) -> Board:
        return Board(self.notebook.page)


def drawn(picture: Picture) -> object:
    """All that is drawn: every path with its shape, labels, pixels, sizes."""
    return {tag: (panel.marks, panel.axes, panel.map, panel.width, panel.height) for tag, panel in picture.items()}


@pytest.fixture(scope="module")
def life(open_notebook: Open, tmp_path_factory: pytest.TempPathFactory) -> Life:
    folder = tmp_path_factory.mktemp("controls")
    enough, never = folder / "enough", folder / "never"
    cells = [""] * 9
    cells[SETUP], cells[SHOW], cells[TRAIN] = MODEL, INSPECTOR, training(str(enough))
    cells[READ] = "import json\nprint(json.dumps(dict(inspector.visualizer.view)))"
    cells[SET] = "inspector.visualizer.view = {'mode': 'map'}"
    cells[AGAIN] = "inspector.show()"
    cells[MORE] = "for more in range(600):\n    train_step(more)"
    cells[PID] = "print(os.getpid())"
    cells[LAST_TRAIN] = training(str(never))
    notebook = open_notebook("controls.ipynb", cells, 1600, 1500)
    notebook.run(SETUP)
    notebook.run(SHOW)
    return Life(notebook, enough, never)


@pytest.fixture(scope="module")
def training_life(life: Life) -> Life:
    """The cell trains, and all panels have curves."""
    life.notebook.start(TRAIN)
    life.board.root.scroll_into_view_if_needed()
    life.board.until(
        lambda picture: set(picture) == {NORM, GRADIENT, WEIGHT} and all(p.points() > 20 for p in picture.values()),
        "the panels did not fill",
        within_s=30,
    )
    assert life.board.state == "live"
    return life


@pytest.fixture(scope="module")
def finished_life(training_life: Life) -> Life:
    """The cell has ended."""
    training_life.enough.touch()
    training_life.notebook.wait_end(TRAIN)
    training_life.board.wait_state("finished")
    return training_life


@pytest.fixture(scope="module")
def killed_life(finished_life: Life) -> Life:
    """A cell was training again when its kernel was killed."""
    notebook, board = finished_life.notebook, finished_life.board
    pid = int(notebook.run(PID))
    notebook.start(LAST_TRAIN)
    board.wait_state("live")
    os.kill(pid, signal.SIGKILL)
    notebook.page.locator(".jp-Dialog").get_by_role("button").last.click()  # JupyterLab says so, too
    board.wait_state("gone")
    board.root.scroll_into_view_if_needed()
    return finished_life


# ------------------------------------------------------------------ while the cell trains


def test_each_control_changes_the_picture_while_the_cell_trains(training_life: Life) -> None:
    board, done = training_life.board, 0
    for action in actions(board):
        before = board.picture()
        action.do()
        board.until(lambda now: action.holds(before, now), f"{action.words}: the picture did not follow")  # noqa: B023
        assert training_life.notebook.busy(TRAIN), action.words
        done += 1
    print(f"\n{done} actions changed the picture of a cell that trains")


def test_the_tooltip_says_module_step_and_value_while_the_cell_trains(training_life: Life) -> None:
    said = read_tooltip(training_life.board)
    training_life.board.root.screenshot(path=SHOTS / "light-live.png")
    assert any(name in said for name in training_life.board.modules)
    assert re.search(r"steps?\s+\d", said)
    assert re.search(r"mean\s+-?\d", said)
    assert training_life.notebook.busy(TRAIN)


def test_a_click_on_a_curve_counts_however_long_it_is_held(training_life: Life) -> None:
    """The picture is drawn many times between press and release."""
    board = training_life.board
    board.part("mw-all").click()
    pointer = board.page.mouse
    every = board.until(lambda now: len(now[NORM].names()) == len(board.modules), "not all modules are shown")
    for number in (1, len(every[NORM].names())):  # alone, and back again
        place = board.on_curve(NORM, board.picture()[NORM].names()[0])
        pointer.move(*place)
        pointer.down()
        board.wait_drawings(3)
        pointer.up()
        board.until(lambda now: len(now[NORM].names()) == number, "the click was lost")  # noqa: B023
    assert training_life.notebook.busy(TRAIN)


WATCH = """
(root) => {
  window.__clicks = [];
  let began = 0;
  root.addEventListener("click", (event) => (began = event.timeStamp), true);
  new MutationObserver(() => {
    if (!began) return;
    const from = began;
    began = 0;
    requestAnimationFrame(() => window.__clicks.push(performance.now() - from));
  }).observe(root, { attributes: true, attributeFilter: ["data-drawn"] });
}
"""


def test_time_from_click_to_picture_while_the_cell_trains(
    training_life: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    """No bound is asserted: machines differ. From the event's own time to the frame after the drawing was counted."""
    board = training_life.board
    board.root.evaluate(WATCH)
    targets = [
        board.row("features.conv2").get_by_test_id("mw-check"),
        board.part("mw-line-median", NORM),
        board.part("mw-band-Q1-Q3", GRADIENT),
        board.part("mw-band-min-max", NORM),
        board.row("features.relu3").get_by_test_id("mw-name"),
        board.part("mw-invert"),
    ]
    for i in range(CLICKS):
        targets[i // 2 % len(targets)].click()
        training_life.notebook.page.wait_for_function("(n) => window.__clicks.length === n", arg=i + 1)
    times: list[float] = training_life.notebook.page.evaluate("window.__clicks")
    assert training_life.notebook.busy(TRAIN)
    middle, p95 = median(times), quantiles(times, n=20)[-1]
    with capsys.disabled():  # a figure to read, whatever pytest captures
        print(
            f"\nclick to picture while training, 3 panels of {len(board.modules)} modules, {len(times)} clicks: "
            f"median {middle:.0f} ms, p95 {p95:.0f} ms, worst {max(times):.0f} ms"
        )


def test_a_name_that_is_markup_is_text(training_life: Life) -> None:
    board = training_life.board
    name = f"head.{MARKUP}"
    assert name in board.modules
    assert board.row(name).inner_text().startswith(MARKUP)
    assert name in board.picture()[NORM].names()
    board.row(name).get_by_test_id("mw-name").click()  # its name beside the curve, in the chip, in the tooltip
    board.until(lambda now: now[NORM].names() == [name], "it is not seen alone")
    board.page.mouse.move(*board.on_curve(NORM, name))
    until(lambda: board.part("mw-tooltip", NORM).is_visible(), "no tooltip appeared", within_s=5)
    assert name in board.part("mw-tooltip", NORM).inner_text()
    board.part("mw-solo-off").click()
    assert board.page.evaluate("window.__pwned") is None
    assert board.page.locator("[data-testid=mw-root] img").count() == 0


# ------------------------------------------------------------------ when the cell is over


def test_python_sees_the_view_and_can_set_it(finished_life: Life) -> None:
    notebook, board = finished_life.notebook, finished_life.board
    board.part("mw-all").click()
    board.row("features.bn2").get_by_test_id("mw-check").click()
    board.part("mw-x").select_option("epoch")
    rest = [name for name in board.modules if name != "features.bn2"]

    def heard() -> bool:
        said = notebook.run(READ)
        return '"x": "epoch"' in said and said.count("features.bn2") == 0 and all(name in said for name in rest)

    until(heard, "Python did not hear of the view", within_s=10)
    notebook.run(SET)
    board.until(lambda now: all(panel.map for panel in now.values()), "Python's view did not reach the picture")
    board.part("mw-mode-lines").click()
    board.part("mw-x").select_option("step")
    board.part("mw-all").click()


def test_another_cell_shows_a_second_live_view(finished_life: Life) -> None:
    finished_life.notebook.run(AGAIN)
    second = Board(finished_life.notebook.page, 1)
    second.root.scroll_into_view_if_needed()
    second.until(lambda now: len(now[NORM].names()) == len(second.modules), "the second view is empty")
    second.part("mw-none").click()
    second.until(lambda now: now[NORM].names() == [], "the second view did not follow its own click")
    finished_life.board.until(lambda now: now[NORM].names() == [], "the first view did not follow the second")
    finished_life.board.part("mw-all").click()
    second.until(lambda now: len(now[NORM].names()) == len(second.modules), "the second did not follow the first")
    before, step = drawn(second.picture()), second.part("mw-step").inner_text()
    finished_life.notebook.start(MORE)
    second.wait_state("live")
    finished_life.notebook.wait_end(MORE)
    second.wait_state("finished")
    second.until(lambda now: drawn(now) != before, "the second view did not move with the training")
    assert second.part("mw-step").inner_text() != step


def test_a_reload_brings_data_and_view_again(finished_life: Life) -> None:
    notebook, board = finished_life.notebook, finished_life.board
    board.row("features.bn2").get_by_test_id("mw-check").click()
    rest = sorted(name for name in board.modules if name != "features.bn2")
    before = board.until(lambda now: now[NORM].names() == rest, "the click before the reload did nothing")
    notebook.run(READ)  # the kernel has heard of it
    notebook.save()
    notebook.page.reload()
    notebook.wait_idle()
    board.root.scroll_into_view_if_needed()
    after = board.until(
        lambda now: NORM in now and now[NORM].names() == rest, "the reload lost the picture", within_s=60
    )
    assert after[NORM].axes["axis_x"] == before[NORM].axes["axis_x"]
    assert after[NORM].axes["axis_y"] == before[NORM].axes["axis_y"]
    assert board.state == "finished"


# ------------------------------------------------------------------ with the kernel killed


def test_each_control_changes_the_picture_with_the_kernel_killed(killed_life: Life) -> None:
    board, done = killed_life.board, 0
    for action in actions(board):
        before = board.picture()
        action.do()
        after = board.until(
            lambda now: action.holds(before, now),  # noqa: B023
            f"{action.words}: the picture did not follow",
        )
        if action.words != "all":  # the first only makes sure where it begins
            assert drawn(after) != drawn(before), action.words
        done += 1
    assert board.state == "gone"
    print(f"\n{done} actions changed the picture without a kernel")


def test_the_tooltip_says_module_step_and_value_with_the_kernel_killed(killed_life: Life) -> None:
    said = read_tooltip(killed_life.board)
    assert any(name in said for name in killed_life.board.modules)
    assert re.search(r"steps?\s+\d", said)


def test_the_console_had_no_error_from_start_to_end(killed_life: Life) -> None:
    print("\nlet pass:", killed_life.notebook.let_pass)
    assert killed_life.notebook.complaints == []
