"""A Trainer of Lightning in a notebook: the panel appears by itself, lives, and its stop button ends `fit`."""

from __future__ import annotations

import pytest

from tests.browser.board import Board
from tests.browser.conftest import SHOTS, Open
from tests.browser.lab import Notebook, until

pytestmark = pytest.mark.browser

NORM, LOGGED = "Output Norm", "Logged"

PREPARE = """
import logging, warnings
import lightning.pytorch as L
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from monitorch_widgets.integration.lightning import InspectorCallback, InspectorProgressBar, WidgetLogger
from monitorch_widgets.lens import OutputNorm, ParameterGradientGeometry

warnings.simplefilter("ignore")
for name in ("lightning.pytorch", "lightning.fabric"):
    logging.getLogger(name).setLevel(logging.ERROR)
torch.manual_seed(0)
torch.set_num_threads(1)

class Lit(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))

    def training_step(self, batch, batch_idx):
        x, y = batch
        loss = nn.functional.mse_loss(self.net(x), y)
        self.log("train_loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch, batch_idx):
        x, y = batch
        self.log("val_loss", nn.functional.mse_loss(self.net(x), y))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.01)

x = torch.randn(1600, 8)
data = TensorDataset(x, x.sum(1, keepdim=True).sin())
callback = InspectorCallback([OutputNorm(), ParameterGradientGeometry(parameters="weight")], every=1)
trainer = L.Trainer(
    max_time={"seconds": 100}, max_epochs=-1, accelerator="cpu", callbacks=[callback, InspectorProgressBar()],
    logger=WidgetLogger(version=41), enable_checkpointing=False, enable_model_summary=False, log_every_n_steps=500,
)
"""

FIT = "trainer.fit(Lit(), DataLoader(data, 8), DataLoader(data, 200))"

AFTER = """
inspector = callback.inspector
print(trainer.state.status.value, inspector.status().step == trainer.global_step > 0, inspector.state.attached)
"""


@pytest.fixture(scope="module")
def notebook(open_notebook: Open) -> Notebook:
    opened = open_notebook("lightning.ipynb", [PREPARE, FIT, AFTER])
    opened.run(0)
    opened.start(1)
    return opened


@pytest.fixture(scope="module")
def board(notebook: Notebook) -> Board:
    return Board(notebook.page)


def steps(board: Board) -> str:
    return board.part("mw-strip").inner_text()


def item(board: Board, name: str) -> str:
    return board.root.locator(f"[data-testid=mw-strip-item][data-name='{name}']").inner_text()


def test_the_panel_appears_in_the_cell_that_trains_and_lives(notebook: Notebook, board: Board) -> None:
    board.until(lambda now: NORM in now and now[NORM].points() > 20, "nothing was drawn while fit runs", within_s=60)
    first = steps(board)
    until(lambda: steps(board) != first, "the strip stands still")
    assert notebook.busy(1) and board.state == "live"


def test_what_the_module_logs_is_a_panel(notebook: Notebook, board: Board) -> None:
    found = board.until(
        lambda now: board.look_at(LOGGED) and LOGGED in now and now[LOGGED].names() == ["train_loss", "val_loss"],
        "the logged numbers are not drawn",
        within_s=60,
    )
    assert found[LOGGED].points() > 20 and notebook.busy(1)
    board.root.screenshot(path=str(SHOTS / "lightning.png"))


def test_B01_N21_the_bar_is_a_part_of_the_strip(notebook: Notebook, board: Board) -> None:
    assert "41" in item(board, "v_num")
    loss = item(board, "loss")
    until(lambda: item(board, "loss") != loss, "the loss in the strip stands still")
    assert notebook.busy(1)


def test_the_stop_button_ends_fit_as_an_early_stop_does(notebook: Notebook, board: Board) -> None:
    board.part("mw-stop").click()
    notebook.wait_end(1, within_s=30)
    printed = notebook.cell(1).locator(".jp-RenderedText").all_inner_texts()
    assert [words for words in printed if words.strip()] == []  # no bar, no traceback
    board.wait_state("detached")
    assert notebook.run(2).split() == ["finished", "True", "False"]


def test_the_console_had_no_error_from_start_to_end(notebook: Notebook) -> None:
    assert notebook.complaints == []
