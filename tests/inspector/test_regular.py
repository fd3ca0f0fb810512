"""Every lens is heard regularly within the budget, whatever the loop does beside, and whatever others cost."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from monitorch_widgets import ArgumentError, LensFault, PyTorchInspector
from monitorch_widgets.inspector.turns import Cycle, Turn
from monitorch_widgets.lens import LossMetrics, OutputNorm, ParameterCond, ParameterGradientGeometry
from monitorch_widgets.preprocessor import Ear

from .clockwork import Clockwork, Costly, Run, clockwork, read, run

__all__ = ["clockwork"]

MS = 1e-3


def gaps(steps: list[int]) -> list[int]:
    return [after - before for before, after in pairwise(steps)]


# ---------------------------------------------------------------------- nothing silences a lens


def with_slow_page(clockwork: Clockwork, takes_s: float, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose page takes a tenth of the time, which no plan can change."""
    training = run(clockwork, [Costly(clockwork, 2 * MS), Costly(clockwork, 2 * MS, "Other", pairs=True)], takes_s)
    monkeypatch.setattr(training.inspector.visualizer, "refresh", lambda: clockwork.pass_(0.1))
    return training


@pytest.mark.parametrize("takes_s", [0.2 * MS, 1 * MS, 10 * MS])
def test_lenses_are_heard_where_all_else_takes_more_than_the_budget(
    clockwork: Clockwork, takes_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = with_slow_page(clockwork, takes_s, monkeypatch)
    training.steps(int(4 / takes_s))
    added = training.steps(int(4 / takes_s))
    late = [step for step in read(training.inspector) if step > 4 / takes_s]
    other = [step for step in read(training.inspector, "Other") if step > 4 / takes_s]
    assert len(late) >= 2 and len(other) >= 2
    assert added <= 0.1 + 0.02  # of which the lenses have a fifth of the budget


def test_what_a_fixed_lens_takes_is_not_taken_from_the_others(clockwork: Clockwork) -> None:
    training = run(clockwork, [Costly(clockwork, 5 * MS, "Fixed", every=1), Costly(clockwork, 2 * MS)], 10 * MS)
    training.steps(1000)
    assert len(read(training.inspector)) > 100
    assert read(training.inspector, "Fixed") == list(range(1000))


def test_two_optimizers_of_one_iteration_let_lenses_be_heard(clockwork: Clockwork) -> None:
    """The second one steps right after the first: its step takes no time."""
    training = run(clockwork, [Costly(clockwork, 5 * MS)], 10 * MS)
    second = torch.optim.SGD(training.model.parameters(), lr=0.0)
    training.steps(600, between=second.step)
    added = training.steps(600, between=second.step)
    assert added <= 0.05
    assert len(read(training.inspector)) > 24


def test_an_optimizer_that_steps_rarely_takes_no_turns() -> None:
    cycle, often, rarely = Cycle(), object(), object()
    for step in range(63):
        cycle.saw(rarely if step % 21 == 20 else often, step)
    assert cycle.steps <= 2


def test_a_batch_that_became_much_larger_is_noticed(clockwork: Clockwork) -> None:
    training = run(clockwork, [Costly(clockwork, 4 * MS)], 2 * MS)
    training.steps(2000)
    training.model.takes_s = 200 * MS
    training.steps(200)
    before = len(read(training.inspector))
    training.steps(100)
    assert len(read(training.inspector)) - before > 60


def test_attached_again_it_listens_as_before(clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch) -> None:
    training = run(clockwork, [Costly(clockwork, 2 * MS)], 10 * MS)
    monkeypatch.setattr(training.inspector.visualizer, "refresh", lambda: clockwork.pass_(1 * MS))
    training.steps(5000)
    every = training.inspector.overhead.costs[0].every_steps
    training.inspector.attach(training.model)
    training.steps(300)
    assert training.inspector.overhead.costs[0].every_steps == pytest.approx(every, rel=0.5)


# ---------------------------------------------------------------------- what a lens costs


class Watchful(OutputNorm):
    """A lens that takes a known time for each forward pass that it reads."""

    def __init__(self, clockwork: Clockwork, takes_s: float) -> None:
        super().__init__(record_eval=True)
        measure = self._forward.process_fw

        def slow(*args: Any) -> None:
            clockwork.pass_(takes_s)
            measure(*args)

        self._forward.process_fw = slow  # type: ignore[method-assign]


def test_an_evaluation_is_not_the_price_of_a_step(clockwork: Clockwork) -> None:
    training = run(clockwork, [Watchful(clockwork, 0.1 * MS), Costly(clockwork, 1 * MS)], 10 * MS)
    for _ in range(20):
        training.steps(30)
        training.model.eval()
        with torch.no_grad():
            for _ in range(50):
                training.model(torch.ones(1, 2))
        training.model.train()
    each_s = training.inspector.overhead.costs
    assert each_s[0].once_s == pytest.approx(0.1 * MS, rel=0.2)
    assert each_s[1].once_s == pytest.approx(1 * MS, rel=0.2)


def test_what_the_loop_does_at_some_steps_is_not_taken_for_ours(clockwork: Clockwork) -> None:
    training = run(clockwork, [Costly(clockwork, 4 * MS)], 10 * MS)
    for step in range(3000):
        clockwork.pass_(15 * MS if step % 16 == 0 else 0)
        training.steps(1)
    assert training.inspector._schedule.meter.hidden < 0.5
    assert read(training.inspector)[0] == 0 and len({step % 16 for step in read(training.inspector)}) == 16


def test_the_end_of_an_epoch_is_in_the_figure(clockwork: Clockwork) -> None:
    class Slow(OutputNorm):
        def finalize_epoch(self) -> None:
            clockwork.pass_(10 * MS)
            super().finalize_epoch()

    training = run(clockwork, [Slow(every=1000)], 10 * MS)
    for _ in range(50):
        training.steps(10)
        training.inspector.tick_epoch()
    assert training.inspector.overhead.fraction == pytest.approx(0.1, abs=0.01)


def test_condition_numbers_keep_to_the_budget(clockwork: Clockwork) -> None:
    class Cond(Costly):
        least_stride = ParameterCond.least_stride

    assert ParameterCond().every is None
    training = run(clockwork, [Cond(clockwork, 50 * MS), Cond(clockwork, 0.001 * MS, "Light")], 10 * MS)
    training.steps(2000)
    assert training.steps(2000) <= 0.05
    assert min(gaps(read(training.inspector, "Light"))) >= 32
    again = run(clockwork, [Cond(clockwork, 50 * MS)], 10 * MS, every=1)
    again.steps(101)
    assert read(again.inspector) == [0, 50, 100]


# ---------------------------------------------------------------------- what hangs on the model


def test_without_lenses_nothing_hangs_on_the_model() -> None:
    for lenses in ([], [LossMetrics(loss_fn=nn.MSELoss())]):
        training = run(Clockwork(), lenses)
        training.steps(3)
        hooks = training.inspector.state.hooks
        assert not hooks.own.on and not training.model.layer._forward_hooks and not training.model._forward_hooks
        assert training.inspector.status().step == 3


@pytest.mark.parametrize("every", ["auto", 1])
def test_a_muted_lens_leaves_no_hooks(every: Any) -> None:
    class Broken(OutputNorm):
        def prepare(self, *args: Any) -> None:
            super().prepare(*args)
            args[0].hooks.before_step(self._raise)

        def _raise(self, optimizer: object) -> None:
            raise ValueError

    model = nn.Linear(2, 2)
    inspector = PyTorchInspector([Broken()], module=model, visualizer="dummy", every=every)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    with pytest.warns(LensFault):
        optimizer.step()
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    assert not model._forward_hooks and not inspector.state.hooks.listening


def test_two_models_that_share_a_loss_lose_none_at_steps_that_are_skipped() -> None:
    loss_fn, models = nn.MSELoss(), [nn.Linear(2, 2), nn.Linear(2, 2)]
    lenses = [[LossMetrics(loss_fn=loss_fn), OutputNorm()] for _ in models]
    inspectors = [
        PyTorchInspector(of_one, module=model, visualizer="dummy", every=10**6)
        for of_one, model in zip(lenses, models, strict=True)
    ]
    for _ in range(6):
        for model in models:
            loss_fn(model(torch.ones(1, 2)), torch.zeros(1, 2)).backward()
            torch.optim.SGD(model.parameters(), lr=0.1).step()
    assert [inspector.history["Loss"].rows for inspector in inspectors] == [6, 6]


# ---------------------------------------------------------------------- steps, pairs, seconds


def test_a_pair_is_never_torn_when_a_stride_grows() -> None:
    for every in range(8):
        turn = Turn(ParameterGradientGeometry(compute_correlation=True), Ear(), fixed=False, every=4)
        for step in range(200):
            if turn.due(step):
                turn.begin(step)
            heard = step < turn.until(cycle=1)
            turn.plan(2 ** ((step * 7 + every) % 5), step + 1)
            assert heard == (step in (turn.begun[-1], turn.begun[-1] + 1))
            assert turn.until(cycle=1) == turn.begun[-1] + 2


def test_lenses_of_large_strides_listen_when_those_of_small_ones_do(clockwork: Clockwork) -> None:
    lenses = [Costly(clockwork, 1.5 * MS, "Cheap"), Costly(clockwork, 12 * MS, "Dear")]
    training = run(clockwork, lenses, 10 * MS)
    training.steps(4000)
    cheap, dear = (read(training.inspector, tag)[-400:] for tag in ("Cheap", "Dear"))
    both = [step for step in dear if step > 1000]
    assert len(both) > 20 and sum(step in set(cheap) for step in both) > 0.7 * len(both)


def test_it_says_how_often_a_lens_was_heard(clockwork: Clockwork) -> None:
    training = run(clockwork, [Costly(clockwork, 3 * MS)], 10 * MS)
    training.steps(3000)
    said = training.inspector.overhead.costs[0].every_steps
    assert said == pytest.approx(np.mean(gaps(read(training.inspector)[-9:])), abs=1)


@pytest.mark.parametrize("every", [7, "auto"])
def test_seconds_of_steps_that_were_skipped_are_true(clockwork: Clockwork, every: Any) -> None:
    loss_fn = nn.MSELoss()
    training = run(clockwork, [LossMetrics(loss_fn=loss_fn), Costly(clockwork, 1 * MS)], 10 * MS, every=every)
    model, ends = training.model, []
    began = clockwork.now
    for step in range(200):
        clockwork.pass_(0.3 if step == 120 else 0.0)
        loss_fn(model(torch.ones(1, 2)), torch.zeros(1, 2)).backward()
        training.optimizer.step()
        ends.append(clockwork.now - began)
    seconds = training.inspector.history["Loss"].seconds
    assert np.abs(np.diff(seconds) - np.diff(ends)).max() < 1e-6


@pytest.mark.parametrize("every", [1, 8, 10**6])
@pytest.mark.parametrize("loss_fn", [None, nn.MSELoss()])
def test_what_is_pushed_gets_the_step_that_is_made(every: int, loss_fn: nn.Module | None) -> None:
    training = run(Clockwork(), [LossMetrics(loss_fn=loss_fn), OutputNorm()], every=every)
    inspector, model = training.inspector, training.model
    criterion = loss_fn or nn.MSELoss()
    for step in range(40):
        criterion(model(torch.ones(1, 2)), torch.zeros(1, 2)).backward()
        if step % 10 == 5:
            inspector.push_metric("before", step)
        training.optimizer.step()
        if step % 10 == 9:
            inspector.push_metric("after", step)
            with torch.no_grad():
                model.eval()(torch.ones(1, 2))
            inspector.push_metric("before", -step)
            model.train()
    values = inspector.history["Metrics"]
    assert values.steps.tolist() == [5, 9, 15, 19, 25, 29, 35, 39]


@pytest.mark.parametrize("loss_fn", [None, nn.MSELoss()])
def test_an_evaluation_at_a_step_that_is_skipped_is_told(loss_fn: nn.Module | None) -> None:
    training = run(Clockwork(), [LossMetrics(loss_fn=loss_fn), OutputNorm()], every=50)
    training.steps(3)
    assert training.inspector.status().phase == "train"
    with torch.no_grad():
        (loss_fn or nn.MSELoss())(training.model.eval()(torch.ones(1, 2)), torch.zeros(1, 2))
    assert training.inspector.status().phase == "eval"
    training.model.train()
    training.steps(1)
    assert training.inspector.status().phase == "train"


# ---------------------------------------------------------------------- what the user says


def test_a_function_of_the_epoch_that_raises_stops_nothing() -> None:
    def fails(epoch: int) -> bool:
        raise KeyError(epoch)

    with pytest.warns(LensFault, match="is_active_fn"):
        training = run(Clockwork(), [OutputNorm()], every=1, is_active_fn=fails, strict=False)
    training.steps(2)
    training.inspector.tick_epoch()  # without a second warning: it would be an error here
    training.steps(2)
    assert read(training.inspector, "Output Norm") == [0, 1, 2, 3]


def test_a_function_of_the_epoch_that_raises_is_raised_in_strict_mode() -> None:
    with pytest.raises(ZeroDivisionError):
        run(Clockwork(), [OutputNorm()], is_active_fn=lambda epoch: 1 / 0)


@pytest.mark.parametrize(
    ("every", "words"),
    [
        ({"Loss": 10}, "losses are read at every step"),
        ({"Weight Gradient Norm": 4, "Weight Gradient Correlation": 10}, "one stride for ParameterGradientGeometry"),
        ("Auto", "Use 'auto'"),
    ],
)
def test_what_would_be_dropped_silently_raises(every: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        PyTorchInspector([LossMetrics(), ParameterGradientGeometry()], every=every, visualizer="dummy")


def test_an_integer_of_numpy_is_a_stride() -> None:
    training = run(Clockwork(), [OutputNorm()], every=np.int64(3))
    training.steps(7)
    assert read(training.inspector, "Output Norm") == [0, 3, 6]


def test_true_is_no_budget() -> None:
    with pytest.raises(ArgumentError, match="max_overhead"):
        PyTorchInspector([], max_overhead=True, visualizer="dummy")


def test_before_training_the_table_is_a_table() -> None:
    training = run(Clockwork(), [ParameterGradientGeometry(every=100_000)])
    lines = repr(training.inspector.overhead).splitlines()
    assert lines[0] == "costs not measured yet" and len({len(line) for line in lines[1:]}) == 1
