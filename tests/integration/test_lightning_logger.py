"""The logger in real Trainers: alone, with the callback, and beside other loggers."""

from __future__ import annotations

import pickle
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment

from monitorch_widgets import ArgumentError, ArgumentTypeError, PyTorchInspector
from monitorch_widgets.integration.lightning import InspectorCallback, WidgetLogger
from monitorch_widgets.lens import OutputNorm

from .lit import QUIET, Both, Lit, callback, loader, logged, trainer

pytestmark = [pytest.mark.filterwarnings(words) for words in QUIET]


def quiet() -> PyTorchInspector:
    return PyTorchInspector([], visualizer="dummy", strict=True)


class Notes(Logger):
    """A logger of somebody else, which keeps what Lightning sends."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int | None, dict[str, float]]] = []

    @property
    def name(self) -> str:
        return "notes"

    @property
    def version(self) -> int:
        return 0

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        return self

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.rows.append((step, metrics))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass

    def sent(self, name: str) -> dict[int | None, float]:
        return {step: metrics[name] for step, metrics in self.rows if name in metrics}


def test_N40_alone_it_shows_what_the_trainer_sends(tmp_path: Path) -> None:
    logger, notes = WidgetLogger(quiet()), Notes()
    trainer(tmp_path, logger=[notes, logger], log_every_n_steps=3).fit(Lit(), loader(), loader(12))
    history = logger.inspector.history
    for name in ("train_loss_step", "train_loss_epoch", "val_loss"):
        assert logged(history, name) == pytest.approx(notes.sent(name))
    assert list(notes.sent("train_loss_step")) == [2, 5, 8, 11, 14]
    assert logger.inspector.status().step == 0 and not logger.inspector.state.attached
    assert logger.inspector.state.counter == 2  # the epochs of Lightning count from 0
    assert "epoch" not in logger.inspector.metrics


def test_N40_with_the_callback_both_share_an_inspector_and_nothing_is_lost(tmp_path: Path) -> None:
    logger, notes, ours = WidgetLogger(), Notes(), callback()
    module = Lit()
    trainer(tmp_path, ours, logger=[logger, notes], log_every_n_steps=5).fit(module, loader(), loader(12))
    assert logger.inspector is ours.inspector
    history = ours.inspector.history
    expected = {step: losses[0] for step, losses in module.losses.items()}
    assert logged(history, "train_loss_step") == pytest.approx(expected, rel=1e-5)  # every batch, not every fifth
    for name in ("train_loss_epoch", "val_loss"):
        assert logged(history, name) == pytest.approx(notes.sent(name))


def test_several_optimizers_stand_on_the_axis_of_the_inspector(tmp_path: Path) -> None:
    logger, notes, ours = WidgetLogger(), Notes(), callback()
    trainer(tmp_path, ours, logger=[logger, notes], log_every_n_steps=1).fit(Both(), loader())
    sent, shown = notes.sent("d_loss"), logged(ours.inspector.history, "d_loss")
    assert list(sent) == list(range(16)) and list(shown) == list(range(1, 32, 2))
    assert list(shown.values()) == pytest.approx(list(sent.values()))


def test_what_is_sent_straight_to_the_logger_is_shown(tmp_path: Path) -> None:
    class Straight(Lit):
        def on_train_batch_end(self, *batch: Any) -> None:
            self.logger.log_metrics({"straight": float(self.global_step)}, step=self.global_step)

    ours = callback()
    trainer(tmp_path, ours, logger=WidgetLogger(), max_epochs=1).fit(Straight(), loader())
    assert logged(ours.inspector.history, "straight") == {step: step + 1.0 for step in range(8)}


@pytest.mark.parametrize("alone", [True, False])
def test_N40_other_loggers_beside_it_get_the_same_as_ever(alone: bool, tmp_path: Path) -> None:
    def files(*loggers: Any) -> str:
        csv = CSVLogger(tmp_path / f"with{len(loggers)}", version=0)
        board = TensorBoardLogger(tmp_path / f"board{len(loggers)}")
        others = [] if alone or not loggers else [callback()]
        torch.manual_seed(0)
        trainer(tmp_path, *others, logger=[*loggers, csv, board], log_every_n_steps=2).fit(Lit(), loader(), loader(12))
        assert list(Path(board.log_dir).glob("events.*"))
        return (Path(csv.log_dir) / "metrics.csv").read_text()

    assert files() == files(WidgetLogger(quiet() if alone else None))


def test_N23_hyper_parameters_and_their_metrics(tmp_path: Path) -> None:
    class Compared(Lit):
        def __init__(self, width: int, lr: float) -> None:
            super().__init__(lr)
            self.save_hyperparameters()

        def on_train_start(self) -> None:
            self.logger.log_hyperparams(self.hparams, {"hp/metric_1": 0, "hp/metric_2": 0})

        def validation_step(self, batch: Any, batch_idx: int) -> None:
            super().validation_step(batch, batch_idx)
            self.log("hp/metric_1", self.loss(batch))

    ours = callback()
    trainer(tmp_path, ours, logger=WidgetLogger()).fit(Compared(8, 0.05), loader(), loader(12))
    inspector = ours.inspector
    facts = dict(map(tuple, inspector.cards["hparams"].content["facts"]))
    assert {name: facts[name] for name in ("width", "lr")} == {"width": "8", "lr": "0.05"}
    assert inspector.metrics["hp/metric_2"] == 0.0
    first, *later = logged(inspector.history, "hp/metric_1", "hp").values()
    assert len(later) == 2 and inspector.metrics["hp/metric_1"] == pytest.approx(later[-1])
    assert inspector.history["hp"].modules == ["hp/metric_1", "hp/metric_2"] and first == 0.0


def test_hyper_parameters_come_as_a_namespace_too() -> None:
    logger = WidgetLogger(quiet())
    logger.log_hyperparams(Namespace(depth=3))
    assert logger.inspector.history.hyperparams == {"depth": 3}


def test_pictures_and_histograms_by_its_experiment(tmp_path: Path) -> None:
    class Pictures(Lit):
        def on_train_epoch_end(self) -> None:
            self.logger.experiment.add_image("noise", torch.rand(3, 8, 8), self.current_epoch)
            self.logger.experiment.add_histogram("weights", self.net[0].weight, self.current_epoch)
            self.logger.experiment.add_scalar("by_hand", 0.5, self.current_epoch)

    ours = callback()
    trainer(tmp_path, ours, logger=WidgetLogger()).fit(Pictures(), loader())
    keys = [card.key for card in ours.inspector.cards.all]
    assert "gallery/noise" in keys and any(key.startswith("histogram/") and "weights" in key for key in keys)
    assert len(ours.inspector.cards["gallery/noise"].content["items"]) == 2
    assert ours.inspector.metrics["by_hand"] == 0.5


def test_name_version_and_folder_say_where_checkpoints_go(tmp_path: Path) -> None:
    folders = []
    for _ in range(2):
        saved = ModelCheckpoint()
        logger = WidgetLogger(quiet(), name="digits", save_dir=tmp_path / "runs")
        run = trainer(tmp_path, saved, logger=logger, enable_checkpointing=True, max_epochs=1)
        run.fit(Lit(), loader())
        folders.append(Path(saved.best_model_path).parent.relative_to(tmp_path))
    assert folders == [Path("runs/digits") / f"version_{version}" / "checkpoints" for version in (0, 1)]
    assert WidgetLogger(quiet(), version="mine").version == "mine"
    assert WidgetLogger(quiet()).save_dir is None


def test_versions_of_one_program_differ_before_there_is_a_folder() -> None:
    first, second = WidgetLogger(quiet(), name="a_name_of_its_own"), WidgetLogger(quiet(), name="a_name_of_its_own")
    assert (first.version, second.version, first.version) == (0, 1, 0)


def test_a_callback_takes_the_inspector_of_the_logger(tmp_path: Path) -> None:
    for inspector in (PyTorchInspector([OutputNorm()], visualizer="dummy"), quiet()):
        had, logger, ours = list(inspector.lenses), WidgetLogger(inspector), InspectorCallback()
        trainer(tmp_path, ours, logger=logger, max_epochs=1).fit(Lit(), loader())
        assert ours.inspector is inspector is logger.inspector and inspector.status().step == 8
        assert inspector.lenses[: len(had)] == had and len(inspector.lenses) == (len(had) or 6)


def test_two_inspectors_in_one_trainer_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="Give both the same"):
        trainer(tmp_path, callback(), logger=WidgetLogger(quiet())).fit(Lit(), loader())


def test_wrong_arguments_are_told_at_once() -> None:
    with pytest.raises(ArgumentTypeError, match="PyTorchInspector"):
        WidgetLogger("digits")  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="name"):
        WidgetLogger(name="")


def test_a_copy_has_an_inspector_of_its_own() -> None:
    logger = WidgetLogger(quiet(), version=3)
    other = pickle.loads(pickle.dumps(logger))
    assert other.inspector is not logger.inspector and other.version == 3
