"""What a newcomer gets wrong is told, with the remedy."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentTypeError, NotWatched
from monitorch_widgets.lens import OutputNorm


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))


def descend(model: nn.Module, steps: int) -> None:
    """Train without an optimizer, and without a word."""
    for _ in range(steps):
        model.zero_grad()
        model(torch.randn(3, 4)).sum().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.01 * parameter.grad


@pytest.mark.parametrize("model", [small(), nn.Linear(2, 2)])
def test_a_model_in_the_place_of_the_lenses(model: nn.Module) -> None:
    with pytest.raises(ArgumentTypeError, match=r"PyTorchInspector\(module=model\)"):
        PyTorchInspector(model, visualizer="dummy")  # type: ignore[arg-type]


def test_a_loss_that_no_lens_takes() -> None:
    inspector = PyTorchInspector([OutputNorm()], module=small(), visualizer="dummy", strict=True, every=1)
    with pytest.warns(NotWatched, match=r"'train_loss' was pushed.*LossMetrics\(\)"):
        inspector.push_loss(1.0, train=True)
    inspector.push_loss(1.0, train=True)  # told once


def test_a_loop_without_an_optimizer_is_told_of_tick_batch() -> None:
    model = small()
    inspector = PyTorchInspector([OutputNorm()], module=model, visualizer="dummy", strict=True, every=1)
    with pytest.warns(NotWatched, match=r"inspector\.tick_batch\(\)"):
        descend(model, 60)
    (event,) = inspector.status().events
    assert event.kind == "skipped" and "tick_batch()" in event.words


def test_two_forward_passes_of_one_backward_pass_are_counted_in_the_stage() -> None:
    model = small()
    inspector = PyTorchInspector([OutputNorm()], module=model, visualizer="dummy", strict=True, every=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with torch.no_grad():
        model(torch.randn(3, 4))
    for _ in range(2):
        optimizer.zero_grad()
        (model(torch.randn(3, 4)) - model(torch.randn(3, 4))).pow(2).sum().backward()
        optimizer.step()
    assert inspector.history["Output Norm"].stage == "micro-batch: each forward pass, mean of 2 a step"


def test_calls_of_a_module_stand_in_order() -> None:
    from monitorch_widgets.lens import OutputGradientGeometry

    class Thrice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.head = nn.Linear(4, 4), nn.Linear(4, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(self.fc(self.fc(self.fc(x))))

    model = Thrice()
    inspector = PyTorchInspector([OutputGradientGeometry()], module=model, visualizer="dummy", strict=True, every=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    model(torch.randn(3, 4)).sum().backward()
    optimizer.step()
    inspector.tick_epoch()
    assert [info.name for info in inspector.modules] == ["fc", "fc#2", "fc#3", "head"]
