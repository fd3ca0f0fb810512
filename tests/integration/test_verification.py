"""The check of batch mixing, and Lightning's own learning-rate finder, with the real Trainer."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from lightning.pytorch.tuner import Tuner
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import MonitorchWarning
from monitorch_widgets.integration.verification import BatchGradientVerificationCallback
from monitorch_widgets.verification import MixingWarning
from monitorch_widgets.verification.batch_mixing import MIXING

# Lightning advises more workers and a log_every_n_steps for longer runs.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:`isinstance\\(treespec, LeafSpec\\)` is deprecated"),
]
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Mixes(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class Lit(LightningModule):
    def __init__(self, middle: nn.Module | None = None, lr: float = 0.1) -> None:
        super().__init__()
        self.save_hyperparameters("lr")
        self.net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), middle or nn.ReLU(), nn.Linear(8, 2))
        self.batches = 0

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.batches += 1
        return nn.functional.cross_entropy(self(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.hparams.lr)

    def train_dataloader(self) -> Any:
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(24, 4, generator=generator)
        return DataLoader(TensorDataset(x, (x.sum(1) > 0).long()), batch_size=8)


def fit(module: Lit, tmp_path: Path, *callbacks: Any, **how: Any) -> Trainer:
    settings = {"max_epochs": 1, "accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    silent = {"enable_progress_bar": False, "enable_model_summary": False, "default_root_dir": tmp_path}
    trainer = Trainer(**settings, **silent, callbacks=list(callbacks), **how)
    trainer.fit(module)
    return trainer


def example(module: Lit) -> Lit:
    module.example_input_array = torch.rand(3, 4)
    return module


def test_A11_A12_the_callback_warns_with_the_exact_text(tmp_path: Path) -> None:
    module, callback = example(Lit(Mixes())), BatchGradientVerificationCallback()
    with pytest.warns(MixingWarning) as told:
        fit(module, tmp_path, callback)
    assert [str(warning.message) for warning in told if warning.category is MixingWarning] == [
        "Your model is mixing data across the batch dimension. This can lead to wrong gradient updates in the "
        "optimizer. Check the operations that reshape and permute tensor dimensions in your model."
    ]
    assert callback.result.module == "net.2" and module.batches == 3


def test_A11_the_first_training_batch_is_taken_where_there_is_no_example(tmp_path: Path) -> None:
    callback = BatchGradientVerificationCallback()
    with pytest.warns(MixingWarning):
        fit(Lit(Mixes()), tmp_path, callback)
    assert len(callback.result.gradients) == 8


def test_A11_before_training_begins(tmp_path: Path) -> None:
    module = Lit(Mixes())
    with pytest.raises(RuntimeError, match="mixing data"):
        fit(module, tmp_path, BatchGradientVerificationCallback(error=True))
    assert module.batches == 0


@pytest.mark.parametrize("with_example", [True, False])
def test_A11_a_model_that_is_right_trains_as_without_it(tmp_path: Path, with_example: bool) -> None:
    def weights(*callbacks: Any) -> list[Any]:
        seed_everything(1, verbose=False)
        module = example(Lit()) if with_example else Lit()
        seed_everything(2, verbose=False)
        with warnings.catch_warnings():
            warnings.simplefilter("error", MonitorchWarning)
            fit(module, tmp_path, *callbacks, accumulate_grad_batches=2)
        return [parameter.tolist() for parameter in module.parameters()]

    callback = BatchGradientVerificationCallback()
    assert weights(callback) == weights()
    assert callback.result.valid


def test_A13_arguments_and_their_defaults(tmp_path: Path) -> None:
    import inspect

    parameters = inspect.signature(BatchGradientVerificationCallback).parameters
    defaults = {name: parameter.default for name, parameter in list(parameters.items())[:5]}
    assert defaults == {
        "input_mapping": None, "output_mapping": None, "sample_idx": 0, "warn": True, "error": False
    }  # fmt: skip
    seen = []
    callback = BatchGradientVerificationCallback(
        input_mapping=lambda data: [data], output_mapping=lambda out: seen.append(out.shape) or out, sample_idx=2
    )
    fit(example(Lit()), tmp_path, callback)
    assert callback.result.sample_idx == 2 and seen == [torch.Size([3, 2])]


def test_A13_no_warning_where_none_is_wanted(tmp_path: Path) -> None:
    callback = BatchGradientVerificationCallback(warn=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", MonitorchWarning)
        fit(Lit(Mixes()), tmp_path, callback)
    assert callback.result.mixed


def test_A13_error_is_a_runtime_error_with_the_text(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as raised:
        fit(example(Lit(Mixes())), tmp_path, BatchGradientVerificationCallback(error=True, warn=False))
    assert str(raised.value) == MIXING


def test_A15_an_example_of_one_sample_makes_way_for_a_batch(tmp_path: Path) -> None:
    module, callback = Lit(), BatchGradientVerificationCallback()
    module.example_input_array = torch.rand(1, 4)
    fit(module, tmp_path, callback)
    assert len(callback.result.gradients) == 8


def test_A15_a_module_that_cannot_be_checked_trains_all_the_same(tmp_path: Path) -> None:
    class Odd(Lit):
        def forward(self, x: Tensor, needed: Tensor | None) -> Tensor:
            assert needed is None
            return self.net(x)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            self.batches += 1
            return nn.functional.cross_entropy(self(batch[0], None), batch[1])

    module = Odd()
    with pytest.warns(MonitorchWarning, match="could not be checked"):
        fit(module, tmp_path, BatchGradientVerificationCallback())
    assert module.batches == 3


def test_A11_a_card_where_there_is_an_inspector(tmp_path: Path) -> None:
    module = example(Lit(Mixes()))
    inspector = PyTorchInspector(module=module, visualizer="dummy", every=1, strict=True)
    with pytest.warns(MixingWarning):
        fit(module, tmp_path, BatchGradientVerificationCallback(inspector=inspector))
    content = json.loads(json.dumps(inspector.cards["checks/batch_mixing"].content, allow_nan=False))
    assert content["state"] == "failed" and ["module", "net.2"] in content["facts"]
    assert inspector.history["Output Norm"].steps.tolist() == [0, 1, 2]


def test_A11_the_inspector_of_another_callback_is_found(tmp_path: Path) -> None:
    from lightning.pytorch import Callback

    class Watches(Callback):
        def __init__(self, inspector: PyTorchInspector) -> None:
            self.inspector = inspector

    module = example(Lit())
    inspector = PyTorchInspector(module=module, visualizer="dummy")
    fit(module, tmp_path, BatchGradientVerificationCallback(), Watches(inspector))
    assert inspector.cards["checks/batch_mixing"].content["state"] == "passed"


def test_A11_beside_the_callback_of_the_inspector_which_reads_the_training_alone(tmp_path: Path) -> None:
    from monitorch_widgets.integration.lightning import InspectorCallback

    module, watching = example(Lit(Mixes())), InspectorCallback(every=1, visualizer="dummy", strict=True)
    with pytest.warns(MixingWarning):
        fit(module, tmp_path, BatchGradientVerificationCallback(), watching)
    inspector = watching.inspector
    assert ["module", "net.2"] in inspector.cards["checks/batch_mixing"].content["facts"]
    assert inspector.history["Output Norm"].steps.tolist() == [0, 1, 2]


# ---------------------------------------------------------------------- learning-rate finders


def test_N32_lightnings_own_finder_in_the_same_panel(tmp_path: Path) -> None:
    module = Lit()
    inspector = PyTorchInspector(module=module, visualizer="dummy")
    settings = {"max_epochs": 20, "accelerator": "cpu", "logger": False, "enable_progress_bar": False}
    trainer = Trainer(**settings, enable_model_summary=False, default_root_dir=tmp_path)
    finder = Tuner(trainer).lr_find(module, num_training=30, update_attr=False)
    inspector.show_lr_finder(finder)
    content = json.loads(json.dumps(inspector.cards["lr_finder"].content, allow_nan=False))
    assert content["lrs"] == finder.results["lr"] and content["num_training"] == 30
    assert content["lrs"][content["suggestion"]] == finder.suggestion()
    assert content["target"] == "model" and content["can_apply"]
    inspector.cards.act("lr_finder", "apply", {"lr": 0.25})
    assert module.hparams.lr == 0.25


def test_N30_N32_our_finder_with_a_lightning_module_in_a_plain_loop() -> None:
    module = Lit()
    optimizer = module.configure_optimizers()
    inspector = PyTorchInspector(module=module, visualizer="dummy")
    before = [parameter.tolist() for parameter in module.parameters()]
    finder = inspector.lr_find(
        module.train_dataloader(), optimizer, step=lambda model, batch: model.training_step(batch, 0), max_lr=10.0
    )
    assert module.batches == 0 and [parameter.tolist() for parameter in module.parameters()] == before
    assert module.hparams.lr == 0.1
    assert "model.hparams.lr" in finder.apply(0.2) and module.hparams.lr == 0.2
