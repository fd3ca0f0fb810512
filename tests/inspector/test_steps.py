"""Steps, epochs, phases, and what each step costs in transfers and hook calls."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from monitorch_widgets import ArgumentError, ArgumentTypeError, NotAttachedError, PyTorchInspector
from monitorch_widgets.lens import (
    LossMetrics,
    OutputActivation,
    OutputGradientGeometry,
    OutputNorm,
    ParameterGradientGeometry,
    ParameterNorm,
    ParameterUpdateGeometry,
)


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1))


def train(model: nn.Module, steps: int, loss_fn: nn.Module | None = None, lr: float = 0.1) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = (loss_fn or nn.MSELoss())(model(torch.randn(4, 3)), torch.zeros(4, 1))
        loss.backward()
        optimizer.step()


def test_each_step_yields_one_reading_per_module_and_tag() -> None:
    model = small()
    inspector = PyTorchInspector(module=model, visualizer="dummy", strict=True, every=1)
    train(model, 7)
    for tag, modules in (("Output Norm", 3), ("Output Gradient Norm", 2), ("Weight Gradient Norm", 2)):
        series = inspector.history[tag]
        assert series.steps.tolist() == list(range(7))
        assert series.values.shape == (7, modules) and np.isfinite(series.values).all()
    assert series.modules == ["0", "2"]


def test_one_transfer_a_step_and_none_in_a_hook(monkeypatch) -> None:
    model = small()
    inspector = PyTorchInspector(module=model, visualizer="dummy", strict=True, every=1)
    pulled = []
    for name in ("item", "tolist", "cpu", "numpy", "__float__", "__bool__"):
        plain = getattr(torch.Tensor, name)
        monkeypatch.setattr(
            torch.Tensor,
            name,
            lambda self, *a, _plain=plain, _name=name, **k: (pulled.append(_name), _plain(self, *a, **k))[1],
        )
    train(model, 5)
    transfers = inspector.state.buffer.transfers
    monkeypatch.undo()
    assert 1 <= transfers <= 5  # what waits is brought over some times a second
    assert sorted(pulled) == ["cpu"] * transfers + ["numpy"] * transfers
    assert inspector.history["Output Norm"].rows == 5


def test_gradients_are_read_as_the_optimizer_uses_them() -> None:
    model = small()
    inspector = PyTorchInspector([ParameterGradientGeometry()], module=model, visualizer="dummy", strict=True, every=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    expected = []
    for _ in range(3):
        optimizer.zero_grad()
        for _ in range(4):  # accumulation over micro-batches
            (model(torch.randn(4, 3)).pow(2).mean() / 4).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        expected.append([model[0].weight.grad.double().norm().item(), model[2].weight.grad.double().norm().item()])
        optimizer.step()
    np.testing.assert_allclose(inspector.history["Weight Gradient Norm"].values, expected, rtol=1e-5)


def test_updates_are_those_of_the_step_from_the_first_one_on() -> None:
    model = small()
    inspector = PyTorchInspector([ParameterUpdateGeometry()], module=model, visualizer="dummy", strict=True, every=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    expected, updates = [], []
    for _ in range(4):
        optimizer.zero_grad()
        model(torch.randn(4, 3)).pow(2).mean().backward()
        before = model[0].weight.detach().double().clone()
        optimizer.step()
        updates.append((model[0].weight.detach().double() - before).flatten())
        expected.append(updates[-1].norm().item())
    history = inspector.history
    np.testing.assert_allclose(history["Weight Update Norm"].values[:, 0], expected, rtol=1e-5)
    cosines = history["Weight Update Correlation"].values[:, 0]
    assert math.isnan(cosines[0])
    right = [torch.nn.functional.cosine_similarity(a, b, dim=0).item() for a, b in pairwise(updates)]
    np.testing.assert_allclose(cosines[1:], right, rtol=1e-4)


def test_correlation_carries_over_epochs_and_has_no_first_value() -> None:
    model = nn.Linear(2, 1, bias=False)
    lens = OutputGradientGeometry()
    inspector = PyTorchInspector([lens], module=model, visualizer="dummy", strict=True, every=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in inspector.range(3):
        for _ in range(4):
            optimizer.zero_grad()
            model(torch.ones(2, 2)).sum().backward()  # a constant gradient
            optimizer.step()
    series = inspector.history["Output Gradient Correlation"]
    assert np.isnan(series.values[0, 0]) and np.allclose(series.values[1:, 0], 1)
    figures = [epoch.values["Linear"]["mean"] for epoch in series.epochs.values()]
    assert figures == pytest.approx([1, 1, 1])


def test_other_models_and_their_optimizers_do_not_count() -> None:
    model, other = small(), small()
    inspector = PyTorchInspector(module=model, visualizer="dummy", strict=True, every=1)
    train(other, 3)
    assert inspector.status().step == 0 and not inspector.history.tags
    train(model, 2)  # an optimizer made after attach
    assert inspector.status().step == 2


def test_two_optimizers_read_their_own_parameters() -> None:
    model = small()
    inspector = PyTorchInspector(
        [ParameterGradientGeometry(parameters="weight")], module=model, visualizer="dummy", every=1
    )
    first = torch.optim.SGD(model[0].parameters(), lr=0.1)
    second = torch.optim.SGD(model[2].parameters(), lr=0.1)
    model(torch.randn(4, 3)).pow(2).mean().backward()
    first.step()
    second.step()
    values = inspector.history["Weight Gradient Norm"].values
    assert np.isfinite(values).tolist() == [[True, False], [False, True]]


def test_nan_leaves_a_gap_and_poisons_nothing() -> None:
    model = small()
    inspector = PyTorchInspector(
        [OutputNorm(), OutputActivation()], module=model, visualizer="dummy", strict=True, every=1
    )
    for bad in (0.0, math.nan, math.inf, 0.0):
        model(torch.ones(4, 3) + bad)
        torch.optim.SGD(model.parameters(), lr=0.0).step()  # without gradients: the weights stay as they are
    inspector.tick_epoch()
    for tag in ("Output Norm", "Output Activations", "Output Death Rate"):
        assert np.isfinite(inspector.history[tag].values[:, 0]).tolist() == [True, False, False, True]
    assert math.isfinite(inspector.history["Output Norm"].epochs[1].values["0"]["mean"])


def test_evaluation_is_not_counted_and_belongs_to_the_step_before() -> None:
    model, loss_fn = small(), nn.MSELoss()
    inspector = PyTorchInspector(
        [LossMetrics(loss_fn=loss_fn), OutputNorm()], module=model, visualizer="dummy", strict=True, every=1
    )
    train(model, 3, loss_fn)
    model.eval()
    losses = []
    with torch.no_grad():
        for _ in range(2):
            losses.append(loss_fn(model(torch.randn(4, 3)), torch.ones(4, 1)).item())
    assert inspector.status().phase == "eval"
    inspector.tick_epoch()
    loss = inspector.history["Loss"]
    assert loss.modules == ["train_loss", "val_loss"]
    assert loss.steps.tolist() == [0, 1, 2]
    assert loss.values[2, 1] == pytest.approx(np.mean(losses)) and np.isnan(loss.values[:2, 1]).all()
    assert inspector.history["Output Norm"].rows == 3


def test_record_eval_measures_evaluation_too() -> None:
    model = small().eval()
    inspector = PyTorchInspector([OutputNorm(record_eval=True)], module=model, visualizer="dummy", strict=True, every=1)
    model(torch.randn(4, 3))
    assert inspector.history["Output Norm"].rows == 1


def test_pushed_losses_and_metrics() -> None:
    model = small()
    inspector = PyTorchInspector(
        [LossMetrics(metrics=["accuracy"])], module=model, visualizer="dummy", strict=True, every=1
    )
    for value in (1.0, 0.5):
        train(model, 1)
        inspector.push_loss(value, train=True)
    inspector.push_loss(0.7, train=False)
    inspector.push_metric("accuracy", 0.9)
    inspector.push_metric("unannounced", 3.0, running=False)
    inspector.tick_epoch()
    assert inspector.history["Loss"].values.tolist()[1] == [0.5, 0.7]
    assert inspector.history["Metrics"].modules == ["accuracy", "unannounced"]
    assert inspector.history["Loss"].epochs[1].values["Loss"]["train_loss mean"] == 0.75
    assert "Metrics" in [spec.tag for spec in inspector.specs]
    assert inspector.lenses[0].loss(train=False) == 0.7


def test_metrics_without_a_loss() -> None:
    inspector = PyTorchInspector(
        [LossMetrics(metrics="f1", metrics_range="min-max")], module=small(), visualizer="dummy", strict=True, every=1
    )
    inspector.push_metric("f1", 0.5)
    inspector.push_metric("f1", 0.7)
    inspector.tick_epoch()
    figures = inspector.history["Metrics"].epochs[1]
    assert figures.values["Metrics"]["f1 mean"] == pytest.approx(0.6)
    assert figures.ranges["Metrics"][("f1 min", "f1 max")] == (0.5, 0.7)


def test_inactive_epochs_are_passed_over() -> None:
    model = small()
    inspector = PyTorchInspector([OutputNorm()], module=model, visualizer="dummy", is_active_fn=2, strict=True, every=1)
    for _ in inspector.range(4):
        train(model, 3)
    series = inspector.history["Output Norm"]
    assert list(series.epochs) == [2, 4] and series.steps.tolist() == [3, 4, 5, 9, 10, 11]


def test_every_nth_step() -> None:
    model = small()
    inspector = PyTorchInspector(
        [OutputNorm(), ParameterUpdateGeometry()], module=model, visualizer="dummy", every=3, strict=True
    )
    train(model, 8)
    assert inspector.history["Output Norm"].steps.tolist() == [0, 3, 6]
    assert inspector.history["Weight Update Norm"].steps.tolist() == [0, 1, 3, 4, 6, 7]  # correlations need neighbours
    assert inspector.status().step == 8


def test_with_a_stride_an_update_is_still_one_step() -> None:
    model = nn.Linear(1, 1, bias=False)
    inspector = PyTorchInspector([ParameterUpdateGeometry()], module=model, visualizer="dummy", every=4, strict=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(9):
        optimizer.zero_grad()
        model(torch.ones(1, 1)).sum().backward()  # each step moves the weight by 1
        optimizer.step()
    np.testing.assert_allclose(inspector.history["Weight Update Norm"].values[:, 0], 1, rtol=1e-6)


def test_a_loop_without_an_optimizer_ticks_by_itself() -> None:
    model = small()
    inspector = PyTorchInspector(
        [ParameterGradientGeometry(), ParameterUpdateGeometry(), ParameterNorm()],
        module=model,
        visualizer="dummy",
        strict=True,
        every=1,
    )
    for _ in range(3):
        model.zero_grad()
        model(torch.randn(4, 3)).sum().backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.1 * p.grad
        inspector.tick_batch()
    history = inspector.history
    assert history["Weight Gradient Norm"].rows == history["Weight Norm"].rows == 3
    # the change since the tick before: the first one has nothing to compare with
    np.testing.assert_allclose(
        history["Weight Update Norm"].values, 0.1 * history["Weight Gradient Norm"].values[1:], rtol=1e-4
    )


def test_tick_batch_needs_a_model() -> None:
    with pytest.raises(NotAttachedError, match="attach"):
        PyTorchInspector(visualizer="dummy").tick_batch()


def test_parameters_of_any_name_and_without_bias() -> None:
    model = nn.ModuleDict({"rnn": nn.LSTM(2, 3), "head": nn.Linear(3, 1, bias=False)})
    inspector = PyTorchInspector(
        [ParameterGradientGeometry(parameters="weight")], module=model, visualizer="dummy", strict=True, every=1
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model["head"](model["rnn"](torch.randn(4, 2, 2))[0]).sum().backward()
    optimizer.step()
    series = inspector.history["Weight Gradient Norm"]
    assert series.modules == ["rnn.weight_ih_l0", "rnn.weight_hh_l0", "head"]
    assert np.isfinite(series.values).all()
    assert [info.kind for info in inspector.modules] == ["linear", "other", "other"] or len(inspector.modules) == 3


def test_activations_are_named_as_such_and_every_leaf_is_watched() -> None:
    inspector = PyTorchInspector([OutputNorm()], module=small(), visualizer="dummy", every=1)
    assert [(info.name, info.activation) for info in inspector.modules] == [("0", False), ("1", True), ("2", False)]


def test_depth_and_prefix() -> None:
    model = nn.ModuleDict({"body": nn.Sequential(nn.Linear(2, 2), nn.ReLU()), "head": nn.Linear(2, 1)})

    def names(**how) -> list[str]:
        inspector = PyTorchInspector([OutputNorm()], module=model, visualizer="dummy", every=1, **how)
        return inspector.history._series["Output Norm"].modules

    assert names() == ["body.0", "body.1", "head"]
    assert names(module_name_prefix="/") == ["body/0", "body/1", "head"]
    assert names(depth=1) == ["body", "head"]
    assert names(depth=0) == ["ModuleDict"]


def test_tick_epoch_counts_and_takes_a_number() -> None:
    inspector = PyTorchInspector(visualizer="dummy")
    inspector.tick_epoch()
    inspector.tick(epoch=7)
    assert inspector.state.counter == 7


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"lenses": OutputNorm()}, "list of lenses"),
        ({"lenses": [OutputNorm]}, r"Call it: OutputNorm\(\)"),
        ({"lenses": ["OutputNorm"]}, "expected a lens"),
        ({"module": 3}, "torch.nn.Module"),
        ({"every": 0}, "at least 1"),
        ({"every": "often"}, "'auto'"),
        ({"every": 1.5}, "integer"),
        ({"visualizer": "widget"}, "'widgets'"),
        ({"visualizer": 3}, "visualizer"),
        ({"is_active_fn": 0}, "at least 1"),
        ({"depth": -2}, "-1"),
        ({"max_overhead": 0}, "fraction"),
    ],
)
def test_bad_arguments_say_what_to_do(how, words) -> None:
    with pytest.raises((ArgumentError, ArgumentTypeError), match=words):
        PyTorchInspector(**{"visualizer": "dummy", **how})


@pytest.mark.parametrize(
    "make",
    [
        lambda: OutputNorm(line_aggregation="medain"),
        lambda: OutputNorm(range_aggregation="minmax"),
        lambda: OutputActivation(death_aggregation="avg"),
        lambda: ParameterGradientGeometry(parameters=[]),
        lambda: ParameterUpdateGeometry("sgd"),
        lambda: LossMetrics(loss_fn=torch.nn.functional.mse_loss),
        lambda: OutputNorm(include=["Linear"]),
    ],
)
def test_bad_lens_arguments_raise_at_construction(make) -> None:
    with pytest.raises((ArgumentError, ArgumentTypeError), match=r"expected .*received"):
        make()


def test_two_watched_models_that_share_a_loss_module_are_kept_apart() -> None:
    loss_fn = nn.MSELoss()
    first, second = small(), small()
    one = PyTorchInspector([LossMetrics(loss_fn=loss_fn)], module=first, visualizer="dummy", strict=True, every=1)
    train(first, 3, loss_fn)
    with torch.no_grad():
        loss_fn(first(torch.ones(4, 3)), torch.ones(4, 1))
    before = one.history["Loss"].values.copy()
    two = PyTorchInspector([LossMetrics(loss_fn=loss_fn)], module=second, visualizer="dummy", strict=True, every=1)
    train(second, 4, loss_fn)
    np.testing.assert_array_equal(one.history["Loss"].values, before)
    assert two.history["Loss"].rows == 4


def test_series_with_names_of_their_own_stand_behind_their_module() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.TransformerEncoderLayer(2, 1, 4), nn.Linear(2, 2))
    inspector = PyTorchInspector(module=model, visualizer="dummy", strict=True, every=1)
    names = [info.name for info in inspector.modules]
    assert names.index("1.self_attn.in_proj_weight") == names.index("1.self_attn") + 1
    assert names[0] == "0" and names[-1] == "2"


def test_time_between_two_runs_does_not_count() -> None:
    from monitorch_widgets.gatherer import InspectorState
    from monitorch_widgets.inspector.clock import Clock

    now = [0.0]
    clock = Clock(InspectorState(), lambda: now[0])
    for at, act in ((1.0, clock.finish_step), (3.0, lambda: clock.stop("finished")), (50.0, clock.finish_step)):
        now[0] = at
        act()
    now[0] = 51.0
    assert clock.seconds == 3.0
    clock.stop("finished")
    now[0] = 90.0
    clock.stop("detached")
    assert clock.seconds == 3.0 and clock.status(()).state == "detached"


def test_another_model_has_its_own_modules() -> None:
    inspector = PyTorchInspector(
        [OutputNorm()], module=nn.Sequential(nn.Linear(2, 2)), visualizer="dummy", strict=True, every=1
    )
    inspector.state.buffer.flush()
    other = nn.ModuleDict({f"conv{i}": nn.Linear(2, 2) for i in (1, 10)})
    inspector.attach(other)
    assert [info.name for info in inspector.modules] == ["conv1", "conv10"]


def test_an_update_is_measured_on_demand() -> None:
    model = nn.Linear(1, 1, bias=False)
    lens = ParameterUpdateGeometry(None)
    inspector = PyTorchInspector([lens], module=model, visualizer="dummy", strict=True, every=1)
    lens.inspect_update()
    with torch.no_grad():
        model.weight += 3
    lens.inspect_update()
    assert inspector.history["Weight Update Norm"].values[:, 0] == pytest.approx([3])


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo's own, at a graph break
def test_a_compiled_model_goes_by_its_own_names() -> None:
    model = small()
    compiled = torch.compile(model, backend="eager")
    inspector = PyTorchInspector([OutputNorm()], module=compiled, visualizer="dummy", strict=True, every=1)
    compiled(torch.randn(4, 3)).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    series = inspector.history["Output Norm"]
    assert inspector.title == "Sequential" and series.modules == ["0", "1", "2"]
    assert np.isfinite(series.values).all() and series.rows == 1
