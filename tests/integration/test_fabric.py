"""Fabric in a plain loop: the model and the optimizer that setup() returns are seen through."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from lightning.fabric import Fabric
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import LossMetrics, OutputNorm, ParameterGradientGeometry

from .tiny import one_thread

__all__ = ["one_thread"]


def trained(watch: str = "", **arguments: Any) -> tuple[nn.Module, PyTorchInspector | None]:
    """Two epochs of six batches; `watch` says which of Fabric's modules is watched: the wrapper or the module in it."""
    fabric = Fabric(accelerator="cpu", devices=1, **arguments)
    fabric.seed_everything(0, verbose=False)
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 2))
    loss_fn, inspector = nn.MSELoss(), None
    model, optimizer = fabric.setup(module, torch.optim.Adam(module.parameters(), lr=0.01))
    dataset = TensorDataset(torch.randn(24, 4), torch.randn(24, 2))
    loader = fabric.setup_dataloaders(DataLoader(dataset, batch_size=4))
    if watch:
        lenses = [LossMetrics(loss_fn=loss_fn), OutputNorm(), ParameterGradientGeometry(parameters="weight")]
        chosen = model if watch == "wrapper" else module
        inspector = PyTorchInspector(lenses, module=chosen, visualizer="dummy", every=1, strict=True)
    for _ in range(2):
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            fabric.backward(loss)
            fabric.clip_gradients(model, optimizer, max_norm=0.5)
            optimizer.step()
        if inspector is not None:
            inspector.tick_epoch()
    if inspector is not None:
        inspector.detach()
    return module, inspector


@pytest.mark.parametrize("watch", ["wrapper", "module"])
def test_N35_each_step_of_a_wrapped_optimizer_counts_once(watch: str) -> None:
    _, inspector = trained(watch)
    assert inspector is not None
    assert inspector.status().step == 12
    assert inspector.status().epoch_marks == ((1, 6), (2, 12))
    assert inspector.history["Output Norm"].modules == ["0", "1", "2", "3"]
    for tag in ("Loss", "Output Norm", "Weight Gradient Norm"):
        assert inspector.history[tag].steps.tolist() == list(range(12)), tag
    assert (np.nansum(inspector.history["Weight Gradient Norm"].values ** 2, axis=1) <= 0.25 + 1e-6).all()


@pytest.mark.parametrize("arguments", [{}, {"precision": "bf16-mixed"}, {"precision": "bf16-true"}])
def test_N39_weights_are_bit_for_bit_the_same_in_every_precision(arguments: dict[str, Any]) -> None:
    bare, _ = trained(**arguments)
    model, inspector = trained("wrapper", **arguments)
    pairs = zip(bare.parameters(), model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert inspector is not None
    values = inspector.history["Output Norm"].values
    assert np.isfinite(values).any(axis=0).all()


def test_N35_several_models_and_optimizers_in_one_fabric() -> None:
    fabric = Fabric(accelerator="cpu", devices=1)
    torch.manual_seed(0)
    parts = [nn.Linear(4, 4), nn.Linear(4, 1)]
    inspectors = [PyTorchInspector([OutputNorm()], module=part, visualizer="dummy", every=1) for part in parts]
    (generator, first), (critic, second) = (
        fabric.setup(part, torch.optim.SGD(part.parameters(), lr=0.01)) for part in parts
    )
    for i in range(6):
        for optimizer in (first, second):
            optimizer.zero_grad()
        fabric.backward(critic(generator(torch.randn(5, 4))).sum())
        second.step()
        if i % 2:
            first.step()
    assert [inspector.detach().status().step for inspector in inspectors] == [3, 6]
