"""What a step is made of under the Trainers, on a clock that only moves where a test says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from transformers import TrainerCallback

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.integration.transformers import InspectorTrainerCallback

from ..inspector.clockwork import Clockwork, clockwork
from .lit import QUIET, Lit, callback, net, samples
from .lit import trainer as lightning_trainer
from .tiny import gpt2, one_thread, sentences, trainer

__all__ = ["clockwork", "one_thread"]

pytestmark = [
    *(pytest.mark.filterwarnings(words) for words in QUIET),
    pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning"),
]


class Rows(Dataset[Any]):
    """Takes some time for each row."""

    def __init__(self, clockwork: Clockwork, rows: list[Any], each_s: float) -> None:
        self.clockwork, self.rows, self.each_s = clockwork, rows, each_s

    def __getitem__(self, index: int) -> Any:
        self.clockwork.pass_(self.each_s)
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)


def batches(clockwork: Clockwork, count: int = 8) -> DataLoader[Any]:
    """Batches that take 6 ms each."""
    x, y = samples(4).tensors
    return DataLoader(Rows(clockwork, [(x, y)] * count, 0.006), batch_size=None)


class SlowNet(nn.Sequential):
    """Takes 3 ms forward."""

    clockwork: Clockwork

    def forward(self, x: Tensor) -> Tensor:
        self.clockwork.pass_(0.003)
        found: Tensor = super().forward(x)
        return found


class Slow(Lit):
    """Calls itself or its net, 1 ms after the step has begun; takes 50 ms to validate."""

    def __init__(self, clockwork: Clockwork, *, whole: bool) -> None:
        super().__init__()
        self.net, self.clockwork, self.whole = SlowNet(*net()), clockwork, whole
        self.net.clockwork = clockwork

    def loss(self, batch: Any) -> Tensor:
        x, y = batch
        return nn.functional.mse_loss(self(x) if self.whole else self.net(x), y)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.clockwork.pass_(0.001)
        return self.loss(batch)

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.clockwork.pass_(0.05)
        super().validation_step(batch, batch_idx, dataloader_idx)


def milliseconds(inspector: PyTorchInspector) -> dict[str, float]:
    return {name: 1000 * took_s for name, took_s in inspector._timing.parts.mean_s.items()}


@pytest.mark.parametrize("whole", [True, False], ids=["called", "parts_alone"])
def test_N29_N01_steps_of_lightning_are_told_by_their_parts(clockwork: Clockwork, whole: bool, tmp_path: Path) -> None:
    ours = callback()
    module = Slow(clockwork, whole=whole)
    lightning_trainer(tmp_path, ours, max_epochs=3).fit(module, batches(clockwork), batches(clockwork, 2))
    found = milliseconds(ours.inspector)
    assert found == pytest.approx(
        {"data": 6.0, "loop": 1.0, "forward": 3.0, "backward": 0.0, "optimizer": 0.0}, abs=1e-6
    )
    rows = ours.inspector.cards["timing"].content["table"]["rows"]
    assert rows[0][0] == "from the end of a batch to the next one: data, other callbacks and loggers"


class Looks(TrainerCallback):
    """Takes 20 ms whenever something is logged."""

    def __init__(self, clockwork: Clockwork) -> None:
        self.clockwork = clockwork

    def on_log(self, *told: Any, **others: Any) -> None:
        self.clockwork.pass_(0.02)


@pytest.mark.parametrize("parts", [1, 2], ids=["each_batch", "gathered"])
def test_N29_steps_of_transformers_are_told_by_their_parts(clockwork: Clockwork, parts: int, tmp_path: Path) -> None:
    model = gpt2()
    model.transformer.register_forward_pre_hook(lambda module, inputs: clockwork.pass_(0.003))
    ours = InspectorTrainerCallback(visualizer="dummy", every=1, strict=True)
    data = Rows(clockwork, sentences(64), 0.0015)
    more = {"gradient_accumulation_steps": parts, "num_train_epochs": 1}
    trainer(tmp_path, Looks(clockwork), ours, model=model, data=data, **more).train()
    waits = 6.0 * (16 - parts - 1) / (16 / parts - 1)  # one batch is fetched ahead, and the first step is not counted
    found = milliseconds(ours.inspector)
    assert found == pytest.approx(
        {"data": waits, "loop": 20.0, "forward": 3.0 * parts, "backward": 0.0, "optimizer": 0.0}, abs=1e-6
    )
    assert ours.inspector.cards["timing"].content["table"]["rows"][0][0] == "waiting for data"
