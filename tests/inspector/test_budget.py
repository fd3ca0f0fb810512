"""The budget: what is added stays below it, whatever the model and the lenses, and readings keep their steps."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from monitorch_widgets import ArgumentError, ArgumentTypeError, PyTorchInspector
from monitorch_widgets.inspector.plan import strides
from monitorch_widgets.lens import (
    InputHistogram,
    LossMetrics,
    OutputActivation,
    OutputGradientGeometry,
    OutputHistogram,
    OutputNorm,
    ParameterCond,
    ParameterGradientGeometry,
)

from .clockwork import Clockwork, Costly, clockwork, read, run

__all__ = ["clockwork"]

MS = 1e-3


# ---------------------------------------------------------------------- what is added


@pytest.mark.parametrize("takes_s", [0.5 * MS, 2.0])
@pytest.mark.parametrize("cost", [0.01, 0.5, 5.0])
def test_what_is_added_stays_below_the_budget(clockwork: Clockwork, takes_s: float, cost: float) -> None:
    training = run(clockwork, [Costly(clockwork, takes_s * cost)], takes_s)
    training.steps(600)
    assert training.steps(2000) <= 0.05
    assert read(training.inspector)  # and something is read


def test_a_lens_that_costs_next_to_nothing_listens_to_every_step(clockwork: Clockwork) -> None:
    training = run(clockwork, [Costly(clockwork, 0.01 * MS)], 10 * MS)
    training.steps(400)
    assert read(training.inspector)[-300:] == list(range(100, 400))


def test_it_starts_careful(clockwork: Clockwork) -> None:
    training = run(clockwork, [Costly(clockwork, 1000 * MS)], 10 * MS)
    training.steps(200)
    assert read(training.inspector) == [0]  # and not again before what that took is saved up


def test_the_first_readings_come_early(clockwork: Clockwork) -> None:
    training = run(clockwork, [Costly(clockwork, 1 * MS)], 1 * MS)
    training.steps(200)
    assert len(read(training.inspector)) >= 12
    assert training.steps(1000) <= 0.05


@pytest.mark.parametrize("fraction", [0.01, 0.05, 0.3])
def test_a_larger_budget_reads_more(clockwork: Clockwork, fraction: float) -> None:
    training = run(clockwork, [Costly(clockwork, 10 * MS)], 10 * MS, max_overhead=fraction)
    training.steps(1000)
    added = training.steps(2000)
    assert fraction / 3 <= added <= fraction


def test_each_lens_has_a_stride_of_its_own(clockwork: Clockwork) -> None:
    lenses = [Costly(clockwork, 0.05 * MS, "Cheap"), Costly(clockwork, 20 * MS, "Dear")]
    training = run(clockwork, lenses, 10 * MS)
    training.steps(3000)
    cheap, dear, *_ = training.inspector.overhead.costs
    assert cheap.every_steps == 1 and dear.every_steps >= 32
    assert dear.once_s == pytest.approx(20 * MS, rel=0.1)


def test_it_follows_a_batch_that_became_smaller(clockwork: Clockwork) -> None:
    training = run(clockwork, [Costly(clockwork, 10 * MS)], 20 * MS)
    training.steps(2000)
    training.model.takes_s = 2 * MS
    training.steps(1000)  # in which it learns of it
    assert training.steps(4000) <= 0.05


def test_it_follows_a_lens_that_became_cheaper(clockwork: Clockwork) -> None:
    lens = Costly(clockwork, 40 * MS)
    training = run(clockwork, [lens], 10 * MS)
    training.steps(4000)
    before = training.inspector.overhead.costs[0].every_steps
    lens.takes_s = 0.1 * MS
    training.steps(4000)
    assert training.inspector.overhead.costs[0].every_steps == 1 < before


def test_what_is_hidden_counts_as_well(clockwork: Clockwork) -> None:
    """Steps with hooks take longer than our own code: on a GPU, or where torch goes a longer way."""
    training = run(clockwork, [Costly(clockwork, 4 * MS)], 10 * MS, hidden_s=8 * MS)
    training.steps(1000)
    assert training.steps(2000) <= 0.05
    assert training.inspector.overhead.fraction == pytest.approx(0.04, abs=0.012)


def test_an_evaluation_between_steps_gives_nothing_to_spend(clockwork: Clockwork) -> None:
    training = run(clockwork, [Costly(clockwork, 10 * MS)], 10 * MS)
    training.steps(1000)
    added = training.steps(2000, between=lambda: None)
    clockwork.pass_(3600.0)  # an hour of evaluation, or of sleep
    assert training.steps(1000) <= 0.055
    assert added <= 0.05


# ---------------------------------------------------------------------- what it says


def test_it_says_what_it_costs(clockwork: Clockwork) -> None:
    training = run(clockwork, [Costly(clockwork, 10 * MS)], 10 * MS)
    training.steps(3000)
    told = training.inspector.overhead
    assert told.fraction == pytest.approx(training.steps(2000), abs=0.01)
    assert told.max_fraction == 0.05
    assert told.every_steps == (told.costs[0].every_steps,) * 2
    assert [cost.name for cost in told.costs] == ["Costly", "hooks", "transfer and history", "page"]
    assert sum(cost.fraction for cost in told.costs) == pytest.approx(told.fraction)
    assert training.inspector.status().overhead == training.inspector.overhead


def test_before_the_first_steps_it_says_nothing() -> None:
    told = PyTorchInspector([OutputNorm()], module=nn.Linear(2, 2), visualizer="dummy").overhead
    assert math.isnan(told.fraction) and all(math.isnan(cost.fraction) for cost in told.costs)


def test_a_fixed_stride_has_no_budget(clockwork: Clockwork) -> None:
    training = run(clockwork, [Costly(clockwork, 10 * MS)], 10 * MS, every=2)
    training.steps(500)
    assert training.inspector.overhead.max_fraction is None
    assert training.inspector.overhead.every_steps == (2, 2)
    assert training.inspector.overhead.fraction == pytest.approx(0.5, rel=0.05)


def test_B21_the_stride_that_is_told_is_that_of_lenses_without_one_of_their_own() -> None:
    model, loss_fn = nn.Linear(2, 2), nn.MSELoss()
    lenses = [LossMetrics(loss_fn=loss_fn), InputHistogram(every=25), OutputHistogram(), OutputNorm()]
    inspector = PyTorchInspector(lenses, module=model, visualizer="dummy", every=8, log_every_n_steps=50, strict=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    for _ in range(60):
        loss_fn(model(torch.ones(3, 2)), torch.zeros(3, 2)).backward()
        optimizer.step()
    assert inspector.overhead.every_steps == (8, 8)
    assert [cost.every_steps for cost in inspector.overhead.costs[:4]] == [1, 25, 50, 8]
    told = [inspector.cards[f"histogram/{side}/Linear"].content.get("own_every") for side in ("input", "output")]
    assert told == [25, None]


# ---------------------------------------------------------------------- strides that are set


@pytest.mark.parametrize(
    ("own", "every", "expected"),
    [
        (None, 1, list(range(12))),
        (None, 4, [0, 4, 8]),
        (5, 1, [0, 5, 10]),
        (5, "auto", [0, 5, 10]),
        (None, {"Output Norm": 6}, [0, 6]),
    ],
)
def test_readings_keep_their_steps(own: int | None, every: object, expected: list[int]) -> None:
    training = run(Clockwork(), [OutputNorm(every=own)], every=every)
    training.steps(12)
    assert read(training.inspector, "Output Norm") == expected


def test_correlations_listen_to_pairs() -> None:
    lens = ParameterGradientGeometry(parameters="weight")
    training = run(Clockwork(), [lens], every=5)
    training.steps(12)
    history = training.inspector.history
    assert history["Weight Gradient Norm"].steps.tolist() == [0, 1, 5, 6, 10, 11]
    cosines = history["Weight Gradient Correlation"].values[:, 0]
    assert [math.isnan(cosine) for cosine in cosines] == [True, False] * 3  # the first of a pair has no neighbour
    assert cosines[1::2] == pytest.approx([1.0] * 3)


def test_without_correlations_one_step_is_enough() -> None:
    training = run(Clockwork(), [ParameterGradientGeometry(parameters="weight", compute_correlation=False)], every=5)
    training.steps(12)
    assert training.inspector.history["Weight Gradient Norm"].steps.tolist() == [0, 5, 10]


def test_optimizers_that_take_turns_are_both_read() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    inspector = PyTorchInspector(
        [ParameterGradientGeometry(parameters="weight", compute_correlation=False)],
        module=model, visualizer="dummy", every=4, strict=True,
    )  # fmt: skip
    optimizers = [torch.optim.SGD(part.parameters(), lr=0.1) for part in model]
    for step in range(64):
        optimizers[step % 2].zero_grad()
        model(torch.ones(1, 2)).sum().backward()
        optimizers[step % 2].step()
    values = inspector.history["Weight Gradient Norm"].values[8:]
    assert (values == values).any(axis=0).tolist() == [True, True]


def test_losses_are_read_at_every_step() -> None:
    loss_fn, model = nn.MSELoss(), nn.Linear(2, 2)
    inspector = PyTorchInspector(
        [LossMetrics(loss_fn=loss_fn), OutputNorm()], module=model, visualizer="dummy", every=7, strict=True
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        loss_fn(model(torch.ones(1, 2)), torch.zeros(1, 2)).backward()
        optimizer.step()
    with torch.no_grad():
        loss_fn(model(torch.ones(1, 2)), torch.zeros(1, 2))
    losses = inspector.history["Loss"]
    assert losses.steps.tolist() == list(range(20))
    assert losses.values[-1, 1] == losses.values[-1, 1]  # of validation, which comes at no step of anybody


def test_evaluation_between_steps_that_nobody_follows_is_read() -> None:
    training = run(Clockwork(), [OutputNorm(record_eval=True), OutputActivation()], every=4)
    training.steps(2)
    model, hooks = training.model.eval(), training.inspector.state.hooks
    for _ in range(6):
        model(torch.full((1, 2), 5.0))
    assert not hooks.listening and not model.layer._forward_hooks
    model.train()
    training.steps(3)
    model.eval()(torch.ones(1, 2))  # and the first pass of the next one
    model.train()
    norms, rates = (training.inspector.history[tag] for tag in ("Output Norm", "Output Activations"))
    assert (
        norms.steps.tolist() == [0, 1, 4] and norms.values[1, 0] > norms.values[2, 0] and rates.steps.tolist() == [0, 4]
    )


def test_an_evaluation_that_raises_leaves_no_hook() -> None:
    training = run(Clockwork(), [OutputNorm(record_eval=True)], every=4)
    training.steps(2)
    with pytest.raises(RuntimeError):
        training.model.eval()(torch.ones(1, 3))
    training.model.train()
    training.steps(1)
    assert not training.model.layer._forward_hooks


def test_an_epoch_that_is_not_watched_has_no_hooks() -> None:
    training = run(Clockwork(), [OutputNorm()], every=1, is_active_fn=2)
    hooks = training.inspector.state.hooks
    training.steps(3)
    assert not training.model.layer._forward_hooks and not hooks.listening
    training.inspector.tick_epoch()
    assert training.model.layer._forward_hooks
    training.steps(2)
    training.inspector.tick_epoch()
    training.steps(2)
    assert read(training.inspector, "Output Norm") == [3, 4]


@pytest.mark.parametrize(
    ("every", "error", "words"),
    [
        ({"Output Nrom": 2}, ArgumentError, "Output Norm"),
        ({"Output Norm": 0}, ArgumentError, "at least 1"),
        ({"Output Norm": 1.5}, ArgumentTypeError, r"\] to be an integer of at least 1; received 1\.5"),
        ({"Output Norm": "auto"}, ArgumentTypeError, "leave the tag out for 'auto'"),
        ("often", ArgumentError, "'auto'"),
        (1.5, ArgumentTypeError, r"an integer of at least 1; received 1\.5\. Use 'auto' or 1"),
    ],
)
def test_a_wrong_stride_raises_at_once(every: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        PyTorchInspector([OutputNorm()], every=every, visualizer="dummy")


@pytest.mark.parametrize("lens", [OutputNorm, OutputActivation, OutputGradientGeometry, ParameterCond])
def test_a_wrong_stride_of_a_lens_raises_at_once(lens: type) -> None:
    with pytest.raises(ArgumentError, match="at least 1"):
        lens(every=0)


# ---------------------------------------------------------------------- the plan


def test_what_the_cheap_do_not_need_goes_to_the_dear() -> None:
    assert strides([1.0, 1.0], allowed_s=1.0) == [2, 2]
    assert strides([0.0, 1.0], allowed_s=1.0) == [1, 1]


@pytest.mark.parametrize("allowed_s", [0.0, -1.0, 1e-12])
def test_with_nothing_to_spend_lenses_listen_hardly_ever(allowed_s: float) -> None:
    assert min(strides([1.0, 2.0], allowed_s)) >= 1 << 16


def test_nothing_is_compared_across_an_epoch_that_is_not_read() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    inspector = PyTorchInspector(
        [ParameterGradientGeometry(parameters="weight", compute_correlation=True)],
        module=model,
        visualizer="dummy",
        every=1,
        is_active_fn=2,
        strict=True,
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(4):
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.randn(5, 3)).square().mean().backward()
            optimizer.step()
        inspector.tick_epoch()
    series = inspector.history["Weight Gradient Correlation"]
    found = dict(zip(series.steps.tolist(), series.values[:, 0].tolist(), strict=True))
    norms = inspector.history["Weight Gradient Norm"].steps.tolist()
    firsts = [step for step in norms if step - 1 not in norms]
    assert len(firsts) == 2 and all(math.isnan(found.get(step, math.nan)) for step in firsts)
    assert sum(not math.isnan(value) for value in found.values()) == len(norms) - 2
