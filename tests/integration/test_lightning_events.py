"""What Lightning's own callbacks do, as marks on the axis; and its finders, whose trial steps are no training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import (
    BatchSizeFinder,
    EarlyStopping,
    LearningRateFinder,
    ModelCheckpoint,
    StochasticWeightAveraging,
    Timer,
)
from lightning.pytorch.tuner import Tuner
from torch import nn

from monitorch_widgets.integration.lightning import InspectorCallback

from .lit import GRADIENT, OUTPUT, QUIET, Lit, Run, assert_gone, callback, fitted, loader, logged, read, trainer

pytestmark = [pytest.mark.filterwarnings(words) for words in QUIET]


def events(ours: InspectorCallback, kind: str) -> dict[int, str]:
    """Words of the events of a kind, by step."""
    return {event.step: event.words for event in ours.inspector.status().events if event.kind == kind}


# ---------------------------------------------------------------------- early stops and checkpoints


@pytest.mark.parametrize(
    ("monitor", "arguments", "steps"),
    [
        ("train_loss_step", {"check_on_train_epoch_end": True}, 16),
        ("train_loss_epoch", {"check_on_train_epoch_end": True}, 16),
        ("val_loss", {}, 16),
        ("val_loss", {"stopping_threshold": 1e9}, 8),  # in the very first epoch
    ],
)
def test_N41_an_early_stop_is_a_mark_on_the_axis(
    monitor: str, arguments: dict[str, Any], steps: int, tmp_path: Path
) -> None:
    def early() -> list[Any]:
        return [EarlyStopping(monitor, min_delta=1e9, patience=1, **arguments)]

    run = fitted(tmp_path, more=early, max_epochs=9)
    assert run.inspector.status().step == run.trainer.global_step == steps
    told = events(run.callback, "early stop")
    assert list(told) == [steps]
    assert monitor in told[steps]


def test_a_run_that_is_not_stopped_has_no_such_mark(tmp_path: Path) -> None:
    run = fitted(tmp_path, more=lambda: [EarlyStopping("val_loss", patience=9), Timer(interval="epoch")])
    assert events(run.callback, "early stop") == {} == events(run.callback, "checkpoint")


@pytest.mark.parametrize(
    ("monitor", "mode"), [("train_loss_step", "max"), ("train_loss_epoch", "min"), ("val_loss", "max")]
)
def test_N43_best_checkpoints_are_marks_on_the_axis(monitor: str, mode: Any, tmp_path: Path) -> None:
    def best() -> list[Any]:
        return [ModelCheckpoint(monitor=monitor, mode=mode, save_top_k=1, filename="{epoch}")]

    run = fitted(tmp_path, more=best, enable_checkpointing=True, max_epochs=4)
    values = {
        "val_loss": run.module.validations,
        "train_loss_step": {step: run.module.losses[step][-1] for step in (7, 15, 23, 31)},
        "train_loss_epoch": logged(run.history, "train_loss_epoch"),
    }[monitor]
    best_of = {"min": min, "max": max}[mode]
    ends = dict(zip((8, 16, 24, 32), values.values(), strict=True))
    so_far = {step: value for step, value in ends.items() if value == best_of(list(ends.values())[: step // 8])}
    told = events(run.callback, "checkpoint")
    assert list(told) == list(so_far) and len(told) > 1
    for step, value in so_far.items():
        assert told[step] == f"Best checkpoint so far, {monitor} {value:.4g}: epoch={step // 8 - 1}.ckpt."


def test_N43_each_save_is_a_mark_also_under_one_name(tmp_path: Path) -> None:
    def every_third() -> list[Any]:
        return [ModelCheckpoint(filename="same", every_n_train_steps=3, enable_version_counter=False)]

    run = fitted(tmp_path, more=every_third, enable_checkpointing=True, max_epochs=1)
    assert events(run.callback, "checkpoint") == dict.fromkeys((3, 6), "Checkpoint saved: same.ckpt.")


# ---------------------------------------------------------------------- averaging


class Normed(Lit):
    """Has what averaging computes anew at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)

    def forward(self, x: Any) -> Any:
        return self.net(self.norm(x))


@pytest.mark.filterwarnings("ignore:.*SWA.*lr_scheduler")
@pytest.mark.parametrize("make", [Lit, Normed])
def test_N37_averaged_weights_are_left_alone(make: Any, tmp_path: Path) -> None:
    def averaging() -> list[Any]:
        return [StochasticWeightAveraging(swa_lrs=0.05, swa_epoch_start=1)]

    run = fitted(tmp_path, make, more=averaging, max_epochs=3)
    assert run.inspector.status().step == run.trainer.global_step == len(run.module.losses)
    gradients = read(run.history, GRADIENT)
    for step, norms in run.module.gradients.items():
        assert {name: gradients[step][name] for name in norms} == pytest.approx(norms, rel=1e-3)
    assert {name.split(".")[0] for name in run.history[OUTPUT].modules} <= {"net", "norm"}


# ---------------------------------------------------------------------- finders


class Sized(Lit):
    """Has a batch size that a finder may change."""

    def __init__(self) -> None:
        super().__init__()
        self.batch_size = 2

    def train_dataloader(self) -> Any:
        return loader(batch_size=self.batch_size)

    def val_dataloader(self) -> Any:
        return loader(12, seed=1)


class Late(LearningRateFinder):
    """Looks when the first epoch begins, and we are attached."""

    def on_fit_start(self, *args: Any) -> None:
        pass

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.current_epoch == 0:
            self.lr_find(trainer, pl_module)


@pytest.mark.parametrize("kind", [LearningRateFinder, Late])
def test_N30_N32_trial_steps_of_the_finder_are_no_training(
    kind: type[LearningRateFinder], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    finder = kind(num_training_steps=12, min_lr=1e-4, update_attr=False)
    ours, module = callback(), Lit()
    run = trainer(tmp_path, ours, finder)
    module.configure_gradient_clipping = lambda *args, **kwargs: None  # it would note trial steps
    run.fit(module, loader(), loader(12))
    assert run.global_step == ours.inspector.status().step == 16
    assert finder.optimal_lr is not None and len(finder.optimal_lr.results["lr"]) == 12
    history = ours.inspector.history
    assert list(history[OUTPUT].steps) == list(range(16))
    expected = {step: module.losses[step][-1] for step in range(16)}
    assert logged(history, "train_loss_step") == pytest.approx(expected, rel=1e-5)
    assert events(ours, "skipped") == {}
    card = ours.inspector.cards["lr_finder"]
    assert card.content["lrs"] == pytest.approx(finder.optimal_lr.results["lr"])
    assert card.content["losses"] == pytest.approx(finder.optimal_lr.results["loss"])
    assert_gone(Run(module, run, ours))


def test_the_finder_changes_nothing_because_of_us(tmp_path: Path) -> None:
    def finder() -> list[Any]:
        return [LearningRateFinder(num_training_steps=40)]

    run = fitted(tmp_path, more=finder)
    assert run.module.lr != 0.1  # it was set


def test_N30_N32_a_tuner_shows_its_card_too(tmp_path: Path) -> None:
    ours, module = callback(), Lit()
    run = trainer(tmp_path, ours)
    found = Tuner(run).lr_find(module, loader(), num_training=15)
    assert found is not None
    card = ours.inspector.cards["lr_finder"].content
    assert card["lrs"] == pytest.approx(found.results["lr"])
    assert ours.inspector.status().step == 0
    assert module.lr == found.suggestion()
    run.fit(module, loader())
    assert ours.inspector.status().step == 16
    assert_gone(Run(module, run, ours))


def test_N38_trial_steps_of_the_batch_size_finder_are_no_training(tmp_path: Path) -> None:
    def finder() -> list[Any]:
        return [BatchSizeFinder(max_trials=3, init_val=2)]

    run = fitted_alone(tmp_path, Sized, finder)
    assert run.module.batch_size == 8
    assert run.inspector.status().step == run.trainer.global_step == 8
    assert list(run.history[OUTPUT].steps) == list(range(8))
    assert "The batch size finder found 8." in events(run.callback, "note").values()
    assert events(run.callback, "skipped") == {}


def fitted_alone(folder: Path, make: Any, more: Any) -> Run:
    """Fit a module with loaders of its own."""
    ours, module = callback(), make()
    run = trainer(folder, ours, *more())
    torch.manual_seed(1)
    run.fit(module)
    assert_gone(Run(module, run, ours))
    return Run(module, run, ours)
