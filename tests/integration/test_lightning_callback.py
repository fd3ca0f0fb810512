"""The callback in real Trainers: its arguments, systems of several models, phases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn

from monitorch_widgets import ArgumentError, ArgumentTypeError, PyTorchInspector
from monitorch_widgets.integration.lightning import InspectorCallback
from monitorch_widgets.lens import LossMetrics, OutputNorm

from .lit import (
    GRADIENT,
    OUTPUT,
    QUIET,
    Both,
    Lit,
    Run,
    assert_gone,
    callback,
    fitted,
    inputs,
    loader,
    logged,
    read,
    trainer,
)

pytestmark = [pytest.mark.filterwarnings(words) for words in QUIET]


# ---------------------------------------------------------------------- how it is used


def test_A09_a_trainer_takes_it_among_its_callbacks(tmp_path: Path) -> None:
    run = fitted(tmp_path)
    assert run.inspector.status().step == 16 and run.inspector.status().state == "detached"
    assert run.history[OUTPUT].modules == ["net.0", "net.1", "net.2"]
    assert run.history[OUTPUT].values.shape == (16, 3)


def test_an_inspector_that_is_there_is_used_as_it_is(tmp_path: Path) -> None:
    inspector = PyTorchInspector([OutputNorm()], visualizer="dummy", every=1)
    ours = InspectorCallback(inspector=inspector)
    trainer(tmp_path, ours, max_epochs=1).fit(Lit(), loader())
    assert ours.inspector is inspector and inspector.history[OUTPUT].values.shape == (8, 3)


def test_an_inspector_that_watches_already_stays(tmp_path: Path) -> None:
    module = Lit()
    inspector = PyTorchInspector([OutputNorm()], module=module, visualizer="dummy", every=1)
    trainer(tmp_path, InspectorCallback(inspector=inspector), max_epochs=1).fit(module, loader())
    assert inspector.state.attached and inspector.status().step == 8
    inspector.detach()


def test_losses_come_from_what_is_logged_or_from_the_training_step(tmp_path: Path) -> None:
    class Silent(Lit):
        def log(self, *args: Any, **kwargs: Any) -> None:
            pass

    ours = InspectorCallback(every=1, visualizer="dummy")
    assert not any(isinstance(lens, LossMetrics) for lens in ours.inspector.lenses)
    module = Silent()
    trainer(tmp_path, ours, accumulate_grad_batches=2, max_epochs=1).fit(module, loader())
    means = {step: sum(losses) / len(losses) for step, losses in module.losses.items()}
    assert logged(ours.inspector.history, "loss") == pytest.approx(means, rel=1e-5)
    assert ours.inspector.history["Logged"].modules == ["loss"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"everey": 1}, "Did you mean 'every'"),
        ({"module": nn.Linear(1, 1)}, "the one that the Trainer fits"),
        ({"every": 0}, "expected every"),
        ({"inspector": PyTorchInspector(visualizer="dummy"), "every": 1}, "received both"),
        ({"inspector": PyTorchInspector(visualizer="dummy"), "lenses": []}, "received both"),
    ],
)
def test_wrong_arguments_are_told_at_once(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        InspectorCallback(**arguments)


@pytest.mark.parametrize("arguments", [{"inspector": 3}, {"show": 1}, {"lenses": OutputNorm()}])
def test_wrong_types_are_told_at_once(arguments: dict[str, Any]) -> None:
    with pytest.raises(ArgumentTypeError, match="expected"):
        InspectorCallback(**arguments)


def test_N10_loaders_come_from_hooks_of_the_module_or_are_passed(tmp_path: Path) -> None:
    class Own(Lit):
        def train_dataloader(self) -> Any:
            return loader()

        def val_dataloader(self) -> Any:
            return loader(12, seed=1)

        test_dataloader = predict_dataloader = val_dataloader

    class Data(L.LightningDataModule):
        train_dataloader, val_dataloader = Own.train_dataloader, Own.val_dataloader

    found = []
    for module, given in ((Own(), {}), (Lit(), {"datamodule": Data()}), (Lit(), {"train_dataloaders": loader()})):
        ours = callback()
        own = trainer(tmp_path, ours, max_epochs=1)
        own.fit(module, **given)
        found.append(ours.inspector.history[OUTPUT].values)
        if isinstance(module, Own):
            own.test(module, verbose=False)
            assert logged(ours.inspector.history, "test_loss") == pytest.approx({7: module.tests[0]}, rel=1e-5)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0][:-1], found[2][:-1])  # the last row has the validation too


def test_N10_any_iterable_is_a_loader(tmp_path: Path) -> None:
    class Batches:
        def __iter__(self) -> Any:
            yield from loader()

    ours = callback()
    trainer(tmp_path, ours, max_epochs=2).fit(Lit(), Batches())
    assert ours.inspector.status().step == 16


# ---------------------------------------------------------------------- several models, optimizers, loaders


def test_N01_N04_a_system_of_two_models_and_two_optimizers(tmp_path: Path) -> None:
    run = fitted(tmp_path, Both)
    assert run.inspector.status().step == run.trainer.global_step == 32
    for name, parity in (("d_loss", 0), ("g_loss", 1)):
        told = [value for step, (kind, value) in sorted(run.module.losses.items()) if kind == name]
        series = logged(run.history, name)
        assert list(series) == list(range(1, 32, 2))  # each batch stands at the last of its steps
        assert list(series.values()) == pytest.approx(told, rel=1e-5)
        assert [kind for step, (kind, _) in run.module.losses.items() if step % 2 == parity] == [name] * 16
    assert run.history[OUTPUT].modules == ["generator", "discriminator", "discriminator#2"]  # called twice a step
    assert len(read(run.history, GRADIENT)) == 32


def test_N03_learning_rates_of_every_optimizer_and_group(tmp_path: Path) -> None:
    class Groups(Lit):
        def configure_optimizers(self) -> Any:
            first, second = self.net[0].parameters(), self.net[2].parameters()
            optimizer = torch.optim.Adam([{"params": first}, {"params": second, "lr": 1e-2}], lr=1e-3)
            return [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, step_size=1)]

    rates: list[list[float]] = []

    class Look(L.Callback):
        def on_train_batch_end(self, trainer: Any, pl_module: Any, *batch: Any) -> None:
            rates.append([group.value for group in ours.inspector.status().learning_rates])

    for make, expected, later in ((Groups, [1e-3, 1e-2], [1e-4, 1e-3]), (Both, [0.01, 0.002], [0.01, 0.002])):
        ours = callback()
        rates.clear()
        trainer(tmp_path, ours, Look(), max_epochs=1).fit(make(), loader())
        assert rates[0] == pytest.approx(expected) and rates[-1] == pytest.approx(later)


def test_N05_each_validation_loader_has_a_series_of_its_own(tmp_path: Path) -> None:
    class Several(Lit):
        def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:
            loss = self.loss(batch)
            self._seen.append((loss.item(), 4))
            self.sums.setdefault((self.global_step - 1, dataloader_idx), []).append(loss.item())
            self.log("val_loss", loss)
            self.log(f"own_{dataloader_idx}", loss, add_dataloader_idx=False, on_step=True, on_epoch=True)
            ours.inspector.log("by_us", loss)

    ours, module = callback(), Several()
    module.sums = {}
    run = trainer(tmp_path, ours, num_sanity_val_steps=0)
    run.fit(module, loader(), [loader(12, seed=1), loader(8, seed=2)])
    for index in (0, 1):
        means = {step: sum(seen) / len(seen) for (step, found), seen in module.sums.items() if found == index}
        assert list(means) == [7, 15]
        for name in (f"val_loss/dataloader_idx_{index}", f"by_us/dataloader_idx_{index}"):
            tag = name.split("/")[0]
            assert logged(ours.inspector.history, name, tag) == pytest.approx(means, rel=1e-5)
        assert logged(ours.inspector.history, f"own_{index}_epoch") == pytest.approx(means, rel=1e-5)
        assert list(logged(ours.inspector.history, f"own_{index}_step")) == [7, 15]
    assert ours.inspector.dataloader_idx is None


# ---------------------------------------------------------------------- phases


class Phases(L.Callback):
    """Writes down the phase in every hook that has a batch."""

    def __init__(self, ours: InspectorCallback) -> None:
        self.ours = ours
        self.seen: list[str] = []

    def note(self, kind: str, trainer: Any) -> None:
        word = f"{kind}:{self.ours.inspector.phase}:{self.ours.inspector.status().phase}"
        if self.seen[-1:] != [word]:
            self.seen.append(word)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.note("train", trainer)

    def on_validation_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.note("sanity" if trainer.sanity_checking else "validate", trainer)

    def on_test_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.note("test", trainer)

    def on_predict_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.note("predict", trainer)


def test_N02_N06_phases_are_those_of_the_trainer(tmp_path: Path) -> None:
    ours = callback()
    phases, module = Phases(ours), Lit()
    run = trainer(tmp_path, ours, phases)
    run.fit(module, loader(), loader(12))
    both = ["train:train:train", "validate:val:val"]
    assert phases.seen == ["sanity:sanity:sanity", *both, *both]
    for kind, call in (("validate:val:val", run.validate), ("test:test:test", run.test)):
        phases.seen.clear()
        call(module, loader(12), verbose=False)
        assert phases.seen == [kind] and ours.inspector.phase is None


def test_N06_the_sanity_check_is_not_read(tmp_path: Path) -> None:
    runs = [fitted(tmp_path / str(steps), num_sanity_val_steps=steps) for steps in (0, 2)]
    for tag in (OUTPUT, GRADIENT, "Logged"):
        np.testing.assert_array_equal(runs[0].history[tag].values, runs[1].history[tag].values)


def test_N07_validate_and_test_take_the_best_checkpoint(tmp_path: Path) -> None:
    best = ModelCheckpoint(tmp_path, monitor="val_loss", mode="max")  # the worst, so that it isn't the last
    ours, module = callback(), Lit()
    run = trainer(tmp_path, ours, best, enable_checkpointing=True, max_epochs=3)
    run.fit(module, loader(), loader(12, seed=1))
    steps = ours.inspector.status().step
    assert run.test(dataloaders=loader(12, seed=1), ckpt_path="best", verbose=False)[0].keys() == {"test_loss"}
    found = logged(ours.inspector.history, "test_loss")
    assert found == pytest.approx({steps - 1: max(module.validations.values())}, rel=1e-5)
    run.validate(dataloaders=loader(12, seed=1), ckpt_path="best", verbose=False)
    assert ours.inspector.metrics["val_loss"] == pytest.approx(max(module.validations.values()), rel=1e-5)
    assert ours.inspector.status().step == steps
    assert_gone(Run(module, run, ours))


def test_N08_nothing_is_read_of_a_prediction_unless_asked(tmp_path: Path) -> None:
    ours, module = InspectorCallback([OutputNorm(record_eval=True)], every=1, visualizer="dummy"), Lit()
    run = trainer(tmp_path, ours, max_epochs=1)
    run.fit(module, loader())
    before = ours.inspector.history[OUTPUT].values.copy()
    assert len(run.predict(module, inputs())) == 2
    np.testing.assert_array_equal(ours.inspector.history[OUTPUT].values, before)
    ours.inspector.unread_phases = ()
    run.predict(module, inputs())
    after = ours.inspector.history[OUTPUT].values
    np.testing.assert_array_equal(after[:-1], before[:-1])
    assert (after[-1] != before[-1]).any()
    assert_gone(Run(module, run, ours))
