"""Two processes on one machine, started by Lightning and as `torchrun` starts them."""

from __future__ import annotations

import json
import os
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch

from monitorch_widgets.integration.lightning import InspectorCallback, WidgetLogger

from ..numerical.two_ranks import on_two_ranks
from ..zoo.same import all_bits
from ..zoo.watching import hooks_on
from .lit import GRADIENT, QUIET, Lit, callback, lenses, loader, logged, read, trainer

OTHER = (
    "ignore:It is recommended to use `self.log.*sync_dist=True",  # that is what is tried
    "ignore:.*ddp_spawn.*",
    "ignore:.*find_unused_parameters",
    "ignore:.*was created with .*device",
    "ignore:.*`use_distributed_sampler`",
)
pytestmark = [pytest.mark.filterwarnings(words) for words in (*QUIET, *OTHER)]


class Ranks(Lit):
    """Logs what ranks share, and what only one of them knows."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        ours = next((found for found in self.trainer.callbacks if isinstance(found, InspectorCallback)), None)
        self.log("synced", torch.tensor(float(self.global_rank)), on_step=True, on_epoch=True, sync_dist=True)
        self.log(f"only_{self.global_rank}", 1.0)
        if ours is not None:
            ours.inspector.log(f"own_{self.global_rank}", 1.0, on_epoch=True)
            ours.inspector.log("together", float(self.global_rank), on_step=False, on_epoch=True, sync_dist=True)
        return loss


class Report(L.Callback):
    """Writes down what a rank has at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        ours = next(found for found in trainer.callbacks if isinstance(found, InspectorCallback))
        found = told(ours, trainer, pl_module)
        (self.folder / f"{trainer.global_rank}.json").write_text(json.dumps(found))


def told(ours: InspectorCallback, trainer: L.Trainer, module: Lit) -> dict[str, Any]:
    """What is compared, in plain values."""
    inspector, history = ours.inspector, ours.inspector.history
    return {
        "visualizer": type(inspector.visualizer).__name__,
        "steps": [inspector.status().step, trainer.global_step],
        "epochs": list(history[GRADIENT].epochs),
        "gradients": {step: norms["net.0"] for step, norms in read(history, GRADIENT).items()},
        "means": {epoch: figures.values["net.0"]["mean"] for epoch, figures in history[GRADIENT].epochs.items()},
        "expected": {step: norms["net.0"] for step, norms in module.gradients.items()},
        "names": sorted(history["Logged"].modules),
        "synced": list(logged(history, "synced_epoch").values()),
        "together": list(logged(history, "together").values()),
        "loss": list(logged(history, "train_loss_step").values()),
        "losses": [losses[0] for losses in module.losses.values()],
        "hooks": hooks_on(module),
        "attached": inspector.state.attached,
    }


def assert_told(found: list[dict[str, Any]]) -> None:
    """Each rank read its own, what is shared is shared, and only the first shows something."""
    for rank, one in enumerate(found):
        assert one["steps"] == [8, 8] and one["hooks"] == 0 and not one["attached"]
        assert one["epochs"] == (
            [] if rank else [1, 2]
        )  # figures of the epochs are those of both, and the first has them
        assert list(one["gradients"].values()) == pytest.approx(list(one["expected"].values()), rel=1e-3)
        assert one["loss"] == pytest.approx(one["losses"], rel=1e-5)
        assert one["synced"] == one["together"] == [0.5, 0.5]
        assert {f"only_{rank}", f"own_{rank}_step", f"own_{rank}_epoch"} <= set(one["names"])
        assert f"only_{1 - rank}" not in one["names"]
    assert found[0]["gradients"] == found[1]["gradients"]  # the mean over ranks is what both optimizers use
    assert found[0]["loss"] != found[1]["loss"]


def test_processes_that_lightning_starts(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ours = InspectorCallback(lenses(), every=1, visualizer="print", strict=True)
    run = trainer(tmp_path, ours, Report(tmp_path), strategy="ddp_spawn", devices=2, logger=WidgetLogger())
    run.fit(Ranks(), loader(), loader(16))
    found = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]
    assert_told(found)
    assert [one["visualizer"] for one in found] == ["PrintVisualizer", "DummyVisualizer"]
    assert capfd.readouterr().out.count("Output Norm") >= 1
    assert not ours.inspector.state.attached and ours.inspector.status().step == 0  # each process has its own


def as_torchrun(rank: int, folder: Path) -> Any:
    """Fit on a rank with us and without, and once more where the first rank is told to stop."""
    for words in (*QUIET, *OTHER):
        warnings.filterwarnings("ignore", words.removeprefix("ignore:"))
    names = {"RANK": rank, "LOCAL_RANK": rank, "GROUP_RANK": 0, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    os.environ.update({name: str(value) for name, value in names.items()}, TORCHELASTIC_RUN_ID="here")
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29500")  # the group is there already, nobody asks for it
    options: dict[str, Any] = {"strategy": "ddp", "devices": 2}
    bits, ours = [], callback()
    for others in ([ours], []):
        module = Ranks()
        run = trainer(folder / str(rank), *others, **options)
        run.fit(module, loader(), loader(16))
        bits.append(all_bits(module.state_dict()))
        if others:
            found = told(ours, run, module)
    assert all(torch.equal(bits[0][name], bits[1][name]) for name in bits[1])
    return found, stopped(rank, folder, options)


def stopped(rank: int, folder: Path, options: dict[str, Any]) -> int:
    """Steps of a run of which only the first rank is told to stop, at its second batch."""

    class Stop(L.Callback):
        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            if rank == 0 and batch_idx == 1:
                ours.inspector.stop()

    ours = callback()
    run = trainer(folder / str(rank), ours, Stop(), log_every_n_steps=3, max_epochs=50, **options)
    run.fit(Ranks(), loader(), loader(16))
    return run.global_step


def test_processes_as_torchrun_starts_them(tmp_path: Path) -> None:
    answers = on_two_ranks(partial(as_torchrun, folder=tmp_path), tmp_path)
    assert_told([found for found, _ in answers])
    assert [steps for _, steps in answers] == [3, 3]
