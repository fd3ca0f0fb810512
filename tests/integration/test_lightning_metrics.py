"""Numbers that ``self.log`` logs are the same in the panel as in Lightning's own ``callback_metrics``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torchmetrics
from torch import Tensor

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.integration.lightning import InspectorProgressBar, WidgetLogger

from .lit import QUIET, Lit, callback, loader, logged, trainer

pytestmark = [pytest.mark.filterwarnings(words) for words in QUIET]


class Logs(Lit):
    """Logs in every way."""

    def __init__(self) -> None:
        super().__init__()
        self.of_batches, self.updated = torchmetrics.MeanMetric(), torchmetrics.MeanMetric()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.of_batches(loss)
        self.updated.update(loss)
        self.log("of_batches", self.of_batches, on_step=True, on_epoch=True)
        self.log("updated", self.updated, on_step=False, on_epoch=True)
        self.log("nan", float("nan") if batch_idx == 1 else 1.0, on_step=True, on_epoch=True)
        self.log("half", loss.half(), on_epoch=True)
        self.log("group/most", loss, on_step=False, on_epoch=True, reduce_fx="max")
        self.log("count_step", float(batch_idx))
        return loss

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        super().validation_step(batch, batch_idx, dataloader_idx)
        self.log("val_both", self.loss(batch), on_step=True, on_epoch=True)

    def on_train_epoch_end(self) -> None:
        self.log("at_end", 1.0)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"accumulate_grad_batches": 3},
        {"precision": "bf16-mixed"},
        {"fast_dev_run": 2},
        {"val_check_interval": 0.25},
    ],
    ids=str,
)
@pytest.mark.parametrize("loaders", [1, 2])
def test_N18_B17_N12_metrics_are_lightning_s_own_under_all_names(
    loaders: int, arguments: dict[str, Any], tmp_path: Path
) -> None:
    ours = callback()
    lightning = trainer(tmp_path, ours, **arguments)
    lightning.fit(Logs(), loader(30), [loader(10), loader(7)][:loaders])
    theirs = {name: float(value) for name, value in lightning.callback_metrics.items()}
    assert {"train_loss", "train_loss_step", "train_loss_epoch", "count_step"} <= theirs.keys()
    found = {name: ours.inspector.metrics[name] for name in theirs}
    assert found == pytest.approx(theirs, nan_ok=True)
    assert "count" not in ours.inspector.metrics


def test_N40_another_trainer_with_the_same_logger_goes_on_where_the_first_one_ended(tmp_path: Path) -> None:
    logger = WidgetLogger(PyTorchInspector([], visualizer="dummy", strict=True))
    module = Lit()
    for _ in range(2):
        lightning = trainer(tmp_path, logger=logger, log_every_n_steps=1, max_epochs=1)
        lightning.fit(module, loader(16))
        lightning.test(module, loader(8), verbose=False)
    losses = logged(logger.inspector.history, "train_loss_step")
    assert list(losses) == [0, 1, 2, 3, 5, 6, 7, 8]  # the test between them stands at a step of its own
    expected = [loss for found in zip(*module.losses.values(), strict=True) for loss in found]
    assert list(losses.values()) == pytest.approx(expected, rel=1e-5)
    assert torch.isfinite(torch.tensor(list(losses.values()))).all()


def test_N11_what_an_interrupted_fit_has_logged_by_the_inspector_is_not_in_the_next_epoch(tmp_path: Path) -> None:
    class Own(Lit):
        fails = True

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            if self.fails and batch_idx == 2:
                raise ValueError("no more")
            ours.inspector.log("own", 1.0 if self.fails else 5.0, on_step=False, on_epoch=True)
            return super().training_step(batch, batch_idx)

    ours, module = callback(), Own()
    with pytest.raises(ValueError, match="no more"):
        trainer(tmp_path, ours).fit(module, loader(16))
    assert ours.inspector.metrics["own"] == 1.0
    module.fails = False
    trainer(tmp_path, ours, max_epochs=1).fit(module, loader(16))
    assert ours.inspector.metrics["own"] == 5.0


class Quiet(Lit):
    """Logs for callbacks and the progress bar alone, beside what loggers get."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        loss = super().training_step(batch, batch_idx)
        self.log("quiet", float(self.global_step), logger=False, prog_bar=True)
        self.log("forked", float(batch_idx), logger=False, on_step=True, on_epoch=True)
        self.log("hidden", 2.0 * batch_idx, logger=False, on_step=False, on_epoch=True)
        self.log("open", 3.0, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
        super().validation_step(batch, batch_idx, dataloader_idx)
        self.log("val_quiet", float(batch_idx), logger=False)


def test_N11_B14_what_loggers_do_not_get_is_known_but_no_curve(tmp_path: Path) -> None:
    ours = callback()
    lightning = trainer(tmp_path, ours)
    lightning.fit(Quiet(), loader(), loader(12))
    theirs = {name: float(value) for name, value in lightning.callback_metrics.items()}
    assert {"quiet", "forked", "forked_step", "forked_epoch", "hidden", "val_quiet"} <= theirs.keys()
    metrics = ours.inspector.metrics
    assert {name: metrics[name] for name in theirs} == pytest.approx(theirs)
    assert (metrics["quiet"], metrics["forked_epoch"], metrics["hidden"], metrics["val_quiet"]) == (15, 3.5, 7, 1)
    curves = {"open", "train_loss_epoch", "train_loss_step", "val_loss"}
    assert set(ours.inspector.history["Logged"].modules) == curves
    assert dict(ours.inspector.status().items) == {"quiet": "15", "open": "3"}


def test_N17_each_of_these_numbers_comes_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, came = callback(), []
    figures = ours.inspector._logbook.figures
    note = figures.note

    def noted(name: str, number: float, step: int, **others: Any) -> None:
        came.append((name, number, step))
        note(name, number, step, **others)

    monkeypatch.setattr(figures, "note", noted)
    trainer(tmp_path, ours).fit(Quiet(), loader(), loader(12))
    assert [(number, step) for name, number, step in came if name == "quiet"] == [(i, i) for i in range(16)]
    assert [(number, step) for name, number, step in came if name == "hidden"] == [(7, 7), (7, 15)]
    assert [number for name, number, _ in came if name == "val_quiet"] == [1, 1]
    assert [number for name, number, _ in came if name == "forked_epoch"] == [3.5, 3.5]
    assert not [name for name, *_ in came if name == "forked"]


def test_a_quiet_loss_hides_no_curve_of_the_loss(tmp_path: Path) -> None:
    class Says(Lit):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            loss = self.loss(batch)
            self.log("train_loss", loss, logger=False, prog_bar=True)
            return loss

    ours = callback()
    trainer(tmp_path, ours, max_epochs=1).fit(Says(), loader(16))
    assert list(logged(ours.inspector.history, "loss")) == [0, 1, 2, 3]
    assert ours.inspector.metrics["train_loss"] == ours.inspector.metrics["loss"]


def test_N21_a_progress_bar_of_ours_says_itself_what_it_shows(tmp_path: Path) -> None:
    class Few(InspectorProgressBar):
        def get_metrics(self, *args: Any, **others: Any) -> dict[str, Any]:
            items: dict[str, Any] = super().get_metrics(*args, **others)
            return {name: value for name, value in items.items() if name == "open"}

    ours = callback()
    trainer(tmp_path, ours, Few(), enable_progress_bar=True).fit(Quiet(), loader(16), loader(12))
    assert [name for name, _ in ours.inspector.status().items] == ["open"]
    assert ours.inspector.metrics["quiet"] == 7
