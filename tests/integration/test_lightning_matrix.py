"""A real Trainer with each of its arguments: what it does is the same with us, and what we read is what happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .lit import GRADIENT, OUTPUT, QUIET, Run, fitted, logged, read

pytestmark = [pytest.mark.filterwarnings(words) for words in QUIET]


def assert_read(run: Run) -> None:
    """Steps, epochs, losses, validations and gradients are those that the module saw."""
    module, history, status = run.module, run.history, run.inspector.status()
    assert status.step == run.trainer.global_step == len(module.losses) > 0
    assert len(status.epoch_marks) == run.trainer.current_epoch
    means = {step: sum(losses) / len(losses) for step, losses in module.losses.items()}
    assert logged(history, "train_loss_step") == pytest.approx(means, rel=1e-5)
    gradients = read(history, GRADIENT)
    assert gradients.keys() == module.gradients.keys()
    for step, norms in module.gradients.items():
        assert gradients[step] == pytest.approx(norms, rel=1e-3)
    if module.validations:
        assert logged(history, "val_loss") == pytest.approx(module.validations, rel=1e-5)
    assert len(logged(history, "train_loss_epoch")) == run.trainer.current_epoch
    assert list(read(history, OUTPUT)) == list(range(status.step))


CASES: dict[str, tuple[dict[str, Any], int]] = {  # arguments, and the optimizer steps that they make of 8 batches
    "N25_limit_train_batches_count": ({"limit_train_batches": 3}, 6),
    "N25_limit_train_batches_fraction": ({"limit_train_batches": 0.5}, 8),
    "N25_limit_val_batches_count": ({"limit_val_batches": 2}, 16),
    "N25_limit_val_batches_fraction": ({"limit_val_batches": 0.4}, 16),
    "N26_overfit_batches_count": ({"overfit_batches": 2}, 4),
    "N26_overfit_batches_fraction": ({"overfit_batches": 0.5}, 8),
    "N27_fast_dev_run": ({"fast_dev_run": True}, 1),
    "N27_fast_dev_run_of_4": ({"fast_dev_run": 4}, 4),
    "N28_val_check_interval": ({"val_check_interval": 0.25}, 16),
    "N28_check_val_every_n_epoch": ({"check_val_every_n_epoch": 2}, 16),
    "N36_accumulate_grad_batches": ({"accumulate_grad_batches": 3}, 6),
    "gradient_clip_val": ({"gradient_clip_val": 0.05}, 16),
    "gradient_clip_by_value": ({"gradient_clip_val": 0.01, "gradient_clip_algorithm": "value"}, 16),
    "precision_bf16_mixed": ({"precision": "bf16-mixed"}, 16),
    "N29_profiler": ({"profiler": "simple"}, 16),
    "max_steps": ({"max_steps": 5, "max_epochs": -1}, 5),
    "several_sanity_steps": ({"num_sanity_val_steps": -1}, 16),
    "no_validation": ({"limit_val_batches": 0}, 16),
}


@pytest.mark.filterwarnings("ignore:You requested to overfit but enabled train dataloader shuffling")
@pytest.mark.parametrize("name", CASES)
def test_N25_N26_N27_N28_N29_the_trainer_and_we_say_the_same(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, steps = CASES[name]
    run = fitted(tmp_path, **arguments)
    assert run.trainer.global_step == steps
    assert_read(run)
    assert ("Action" in capsys.readouterr().out) <= (name == "N29_profiler")
