"""An optimizer that belongs to another model is told, rather than called a flat curve."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from monitorch_widgets import DryRun, LRFinder, PyTorchInspector
from monitorch_widgets.errors import ArgumentError, NotAttachedError

BATCHES = [(torch.rand(4, 2), torch.rand(4, 1))]


def pair() -> tuple[nn.Module, torch.optim.Optimizer]:
    """A model, and the optimizer of the one before it."""
    return nn.Linear(2, 1), torch.optim.SGD(nn.Linear(2, 1).parameters(), lr=0.1)


def test_N30_the_finder_refuses_an_optimizer_of_another_model() -> None:
    model, foreign = pair()
    with pytest.raises(ArgumentError, match="SGD with none of them"):
        LRFinder(model, foreign, nn.MSELoss())
    inspector = PyTorchInspector(module=model, visualizer="dummy")
    with pytest.raises(ArgumentError, match="SGD with none of them"):
        inspector.lr_find(BATCHES, foreign, nn.MSELoss())


def test_N27_the_dry_run_refuses_it_too() -> None:
    model, foreign = pair()
    with pytest.raises(ArgumentError, match="Make it after the model"):
        DryRun(model, nn.MSELoss(), foreign)


def test_a_model_that_nobody_holds_is_told_to_be_gone() -> None:
    inspector = PyTorchInspector(module=nn.Linear(2, 1), visualizer="dummy")
    with pytest.raises(NotAttachedError, match="keep it in a variable"):
        inspector.check_batches()
