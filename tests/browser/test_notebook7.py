"""The dashboard in Notebook 7, JupyterLab's smaller sibling: it fills while a cell trains, and answers."""

from __future__ import annotations

import pytest

from tests.browser.board import Board
from tests.browser.cells import INSPECTOR, MODEL, NORM
from tests.browser.conftest import SHOTS, Open

pytestmark = pytest.mark.browser

MODEL_CELL, SHOW, TRAIN = range(3)
TRAINING = """
started, steps = time.time(), 0
while not Path({enough!r}).exists() and time.time() < started + 120:
    train_step(steps)
    steps += 1
print("trained", steps, "steps")
"""


def test_notebook_7_shows_a_dashboard_that_answers_while_the_cell_trains(
    open_notebook: Open, tmp_path_factory: pytest.TempPathFactory
) -> None:
    enough = tmp_path_factory.mktemp("notebook7") / "enough"
    cells = [MODEL, INSPECTOR, TRAINING.format(enough=str(enough))]
    notebook = open_notebook("notebook7.ipynb", cells, 1600, 1500, app="notebook")
    notebook.run(MODEL_CELL)
    notebook.run(SHOW)
    board = Board(notebook.page)
    notebook.start(TRAIN)
    board.root.scroll_into_view_if_needed()
    board.until(lambda now: NORM in now and now[NORM].points() > 20, "the panels did not fill", within_s=30)
    assert notebook.busy(TRAIN)
    assert any("conv" in name for name in board.picture()[NORM].names())
    board.part("mw-kind-conv").click()
    board.until(lambda now: not any("conv" in name for name in now[NORM].names()), "the kind is still drawn")
    assert notebook.busy(TRAIN)
    board.root.screenshot(path=str(SHOTS / "notebook7.png"))
    enough.touch()
    assert "trained" in notebook.wait_end(TRAIN)
    board.wait_state("finished")
    assert notebook.complaints == []
