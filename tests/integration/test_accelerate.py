"""Accelerate in a plain loop: what it wraps is seen through, and each step counts once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import (
    LossMetrics,
    OutputNorm,
    ParameterGradientGeometry,
    ParameterUpdateGeometry,
)

from .tiny import one_thread

__all__ = ["one_thread"]

Before = Callable[[nn.Module, nn.Module], Any]


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Accelerate keeps its state for the whole process."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()


def data() -> TensorDataset:
    generator = torch.Generator().manual_seed(3)
    return TensorDataset(torch.randn(24, 4, generator=generator), torch.randn(24, 2, generator=generator))


def trained(before: Before = lambda model, loss_fn: None, epochs: int = 2, **arguments: Any) -> nn.Module:
    """The loop of Accelerate's guide; `before` is called with what prepare() has made."""
    torch.manual_seed(0)
    accelerator = Accelerator(cpu=True, **arguments)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))
    optimizer, loss_fn = torch.optim.AdamW(model.parameters(), lr=0.01), nn.MSELoss()
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 4)
    loader = DataLoader(data(), batch_size=4)
    model, optimizer, loader, scheduler = accelerator.prepare(model, optimizer, loader, scheduler)
    inspector = before(model, loss_fn)
    for _ in range(epochs):
        for x, y in loader:
            with accelerator.accumulate(model):
                loss = loss_fn(model(x), y)
                accelerator.backward(loss)
                accelerator.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                scheduler.step()
                optimizer.zero_grad()
        if inspector is not None:
            inspector.tick_epoch()
    whole: nn.Module = accelerator.unwrap_model(model)
    return whole


def watched(**arguments: Any) -> tuple[PyTorchInspector, nn.Module]:
    kept: list[PyTorchInspector] = []

    def attach(model: nn.Module, loss_fn: nn.Module) -> PyTorchInspector:
        lenses = [
            LossMetrics(loss_fn=loss_fn),
            OutputNorm(),
            ParameterGradientGeometry(parameters="weight"),
            ParameterUpdateGeometry(parameters="weight"),
        ]
        kept.append(PyTorchInspector(lenses, module=model, visualizer="dummy", every=1, strict=True))
        return kept[0]

    model = trained(attach, **arguments)
    return kept[0].detach(), model


def test_N35_a_wrapped_optimizer_steps_once() -> None:
    inspector, _ = watched()
    assert inspector.status().step == 12
    assert inspector.status().epoch_marks == ((1, 6), (2, 12))
    for tag in ("Loss", "Output Norm", "Weight Gradient Norm", "Weight Update Norm"):
        assert inspector.history[tag].steps.tolist() == list(range(12)), tag


def test_N36_an_accumulated_step_is_one_row() -> None:
    inspector, _ = watched(gradient_accumulation_steps=2)
    assert inspector.status().step == 6
    series = inspector.history["Weight Gradient Norm"]
    assert series.steps.tolist() == list(range(6))
    assert np.isfinite(series.values).all()
    assert (series.values <= 1.0).all()  # clipped, as the optimizer used it
    assert inspector.history["Loss"].steps.tolist() == list(range(6))


def test_N36_the_loss_of_a_step_is_the_mean_of_its_batches() -> None:
    losses: list[float] = []

    def note(model: nn.Module, loss_fn: nn.Module) -> None:
        loss_fn.register_forward_hook(lambda module, args, output: losses.append(output.item()))

    trained(note, gradient_accumulation_steps=2)
    inspector, _ = watched(gradient_accumulation_steps=2)
    means = np.array(losses).reshape(-1, 2).mean(axis=1)
    np.testing.assert_allclose(inspector.history["Loss"].values[:, 0], means, rtol=1e-6)


@pytest.mark.parametrize("arguments", [{}, {"gradient_accumulation_steps": 4}, {"mixed_precision": "bf16"}])
def test_weights_are_bit_for_bit_the_same(arguments: dict[str, Any]) -> None:
    bare = trained(**arguments)
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    _, model = watched(**arguments)
    pairs = zip(bare.parameters(), model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_N39_bf16_outputs_are_read_in_float32() -> None:
    seen: list[torch.Tensor] = []

    def note(model: nn.Module, loss_fn: nn.Module) -> None:
        model[0].register_forward_hook(lambda module, args, output: seen.append(output))  # type: ignore[index]

    trained(note, mixed_precision="bf16")
    inspector, _ = watched(mixed_precision="bf16")
    assert seen[0].dtype is torch.bfloat16
    expected = [output.double().flatten(1).norm(dim=1).mean().item() for output in seen]
    series = inspector.history["Output Norm"]
    np.testing.assert_allclose(series.values[:, series.modules.index("0")], expected, rtol=1e-6)
