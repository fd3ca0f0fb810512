"""A loop with accumulation, clipping and a scaler that skips a step, as a person sees it; and its cell run again."""

from __future__ import annotations

import pytest

from tests.browser.board import Board
from tests.browser.conftest import SHOTS, Open
from tests.browser.lab import Notebook, until

pytestmark = pytest.mark.browser

GRADIENT, OUTPUT = "Weight Gradient Norm", "Output Norm"

WATCH = """
import torch
from torch import nn
from monitorch_widgets import PyTorchInspector

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.shared, self.head, self.unused = nn.Linear(8, 8), nn.Linear(8, 1), nn.Linear(8, 8)
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.attention = nn.MultiheadAttention(8, 2)

    def forward(self, x):
        x = self.shared(torch.tanh(self.shared(self.frozen(x))))
        return self.head(self.attention(x, x, x)[0])

model = Net()
inspector = PyTorchInspector(module=model, every=1)
inspector
"""

TRAIN = """
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
for i in range(12):
    optimizer.zero_grad()
    for part in range(4):
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(torch.randn(16, 8)).pow(2).mean() / 4
        scaler.scale(loss * float("inf") if i == 5 else loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), 0.5)
    scaler.step(optimizer)
    scaler.update()
others = [other.state.attached for other in globals().get("olds", [])]
print(inspector.status().step, "steps;", inspector.state.attached, others)
"""

AGAIN = "olds = [inspector]"


@pytest.fixture(scope="module")
def notebook(open_notebook: Open) -> Notebook:
    return open_notebook("loop.ipynb", [WATCH, TRAIN, AGAIN], 1600, 1400)


@pytest.fixture(scope="module")
def board(notebook: Notebook) -> Board:
    notebook.run(0)
    assert "11 steps; True []" in notebook.run(1)
    board = Board(notebook.page, 0)
    board.until(lambda now: GRADIENT in now and bool(now[GRADIENT].points()), "nothing was drawn", within_s=30)
    return board


def test_the_stage_tells_how_the_newest_step_went(board: Board) -> None:
    words = board.part("mw-stage", GRADIENT)
    expected = "as the optimizer used it: accumulated over 4 backward passes, then unscaled or clipped"
    until(lambda: words.inner_text() == expected, "the stage is not told")
    assert board.part("mw-stage", OUTPUT).inner_text().endswith("mean of 4 a step")


def test_a_skipped_step_is_a_mark_on_the_axis(board: Board) -> None:
    until(lambda: board.part("mw-event-mark", GRADIENT).count() == 1, "the event has no mark")


def test_calls_are_told_apart_and_what_is_not_watched_is_listed(board: Board) -> None:
    head = board.part("mw-unwatched-head")
    head.click()
    said = board.part("mw-unwatched-list").inner_text()
    for name, reason in (
        ("attention.out_proj", "never calls it"),
        ("unused", "no forward pass has called it"),
        ("frozen", "requires_grad is False"),
    ):
        assert name in said and reason in said
    board.root.screenshot(path=str(SHOTS / "real-loop.png"))
    head.click()
    board.panel(OUTPUT).scroll_into_view_if_needed()
    board.until(lambda now: "shared#2" in now[OUTPUT].names(), "the second call is not drawn")


def test_the_old_inspector_steps_aside_when_its_cell_runs_again(notebook: Notebook, board: Board) -> None:
    notebook.run(2)
    notebook.run(0)
    assert "11 steps; True [False]" in notebook.run(1)


def test_the_console_had_no_error_from_start_to_end(notebook: Notebook) -> None:
    assert notebook.complaints == []
