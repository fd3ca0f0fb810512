"""Losses and metrics that the loop pushes."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from monitorch_widgets.numerical import RunningMeanVar
from monitorch_widgets.preprocessor import ExplicitCall


def call() -> ExplicitCall:
    return ExplicitCall("train_loss", "val_loss")


def test_losses_go_by_their_names() -> None:
    pushed = ExplicitCall("fit", "dev")
    pushed.push_loss(0.5, train=True)
    pushed.push_loss(0.7, train=False, running=False)
    assert isinstance(pushed.value["fit"], RunningMeanVar)
    assert pushed.value["dev"] == [0.7]
    assert pushed.value is pushed.state


def test_running_and_memory() -> None:
    pushed = call()
    for value in (0.2, 0.4, 0.9):
        pushed.push_running("accuracy", value)
        pushed.push_memory("f1", value)
    assert pushed.value["f1"] == [0.2, 0.4, 0.9]
    running = pushed.value["accuracy"]
    assert (running.count, running.mean, running.var) == (3, pytest.approx(0.5), pytest.approx(np.var([0.2, 0.4, 0.9])))


@pytest.mark.parametrize("running", [False, True])
@pytest.mark.parametrize(
    "loss",
    [torch.tensor(0.25), torch.tensor([[0.25]], dtype=torch.float64), torch.ones(1, requires_grad=True) / 4],
    ids=["0-d", "float64", "with a graph"],
)
def test_a_loss_may_be_the_tensor_itself(loss: torch.Tensor, running: bool) -> None:
    pushed = call()
    pushed.push_loss(loss, train=True, running=running)
    (value,) = [pushed.value["train_loss"].mean] if running else pushed.value["train_loss"]
    assert (type(value), value) == (float, 0.25)


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_what_is_not_finite_leaves_a_gap(poison: float) -> None:
    pushed = call()
    for value in (1.0, poison, 3.0):
        pushed.push_running("a", value)
        pushed.push_memory("b", value)
    assert (pushed.value["a"].mean, pushed.value["a"].nonfinite) == (2, 1)
    assert pushed.value["b"] == [1, 3]


def test_a_listener_hears_each_push_gaps_too() -> None:
    pushed = call()
    heard: list[tuple[str, float]] = []
    pushed.listener = lambda name, value: heard.append((name, value))
    pushed.push_loss(0.5, train=True)
    pushed.push_memory("f1", math.inf)
    assert heard == [("train_loss", 0.5), ("f1", math.inf)]


def test_reset_forgets_all() -> None:
    pushed = call()
    pushed.push_loss(0.5, train=True)
    pushed.reset()
    assert pushed.value == {}
