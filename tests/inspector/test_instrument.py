"""What is collected is changed while a model trains: from the next step on, and nothing else."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, LensFault, MonitorchWarning
from monitorch_widgets.lens import (
    Expression,
    InputHistogram,
    LossMetrics,
    OutputActivation,
    OutputHistogram,
    OutputNorm,
    ParameterGradientGeometry,
    ParameterNorm,
    ParameterUpdateRatio,
)

from .commanded import (
    TAGS,
    Answers,
    at,
    batches,
    check_same_history,
    done,
    inspected,
    net,
    plain,
    same,
    sgd,
    train,
    weights,
)

NORMS = ("Weight Norm", "Bias Norm")


def steps_of(inspector: PyTorchInspector, tag: str) -> list[int]:
    steps: list[int] = inspector.history[tag].steps.tolist()
    return steps


# ---------------------------------------------------------------------- each change takes effect at the next step

CHANGES: dict[str, Callable[[PyTorchInspector], object]] = {
    "add": lambda inspector: inspector.add(ParameterNorm()),
    "add an expensive one": lambda inspector: inspector.add(ParameterUpdateRatio()),
    "watch": lambda inspector: inspector.watch(lambda parameter, gradient: gradient.norm(), "mine"),
    "budget": lambda inspector: inspector.set(max_overhead=0.5),
    "every": lambda inspector: inspector.set(every=1),
    "log_every_n_steps": lambda inspector: inspector.set(log_every_n_steps=3),
    "refresh_rate": lambda inspector: inspector.set(refresh_rate=30),
    "collect all": lambda inspector: inspector.set(collect=["*"]),
    "depth": lambda inspector: inspector.set(depth=1),
    "the whole of a lens": lambda inspector: inspector.lenses[2].set(warning_plot=False),
    "remove": lambda inspector: inspector.remove("Output Activations"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_lenses_read_on_as_if_nothing_had_happened(change: Callable[[PyTorchInspector], object]) -> None:
    def lenses() -> list[Any]:
        return [
            OutputNorm(),
            ParameterGradientGeometry(parameters="weight", compute_correlation=True),
            OutputActivation(),
        ]

    model, untold = net(), net()
    inspector, silent = inspected(model, lenses()), inspected(untold, lenses())
    train(model, batches(8), at(4, lambda: change(inspector)))
    train(untold, batches(8))
    assert same(weights(model), plain(8))
    check_same_history(inspector, silent, TAGS)
    assert [(step, record) for record, step in done(inspector)] == [(4, inspector.history.commands[0].name)]
    [event] = [event for event in inspector.status().events if event.kind == "command"]
    assert event.step == 4 and event.words[0].isupper() and event.words.endswith(".")


def test_a_lens_that_is_added_reads_from_the_next_step_on() -> None:
    model = net()
    inspector = inspected(model)
    train(model, batches(6), at(2, lambda: inspector.add(ParameterNorm())))
    assert steps_of(inspector, "Weight Norm") == [2, 3, 4, 5]
    assert [spec.tag for spec in inspector.specs][-2:] == list(NORMS)


def test_a_lens_that_is_removed_reads_no_more_and_keeps_what_it_has() -> None:
    model = net()
    inspector = inspected(model)
    train(model, batches(6), at(4, lambda: inspector.remove("Weight Gradient Correlation")))
    assert steps_of(inspector, "Weight Gradient Norm") == [0, 1, 2, 3]
    assert [spec.tag for spec in inspector.specs] == ["Output Norm"]
    assert "Weight Gradient Norm" in inspector.history.tags
    inspector.add(ParameterGradientGeometry(parameters="weight", compute_correlation=True))
    train(model, batches(2))
    assert steps_of(inspector, "Weight Gradient Norm") == [0, 1, 2, 3, 6, 7]


def test_a_lens_that_is_removed_lets_go_of_its_memory_and_its_hooks() -> None:
    model = net()
    lens = ParameterUpdateRatio()
    inspector = inspected(model, [OutputNorm(), lens])
    hooks = len(inspector.state.hooks)
    train(model, batches(3))
    tag = lens.specs[0].tag
    inspector.remove(tag)
    train(model, batches(1))
    assert lens.memory_bytes == 0 and len(inspector.state.hooks) <= hooks
    alive = weakref.ref(lens)
    del lens
    gc.collect()
    assert alive() is None
    inspector.remove("Output Norm")
    train(model, batches(1))
    assert not any(module._forward_hooks for module in model.modules())
    inspector.detach()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_lens_is_changed_and_its_series_goes_on() -> None:
    model = net()
    lens = OutputNorm()
    inspector = inspected(model, [lens])
    train(model, batches(6), at(3, lambda: lens.set(normalize_by_size=True)))
    values = inspector.history["Output Norm"].values
    reference = inspected(other := net(), [OutputNorm()])
    train(other, batches(6))
    usual = reference.history["Output Norm"].values
    np.testing.assert_array_equal(values[:3], usual[:3])
    sizes = np.sqrt([4, 4, 2])
    np.testing.assert_allclose(values[3:] * sizes, usual[3:], rtol=1e-5)
    assert inspector.lenses == [lens] and lens.specs[0].unit == "RMS"
    assert inspector.history.commands[-1].words == "OutputNorm: normalize_by_size=True"
    lens.set(include=[nn.Tanh])
    train(model, batches(2), optimizer=sgd(model))
    newest = inspector.history["Output Norm"].values[-1]
    assert np.isfinite(newest).tolist() == [False, True, False]


def test_modules_are_chosen_by_name_and_all_come_back() -> None:
    model = net()
    inspector = inspected(model)

    def between(step: int) -> None:
        if step in (2, 4):
            inspector.set(collect="2" if step == 2 else None)

    train(model, batches(6), between)
    read = np.isfinite(inspector.history["Output Norm"].values)
    assert read.tolist() == [[True] * 3] * 2 + [[False, False, True]] * 2 + [[True] * 3] * 2
    assert inspector.history["Output Norm"].modules == ["0", "1", "2"]
    assert [record.words for record in inspector.history.commands] == ["collecting 2", "collecting all modules"]


def test_a_module_that_is_not_collected_says_so() -> None:
    model = net()
    inspector = inspected(model)
    train(model, batches(4), at(1, lambda: inspector.set(collect=["0", "1"])))
    assert inspector.status().instrument.collected == ("0", "1")
    assert [info.name for info in inspector.status().unwatched] == ["2"]


def test_another_depth_reads_other_modules() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), nn.Linear(4, 2))
    inspector = inspected(model)
    train(model, batches(4), at(2, lambda: inspector.set(depth=1)))
    series = inspector.history["Output Norm"]
    read = {name: np.isfinite(series.values[:, i]).tolist() for i, name in enumerate(series.modules)}
    late, early = [False] * 2 + [True] * 2, [True] * 2 + [False] * 2
    assert read == {"0": late, "0.0": early, "0.1": early, "1": [True] * 4}


def test_strides_are_changed_for_all_and_for_one() -> None:
    model = net()
    inspector = inspected(model, [OutputNorm(), ParameterNorm()])

    def between(step: int) -> None:
        if step == 2:
            inspector.set(every=3)
        if step == 8:
            inspector.command({"name": "every", "arguments": {"every": 2, "tag": "Weight Norm"}, "number": "1"})

    train(model, batches(14), between)
    assert steps_of(inspector, "Output Norm")[:3] == [0, 1, 2]
    assert set(np.diff(steps_of(inspector, "Output Norm")[2:])) == {3}
    late = [step for step in steps_of(inspector, "Weight Norm") if step >= 8]
    assert late == [8, 10, 12] and inspector.status().instrument.every == 3


def test_an_epoch_that_is_not_watched_stays_so() -> None:
    model = net()
    inspector = inspected(model, is_active_fn=2)
    optimizer = sgd(model)
    for epoch in range(4):
        added = ParameterNorm()
        train(model, batches(3), at(1, *([lambda lens=added: inspector.add(lens)] if epoch == 0 else [])), optimizer)
        inspector.tick_epoch()
    assert steps_of(inspector, "Output Norm") == steps_of(inspector, "Weight Norm") == [3, 4, 5, 9, 10, 11]
    assert list(inspector.history["Weight Norm"].epochs) == [2, 4]


# ---------------------------------------------------------------------- refusals leave everything as it was


class Picky(OutputNorm):
    """Raises what no one expects."""

    def __init__(self, wish: str = "fine") -> None:
        self._SMALL_TAG_NAME = "Picky"
        if wish != "fine":
            raise OSError("no such wish")
        super().__init__()


class Plain(OutputNorm):
    """Has no arguments."""

    _SMALL_TAG_NAME = "Plain"

    def __init__(self) -> None:
        super().__init__()


REFUSED: dict[str, Callable[[PyTorchInspector], object]] = {
    "a tag that is taken": lambda inspector: inspector.add(OutputNorm()),
    "no lens": lambda inspector: inspector.add(5),  # type: ignore[arg-type]
    "the class of a lens": lambda inspector: inspector.add(ParameterNorm),  # type: ignore[arg-type]
    "the same lens": lambda inspector: inspector.add(inspector.lenses[0]),
    "a tag that is not there": lambda inspector: inspector.remove("Outpt Norm"),
    "the name of a lens": lambda inspector: inspector.watch(lambda p, g: 0.0, "Output Norm"),
    "no function": lambda inspector: inspector.watch(5),  # type: ignore[arg-type]
    "a constructor that raises": lambda inspector: inspector._ask(
        "set", lens=inspector.lenses[2], changes={"wish": "a lot"}
    ),
    "an argument that it lacks": lambda inspector: inspector._ask("set", lens=inspector.lenses[3], changes={"x": 1}),
}


@pytest.mark.parametrize("ask", REFUSED.values(), ids=REFUSED)
def test_a_refusal_leaves_everything_as_it_was(ask: Callable[[PyTorchInspector], object]) -> None:
    def made(model: nn.Module) -> PyTorchInspector:
        correlated = ParameterGradientGeometry(parameters="weight", compute_correlation=True)
        return inspected(model, [OutputNorm(), correlated, Picky(), Plain()])

    model, untold = net(), net()
    inspector, silent = made(model), made(untold)
    before, state = list(inspector.lenses), [dict(vars(lens)) for lens in inspector.lenses]
    with pytest.raises((ArgumentError, ArgumentTypeError)):
        ask(inspector)
    with pytest.warns(MonitorchWarning, match="was refused"):
        train(model, batches(6), at(3, lambda: ask(inspector)))
    train(untold, batches(6))
    assert inspector.lenses == before and [vars(lens).keys() for lens in before] == [kept.keys() for kept in state]
    check_same_history(inspector, silent, (*TAGS, "Picky", "Plain"))
    assert [record.refused for record in inspector.history.commands] == [True, True]
    assert not inspector.status().events and not inspector.status().faults


def test_of_several_settings_either_all_are_taken_or_none() -> None:
    inspector = inspected(net())
    for wrong in (
        {"depth": "x"},
        {"collect": 5},
        {"every": {"Nothing": 2}},
        {"max_overhead": float("nan")},
        {"refresh_rate": 0},
        {"max_queue": 5},
    ):
        with pytest.raises((ArgumentError, ArgumentTypeError), match="expected"):
            inspector.set(log_every_n_steps=2, **wrong)
    with pytest.raises(ArgumentError, match="Did you mean 'max_overhead'"):
        inspector.set(depth=0, max_overhed=0.1)
    with pytest.raises(ArgumentError, match="expected max_overhead to be a fraction"):
        inspector.set(depth=0, max_overhead=5)
    assert inspector.depth == -1 and inspector.log_every_n_steps == 50 and not inspector.history.commands


def test_a_constructor_that_raises_is_told_to_who_sets_it() -> None:
    lens = Picky()
    inspector = inspected(net(), [lens])
    with pytest.raises(OSError, match="no such wish"):
        lens.set(wish="a lot")
    assert inspector.lenses == [lens] and lens.specs[0].tag == "Picky"


# ---------------------------------------------------------------------- faults and lenses of one's own


def test_a_lens_that_was_muted_is_forgiven_when_it_is_changed() -> None:
    model, wrong = net(), [True]
    lens = Expression(lambda module, input, output: 1 / 0 if wrong[0] else 1.0, "mine")
    inspector = inspected(model, [lens], strict=False)
    with pytest.warns(LensFault):
        train(model, batches(2))
    wrong[0] = False
    inspector._cell_ended()
    lens.set(log_scale=True)
    assert not inspector.status().faults
    train(model, batches(2))
    assert steps_of(inspector, "mine") == [2, 3] and inspector.status().state == "live"


def test_a_lens_that_was_muted_can_be_removed() -> None:
    model = net()
    inspector = inspected(model, [OutputNorm(), Expression(lambda m, i, o: 1 / 0, "mine")], strict=False)
    with pytest.warns(LensFault):
        train(model, batches(2))
    inspector._cell_ended()
    inspector.remove("mine")
    assert not inspector.status().faults and train(model, batches(2)) == 2


def test_lenses_of_ones_own_are_described_and_removed_like_others() -> None:
    model, answers = net(), Answers()
    inspector = inspected(model, [Plain(), Picky("fine")], visualizer=answers)
    assert [(lens.name, lens.tags) for lens in inspector.status().instrument.lenses] == [
        ("Plain", ("Plain",)),
        ("Picky", ("Picky",)),
    ]
    assert inspector.status().instrument.lenses[0].settings == ()
    train(model, batches(3), at(2, lambda: inspector.remove("Plain")))
    assert steps_of(inspector, "Plain") == [0, 1] and steps_of(inspector, "Picky") == [0, 1, 2]


def test_the_instrument_is_told_as_it_is() -> None:
    model = net()
    inspector = inspected(model, max_overhead=0.1, control=True)
    inspector.register("mine", lambda parameter, gradient: 0.0)
    inspector.allow_text()
    inspector.set(log_every_n_steps=5, depth=2)
    now = inspector.status().instrument
    assert (now.depth, now.every, now.max_overhead, now.log_every_n_steps) == (2, 1, 0.1, 5)
    assert now.expressions == ("mine",) and now.text and now.nudges and now.collected is None
    assert now.types == ("Linear", "Sequential", "Tanh")
    assert "ParameterNorm" in [lens.name for lens in now.offered] and not any(lens.tags for lens in now.offered)
    with pytest.raises(ArgumentTypeError, match="expected allow to be True or False"):
        inspector.allow_text("yes")  # type: ignore[arg-type]


# ---------------------------------------------------------------------- log_every_n_steps


def losses(inspector: PyTorchInspector, name: str = "train_loss", tag: str = "Loss") -> list[int]:
    series = inspector.history[tag]
    found: list[int] = series.steps[np.isfinite(series.values[:, series.modules.index(name)])].tolist()
    return found


@pytest.mark.parametrize("pushed", [True, False], ids=["pushed", "of a loss module"])
def test_B02_losses_are_read_at_every_step_whatever_it_says(pushed: bool) -> None:
    model, loss_fn = net(), nn.MSELoss()
    inspector = inspected(model, [LossMetrics(loss_fn=None if pushed else loss_fn)])
    inspector.set(log_every_n_steps=3)
    optimizer = sgd(model)
    for x in batches(7):
        optimizer.zero_grad()
        loss = loss_fn(model(x), torch.zeros(5, 2))
        if pushed:
            inspector.push_loss(loss.item(), train=True)
            inspector.push_metric("each", 1.0)
        loss.backward()
        optimizer.step()
    assert losses(inspector) == list(range(7))
    assert not pushed or losses(inspector, "each", "Metrics") == list(range(7))


def histograms(inspector: PyTorchInspector, key: str = "histogram/output/0") -> list[int]:
    assert inspector.history is not None
    steps: list[int] = inspector.cards[key].content["map"]["steps"]
    return steps


def test_B02_what_is_heavy_is_read_at_every_50th_step_and_changed_live() -> None:
    model = net()
    inspector = inspected(model, [OutputHistogram(), OutputNorm()])
    assert inspector.log_every_n_steps == inspector.status().instrument.log_every_n_steps == 50
    train(model, batches(101), at(60, lambda: inspector.set(log_every_n_steps=10)))
    assert histograms(inspector) == [0, 50, 60, 70, 80, 90, 100]
    assert steps_of(inspector, "Output Norm") == list(range(101))


def test_B02_it_can_be_given_at_the_start() -> None:
    model = net()
    inspector = inspected(model, [OutputHistogram()], log_every_n_steps=10)
    train(model, batches(21))
    assert histograms(inspector) == [0, 10, 20]


def test_B02_the_page_changes_it_too_and_a_lens_of_its_own_stride_keeps_it() -> None:
    model = net()
    lenses = [OutputHistogram(), InputHistogram(every=4)]
    inspector = inspected(model, lenses)
    train(model, batches(1))
    inspector.command({"name": "log_every", "arguments": {"steps": 3}, "number": "1"})
    train(model, batches(9))
    assert list(np.diff(histograms(inspector)[1:])) == [3, 3]
    assert histograms(inspector, "histogram/input/0") == [0, 4, 8]


def test_B02_a_lens_that_comes_later_keeps_to_it_and_so_does_a_changed_one() -> None:
    model = net()
    inspector = inspected(model, [OutputNorm()])
    inspector.set(log_every_n_steps=2)
    lens = OutputHistogram()
    inspector.add(lens)
    train(model, batches(3))
    assert histograms(inspector) == [0, 2]
    lens.set(bins=8)
    train(model, batches(3))
    assert histograms(inspector) == [4] and inspector.cards["histogram/output/0"].content["map"]["bins"] == 8
    inspector.remove("OutputHistogram")
    train(model, batches(3))
    assert histograms(inspector) == [4]
