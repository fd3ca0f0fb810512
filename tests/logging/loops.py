"""Small loops that log, and a Lightning module whose numbers are the reference."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from monitorch_widgets import PyTorchInspector


def watched(**arguments: Any) -> tuple[nn.Module, torch.optim.Optimizer, PyTorchInspector]:
    """A model, its optimizer, and an inspector without a page."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    arguments = {"visualizer": "dummy", "strict": True, "every": 1, **arguments}
    return model, optimizer, PyTorchInspector(module=model, **arguments)


def train_step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: torch.Tensor) -> torch.Tensor:
    """One step; its loss."""
    optimizer.zero_grad()
    loss = model(batch).pow(2).mean()
    loss.backward()
    optimizer.step()
    return loss


def batches(*sizes: int) -> list[torch.Tensor]:
    """Batches of these sizes."""
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(size, 3, generator=generator) for size in sizes]


Logs = Callable[[Any, str, torch.Tensor], None]


def callback_metrics(inspector: PyTorchInspector, log_in: dict[str, Logs], loaders: int = 1) -> dict[str, float]:
    """Train one epoch with Lightning: what it has in ``callback_metrics``; the inspector logs the same.

    `log_in` says by hook what is logged there: a function of who logs, the name of the hook and the batch.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lightning, about the machine
        return _trained(inspector, log_in, loaders)


def _trained(inspector: PyTorchInspector, log_in: dict[str, Logs], loaders: int) -> dict[str, float]:
    import lightning

    class System(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(3, 1)

        def _log(self, hook: str, phase: str, batch: torch.Tensor, loader: int | None) -> None:
            if hook not in log_in or self.trainer.sanity_checking:
                return
            inspector.phase, inspector._logbook.hook, inspector.dataloader_idx = phase, hook, loader
            inspector._logbook.sizes.take(batch)
            try:
                log_in[hook](inspector, hook, batch)
            finally:
                inspector._logbook.hook, inspector.dataloader_idx = "", None
            log_in[hook](self, hook, batch)

        def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
            self._log("training_step", "train", batch, None)
            loss: torch.Tensor = self.net(batch).pow(2).mean()
            return loss

        def validation_step(self, batch: torch.Tensor, index: int, dataloader_idx: int = 0) -> None:
            self._log("validation_step", "val", batch, dataloader_idx if loaders > 1 else None)

        def on_train_epoch_end(self) -> None:
            self._log("on_train_epoch_end", "train", torch.zeros(1), None)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    trainer = lightning.Trainer(
        max_epochs=1,
        logger=False,
        accelerator="cpu",
        num_sanity_val_steps=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    validation = Loader(batches(4, 2))
    trainer.fit(System(), Loader(batches(4, 4, 1)), [validation] * loaders if loaders > 1 else validation)
    inspector.phase = None
    inspector.tick_epoch()
    assert not any(value.requires_grad for value in trainer.callback_metrics.values())
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


class Loader:
    """Batches that Lightning iterates over."""

    def __init__(self, items: list[torch.Tensor]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
