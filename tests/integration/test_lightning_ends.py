"""How runs end in real Trainers, how they go on, and what a copy of the callback is."""

from __future__ import annotations

import copy
import pickle
import threading
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from monitorch_widgets.integration.lightning import InspectorCallback
from monitorch_widgets.lens import LossMetrics, OutputNorm

from ..zoo.watching import hooks_on
from .lit import (
    OUTPUT,
    QUIET,
    Lit,
    Run,
    assert_gone,
    callback,
    lenses,
    loader,
    logged,
    trainer,
)

pytestmark = [pytest.mark.filterwarnings(words) for words in QUIET]


# ---------------------------------------------------------------------- how it ends


class At(L.Callback):
    """Does something at the end of a batch."""

    def __init__(self, batch: int, action: Any) -> None:
        self.batch, self.action = batch, action

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if trainer.global_step == self.batch:
            self.action()


@pytest.mark.parametrize("arguments", [{}, {"min_epochs": 2}, {"min_steps": 20}, {"accumulate_grad_batches": 2}])
def test_the_stop_command_ends_fit_as_an_early_stop_does(arguments: dict[str, Any], tmp_path: Path) -> None:
    ours, module = callback(), Lit()
    ended: list[str] = []

    class End(L.Callback):
        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            ended.append(str(trainer.state.status))

    run = trainer(tmp_path, ours, At(2, lambda: ours.inspector.stop()), End(), max_epochs=5, **arguments)
    run.fit(module, loader(), loader(12))
    assert run.global_step == ours.inspector.status().step == 3 and len(ended) == 1
    assert run.state.status == "finished"
    assert list(logged(ours.inspector.history, "val_loss")) == [2]  # the epoch ended well
    assert run.fit_loop.epoch_loop.min_steps == arguments.get("min_steps")
    assert [event.words for event in ours.inspector.status().events if event.kind == "command"]
    run.fit(module, loader())  # nothing is left of it
    assert run.global_step > 3
    assert_gone(Run(module, run, ours))


def test_a_fit_in_the_background_is_held_and_stopped(tmp_path: Path) -> None:
    ours, module, begun = callback(), Lit(), threading.Event()
    run = trainer(tmp_path, ours, At(2, begun.set), max_epochs=-1)
    background = ours.inspector.run(run.fit, module, loader(), loader(12))
    assert begun.wait(60)
    background.pause()
    assert background.wait_held() and ours.inspector.status().state == "paused"
    background.resume()
    assert background.stop(60)
    assert run.state.status == "finished" and run.global_step == ours.inspector.status().step > 2
    assert_gone(Run(module, run, ours))


class OwnError(Exception):
    """Of the user's own."""


@pytest.mark.parametrize("where", ["training_step", "validation_step", "on_train_epoch_end", "configure_optimizers"])
def test_an_error_of_the_user_comes_through_and_nothing_is_left(where: str, tmp_path: Path) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise OwnError("my own")

    ours = callback()
    module = type("Failing", (Lit,), {where: fail})()
    run = trainer(tmp_path, ours, num_sanity_val_steps=0)
    with pytest.raises(OwnError, match="my own"):
        run.fit(module, loader(), loader(12))
    assert_gone(Run(module, run, ours))
    if where not in ("configure_optimizers", "training_step"):  # the model has not run yet
        words = [event.words for event in ours.inspector.status().events if event.kind == "error"]
        assert words == ["Stopped by OwnError: my own"]
    assert ours.inspector.phase is None
    module = Lit()
    trainer(tmp_path, ours, max_epochs=1).fit(module, loader())  # and it can be used again
    assert_gone(Run(module, run, ours))


def test_an_interrupt_detaches_too(tmp_path: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    ours, module = callback(), Lit()
    run = trainer(tmp_path, ours, At(3, interrupt))
    with pytest.raises(SystemExit):  # so Lightning ends an interrupted fit
        run.fit(module, loader())
    assert "Interrupted" in [event.words for event in ours.inspector.status().events]
    assert ours.inspector.status().step == 3
    assert_gone(Run(module, run, ours))


def test_a_fault_of_ours_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = InspectorCallback(lenses(), every=1, visualizer="dummy")

    def fail(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(ours.inspector._logbook, "record", fail)
    run = trainer(tmp_path, ours)
    with pytest.warns(UserWarning, match="lost numbers"):
        run.fit(Lit(), loader())
    assert run.global_step == 16 and hooks_on(run.lightning_module) == 0


# ---------------------------------------------------------------------- copies, resuming, fitting again


def test_it_is_copied_and_pickled_without_its_inspector(tmp_path: Path) -> None:
    loss = LossMetrics(loss_fn=nn.MSELoss())
    ours = InspectorCallback([OutputNorm(normalize_by_size=True), loss], every=2, visualizer="dummy")
    trainer(tmp_path, ours, max_epochs=1).fit(Lit(), loader())
    for other in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
        assert other.inspector is not ours.inspector
        assert [type(lens) for lens in other.inspector.lenses] == [OutputNorm, LossMetrics]
        assert other.inspector.lenses[0].made_with == ((), {"normalize_by_size": True})
        trainer(tmp_path, other, max_epochs=1).fit(Lit(), loader())
        assert other.inspector.status().step == 8
    assert ours.inspector.status().step == 8


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
def test_the_axis_goes_on_when_a_run_is_resumed(tmp_path: Path) -> None:
    first, module = callback(), Lit()
    run = trainer(tmp_path, first, ModelCheckpoint(tmp_path, filename="now"), enable_checkpointing=True)
    run.fit(module, loader(), loader(12))
    ours, later = callback(), Lit()
    again = trainer(tmp_path, ours, max_epochs=4)
    again.fit(later, loader(), loader(12), ckpt_path=tmp_path / "now.ckpt", weights_only=False)
    assert again.global_step == ours.inspector.status().step == 32
    assert list(ours.inspector.history[OUTPUT].steps) == list(range(16, 32))
    assert logged(ours.inspector.history, "val_loss") == pytest.approx(later.validations, rel=1e-5)
    assert sorted(ours.inspector.history[OUTPUT].epochs) == [3, 4]
    assert first.inspector.status().step == 16


@pytest.mark.filterwarnings("ignore:Be aware that when using `ckpt_path`")
def test_the_axis_goes_on_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    saved = ModelCheckpoint(tmp_path, filename="{step}", every_n_train_steps=5, save_top_k=-1)
    trainer(tmp_path, callback(), saved, max_epochs=1, enable_checkpointing=True).fit(Lit(), loader())
    ours, module = callback(), Lit()
    again = trainer(tmp_path, ours)
    with pytest.warns(UserWarning, match="ended before the epoch ended"):
        again.fit(module, loader(), ckpt_path=tmp_path / "step=5.ckpt", weights_only=False)
    assert list(ours.inspector.history[OUTPUT].steps) == sorted(module.losses) == list(range(5, again.global_step))
    assert ours.inspector.status().step == again.global_step


def test_a_second_fit_goes_on_behind_the_first(tmp_path: Path) -> None:
    ours, module = callback(), Lit()
    for _ in range(2):
        trainer(tmp_path, ours, max_epochs=1).fit(module, loader())
    assert ours.inspector.status().step == 16
    assert sorted(ours.inspector.history[OUTPUT].epochs) == [1, 2]
    assert list(logged(ours.inspector.history, "train_loss_step")) == list(range(16))
