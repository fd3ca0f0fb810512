"""The progress bar: a line of the strip, and not a sign in the cell."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import lightning.pytorch as L
import pytest

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.integration.lightning import InspectorProgressBar, WidgetLogger, progress

from .lit import QUIET, Lit, callback, inputs, loader, trainer

pytestmark = [pytest.mark.filterwarnings(words) for words in QUIET]


@pytest.fixture(autouse=True)
def every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at every batch, however soon it comes."""
    monkeypatch.setattr(progress, "_EVERY_S", 0.0)


class Told(Lit):
    """Logs for the bar, too."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        self.log("twice", 2 * loss, prog_bar=True)
        return loss


class CustomProgressBar(InspectorProgressBar):
    """As the documents have it."""

    def get_metrics(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        items = super().get_metrics()
        items.pop("v_num", None)
        return items


def items(inspector: PyTorchInspector) -> dict[str, str]:
    return dict(inspector.status().items)


def fit(folder: Path, bar: InspectorProgressBar, **arguments: Any) -> tuple[Told, PyTorchInspector]:
    ours, module = callback(), Told()
    logger = WidgetLogger(version=12)
    run = trainer(folder, bar, ours, logger=logger, enable_progress_bar=True, **arguments)
    run.fit(module, loader(), loader(12))
    assert bar.inspector is ours.inspector
    return module, ours.inspector


def test_N21_loss_version_and_what_is_logged_for_it_are_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    module, inspector = fit(tmp_path, InspectorProgressBar())
    loss = module.losses[15][0]
    assert items(inspector) == {"loss": f"{loss:.4g}", "v_num": "12", "twice": f"{2 * loss:.4g}"}
    said = capfd.readouterr()
    assert said.out == "" and "Epoch" not in said.err and "it/s" not in said.err


def test_B01_N21_what_is_shown_can_be_changed(tmp_path: Path) -> None:
    _, inspector = fit(tmp_path, CustomProgressBar())
    assert list(items(inspector)) == ["loss", "twice"]


def test_N21_the_loss_is_that_of_the_batch_also_where_gradients_are_gathered(tmp_path: Path) -> None:
    module, inspector = fit(tmp_path, InspectorProgressBar(), accumulate_grad_batches=2)
    assert float(items(inspector)["loss"]) == pytest.approx(module.losses[7][-1], rel=1e-3)


def test_how_far_evaluations_are_is_shown_while_they_run(tmp_path: Path) -> None:
    seen: list[tuple[str, str]] = []

    class Look(L.Callback):
        def on_validation_batch_end(self, trainer: Any, *batch: Any) -> None:
            seen.extend(pair for pair in bar.inspector.status().items if "/" in pair[1])

        def on_test_batch_end(self, trainer: Any, *batch: Any) -> None:
            self.on_validation_batch_end(trainer)

        def on_predict_batch_end(self, trainer: Any, *batch: Any) -> None:
            self.on_validation_batch_end(trainer)

    bar, ours = InspectorProgressBar(), callback()
    run = trainer(tmp_path, bar, ours, Look(), enable_progress_bar=True, max_epochs=1)
    module = Told()
    run.fit(module, loader(), loader(12))
    assert seen == [
        *(("Sanity Checking", f"{i}/2") for i in (1, 2)),
        *(("Validation", f"{i}/3") for i in (1, 2, 3)),
    ]
    seen.clear()
    run.test(module, loader(8), verbose=False)
    run.predict(module, inputs())
    assert seen == [("Testing", "1/2"), ("Testing", "2/2"), ("Predicting", "1/2"), ("Predicting", "2/2")]
    assert list(items(ours.inspector)) == ["loss", "twice"]


def test_the_time_that_is_left_is_known_from_the_start(tmp_path: Path) -> None:
    left: list[float | None] = []

    class Look(L.Callback):
        def on_train_batch_end(self, trainer: Any, *batch: Any) -> None:
            left.append(ours.inspector.status().eta_s)

    ours = callback()
    trainer(tmp_path, ours, Look()).fit(Told(), loader(), loader(12))
    assert left[3] is not None and left[3] > 0 and left[-1] == 0


def test_without_callback_and_logger_it_has_an_inspector_of_its_own(tmp_path: Path) -> None:
    bar = InspectorProgressBar(PyTorchInspector([], visualizer="dummy"))
    trainer(tmp_path, bar, enable_progress_bar=True, max_epochs=1).fit(Told(), loader())
    assert "loss" in items(bar.inspector)
    other = InspectorProgressBar()
    trainer(tmp_path, other, enable_progress_bar=True, max_epochs=1).fit(Told(), loader())
    assert "loss" in items(other.inspector)


def test_it_can_be_switched_off_and_copied(tmp_path: Path) -> None:
    bar = InspectorProgressBar()
    bar.disable()
    _, inspector = fit(tmp_path, bar)
    assert items(inspector) == {}
    bar.enable()
    _, inspector = fit(tmp_path, pickle.loads(pickle.dumps(bar)))
    assert "loss" in items(inspector)
