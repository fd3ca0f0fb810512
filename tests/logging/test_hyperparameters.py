"""Hyper-parameters of a run, and the table of what its epochs have brought."""

from __future__ import annotations

import argparse
import dataclasses
import math
import pickle
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.logging.hyperparameters import hyperparameters_of
from monitorch_widgets.logging.table import RunTable, metrics_table

from .loops import Loader, batches, train_step, watched
from .test_logging import alone, series


@dataclasses.dataclass
class Net:
    width: int = 8
    act: Any = nn.ReLU


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"lr": 0.1, "net": {"width": 8, "more": {"deep": True}}}, {"lr": 0.1, "net/width": 8, "net/more/deep": True}),
        (argparse.Namespace(lr=0.1, name="a"), {"lr": 0.1, "name": "a"}),
        (SimpleNamespace(net=SimpleNamespace(width=1)), {"net/width": 1}),
        (Net(), {"width": 8, "act": "torch.nn.modules.activation.ReLU"}),
        ({"net": Net(4)}, {"net/width": 4, "net/act": "torch.nn.modules.activation.ReLU"}),
        ({"betas": (0.9, 0.99), "none": None}, {"betas/0": 0.9, "betas/1": 0.99, "none": None}),
        ({"lr": torch.tensor(0.5), "weights": torch.zeros(2)}, {"lr": 0.5, "weights": "tensor([0., 0.])"}),
        ({"empty": {}, 3: "x"}, {"empty": "{}", "3": "x"}),
        ({}, {}),
    ],
)
def test_N22_N23_hyper_parameters_are_flat_and_plain(params: Any, expected: dict[str, Any]) -> None:
    inspector = alone()
    inspector.log_hyperparams(params)
    assert inspector.history.hyperparams == expected
    card = inspector.cards["hparams"]
    assert (card.tab, card.kind) == ("Run", "report")
    assert card.content["facts"] == [[name, str(value)] for name, value in expected.items()]


def test_N23_N12_metrics_that_runs_are_compared_by_are_series_at_once_and_go_on() -> None:
    model, optimizer, inspector = watched()
    inspector.log_hyperparams({"lr": 0.1}, {"hp/metric_1": 0, "hp/metric_2": 0})
    assert series(inspector, "hp/metric_1", "hp") == {0: 0.0}
    assert "hp" in [spec.tag for spec in inspector.specs]
    for batch in batches(2, 2):
        train_step(model, optimizer, batch)
        inspector.log("hp/metric_1", 0.75)
    inspector.tick_epoch()
    assert inspector.cards["hparams"].content["table"]["rows"] == [["hp/metric_1", 0.75], ["hp/metric_2", 0.0]]
    assert series(inspector, "hp/metric_1", "hp")[1] == 0.75


def test_N23_hp_metric_is_there_when_it_is_given_and_not_otherwise() -> None:
    inspector = alone()
    inspector.log_hyperparams({"lr": 0.1})
    assert inspector.metrics == {} and "table" not in inspector.cards["hparams"].content
    inspector.log_hyperparams({"lr": 0.2, "more": 1}, -1)
    assert inspector.metrics == {"hp_metric": -1.0}
    assert inspector.history.hyperparams == {"lr": 0.2, "more": 1}
    inspector.log_hyperparams({}, {"hp_metric": math.nan})
    assert inspector.cards["hparams"].content["table"]["rows"] == [["hp_metric", None]]


@pytest.mark.parametrize("params", [None, 3, "lr=0.1", [("lr", 0.1)], Net])
def test_N23_what_has_no_names_raises(params: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="a dict, a namespace or a dataclass"):
        alone().log_hyperparams(params)
    with pytest.raises(ArgumentTypeError, match="metrics as numbers by name"):
        alone().log_hyperparams({}, {"hp/acc": "high"})


def test_N22_hyper_parameters_are_read_from_a_checkpoint_of_lightning(tmp_path: Path) -> None:
    import lightning

    class System(lightning.LightningModule):
        def __init__(self, lr: float = 0.1, width: int = 3, **more: Any) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.net = nn.Linear(3, width)

        def training_step(self, batch: torch.Tensor, index: int) -> torch.Tensor:
            loss: torch.Tensor = self.net(batch).pow(2).mean()
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Lightning, about the machine
        trainer = lightning.Trainer(
            max_steps=1,
            logger=False,
            accelerator="cpu",
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
            default_root_dir=tmp_path,
        )
        trainer.fit(System(lr=0.5, width=4, act="relu"), Loader(batches(2)))
        trainer.save_checkpoint(tmp_path / "last.ckpt")
    found = hyperparameters_of(tmp_path / "last.ckpt")
    assert found == {"lr": 0.5, "width": 4, "act": "relu"}
    inspector = alone()
    inspector.log_hyperparams(found)
    assert inspector.history.hyperparams == found


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a checkpoint has run code",))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"state_dict": {}}, "save_hyperparameters"),
        ({"hyper_parameters": Bomb()}, "add_safe_globals"),
        ([1, 2], "with hyper-parameters"),
    ],
)
def test_N22_other_files_say_what_is_missing_and_run_nothing(tmp_path: Path, content: Any, words: str) -> None:
    torch.save(content, tmp_path / "x.ckpt", pickle_module=pickle)
    with pytest.raises(ArgumentError, match=words):
        hyperparameters_of(tmp_path / "x.ckpt")
    with pytest.raises(FileNotFoundError):
        hyperparameters_of(tmp_path / "nothing.ckpt")


def test_N22_saved_with_the_history(tmp_path: Path) -> None:
    inspector = alone()
    inspector.log_hyperparams({"lr": 0.1})
    assert pickle.loads(pickle.dumps(inspector.history)).hyperparams == {"lr": 0.1}


# ---------------------------------------------------------------------- the table


def test_A01_a_row_an_epoch_with_losses_and_logged_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    model, optimizer, inspector = watched()
    for epoch in inspector.range(2):
        for batch in batches(2, 2):
            inspector.push_loss(train_step(model, optimizer, batch).item() * 0 + 0.5, train=True)
            inspector.log("of_steps", 1.0)
        inspector.push_loss(0.25 + epoch, train=False)
        inspector.log("accuracy", 0.9, on_step=False, on_epoch=True, batch_size=1)
    inspector.print_table()
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "train_loss│val_loss│accuracy│epoch",
        "──────────────────────────────────",
        "0.5       │0.25    │0.9     │1",
        "0.5       │1.25    │0.9     │2",
    ]
    card = inspector.cards["metrics"]
    assert (card.tab, card.kind) == ("Run", "report")
    assert card.content["table"] == {
        "columns": ["train_loss", "val_loss", "accuracy", "epoch"],
        "rows": [[0.5, 0.25, 0.9, 1], [0.5, 1.25, 0.9, 2]],
    }


def test_A01_names_and_gaps_in_the_table_are_text() -> None:
    text = metrics_table([{"a\nb": 1.0, "epoch": 0}, {"c" * 80: math.nan, "epoch": 1}])
    head, rule, first, second = text.splitlines()
    assert (
        head.startswith("a\\nb│ccc") and len(rule) == len(head) and first.startswith("1   │") and second.endswith("│1")
    )
    assert metrics_table([]) == "\n"
    assert metrics_table([{"x": 1.0}], header=False) == "1"


def test_A01_a_long_run_keeps_the_newest_rows() -> None:
    table = RunTable()
    for epoch in range(1500):
        card = table.add({"loss": math.inf, "epoch": epoch})
    assert len(table.rows) == 1000 and len(card.content["table"]["rows"]) == 100
    assert card.content["table"]["rows"][-1] == [None, 1499]


def test_A01_an_epoch_without_numbers_has_no_row() -> None:
    inspector = PyTorchInspector(visualizer="dummy")
    inspector.tick_epoch()
    assert inspector._epoch_rows.rows == [] and "metrics" not in inspector.cards
