"""Numbers that a loop logs by name, with the meaning that Lightning gives to the options."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, LensFault, NotWatched

from .loops import Loader, batches, callback_metrics, train_step, watched

OPTIONS = {  # of Lightning's log: B04 to B14
    "prog_bar": False,
    "logger": True,
    "on_step": None,
    "on_epoch": None,
    "reduce_fx": "mean",
    "enable_graph": False,
    "sync_dist": False,
    "sync_dist_group": None,
    "add_dataloader_idx": True,
    "batch_size": None,
    "metric_attribute": None,
    "rank_zero_only": False,
}


def alone(**arguments: Any) -> PyTorchInspector:
    return PyTorchInspector(visualizer="dummy", strict=True, **arguments)


def series(inspector: PyTorchInspector, name: str, tag: str = "Logged") -> dict[int, float]:
    kept = inspector.history[tag]
    column = kept.values[:, kept.modules.index(name)]
    return {int(step): float(value) for step, value in zip(kept.steps, column, strict=True) if value == value}


# ---------------------------------------------------------------------- the same as the library


def test_N13_options_are_those_of_lightning_in_its_order_with_its_defaults() -> None:
    import lightning

    theirs = list(inspect.signature(lightning.LightningModule.log).parameters.values())[3:]
    ours = list(inspect.signature(PyTorchInspector.log).parameters.values())[3:]
    assert [option.name for option in ours] == [option.name for option in theirs] == list(OPTIONS)
    assert {option.name: option.default for option in ours} == OPTIONS
    differing = [a.name for a, b in zip(ours, theirs, strict=True) if a.default != b.default]
    assert differing == ["logger"]  # None there, which means True
    for_dicts = list(inspect.signature(lightning.LightningModule.log_dict).parameters)
    assert list(inspect.signature(PyTorchInspector.log_dict).parameters) == for_dicts


def value_of(batch: torch.Tensor) -> torch.Tensor:
    return batch.clone().requires_grad_().sum()


MATRIX: dict[str, dict[str, Any]] = {
    "B08_B09_defaults": {},
    "B17_step_and_epoch": {"on_step": True, "on_epoch": True},
    "B08_epoch": {"on_step": False, "on_epoch": True},
    "B12_min": {"on_epoch": True, "reduce_fx": "min"},
    "B12_max_of_torch": {"on_epoch": True, "reduce_fx": torch.max},
    "B12_sum": {"on_epoch": True, "on_step": True, "reduce_fx": sum},
    "B12_mean_of_torch": {"on_epoch": True, "reduce_fx": torch.mean},
    "B05_batch_size": {"on_epoch": True, "batch_size": 32},
    "B06_enable_graph": {"on_epoch": True, "enable_graph": True},
    "B07_no_logger": {"on_epoch": True, "logger": False},
    "B10_prog_bar": {"on_epoch": True, "prog_bar": True},
    "B11_rank_zero_only": {"on_epoch": True, "rank_zero_only": True, "sync_dist": True},
}


@pytest.mark.parametrize("options", MATRIX.values(), ids=list(MATRIX))
def test_N12_metrics_are_those_that_lightning_has(options: dict[str, Any]) -> None:
    def log(who: Any, hook: str, batch: torch.Tensor) -> None:
        who.log(f"my_{hook}", value_of(batch), **options)

    inspector = alone()
    expected = callback_metrics(inspector, {"training_step": log, "validation_step": log})  # which have no graph
    ours = {name: value for name, value in inspector.metrics.items() if not name.startswith("my_validation_step_step")}
    assert ours == pytest.approx(expected, rel=1e-5) and len(expected) >= 2


def test_B04_N05_each_data_loader_has_a_name_of_its_own() -> None:
    def log(who: Any, hook: str, batch: torch.Tensor) -> None:
        who.log("val_loss", value_of(batch), on_step=True, on_epoch=True)

    inspector = alone()
    expected = callback_metrics(inspector, {"validation_step": log}, loaders=2)
    names = [f"val_loss{end}/dataloader_idx_{i}" for end in ("", "_epoch") for i in (0, 1)]
    assert sorted(expected) == sorted(names)
    assert {name: inspector.metrics[name] for name in names} == pytest.approx(expected, rel=1e-5)
    steps = [f"val_loss_step/dataloader_idx_{i}" for i in (0, 1)]
    assert sorted(inspector.history["val_loss"].modules) == sorted([*steps, *names[2:]])


def test_B04_without_the_index_one_name_for_two_loaders_raises_as_in_lightning() -> None:
    import lightning

    def log(who: Any, hook: str, batch: torch.Tensor) -> None:
        who.log("val_loss", value_of(batch), add_dataloader_idx=False)

    with pytest.raises(ArgumentError, match=r"same options each time in validation_step; received loader=1 after 0"):
        callback_metrics(alone(), {"validation_step": log}, loaders=2)

    def only_lightning(who: Any, hook: str, batch: torch.Tensor) -> None:
        if not isinstance(who, PyTorchInspector):
            log(who, hook, batch)

    with pytest.raises(lightning.fabric.utilities.exceptions.MisconfigurationException, match="different arguments"):
        callback_metrics(alone(), {"validation_step": only_lightning}, loaders=2)


def test_B04_own_names_for_loaders() -> None:
    inspector = alone()
    inspector.phase = "val"
    for index in (0, 1):
        inspector.dataloader_idx = index
        inspector.log(f"acc_{index}", 0.5 + index, add_dataloader_idx=False, batch_size=1)
    inspector.tick_epoch()
    assert inspector.metrics == {"acc_0": 0.5, "acc_1": 1.5}
    with pytest.raises(ArgumentError, match="add_dataloader_idx=False"):
        inspector.log("acc/dataloader_idx_0", 1.0)


def test_N11_log_dict_anywhere() -> None:
    def log(who: Any, hook: str, batch: torch.Tensor) -> None:
        who.log_dict({"acc": value_of(batch), "recall": 0.5}, on_epoch=True)

    inspector = alone()
    hooks = {"training_step": log, "on_train_epoch_end": lambda who, hook, batch: who.log_dict({"end": 2.0})}
    expected = callback_metrics(inspector, hooks)
    assert inspector.metrics == pytest.approx(expected, rel=1e-5) and "end" in expected


@pytest.mark.parametrize("called", [True, False], ids=["called", "only_updated"])
def test_B15_B12_metrics_of_torchmetrics_are_computed_and_not_reduced_again(called: bool) -> None:
    import torchmetrics

    inspector = alone()
    accuracy = torchmetrics.Accuracy(task="binary")
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    generator = torch.Generator().manual_seed(3)
    for size in (6, 2):
        guess, truth = torch.rand(size, generator=generator), torch.randint(0, 2, (size,), generator=generator)
        seen.append((guess, truth))
        (accuracy if called else accuracy.update)(guess, truth)
        inspector.log("acc", accuracy, on_step=called or None, on_epoch=True if called else None, reduce_fx="sum")
    inspector.tick_epoch()
    right = torchmetrics.functional.accuracy
    whole = float(right(torch.cat([g for g, _ in seen]), torch.cat([t for _, t in seen]), task="binary"))
    assert inspector.metrics["acc_epoch" if called else "acc"] == pytest.approx(whole)
    if called:
        assert inspector.metrics["acc_step"] == pytest.approx(float(right(*seen[-1], task="binary")))
    assert not accuracy.update_called  # it was reset


def test_B15_a_metric_in_lightning_and_here() -> None:
    import torchmetrics

    here, there = torchmetrics.MeanMetric(), torchmetrics.MeanMetric()

    def log(who: Any, hook: str, batch: torch.Tensor) -> None:
        if isinstance(who, PyTorchInspector):
            here(value_of(batch))
            who.log("mean", here, on_step=True, on_epoch=True)
        else:
            there(value_of(batch))
            who.log("mean", there, on_step=True, on_epoch=True, metric_attribute="net")

    inspector = alone()
    assert inspector.metrics == {}
    expected = callback_metrics(inspector, {"training_step": log})
    assert inspector.metrics == pytest.approx(expected, rel=1e-5) and set(expected) == {
        "mean",
        "mean_step",
        "mean_epoch",
    }


class Correct:
    """A metric of one's own: nothing but the three methods."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.correct = self.total = 0

    def update(self, preds: torch.Tensor, target: torch.Tensor) -> None:
        assert preds.shape == target.shape
        self.correct += int((preds == target).sum())
        self.total += target.numel()

    def compute(self) -> torch.Tensor:
        return torch.tensor(self.correct / self.total)


def test_B15_an_object_with_update_compute_and_reset_is_taken() -> None:
    inspector, metric = alone(), Correct()
    metric.update(torch.tensor([1, 0, 1]), torch.tensor([1, 1, 1]))
    inspector.log("train_acc", metric)
    metric.update(torch.tensor([1]), torch.tensor([1]))
    inspector.log("train_acc", metric)
    with pytest.raises(ArgumentError, match="same metric"):
        inspector.log("train_acc", Correct())
    inspector.tick_epoch()
    assert inspector.metrics == {"train_acc": 0.75} and metric.total == 0


def test_B15_a_metric_that_fails_costs_no_run() -> None:
    inspector = PyTorchInspector(visualizer="dummy")
    metric = Correct()
    inspector.log("acc", metric)
    with pytest.warns(LensFault, match="ZeroDivisionError"):
        inspector.tick_epoch()
    inspector.log("loss", 1.0)
    assert inspector.metrics == {"loss": 1.0}


def test_N11_a_metric_collection_has_its_prefix() -> None:
    import torchmetrics

    inspector = alone()
    collection = torchmetrics.MetricCollection([torchmetrics.MeanMetric(), torchmetrics.MaxMetric()], prefix="val/")
    collection.update(torch.tensor([1.0, 3.0]))
    inspector.phase = "val"
    inspector.log_dict(collection)
    inspector.tick_epoch()
    assert inspector.metrics == {"val/MeanMetric": 2.0, "val/MaxMetric": 3.0}


# ---------------------------------------------------------------------- steps and epochs in a loop of one's own


def test_B09_B02_steps_in_training_belong_to_the_step_that_is_made() -> None:
    model, optimizer, inspector = watched()
    for i, batch in enumerate(batches(2, 2, 2)):
        optimizer.zero_grad()
        loss = model(batch).pow(2).mean()
        inspector.log("before", float(i))
        loss.backward()
        optimizer.step()
        inspector.log("after", float(i))
    assert series(inspector, "before") == series(inspector, "after") == {0: 0.0, 1: 1.0, 2: 2.0}


def test_B17_N18_step_and_epoch_give_two_series_and_three_keys() -> None:
    model, optimizer, inspector = watched()
    values = []
    for _ in inspector.range(2):
        for batch in batches(4, 2):
            values.append((loss := train_step(model, optimizer, batch)).item())
            inspector.log(
                "my_loss", loss, on_step=True, on_epoch=True, prog_bar=True, logger=True, batch_size=len(batch)
            )
    means = [(4 * first + 2 * second) / 6 for first, second in (values[:2], values[2:])]
    assert series(inspector, "my_loss_step") == pytest.approx(dict(enumerate(values)))
    assert series(inspector, "my_loss_epoch") == pytest.approx({1: means[0], 3: means[1]})
    assert inspector.metrics == pytest.approx(
        {"my_loss_step": values[-1], "my_loss": means[1], "my_loss_epoch": means[1]}
    )


def test_B08_an_epoch_has_its_mean_at_its_last_step_and_steps_have_none() -> None:
    model, optimizer, inspector = watched()
    for batch in batches(2, 2):
        inspector.log("loss", train_step(model, optimizer, batch) * 0 + 1, on_step=False, on_epoch=True, batch_size=2)
    assert "loss" not in inspector.metrics
    inspector.tick_epoch()
    assert series(inspector, "loss") == {1: 1.0}


@pytest.mark.parametrize(
    ("reduce_fx", "expected"),
    [
        ("mean", 2.75),
        ("avg", 2.75),
        ("MAX", 4.0),
        (torch.min, 1.0),
        (sum, 7.0),
        ("median", 2.0),
        (torch.median, 2.0),
        (lambda values: values.max() - values.min(), 3.0),
        (max, 4.0),
        (torch.std, float(np.std([1, 2, 4], ddof=1))),
    ],
)
@pytest.mark.parametrize("kind", ["floats", "tensors", "both"])
def test_B12_reductions_are_those_of_the_whole_epoch(reduce_fx: Any, expected: float, kind: str) -> None:
    inspector = alone()
    for i, (value, size) in enumerate(((1.0, 2), (2.0, 1), (4.0, 3))):
        given = torch.tensor(value) if kind == "tensors" or (kind == "both" and i == 1) else value
        inspector.log("x", given, on_epoch=True, on_step=False, reduce_fx=reduce_fx, batch_size=size)
    inspector.tick_epoch()
    assert inspector.metrics["x"] == pytest.approx(expected if expected != 2.75 else 16 / 6)


def test_B12_N17_a_long_epoch_takes_no_more_memory_than_a_short_one() -> None:
    from monitorch_widgets.logging.reductions import KEPT, Kept, reduction_of

    kept = Kept(torch.median)
    for i in range(KEPT + 10):
        kept.add(float(i), 1)
    assert len(kept._values) == KEPT and float(kept.result()) == 9 + KEPT // 2
    mean = reduction_of(torch.mean)
    for _ in range(1000):
        mean.add(torch.tensor(0.1), 3)
    assert float(mean.result()) == pytest.approx(0.1)
    assert all(not isinstance(held, list | dict) for held in vars(mean).values())


def test_N16_B05_the_batch_size_is_that_of_the_batch_which_iter_yields() -> None:
    inspector = alone()
    loader = [{"x": torch.zeros(4, 2), "y": torch.zeros(4)}, {"x": torch.zeros(1, 2), "y": torch.zeros(1)}]
    for _ in inspector.range(1):
        for batch in inspector.iter(loader):
            inspector.log("size", float(len(batch["y"])), on_epoch=True, on_step=False)
    assert inspector.metrics["size"] == pytest.approx((16 + 1) / 5)


def test_N16_B05_otherwise_that_of_the_model_s_input() -> None:
    model, _, inspector = watched()
    model.eval()
    for _ in range(2):
        with torch.no_grad():
            for batch in batches(6, 6, 3):
                model(batch)
                inspector.log("size", float(len(batch)))
        inspector.tick_epoch()
        assert inspector.metrics["size"] == pytest.approx((36 + 36 + 9) / 15)


def test_N16_B05_looking_at_the_input_leaves_no_trace_on_copies_nor_after_detach() -> None:
    import copy
    import pickle

    model, _, inspector = watched(lenses=[])
    inspector.log("x", 1.0)
    assert len(model._forward_pre_hooks) >= 1
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert other(batches(2)[0]).shape == (2, 1)
    assert not copy.deepcopy(model)._forward_pre_hooks
    inspector.detach()
    assert not model._forward_pre_hooks and not model._forward_pre_hooks_with_kwargs


def test_N16_B05_a_model_that_takes_keywords_has_a_batch_size_too() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 1)

        def forward(self, *, x: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.fc(x)
            return out

    model = Named().eval()
    inspector = alone(lenses=[], module=model)
    with torch.no_grad():
        for batch in batches(3, 3, 1):
            model(x=batch)
            inspector.log("size", float(len(batch)))
    inspector.tick_epoch()
    assert inspector.metrics["size"] == pytest.approx(19 / 7)


def test_N16_several_candidates_warn_once_and_name_the_one_that_is_taken() -> None:
    inspector = alone()
    loader = [(torch.zeros(4, 2), torch.zeros(7)), (torch.zeros(2, 2), torch.zeros(9))]
    epochs = inspector.range(1)
    next(epochs)
    logged = iter(inspector.iter(loader))
    next(logged)
    with pytest.warns(NotWatched, match=r"sizes \(4, 7\).*by the first, 4.*batch_size"):
        inspector.log("x", 1.0, on_epoch=True)
    next(logged)
    inspector.log("x", 4.0, on_epoch=True)
    assert next(epochs, None) is None
    assert inspector.metrics["x_epoch"] == pytest.approx(2.0)


def test_N16_no_candidate_warns_where_a_mean_needs_it_and_counts_batches_alike() -> None:
    inspector = alone()
    for value in (1.0, 2.0):
        inspector.log("most", value, on_epoch=True, on_step=False, reduce_fx="max")
        inspector.log("step", value)
    inspector.tick_epoch()  # and nothing warns
    for value in (1.0, 2.0):
        inspector.log("mean", value, on_epoch=True, on_step=False)
    with pytest.warns(NotWatched, match="no batch size is known.*'mean'"):
        inspector.tick_epoch()
    assert inspector.metrics == {"most": 2.0, "step": 2.0, "mean": 1.5}


def test_N16_a_batch_without_tensors_raises_in_strict_mode_and_warns_otherwise() -> None:
    inspector = alone()
    for _ in inspector.iter([["a", "b"]], limit=1):
        inspector.log("most", 1.0, on_epoch=True, reduce_fx="max")
        with pytest.raises(ArgumentError, match=r"a batch with a tensor.*'mean'.*batch_size=10"):
            inspector.log("mean", 1.0, on_epoch=True)
    lenient = PyTorchInspector(visualizer="dummy")
    for _ in lenient.iter([["a"], ["b"]], limit=2):
        lenient.log("mean", 1.0, on_epoch=True)
    with pytest.warns(NotWatched, match="no batch size is known"):
        lenient.tick_epoch()
    assert lenient.metrics["mean_epoch"] == 1.0


# ---------------------------------------------------------------------- values


@pytest.mark.parametrize(
    "value",
    [
        2,
        2.0,
        True + 1,
        np.float32(2),
        torch.tensor(2),
        torch.tensor([[2.0]]),
        torch.tensor(2.0, dtype=torch.bfloat16),
        torch.tensor(2.0, dtype=torch.float64),
        torch.tensor(2.0, requires_grad=True) * 1,
    ],
)
def test_B09_values_of_every_kind_are_the_same_number(value: Any) -> None:
    inspector = alone()
    inspector.log("x", value, on_step=True, on_epoch=True, batch_size=3)
    inspector.tick_epoch()
    assert inspector.metrics == {"x_step": 2.0, "x": 2.0, "x_epoch": 2.0}
    assert series(inspector, "x_step") == series(inspector, "x_epoch") == {0: 2.0}


@pytest.mark.parametrize(
    ("name", "value", "options", "error", "words"),
    [
        ("x", "high", {}, ArgumentTypeError, "received str"),
        ("x", {"a": 1.0}, {}, ArgumentTypeError, "log_dict"),
        ("x", None, {}, ArgumentTypeError, "received NoneType"),
        ("x", 1j, {}, ArgumentTypeError, "received complex"),
        ("x", torch.zeros(3), {}, ArgumentError, r"shape \(3,\).*value.mean\(\)"),
        ("x", torch.tensor(1j), {}, ArgumentError, "complex64"),
        (7, 1.0, {}, ArgumentTypeError, "expected a name"),
        ("", 1.0, {}, ArgumentTypeError, "expected a name"),
        ("x", 1.0, {"on_step": False, "on_epoch": False}, ArgumentError, "nothing would be kept"),
        ("x", 1.0, {"reduce_fx": "maen"}, ArgumentError, "Did you mean 'mean'"),
        ("x", 1.0, {"reduce_fx": 3}, ArgumentTypeError, "torch.mean"),
    ],
)
def test_N13_wrong_arguments_raise_where_they_are_given(
    name: Any, value: Any, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    inspector = alone()
    with pytest.raises(error, match=words):
        inspector.log(name, value, **options)
    assert inspector.specs == PyTorchInspector(visualizer="dummy").specs
    inspector.log("x", 1.0)
    assert inspector.metrics == {"x": 1.0}


def test_N13_other_options_for_one_name_in_one_place_raise_as_in_lightning() -> None:
    inspector = alone()
    inspector.log("x", 1.0)
    with pytest.raises(ArgumentError, match=r"'x'.*phase 'train'; received prog_bar=True after False"):
        inspector.log("x", 1.0, prog_bar=True)
    inspector.phase = "val"
    with pytest.warns(NotWatched, match="'x' is one curve of 'x' in phase 'train' and of 'x' in phase 'val'.*'val_x'"):
        inspector.log("x", 1.0, prog_bar=True, batch_size=1)
    inspector.log("x", 2.0, prog_bar=True, batch_size=1)  # told once


def test_B08_numbers_that_are_not_finite_leave_gaps_and_raise_nothing() -> None:
    model, optimizer, inspector = watched()
    for batch, value in zip(batches(2, 2, 2), (1.0, float("nan"), float("inf")), strict=True):
        train_step(model, optimizer, batch)
        inspector.log("x", torch.tensor(value), on_step=True, on_epoch=True, batch_size=1)
        inspector.log("y", value)
    inspector.tick_epoch()
    assert series(inspector, "x_step") == series(inspector, "y") == {0: 1.0}
    assert series(inspector, "x_epoch") == {}


def test_B06_a_logged_loss_keeps_no_graph_and_no_memory_of_it_as_in_lightning() -> None:
    import weakref

    inspector = alone()
    weight = nn.Parameter(torch.ones(3))

    class Saved:
        """What the graph keeps in place of a tensor."""

    saved = Saved()
    gone = weakref.ref(saved)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor, kept=saved: (kept, tensor), lambda pair: pair[1]):
        loss = (weight * weight).sum() * 2
    del saved
    inspector.log("loss", loss, enable_graph=True, on_epoch=True, batch_size=1)
    alive = gone() is not None
    del loss
    assert alive and gone() is None
    assert inspector.metrics["loss_step"] == 6.0


def test_B09_what_is_done_to_a_tensor_afterwards_changes_nothing() -> None:
    inspector = alone()
    total = torch.zeros(())
    for _ in range(3):
        total += 1
        inspector.log("total", total, on_step=True, on_epoch=True, reduce_fx="sum")
        inspector.log("median", total, on_step=False, on_epoch=True, reduce_fx="median")
    total += 100
    inspector.tick_epoch()
    assert inspector.metrics == {"total_step": 3.0, "total": 6.0, "total_epoch": 6.0, "median": 2.0}


def test_B08_values_of_inference_mode_and_of_training_are_reduced_together() -> None:
    inspector = alone()
    inspector.phase = "train"
    inspector.log("x", torch.tensor(1.0), on_step=False, on_epoch=True, batch_size=1)
    with torch.inference_mode():
        inspector.log("y", torch.tensor(3.0), on_step=False, on_epoch=True, batch_size=1)
    inspector.log("y", torch.tensor(5.0), on_step=False, on_epoch=True, batch_size=1)
    with torch.inference_mode():
        inspector.log("x", torch.tensor(2.0), on_step=False, on_epoch=True, batch_size=1)
    inspector.tick_epoch()
    assert (inspector.metrics["x"], inspector.metrics["y"]) == (1.5, 4.0)


# ---------------------------------------------------------------------- where they go


def test_N24_names_with_a_slash_have_a_panel_of_their_first_part() -> None:
    inspector = alone()
    before = [spec.tag for spec in inspector.specs]
    for name in ("loss", "hp/metric_1", "hp/metric_2", "acc"):
        inspector.log(name, 1.0)
    assert [spec.tag for spec in inspector.specs] == [*before, "Logged", "hp"]
    assert [(spec.kind, spec.title) for spec in inspector.specs[-2:]] == [("logged", "Logged"), ("logged", "hp")]
    assert inspector.history["hp"].modules == ["hp/metric_1", "hp/metric_2"]
    assert inspector.history["Logged"].modules == ["loss", "acc"]


def test_N24_a_name_that_begins_like_a_panel_of_a_lens_joins_it() -> None:
    model, optimizer, inspector = watched()
    before = [spec.tag for spec in inspector.specs]
    inspector.log("Loss/mine", 1.0)
    train_step(model, optimizer, batches(2)[0])
    assert [spec.tag for spec in inspector.specs] == before
    assert "Loss/mine" in inspector.history["Loss"].modules


def test_B07_logger_false_is_in_metrics_alone() -> None:
    inspector = alone()
    inspector.log("hidden", 1.0, logger=False, prog_bar=True)
    inspector.tick_epoch()
    assert inspector.metrics == {"hidden": 1.0} and "Logged" not in inspector.history
    assert inspector.status().items == (("hidden", "1"),)
    assert "Logged" not in [spec.tag for spec in inspector.specs]


def test_B07_logger_true_goes_to_the_visualizer_at_the_epoch_s_end(capsys: pytest.CaptureFixture[str]) -> None:
    inspector = PyTorchInspector(lenses=[], visualizer="print", strict=True)
    for value in (1.0, 2.0):
        inspector.log("hp/acc", value, on_step=True, on_epoch=True, batch_size=1)
        inspector.log("hidden", value, logger=False)
    inspector.tick_epoch()
    inspector.tick_epoch()
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["(1) hp: hp - values : {'hp/acc_step': 2.0, 'hp/acc_epoch': 1.5}; ranges : {}"]
    assert inspector.history["hp"].epochs[1].values == {"hp": {"hp/acc_step": 2.0, "hp/acc_epoch": 1.5}}


def test_B10_N21_B01_prog_bar_puts_a_number_into_the_strip() -> None:
    inspector = alone()
    inspector.show_item("v_num", "3")
    inspector.log("loss", 0.123456, prog_bar=True)
    inspector.log("other", 1.0)
    assert inspector.status().items == (("v_num", "3"), ("loss", "0.1235"))
    inspector.show_item("v_num", None)
    inspector.log("loss", 0.5, prog_bar=True)
    assert inspector.status().items == (("loss", "0.5"),)
    with pytest.raises(ArgumentTypeError, match="a name and a text"):
        inspector.show_item("v_num", 3)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- numbers of other libraries


def test_N11_finished_numbers_of_another_library_come_at_once_under_their_name() -> None:
    model, optimizer, inspector = watched()
    for batch in batches(2, 2):
        train_step(model, optimizer, batch)
    inspector._logbook.record("train/loss", 0.5, step=0)
    inspector._logbook.record("train/loss", torch.tensor(0.25), step=1)
    inspector._logbook.record("val_acc", 0.75, step=None, epoch_value=True)
    inspector.tick_epoch()
    assert series(inspector, "train/loss", "train") == {0: 0.5, 1: 0.25}
    assert series(inspector, "val_acc") == {1: 0.75}
    assert inspector.metrics == {"train/loss": 0.25, "val_acc": 0.75}
    assert inspector._epoch_rows.rows[-1]["val_acc"] == 0.75


# ---------------------------------------------------------------------- what it costs


def test_B13_N12_logging_waits_for_no_device_and_brings_all_with_one_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer, inspector = watched(lenses=[])
    waits: list[str] = []
    for method in ("item", "__float__", "__bool__", "tolist", "cpu", "numpy"):
        former = getattr(torch.Tensor, method)

        def counted(self: Any, *args: Any, _former: Any = former, _name: str = method) -> Any:
            waits.append(_name)
            return _former(self, *args)

        monkeypatch.setattr(torch.Tensor, method, counted)
    losses = [train_step(model, optimizer, batch) for batch in batches(2, 2, 2, 2)]
    inspector.history  # noqa: B018
    waits.clear()
    transfers = inspector.state.buffer.transfers
    for loss in losses:
        inspector.log("loss", loss, on_step=True, on_epoch=True, batch_size=2)
        inspector.log_dict({"most": loss, "more/sum": loss}, on_step=False, on_epoch=True, reduce_fx="max")
    assert waits == [] and inspector.state.buffer.transfers == transfers
    inspector.tick_epoch()
    assert waits == ["cpu", "numpy"] and inspector.state.buffer.transfers == transfers + 1
    assert inspector.metrics["most"] == pytest.approx(max(loss.item() for loss in losses))


def test_N17_nothing_grows_with_the_number_of_epochs() -> None:
    inspector = alone()
    for _ in range(30):
        inspector.log("loss", 1.0, on_step=True, on_epoch=True, batch_size=1)
        inspector.tick_epoch()
    book = inspector._logbook
    assert not book._entries and len(book._takers) == 1 and len(book.figures.newest) == 3


def test_N10_any_iterable_is_a_loader() -> None:
    inspector = alone()
    found = [float(batch.sum()) for _ in inspector.range(1) for batch in inspector.iter(Loader(batches(2, 3)), limit=1)]
    assert found == [float(batches(2)[0].sum())]
