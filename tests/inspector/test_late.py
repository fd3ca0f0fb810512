"""Readings that come late, or never: what is known of their steps is kept for them, and no longer."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.history import History
from monitorch_widgets.history.arrivals import Arrivals
from monitorch_widgets.lens import AbstractLens, LossMetrics, OutputNorm, ParameterGradientGeometry
from monitorch_widgets.preprocessor import StepBuffer

from .clockwork import Clockwork, clockwork, run

__all__ = ["clockwork"]

NORM = "Weight Gradient Norm"


class Copy:
    """Stands for a copy that a device makes when the test says so."""

    def __init__(self) -> None:
        self.done = False

    def query(self) -> bool:
        return self.done

    def synchronize(self) -> None:
        self.done = True


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> list[Copy]:
    """The copies to the host so far."""
    made: list[Copy] = []

    def late(numbers: torch.Tensor) -> tuple[torch.Tensor, Copy]:
        made.append(Copy())
        return numbers.clone(), made[-1]

    monkeypatch.setattr("monitorch_widgets.preprocessor.deferred._to_host", late)
    return made


def grown_bytes(action: Callable[[], object]) -> int:
    """Memory that the inspector's own code has taken in an action, and kept."""
    only = [tracemalloc.Filter(True, "*/monitorch_widgets/inspector/*")]
    tracemalloc.start()
    try:
        action()
        kept = tracemalloc.take_snapshot().filter_traces(only)
    finally:
        tracemalloc.stop()
    return sum(trace.size for trace in kept.traces)


@pytest.mark.parametrize("lenses", [[], [LossMetrics()]], ids=["no lens", "losses that nobody pushes"])
def test_without_readings_a_long_run_takes_no_more_memory(clockwork: Clockwork, lenses: list[AbstractLens]) -> None:
    training = run(clockwork, lenses)
    training.steps(200)
    assert grown_bytes(lambda: training.steps(3000)) < 50_000  # of which most is for steps since the newest refresh


def test_steps_keep_their_stages_until_the_device_has_caught_up(copies: list[Copy]) -> None:
    model = nn.Linear(2, 2)
    lens = ParameterGradientGeometry(parameters="weight", compute_correlation=False)
    inspector = PyTorchInspector([lens], module=model, visualizer="dummy", every=1, strict=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for step in range(8):
        optimizer.zero_grad()
        for _ in range(1 + step % 2):
            model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        inspector.status()  # begins a copy, and waits for none
    assert len(copies) == 8
    copies[0].done = True
    inspector.status()  # the first one comes, while the others are on their way
    read = inspector.history[NORM]
    assert read.steps.tolist() == list(range(8)) and (np.diff(read.seconds) > 0).all()
    assert ["accumulated over 2" in read.stage_at(step) for step in range(8)] == [False, True] * 4


def test_a_buffer_knows_the_oldest_step_that_may_still_bring_something(copies: list[Copy]) -> None:
    buffer, taker = StepBuffer(), Arrivals(History()).pushed("Loss")
    assert buffer.oldest == 0
    buffer.step = 5
    assert buffer.oldest == 4  # an evaluation
    buffer.push(torch.ones(1), taker, ["train_loss"])
    buffer.flush(wait=False)
    buffer.step = 9
    buffer.push(torch.ones(1), taker, ["train_loss"])
    assert buffer.oldest == 5
    copies[0].done = True
    buffer.flush(wait=False)
    assert buffer.oldest == 8
    buffer.withdraw(buffer.pushes)
    assert buffer.oldest == 8


# ---------------------------------------------------------------------- numbers that the loop pushes


def test_what_is_pushed_comes_together_in_its_order() -> None:
    buffer, history = StepBuffer(), History()
    arrivals = Arrivals(history)
    assert arrivals.pushed("Loss") is arrivals.pushed("Loss")
    for value, name in ((1.0, "train_loss"), (2.0, "val_loss"), (3.0, "train_loss")):
        buffer.push(torch.tensor([value]), arrivals.pushed("Loss"), (name,))
        buffer.step += 1
    buffer.flush()
    assert arrivals.settle(float) == {"Loss": [0, 1, 2]}
    np.testing.assert_array_equal(history["Loss"].values, [[1, np.nan], [np.nan, 2], [3, np.nan]])
    np.testing.assert_array_equal(history["Loss"].seconds, [0, 1, 2])


def test_what_is_pushed_for_a_step_that_was_not_made_leaves_nothing() -> None:
    buffer, arrivals = StepBuffer(), Arrivals(History())
    buffer.push(torch.ones(1), arrivals.pushed("Loss"), ("train_loss",))
    buffer.withdraw(buffer.pushes)
    buffer.flush()
    assert arrivals.settle(float) == {}
    arrivals.emit("Loss", ["train_loss"], [1.0], 0)
    arrivals.withdraw(0)
    assert arrivals.settle(float) == {}


def test_what_is_pushed_counts_as_the_losses(clockwork: Clockwork) -> None:
    losses, norm = LossMetrics(), OutputNorm()
    training = run(clockwork, [losses, norm], every=1)
    inspector, model = training.inspector, training.model
    for _ in range(3):
        loss = model(torch.ones(1, 2)).sum()
        inspector.push_loss(loss.item(), train=True)  # after a hook of the other lens
        loss.backward()
        training.optimizer.step()
    assert inspector.history["Loss"].rows == 3
    ear_of = inspector.state.hooks.ear_of
    assert (ear_of(losses).rows, ear_of(norm).rows) == (3, 3)
