"""What a loop logs in odd ways: too many names, faults of ours, loops that are left early."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator
from typing import Any, cast

import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, LensFault, NotWatched
from monitorch_widgets.logging import batch_size, logbook, panels
from monitorch_widgets.logging.batch_size import BatchSize, sizes_in
from monitorch_widgets.logging.entry import Entry
from monitorch_widgets.logging.figures import Figures
from monitorch_widgets.logging.logbook import Logbook
from monitorch_widgets.logging.panels import Panels
from monitorch_widgets.logging.table import RunTable

from .loops import batches, train_step, watched


def alone(**arguments: Any) -> PyTorchInspector:
    return PyTorchInspector([], visualizer="dummy", **{"strict": True, **arguments})


def series(inspector: PyTorchInspector, name: str, tag: str = "Logged") -> dict[int, float]:
    kept = inspector.history[tag]
    column = kept.values[:, kept.modules.index(name)]
    return {int(step): float(value) for step, value in zip(kept.steps, column, strict=True) if value == value}


# ---------------------------------------------------------------------- names


def told_by(action: Callable[[int], None]) -> list[str]:
    """What is told while something is done nine times."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for i in range(9):
            action(i)
    return [str(warning.message) for warning in caught if warning.category is NotWatched]


def test_N24_too_many_groups_share_a_panel_and_one_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panels, "_MOST_PANELS", 3)
    inspector = alone()
    words = told_by(lambda i: inspector.log(f"g{i}/a", float(i)))
    assert len(words) == 1 and words[0].startswith("there are 3 panels of logged numbers already, so 'g3/a' and other")
    assert "share the panel 'Logged'" in words[0]
    inspector.log("g1/b", 7.0)  # of a group that is there
    assert [spec.tag for spec in inspector.specs] == ["g0", "g1", "g2", "Logged"]
    assert inspector.metrics["g5/a"] == 5.0 and series(inspector, "g5/a") == {0: 5.0}
    assert series(inspector, "g1/b", "g1") == {0: 7.0}


def test_N17_names_that_are_made_up_step_by_step_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbook, "_MOST_NAMES", 5)
    inspector = alone()
    words = told_by(lambda i: inspector.log(f"loss {i}", float(i)))
    assert len(words) == 1 and words[0].startswith("5 names are logged already, so 'loss 5' and other new ones are not")
    inspector._logbook.record("loss of another library", 1.0)
    assert list(inspector.metrics) == [f"loss {i}" for i in range(5)]
    inspector.log("loss 2", 7.0)
    assert inspector.metrics["loss 2"] == 7.0 and len(inspector._logbook._entries) == 5


def test_B17_a_name_that_is_the_series_of_another_one_is_told() -> None:
    inspector = alone()
    inspector.log("loss", 1.0, on_step=True, on_epoch=True, batch_size=1)
    with pytest.warns(NotWatched, match="'loss_step' is one curve of 'loss' in phase 'train' and of 'loss_step'"):
        inspector.log("loss_step", 5.0)


def test_B10_the_strip_holds_so_many_numbers() -> None:
    inspector = alone()
    for i in range(100):
        inspector.log(f"x{i}", 1.0, prog_bar=True)
    assert len(inspector.metrics) == 100 and len(inspector.status().items) == 64


def test_N22_so_many_hyper_parameters_are_kept_however_often_some_come() -> None:
    inspector = alone()
    for i in range(3):
        inspector.log_hyperparams({"run": i, **{f"{i}/{k}": k for k in range(300)}})
    assert len(inspector.history.hyperparams) == 500 and inspector.history.hyperparams["run"] == 2


@pytest.mark.parametrize("name", ["half \ud800 of one", "/", "a/", "//", "..", "<b>", "\n", "x" * 3000, "Füße/größer"])
def test_N11_any_text_is_a_name(name: str) -> None:
    inspector = alone()
    inspector.log(name, 1.0)
    assert list(inspector.metrics) == [name.replace("\ud800", "?")]
    next(iter(inspector.metrics)).encode("utf-8")


def test_B15_a_metric_needs_a_name_too() -> None:
    import torchmetrics

    with pytest.raises(ArgumentTypeError, match="expected a name"):
        alone().log("", torchmetrics.MeanMetric())


# ---------------------------------------------------------------------- batch sizes


@pytest.mark.parametrize(
    ("size", "error", "words"),
    [
        ("4", ArgumentTypeError, "received '4'"),
        (True, ArgumentTypeError, "len\\(batch\\)"),
        (-1, ArgumentError, "0 or more; received -1"),
        (float("nan"), ArgumentError, "received nan"),
        (float("inf"), ArgumentError, "received inf"),
    ],
)
def test_B05_a_batch_size_that_is_none_raises(size: Any, error: type[Exception], words: str) -> None:
    inspector = alone()
    with pytest.raises(error, match=words):
        inspector.log("x", 1.0, on_epoch=True, batch_size=size)
    assert inspector.metrics == {}


def test_B05_a_batch_size_may_be_a_tensor() -> None:
    inspector = alone()
    for value, samples in ((1.0, 3), (5.0, 1)):
        size: Any = torch.tensor(samples)
        inspector.log("x", value, on_step=False, on_epoch=True, batch_size=size)
    inspector.tick_epoch()
    assert inspector.metrics["x"] == 2.0


class Hidden:
    """A batch whose shape cannot be asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        raise RuntimeError("it is gone")


class Unknown:
    shape = (None, 3)


@pytest.mark.parametrize("batch", [Hidden(), {"x": Hidden()}, Unknown()])
def test_N16_a_batch_that_does_not_tell_its_size_stops_nothing(batch: Any) -> None:
    inspector = alone()
    assert list(inspector.iter([batch], limit=1)) == [batch]
    assert inspector._logbook.sizes.now is None


def test_N16_lists_of_lists_are_not_searched_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Any] = []
    inside = batch_size._inside

    def noted(item: Any) -> Any:
        looked.append(item)
        return inside(item)

    monkeypatch.setattr(batch_size, "_inside", noted)
    endless: list[Any] = []
    endless += [endless] * 64
    assert list(sizes_in([endless, torch.zeros(3)])) == []
    assert len(looked) <= 512
    assert list(sizes_in([[1] * 9, torch.zeros(3, 2), [torch.zeros(5)]])) == [3, 5]


# ---------------------------------------------------------------------- faults of ours

FAULTS: list[tuple[type, str]] = [
    (Logbook, "_entry"),
    (Logbook, "_push"),
    (Panels, "open"),
    (Logbook, "_close"),
    (Logbook, "end_epoch"),
    (Logbook, "show_epoch"),
    (Logbook, "close_evaluations"),
    (BatchSize, "follow"),
    (Entry, "add"),
    (Figures, "know"),
    (Figures, "note"),
    (Figures, "take_epoch"),
    (RunTable, "add"),
]


@pytest.mark.parametrize(("owner", "method"), FAULTS)
def test_B21_a_fault_of_ours_in_logging_is_told_once_and_the_loop_goes_on(
    owner: type, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ZeroDivisionError("of ours")

    def loop(model: nn.Module, optimizer: torch.optim.Optimizer, inspector: PyTorchInspector) -> None:
        for _ in inspector.range(2):
            for batch in inspector.iter(batches(2, 3)):
                inspector.log("loss", train_step(model, optimizer, batch), on_step=True, on_epoch=True, prog_bar=True)
            inspector.phase = "val"
            inspector.log("val_loss", 1.0)
            inspector.phase = None

    run, strict = watched(strict=False), watched()
    monkeypatch.setattr(owner, method, broken)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        loop(*run)
    faults = [str(warning.message) for warning in caught if warning.category is LensFault]
    assert len(faults) == 1 and "ZeroDivisionError: of ours" in faults[0] and "The run goes on" in faults[0]
    assert run[2].state.buffer.step == 4 and run[2].state.counter == 3
    with pytest.raises(ZeroDivisionError):
        loop(*strict)


# ---------------------------------------------------------------------- loops that are left


def left_by_break(epochs: Iterator[int], log: Callable[[float], None]) -> None:
    for epoch in epochs:
        log(1.0)
        log(3.0)
        if epoch == 1:
            break


def left_by_error(epochs: Iterator[int], log: Callable[[float], None]) -> None:
    def interrupted() -> None:
        for epoch in epochs:
            log(1.0)
            log(3.0)
            if epoch == 1:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


@pytest.mark.parametrize("leave", [left_by_break, left_by_error])
def test_N41_N17_an_epoch_that_is_left_early_has_its_mean_and_the_next_one_begins_anew(
    leave: Callable[..., None],
) -> None:
    model, optimizer, inspector = watched()

    def log(value: float) -> None:
        train_step(model, optimizer, batches(2)[0])
        inspector.log("x", value, on_step=False, on_epoch=True, batch_size=2)

    epochs = cast("Generator[int]", inspector.range(5))
    leave(epochs, log)
    epochs.close()  # as its end does where nobody holds it
    assert series(inspector, "x") == {1: 2.0, 3: 2.0}
    for _ in inspector.range(1):
        log(7.0)
    assert series(inspector, "x") == {1: 2.0, 3: 2.0, 4: 7.0}
