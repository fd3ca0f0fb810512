"""Small modules of Lightning which write down what happens in them, and Trainers for them."""

from __future__ import annotations

import gc
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.gatherer import Hooks
from monitorch_widgets.history import History
from monitorch_widgets.integration.lightning import InspectorCallback
from monitorch_widgets.lens import OutputNorm, ParameterGradientGeometry

from ..zoo.same import all_bits
from ..zoo.watching import hooks_on, optimizer_hooks

GRADIENT, OUTPUT = "Weight Gradient Norm", "Output Norm"

# What Lightning says of runs as small as these.
QUIET = (
    "ignore:The '.*' does not have many workers",
    "ignore:The number of training batches .* is smaller than the logging interval",
    "ignore:Checkpoint directory .* exists and is not empty",
    "ignore:You passed in a `val_dataloader` but have no `validation_step`",
    "ignore:You defined a `validation_step` but have no `val_dataloader`",
    "ignore:.*GPU available but not used",
    "ignore:.*treespec, LeafSpec.* is deprecated",  # Lightning 2.6 with torch 2.13
)


def samples(count: int = 32, seed: int = 0) -> TensorDataset:
    """Numbers (count, 4), and what to make of them (count, 1)."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 4, generator=generator)
    return TensorDataset(x, x.sum(1, keepdim=True).sin())


def loader(count: int = 32, seed: int = 0, batch_size: int = 4) -> DataLoader[Any]:
    """Batches in the same order each time."""
    data: Dataset[Any] = samples(count, seed)
    return DataLoader(data, batch_size)


def inputs(count: int = 8) -> DataLoader[Any]:
    """Batches of inputs alone."""
    return DataLoader(samples(count, seed=3).tensors[0], 4)  # type: ignore[arg-type]


def net() -> nn.Sequential:
    """The same small network each time."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))


class Lit(L.LightningModule):
    """Learns a line, and writes down its losses and gradients by the step that they belong to."""

    def __init__(self, rate: float = 0.1) -> None:
        super().__init__()
        self.net = net()
        self.lr = rate
        self.losses: dict[int, list[float]] = defaultdict(list)
        self.gradients: dict[int, dict[str, float]] = {}
        self.validations: dict[int, float] = {}
        self.tests: list[float] = []
        self._seen: list[tuple[float, int]] = []

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def loss(self, batch: Any) -> Tensor:
        x, y = batch
        return nn.functional.mse_loss(self(x), y)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = self.loss(batch)
        self.losses[self.global_step].append(loss.item())
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss

    def configure_gradient_clipping(self, optimizer: Any, gradient_clip_val: Any = None, **others: Any) -> None:
        super().configure_gradient_clipping(optimizer, gradient_clip_val, others.get("gradient_clip_algorithm"))
        layers = {name: layer for name, layer in self.named_modules() if isinstance(layer, nn.Linear)}
        if self.net[0].weight.grad is None:  # averaging runs an epoch without backward passes
            return
        self.gradients[self.global_step] = {name: float(layer.weight.grad.norm()) for name, layer in layers.items()}

    def on_validation_epoch_start(self) -> None:
        self._seen = []

    on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        loss = self.loss(batch)
        self._seen.append((loss.item(), len(batch[0])))
        self.log("val_loss", loss)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        loss = self.loss(batch)
        self._seen.append((loss.item(), len(batch[0])))
        self.log("test_loss", loss)

    def _mean(self) -> float:
        return sum(loss * size for loss, size in self._seen) / sum(size for _, size in self._seen)

    def on_validation_epoch_end(self) -> None:
        if self.trainer.state.fn == "fit" and not self.trainer.sanity_checking:
            self.validations[self.global_step - 1] = self._mean()

    def on_test_epoch_end(self) -> None:
        self.tests.append(self._mean())

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=self.lr)


class Both(L.LightningModule):
    """A generator and a discriminator, each with an optimizer and a scheduler of its own, stepped by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False
        torch.manual_seed(0)
        self.generator, self.discriminator = nn.Linear(4, 4), nn.Linear(4, 1)
        self.losses: dict[int, tuple[str, float]] = {}

    def training_step(self, batch: Any, batch_idx: int) -> None:
        first, second = self.optimizers()
        for name, optimizer, sign in (("d_loss", first, 1.0), ("g_loss", second, -1.0)):
            fake = self.generator(batch[0])
            loss = sign * (self.discriminator(fake) - self.discriminator(batch[0])).mean()
            self.losses[self.global_step] = (name, loss.item())
            self.log(name, loss)
            optimizer.zero_grad()
            self.manual_backward(loss)
            optimizer.step()

    def configure_optimizers(self) -> Any:
        first = torch.optim.SGD(self.discriminator.parameters(), lr=0.01)
        second = torch.optim.Adam(self.generator.parameters(), lr=0.002)
        return [first, second], [torch.optim.lr_scheduler.StepLR(first, step_size=1)]


def lenses() -> list[Any]:
    """What the tests look at: one lens of outputs, and one of gradients."""
    return [OutputNorm(), ParameterGradientGeometry(parameters="weight", compute_correlation=False)]


def callback(**arguments: Any) -> InspectorCallback:
    """A callback that reads every step, shows nothing, and hides no fault."""
    return InspectorCallback(lenses(), every=1, visualizer="dummy", strict=True, **arguments)


def trainer(folder: Path, *callbacks: Any, **arguments: Any) -> L.Trainer:
    """A Trainer on the CPU that says nothing and keeps its files in `folder`."""
    usual = {
        "max_epochs": 2,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": folder,
    }
    return L.Trainer(callbacks=list(callbacks), **{**usual, **arguments})


@dataclass
class Run:
    """A module after `fit`, with the Trainer and the inspector."""

    module: Any
    trainer: L.Trainer
    callback: InspectorCallback

    @property
    def inspector(self) -> PyTorchInspector:
        return self.callback.inspector

    @property
    def history(self) -> History:
        return self.callback.inspector.history


def fitted(
    folder: Path, make: Callable[[], Any] = Lit, *, more: Callable[[], list[Any]] = list, **arguments: Any
) -> Run:
    """Fit a module with our callback and once more without it, and compare what comes out to the last bit."""
    with_us = callback()
    run = Run(make(), trainer(folder / "with", with_us, *more(), **arguments), with_us)
    plain = Run(make(), trainer(folder / "without", *more(), **arguments), with_us)
    for one in (run, plain):
        torch.manual_seed(1)
        one.trainer.fit(one.module, loader(), loader(12, seed=1))
    assert_same(run, plain)
    assert_gone(run)
    return run


def assert_same(run: Run, plain: Run) -> None:
    """The weights are the same to the last bit, and so is what Lightning counted and logged."""
    ours, theirs = all_bits(run.module.state_dict()), all_bits(plain.module.state_dict())
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert run.trainer.global_step == plain.trainer.global_step
    assert run.trainer.current_epoch == plain.trainer.current_epoch
    assert all_bits(dict(run.trainer.callback_metrics)).keys() == all_bits(dict(plain.trainer.callback_metrics)).keys()


def assert_gone(run: Run) -> None:
    """Nothing of ours hangs on the module or on optimizers."""
    assert not run.inspector.state.attached
    assert hooks_on(run.module) == 0
    gc.collect()
    Hooks()  # takes away what inspectors have left that nobody holds any more
    assert optimizer_hooks() == 0


def logged(history: History, name: str, tag: str = "Logged") -> dict[int, float]:
    """A logged number by step."""
    series = history[tag]
    column = series.values[:, series.modules.index(name)]
    return {int(step): float(value) for step, value in zip(series.steps, column, strict=True) if not np.isnan(value)}


def read(history: History, tag: str) -> dict[int, dict[str, float]]:
    """What a lens has read, by step and module."""
    series = history[tag]
    rows = zip(series.steps, series.values, strict=True)
    return {int(step): dict(zip(series.modules, map(float, row), strict=True)) for step, row in rows}
