"""The callbacks of Lightning Bolts, under their names, with a real Trainer."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, LensFault, NotWatched
from monitorch_widgets.integration.bolts import ModuleDataMonitor, PrintTableMetricsCallback, TrainingDataMonitor
from monitorch_widgets.integration.lightning import InspectorCallback, WidgetLogger
from monitorch_widgets.lens import InputHistogram, OutputHistogram

# Lightning's own, of tiny runs on the processor.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:The 'val_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:The number of training batches"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no `val_dataloader`"),
    pytest.mark.filterwarnings("ignore:.*isinstance.treespec, LeafSpec.*"),
]


class Numbers(Dataset[tuple[Tensor, Tensor]]):
    def __len__(self) -> int:
        return 24

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        return torch.full((3,), float(place)), torch.tensor([1.0])


class Net(pl.LightningModule):
    """Has a generator inside, as the document's example does."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential()
        self.generator.add_module("conv1", nn.Linear(3, 4))
        self.generator.add_module("act", nn.ReLU())
        self.head = nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.head(self.generator(x))
        return found

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        x, y = batch
        loss = nn.functional.mse_loss(self(x), y)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        x, y = batch
        self.log("val_loss", nn.functional.mse_loss(self(x), y))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=1e-4)


def loader(batch_size: int = 4) -> DataLoader[Any]:
    return DataLoader(Numbers(), batch_size=batch_size)


def inspector() -> PyTorchInspector:
    return PyTorchInspector([], visualizer="dummy")


def fit(*callbacks: Any, module: pl.LightningModule | None = None, data: Any = None, **more: Any) -> pl.Trainer:
    how = {"max_epochs": 1, "logger": False, "log_every_n_steps": 2, **more}
    trainer = pl.Trainer(
        accelerator="cpu",
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        **how,
    )
    trainer.fit(module or Net(), loader() if data is None else data)
    return trainer


def steps(of: PyTorchInspector, key: str) -> list[int]:
    found: list[int] = of.cards[f"histogram/{key}"].content["map"]["steps"]
    return found


def keys(of: PyTorchInspector) -> set[str]:
    return {card.key.removeprefix("histogram/") for card in of.cards.all if card.kind == "histogram"}


def written(folder: Path) -> dict[str, list[Any]]:
    [file] = folder.rglob("events.out.tfevents.*")
    events = EventAccumulator(str(file), size_guidance={"histograms": 0})
    events.Reload()
    return {tag: events.Histograms(tag) for tag in events.Tags()["histograms"]}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


# ---------------------------------------------------------------------- the table


def test_A01_a_line_of_metrics_is_printed_after_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    class Logged(Net):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            loss = super().training_step(batch, batch_idx)
            self.log("loss", loss)
            return loss

    table = PrintTableMetricsCallback()
    fit(table, module=Logged(), max_epochs=3)
    head, rule, *lines = capsys.readouterr().out.strip().splitlines()
    assert head == "train_loss│loss│epoch" and rule == "─" * len(head)
    assert [line.split("│")[-1] for line in lines] == ["0", "1", "2"]
    assert [row["epoch"] for row in table.metrics] == [0, 1, 2]
    assert float(lines[0].split("│")[0]) == pytest.approx(table.metrics[0]["train_loss"], rel=1e-3)


def test_A01_another_metric_brings_another_head_and_validation_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        check_val_every_n_epoch=2,
        num_sanity_val_steps=0,
        logger=False,
        callbacks=[PrintTableMetricsCallback()],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(Net(), loader(), loader())
    lines = capsys.readouterr().out.strip().splitlines()
    assert [line for line in lines if "loss" in line] == ["train_loss│epoch", "train_loss│val_loss│epoch"]
    assert len(lines) == 6


def test_A01_only_the_first_process_prints(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(pl.Trainer, "is_global_zero", False)
    table = PrintTableMetricsCallback()
    fit(table)
    assert not capsys.readouterr().out and len(table.metrics) == 1


# ---------------------------------------------------------------------- the batch


def test_A02_A09_each_tensor_of_the_batch_has_a_histogram_at_every_nth_batch() -> None:
    shown = inspector()
    fit(TrainingDataMonitor(log_every_n_steps=3, inspector=shown), max_epochs=2)
    assert keys(shown) == {"training_step/0", "training_step/1"}
    assert steps(shown, "training_step/0") == [2, 5, 8, 11]  # batches 2 and 5 of each epoch
    content = shown.cards["histogram/training_step/0"].content
    assert content["count"] == 12 and content["min"] == 20 and content["max"] == 23 and content["shape"] == "[4, 3]"
    assert sum(content["counts"]) == 12 and content["step"] == 11


def test_A02_without_a_number_the_trainers_counts() -> None:
    shown = inspector()
    fit(TrainingDataMonitor(inspector=shown), log_every_n_steps=2)
    assert steps(shown, "training_step/0") == [1, 3, 5]


def test_A02_what_is_wrong_raises_at_once() -> None:
    with pytest.raises(ArgumentError, match="log_every_n_steps to be at least 1; received 0"):
        TrainingDataMonitor(log_every_n_steps=0)
    with pytest.raises(ArgumentTypeError, match="expected inspector to be a PyTorchInspector"):
        ModuleDataMonitor(inspector="mine")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="list of names like"):
        ModuleDataMonitor(submodules="generator")  # type: ignore[arg-type]


class Nested(Net):
    """Takes a batch of many kinds."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        return self(batch["images"][0]).mean()


def nested(batch: list[Any]) -> dict[str, Any]:
    x = torch.stack([x for x, _ in batch])
    return {
        "images": (x, [x > 1, {"ids": torch.arange(5)}]),
        "text": ["a", "b"],
        "array": np.ones((2, 2), np.float64),
        "name": "cat",
    }


def test_A03_nested_batches_have_places_and_shapes_in_their_names(tmp_path: Path) -> None:
    shown, data = inspector(), DataLoader(Numbers(), batch_size=4, collate_fn=nested)
    logger = TensorBoardLogger(tmp_path)
    fit(TrainingDataMonitor(2, inspector=shown), module=Nested(), data=data, logger=logger)
    assert keys(shown) == {
        "training_step/images/0",
        "training_step/images/1/0",
        "training_step/images/1/1/ids",
        "training_step/array",
    }
    shapes = {card.content["name"]: (card.content["shape"], card.content["dtype"]) for card in shown.cards.all}
    assert shapes["images/1/0"] == ("[4, 3]", "bool") and shapes["array"] == ("[2, 2]", "float64")
    assert "training_step/images/1/1/ids/[5]" in written(tmp_path)


# ---------------------------------------------------------------------- where they go


def test_A04_tensorboard_gets_what_was_counted(tmp_path: Path) -> None:
    fit(TrainingDataMonitor(3), logger=TensorBoardLogger(tmp_path))
    found = written(tmp_path)
    assert set(found) == {"training_step/0/[4, 3]", "training_step/1/[4, 1]"}
    first, last = found["training_step/0/[4, 3]"]
    assert [first.step, last.step] == [2, 5]
    value = last.histogram_value
    assert (value.num, value.min, value.max, value.sum) == (12, 20, 23, pytest.approx(21.5 * 12))
    assert value.sum_squares == pytest.approx(3 * sum(x * x for x in (20, 21, 22, 23))) and sum(value.bucket) == 12


def test_A04_without_a_logger_one_is_told() -> None:
    with pytest.warns(NotWatched, match=r"^Cannot log histograms because Trainer has no logger\.$"):
        fit(TrainingDataMonitor())


def test_A04_a_logger_that_takes_none_is_told_with_those_that_do(tmp_path: Path) -> None:
    words = (
        r"^ModuleDataMonitor does not support logging with CSVLogger\. "
        r"Supported loggers are: TensorBoardLogger, WandbLogger, WidgetLogger$"
    )
    with pytest.warns(NotWatched, match=words):
        fit(ModuleDataMonitor(), logger=CSVLogger(tmp_path))


def test_A04_the_inspector_of_the_trainer_is_found() -> None:
    callback = InspectorCallback([], visualizer="dummy")
    fit(callback, TrainingDataMonitor(3), ModuleDataMonitor(log_every_n_steps=3))
    assert keys(callback.inspector) == {"training_step/0", "training_step/1", "input/0", "output/0"}
    assert steps(callback.inspector, "output/0") == [2, 5]


def test_A04_the_widget_logger_shows_them_and_one_beside_it_is_not_blamed(tmp_path: Path) -> None:
    shown = inspector()
    fit(TrainingDataMonitor(6), logger=[CSVLogger(tmp_path), WidgetLogger(shown, save_dir=tmp_path)])
    assert keys(shown) == {"training_step/0", "training_step/1"}


def test_A04_weights_and_biases_get_them_with_the_numbers_of_the_step(monkeypatch: Any) -> None:
    class Experiment:
        """Stands for a service that needs an account."""

        def __init__(self) -> None:
            self.logged: list[Any] = []

        def log(self, data: dict[str, Any], commit: bool) -> None:
            self.logged.append((data, commit))

    class WandbLogger(CSVLogger):
        experiment = Experiment()

        def log_metrics(self, metrics: Any, step: Any = None) -> None: ...
        def save(self) -> None: ...
        def log_hyperparams(self, params: Any = None) -> None: ...

    class Module:
        @staticmethod
        def Histogram(np_histogram: Any) -> Any:
            return np_histogram

    monkeypatch.setitem(__import__("sys").modules, "wandb", Module)
    logger = WandbLogger("nowhere")
    fit(TrainingDataMonitor(6), logger=logger)
    [(data, commit), _] = logger.experiment.logged
    counts, edges = data["training_step/0/[4, 3]"]
    assert not commit and counts.sum() == 12 and (edges[0], edges[-1], len(edges)) == (20, 23, 65)


# ---------------------------------------------------------------------- modules


def test_A05_the_module_itself_is_seen_in_and_out_in_training_only() -> None:
    shown = inspector()
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        callbacks=[ModuleDataMonitor(log_every_n_steps=1, inspector=shown)],
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    trainer.fit(Net(), loader(), loader(batch_size=6))
    assert keys(shown) == {"input/0", "output/0"} and steps(shown, "input/0") == list(range(6))
    assert {card.content["shape"] for card in shown.cards.all} == {"[4, 3]", "[4, 1]"}


def test_A06_all_submodules_with_the_module_itself() -> None:
    shown = inspector()
    fit(ModuleDataMonitor(submodules=True, log_every_n_steps=6, inspector=shown))
    names = ["0", "generator", "generator.conv1", "generator.act", "head"]
    assert keys(shown) == {f"{side}/{name}" for side in ("input", "output") for name in names}


def test_A07_some_submodules_and_a_name_that_none_has() -> None:
    shown = inspector()
    words = (
        r"^generator\.conv2 is not a valid identifier for a submodule in Net, skipping this key\. "
        r"Did you mean 'generator\.conv1'\?$"
    )
    monitor = ModuleDataMonitor(["generator", "generator.conv1", "generator.conv2"], 6, shown)
    with pytest.warns(NotWatched, match=words):
        fit(monitor)
    assert keys(shown) == {
        f"{side}/{name}" for side in ("input", "output") for name in ("generator", "generator.conv1")
    }


def test_A08_nan_and_infinity_are_counted_where_they_come_from(tmp_path: Path) -> None:
    class Breaks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x[:1] / 0, x[1:2] * float("nan"), x[2:]])

    module, shown = Net(), inspector()
    module.generator.conv1 = nn.Sequential(nn.Linear(3, 4), Breaks())
    monitor = ModuleDataMonitor(True, 1, shown)
    fit(monitor, module=module, logger=TensorBoardLogger(tmp_path), limit_train_batches=1)
    found = {card.content["name"]: card.content for card in shown.cards.all if card.content["group"] == "output"}
    assert (found["generator.conv1.0"]["nan"], found["generator.conv1.0"]["inf"]) == (0, 0)
    assert (found["generator.conv1.1"]["nan"], found["generator.conv1.1"]["inf"]) == (4, 4)
    assert found["generator.conv1.1"]["count"] == 8 and found["generator.conv1.1"]["map"]["bad"] == [8]
    assert "output/generator.conv1.1/[4, 4]" in written(tmp_path)


def hooks(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in module.modules())


def test_A10_hooks_go_at_the_end_of_training() -> None:
    module, seen = Net(), []

    class Counts(pl.Callback):
        def on_train_batch_start(self, *args: Any) -> None:
            seen.append(hooks(module))

    fit(ModuleDataMonitor(True, inspector=inspector()), Counts(), module=module)
    assert set(seen) == {10} and hooks(module) == 0


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_A10_hooks_go_when_training_fails(error: type[BaseException]) -> None:
    class Fails(Net):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            if batch_idx == 2:
                raise error("here")
            return super().training_step(batch, batch_idx)

    module, shown = Fails(), inspector()
    with pytest.raises((error, SystemExit)):
        fit(ModuleDataMonitor(True, 1, shown), module=module)
    assert hooks(module) == 0 and steps(shown, "output/head") == [0, 1]


def test_A05_the_lenses_do_the_same_with_the_inspectors_callback() -> None:
    callback = InspectorCallback([InputHistogram(), OutputHistogram("Net")], visualizer="dummy", log_every_n_steps=3)
    fit(callback, max_epochs=2)
    modules = ("generator.conv1", "generator.act", "head")
    assert keys(callback.inspector) == {"batch/0", "output/Net", *(f"input/{name}" for name in modules)}
    assert steps(callback.inspector, "batch/0") == steps(callback.inspector, "output/Net") == [0, 3, 6, 9]


# ---------------------------------------------------------------------- a guest


def test_training_is_what_it_would_be_and_a_fault_does_not_end_it(monkeypatch: Any) -> None:
    def weights(*callbacks: Any) -> list[Tensor]:
        torch.manual_seed(3)
        module = Net()
        fit(*callbacks, module=module)
        return [parameter.detach() for parameter in module.parameters()]

    plain = weights()
    assert all(
        map(torch.equal, plain, weights(ModuleDataMonitor(True, 1, inspector()), TrainingDataMonitor(1, inspector())))
    )
    monkeypatch.setattr("monitorch_widgets.preprocessor.histogram.histogram_row", lambda tensor, bins: 1 / 0)
    with pytest.warns(LensFault, match="TrainingDataMonitor lost histograms: ZeroDivisionError"):
        assert all(map(torch.equal, plain, weights(TrainingDataMonitor(1, inspector()))))


def test_a_copy_for_another_process_begins_anew() -> None:
    monitor = ModuleDataMonitor(["head"], 2, inspector())
    fit(monitor)
    copied = pickle.loads(pickle.dumps(monitor))
    shown = copied._inspector = inspector()
    fit(copied)
    assert steps(shown, "input/head") == [1, 3, 5]
