"""Which hooks of modules and callbacks log what, in real Trainers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from monitorch_widgets import ArgumentError
from monitorch_widgets.integration.lightning import InspectorCallback

from .lit import (
    QUIET,
    Lit,
    Run,
    assert_gone,
    callback,
    loader,
    logged,
    trainer,
)

pytestmark = [pytest.mark.filterwarnings(words) for words in QUIET]


STEP = ("on_train_batch_start", "training_step", "on_before_zero_grad", "on_before_backward", "on_after_backward")
STEPS = (*STEP, "on_before_optimizer_step", "optimizer_step", "configure_gradient_clipping", "on_train_batch_end")
EPOCHS = ("on_train_start", "on_train_epoch_start", "on_train_epoch_end")
EVALUATIONS = ("on_validation_start", "on_validation_epoch_start", "on_validation_batch_start", "validation_step")
EVALUATION = (*EVALUATIONS, "on_validation_batch_end", "on_validation_epoch_end")


def logging_in(hooks: tuple[str, ...], base: type, ours: InspectorCallback) -> Any:
    """A module or a callback that logs a number in each of these hooks, with Lightning and with us."""

    def hook(name: str) -> Any:
        def log(self: Any, *args: Any, **kwargs: Any) -> Any:
            self.log(f"lightning_{name}", torch.tensor(0.5))
            ours.inspector.log(f"ours_{name}", 0.5, batch_size=1)
            return getattr(base, name)(self, *args, **kwargs)

        return log

    return type("Logging", (base,), {name: hook(name) for name in hooks})()


@pytest.mark.parametrize("kind", ["B18_module", "B19_callback_before", "B19_callback_behind"])
def test_B18_B19_each_hook_has_lightnings_defaults(kind: str, tmp_path: Path) -> None:
    ours = callback()
    hooks = (*STEPS, *EPOCHS, *EVALUATION)
    if kind == "B18_module":
        module, others = logging_in(hooks, Lit, ours), [ours]
    else:
        own = {"training_step", "validation_step", "optimizer_step", "configure_gradient_clipping"}
        hooks = tuple(hook for hook in hooks if hook not in own)
        other = logging_in(hooks, L.Callback, ours)
        module, others = Lit(), [other, ours] if kind == "B19_callback_before" else [ours, other]
    trainer(tmp_path, *others, num_sanity_val_steps=0).fit(module, loader(), loader(12))
    history = ours.inspector.history
    for name in hooks:
        steps = list(range(16)) if name in STEPS else [7] if name == "on_train_start" else [7, 15]
        assert list(logged(history, f"lightning_{name}")) == steps, name
        ours_at = list(logged(history, f"ours_{name}"))
        assert len(ours_at) == len(steps) and (ours_at == steps or name in EPOCHS), name


@pytest.mark.parametrize("hook", ["on_fit_start", "on_fit_end", "on_validation_end", "on_train_end"])
def test_B20_a_hook_that_cannot_log_is_named(hook: str, tmp_path: Path) -> None:
    ours, told = callback(), []

    class Module(Lit):
        pass

    def log(self: Any) -> None:
        with pytest.raises(ArgumentError, match=f"'{hook}'.*please open an issue") as found:
            ours.inspector.log("number", 1.0)
        told.append(found)
        self.log("number", 1.0)

    setattr(Module, hook, log)
    run = trainer(tmp_path, ours, num_sanity_val_steps=0)
    with pytest.raises(Exception, match=rf"can't `self.log\(\)` inside `{hook}`"):  # Lightning's own words
        run.fit(Module(), loader(), loader(12))
    assert told
    assert_gone(Run(run.lightning_module, run, ours))


def test_other_loggers_get_what_they_get_without_us(tmp_path: Path) -> None:
    files = []
    for ours in ([], [callback()]):
        module, folder = Lit(), tmp_path / str(len(ours))
        logger = CSVLogger(folder, version=0)
        torch.manual_seed(0)
        trainer(folder, *ours, logger=logger, log_every_n_steps=3).fit(module, loader(), loader(12))
        files.append((Path(logger.log_dir) / "metrics.csv").read_text())
    assert files[0] == files[1] and "val_loss" in files[0]
