"""Phases of a loop, where its epochs and batches begin and end, and how long it will take."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, CommandRefused, NotWatched
from monitorch_widgets.inspector.progress import Progress
from monitorch_widgets.lens import LossMetrics, OutputNorm

from ..logging.loops import batches, train_step, watched
from ..logging.test_logging import alone, series


def evaluate(model: nn.Module, inspector: PyTorchInspector, values: tuple[float, ...] = (1.0, 3.0)) -> None:
    model.eval()
    with torch.no_grad():
        for batch, value in zip(batches(*[2] * len(values)), values, strict=True):
            model(batch)
            inspector.log("val_acc", value)
    model.train()


# ---------------------------------------------------------------------- found


def test_N06_N02_the_phase_is_found_by_the_model_s_switch_and_the_grad_mode() -> None:
    model, optimizer, inspector = watched()
    found = inspector._phases
    assert inspector.phase is None and found.now == "train"
    train_step(model, optimizer, batches(2)[0])
    with torch.no_grad():
        assert found.now == "train"  # an accuracy of the training batch
    model.eval()
    assert found.now == "val"
    model.train()
    inspector.log("x", 1.0)
    with torch.no_grad():
        model(batches(2)[0])
        assert found.now == "val"  # somebody has forgotten eval()
    assert found.now == "train"
    bare = alone()
    with torch.no_grad():
        assert bare._phases.now == "val"
    assert bare._phases.now == "train"


def test_N05_N06_what_is_logged_in_evaluation_is_one_point_at_the_last_step() -> None:
    model, optimizer, inspector = watched()
    for _ in inspector.range(2):
        for batch in batches(2, 2, 2):
            inspector.log("loss", train_step(model, optimizer, batch))
        evaluate(model, inspector)
    assert series(inspector, "val_acc") == {2: 2.0, 5: 2.0}
    assert len(series(inspector, "loss")) == 6


@pytest.mark.parametrize("every", [1, 1000], ids=["each_step_followed", "steps_skipped"])
def test_N28_several_validations_in_an_epoch_give_several_points(every: int) -> None:
    model, optimizer, inspector = watched(every=every)
    for _ in inspector.range(1):
        for i, batch in enumerate(batches(2, 2, 2, 2)):
            train_step(model, optimizer, batch)
            evaluate(model, inspector, (float(i), float(i)))
    assert series(inspector, "val_acc") == {0: 0.0, 1: 1.0, 2: 2.0, 3: 3.0}


def test_N28_a_validation_before_the_first_step_is_another_than_that_after_it() -> None:
    model, optimizer, inspector = watched()
    evaluate(model, inspector, (8.0,))
    inspector.history  # noqa: B018
    train_step(model, optimizer, batches(2)[0])
    evaluate(model, inspector, (2.0,))
    inspector.tick_epoch()
    assert inspector.metrics["val_acc"] == 2.0
    assert series(inspector, "val_acc") == {0: 2.0}  # both stand at the first step: the newest counts


# ---------------------------------------------------------------------- told


def test_N02_N07_phases_that_are_told_are_shown_and_kept_apart() -> None:
    model, optimizer, inspector = watched(lenses=[LossMetrics()])
    for phase in ("train", "val", "test"):
        inspector.phase = phase
        assert inspector.status().phase == phase == inspector.phase
        if phase == "train":
            train_step(model, optimizer, batches(2)[0])
        inspector.log(f"{phase}_acc", 0.5, on_epoch=True, on_step=False, batch_size=1)
        inspector.push_loss(float(len(phase)), train=phase == "train")
    inspector.phase = None
    inspector.tick_epoch()
    assert inspector.metrics == {"train_acc": 0.5, "val_acc": 0.5, "test_acc": 0.5}
    losses = {name: series(inspector, name, "Loss") for name in inspector.history["Loss"].modules}
    assert losses == {"train_loss": {0: 5.0}, "val_loss": {0: 3.0}, "test_loss": {0: 4.0}}


def test_N07_losses_of_a_test_that_a_loss_module_returns_stand_apart() -> None:
    loss_fn = nn.MSELoss()
    model, _optimizer, inspector = watched(lenses=[LossMetrics(loss_fn=loss_fn)])
    x = batches(4)[0]
    for phase in ("val", "test", "val"):
        inspector.phase = phase
        with torch.no_grad():
            loss_fn(model.eval()(x), torch.zeros(4, 1))
    inspector.phase = None
    inspector.history  # noqa: B018
    assert set(inspector.history["Loss"].modules) == {"train_loss", "val_loss", "test_loss"}
    assert all(len(series(inspector, name, "Loss")) == 1 for name in ("val_loss", "test_loss"))


@pytest.mark.parametrize("phase", ["predict", "sanity"])
def test_N08_N02_nothing_is_read_in_prediction_and_in_the_sanity_check(phase: str) -> None:
    loss_fn = nn.MSELoss()
    model, _optimizer, inspector = watched(lenses=[LossMetrics(loss_fn=loss_fn), OutputNorm(record_eval=True)])
    x = batches(4)[0]
    inspector.phase = phase
    with torch.no_grad():
        loss_fn(model.eval()(x), torch.zeros(4, 1))
        inspector.push_loss(1.0, train=False)
        inspector.push_metric("f1", 1.0)
        if phase == "sanity":
            inspector.log("acc", 1.0)
        else:
            with pytest.warns(NotWatched, match="nothing is recorded"):
                inspector.log("acc", 1.0)
    assert inspector.status().phase == phase
    assert inspector.history.tags == [] and inspector.metrics == {}
    inspector.phase = None
    with torch.no_grad():
        loss_fn(model(x), torch.zeros(4, 1))
    assert inspector.history.tags == ["Loss", "Output Norm"]


def test_N08_what_is_asked_for_is_read_in_prediction() -> None:
    model, _optimizer, inspector = watched(lenses=[OutputNorm(record_eval=True)])
    inspector.unread_phases = ("sanity",)
    inspector.phase = "predict"
    with torch.no_grad():
        model.eval()(batches(2)[0])
    inspector.log("acc", 1.0, batch_size=1)
    inspector.tick_epoch()
    assert inspector.history["Output Norm"].rows == 1
    inspector.phase = None
    assert inspector.unread_phases == ("sanity",)


def test_N02_a_phase_that_does_not_exist_is_named() -> None:
    inspector = alone()
    with pytest.raises(ArgumentError, match="Did you mean 'val'"):
        inspector.phase = "valid"
    with pytest.raises(ArgumentError, match="phase among"):
        inspector.unread_phases = ("nothing",)
    assert inspector.phase is None


def test_N05_leaving_a_phase_ends_it_and_so_does_the_doorway() -> None:
    inspector = alone()
    inspector.phase = "val"
    inspector.log("acc", 1.0, batch_size=1)
    inspector.phase = "train"
    assert inspector.metrics == {"acc": 1.0}
    inspector.log("loss", 2.0, on_epoch=True, on_step=False, batch_size=1)
    inspector._logbook.end_phase("train")
    assert inspector.metrics == {"acc": 1.0, "loss": 2.0}


# ---------------------------------------------------------------------- batches


@pytest.mark.parametrize(
    ("limit", "count"), [(1, 1), (3, 3), (30, 10), (0.2, 2), (1.0, 10), (0.01, 1), (0.29, 2), (10, 10)]
)
def test_N25_a_limit_is_a_count_of_batches_or_a_fraction_of_them(limit: float, count: int) -> None:
    inspector = alone()
    loader = DataLoader(list(range(20)), batch_size=2)  # type: ignore[arg-type]
    assert len(list(inspector.iter(loader, limit=limit))) == count
    assert inspector.state.counter == 1
    found = [len(list(inspector.iter(loader, limit=limit))) for _ in inspector.range(2)]
    assert found == [count, count] and inspector.state.counter == 3


def test_N25_a_data_loader_has_batches_wherever_it_is_iterated_over() -> None:
    inspector = PyTorchInspector(visualizer="dummy")
    loader = DataLoader(TensorDataset(torch.arange(6.0)), batch_size=2)
    assert [len(batch[0]) for _ in range(2) for batch in inspector.iter(loader)] == [2] * 6
    assert inspector.state.counter == 1 and not inspector.status().epoch_marks
    assert list(inspector.iter("ab")) == ["a", "b"] and inspector.state.counter == 3


def test_N25_of_a_stream_a_count_is_taken_and_not_one_batch_more() -> None:
    class Stream(IterableDataset[int]):
        def __iter__(self) -> Any:
            return itertools.count()

    inspector, numbers = alone(), itertools.count()
    assert len(list(inspector.iter(DataLoader(Stream()), limit=4))) == 4
    assert list(inspector.iter(numbers, limit=3)) == [0, 1, 2] and next(numbers) == 3
    with pytest.raises(ArgumentError, match=r"a loader with a length for limit=0.5.*DataLoader.*limit=10"):
        inspector.iter(DataLoader(Stream()), limit=0.5)


@pytest.mark.parametrize(
    ("limit", "error"),
    [
        (0, ArgumentError),
        (-1, ArgumentError),
        (0.0, ArgumentError),
        (1.5, ArgumentError),
        (-0.5, ArgumentError),
        (True, ArgumentTypeError),
        ("10", ArgumentTypeError),
        (math.nan, ArgumentError),
    ],
)
def test_N25_other_limits_raise_where_they_are_given(limit: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"number of batches, or a fraction.*Use 10 or 0\.2"):
        alone().iter([1, 2, 3], limit=limit)


def test_N25_a_limited_loop_of_its_own_ends_when_it_is_stopped_and_the_next_one_does_not() -> None:
    model, optimizer, inspector = watched()
    made = 0
    for batch in inspector.iter(batches(*[2] * 6), limit=6):
        train_step(model, optimizer, batch)
        made += 1
        if made == 3:
            inspector.stop()
    assert made == 3
    assert len(list(inspector.iter(batches(2, 2), limit=2))) == 2


# ---------------------------------------------------------------------- where the run is


def test_B01_the_time_that_is_left_follows_epochs_and_batches() -> None:
    progress = Progress()
    assert math.isnan(progress.left_s(0.0, 0, 0.0))
    progress.begin(4, second=10.0)
    assert math.isnan(progress.left_s(11.0, 0, 0.0))
    loop = progress.over_batches([0] * 5)
    next(loop)
    next(loop)
    assert progress.left_s(12.0, 0, 0.0) == pytest.approx(4 * 10 - 2)  # a batch took 2 s, an epoch has 5
    progress.epoch_over(22.0)
    assert progress.left_s(25.0, 0, 0.0) == pytest.approx(3 * 12 - 3)
    progress.leave()
    progress.steps = 100
    assert progress.left_s(30.0, 80, 4.0) == 5.0 and progress.left_s(30.0, 120, 4.0) == 0.0


def test_B01_status_says_the_time_that_is_left_where_the_length_is_known() -> None:
    model, optimizer, inspector = watched()
    assert math.isnan(inspector.status().eta_s)
    left = []
    for _ in inspector.range(3):
        for batch in inspector.iter(batches(2, 2)):
            train_step(model, optimizer, batch)
        left.append(inspector.status().eta_s)
    assert all(0 < second < math.inf for second in left[:2])
    assert math.isnan(inspector.status().eta_s)
    inspector.expect(steps=6)
    assert inspector.status().eta_s == 0.0
    with pytest.raises(ArgumentError, match="expected steps"):
        inspector.expect(steps=0)


def test_N43_a_run_that_is_resumed_goes_on_where_it_was() -> None:
    model, optimizer, inspector = watched(lenses=[OutputNorm(), LossMetrics()])
    inspector.continue_from(step=40, epoch=3)
    for batch in batches(2, 2):
        inspector.log("loss", train_step(model, optimizer, batch))
    inspector.tick_epoch()
    status = inspector.status()
    assert (status.step, status.epoch_marks) == (42, ((3, 42),))
    assert inspector.history["Output Norm"].steps.tolist() == [40, 41]
    assert list(series(inspector, "loss")) == [40, 41]
    seconds = inspector.history["Output Norm"].seconds
    assert 0 <= seconds[0] <= seconds[1] <= status.elapsed_s
    with pytest.raises(CommandRefused, match="42 steps were seen already"):
        inspector.continue_from(step=3)
    with pytest.raises(ArgumentError, match="expected step"):
        alone().continue_from(step=-1)


def test_N43_N41_marks_stand_on_the_time_axis() -> None:
    model, optimizer, inspector = watched()
    train_step(model, optimizer, batches(2)[0])
    inspector.mark("checkpoint", "Saved last.ckpt.")
    inspector.mark("early stop", "val_loss did not improve.")
    events = [(event.kind, event.step, event.words) for event in inspector.status().events]
    assert events == [("checkpoint", 1, "Saved last.ckpt."), ("early stop", 1, "val_loss did not improve.")]
    with pytest.raises(ArgumentError, match="Did you mean 'checkpoint'"):
        inspector.mark("checkpiont", "x")
    with pytest.raises(ArgumentTypeError, match="words"):
        inspector.mark("note", 3)  # type: ignore[arg-type]


def test_N20_B02_what_is_heavy_comes_every_50_steps_and_numbers_at_each() -> None:
    model, optimizer, inspector = watched()
    assert inspector.log_every_n_steps == 50
    assert PyTorchInspector(visualizer="dummy", log_every_n_steps=10).log_every_n_steps == 10
    with pytest.raises(ArgumentError, match="log_every_n_steps"):
        PyTorchInspector(visualizer="dummy", log_every_n_steps=0)
    for batch in batches(2, 2, 2):
        inspector.log("loss", train_step(model, optimizer, batch))
    assert len(series(inspector, "loss")) == 3
