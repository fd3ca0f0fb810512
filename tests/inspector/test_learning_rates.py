"""Learning rates that are changed while a model trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer

from monitorch_widgets.errors import ArgumentError, CommandRefused, MonitorchWarning
from monitorch_widgets.inspector.learning_rates import LearningRates

from .commanded import Answers, at, batches, done, inspected, net, plain, same, sgd, train, weights


def values(rates: LearningRates) -> list[float]:
    return [rate.value for rate in rates.now]


def in_groups(lr: Any = 0.1, kind: Callable[..., Optimizer] = torch.optim.SGD) -> Optimizer:
    return kind([{"params": [nn.Parameter(torch.ones(1))]}, {"params": [nn.Parameter(torch.ones(1))]}], lr=lr)


def seen(*optimizers: Optimizer) -> LearningRates:
    rates = LearningRates()
    for optimizer in optimizers:
        rates.saw(optimizer)
    return rates


def test_a_rate_is_changed_at_the_boundary_and_from_there_on_training_is_one_with_that_rate() -> None:
    model, by_hand = net(), net()
    inspector = inspected(model, control=True)
    train(model, batches(6), at(3, lambda: inspector.scale_lr(0.5)))
    optimizer = sgd(by_hand)

    def lower(step: int) -> None:
        if step == 3:
            optimizer.param_groups[0]["lr"] *= 0.5

    train(by_hand, batches(6), lower, optimizer)
    assert same(weights(model), weights(by_hand)) and not same(weights(model), plain(6))
    assert done(inspector) == [("scale_lr", 3)]
    [event] = inspector.status().events
    assert event.words == "Learning rate of SGD 0.1 → 0.05." and event.step == 3


def test_status_has_the_rates_as_they_are() -> None:
    model = net()
    inspector = inspected(model)
    assert inspector.status().learning_rates == ()
    optimizer = sgd(model)
    train(model, batches(2), optimizer=optimizer)
    [rate] = inspector.status().learning_rates
    assert (rate.optimizer, rate.kind, rate.group, rate.value) == (0, "SGD", 0, 0.1)
    optimizer.param_groups[0]["lr"] = 0.3
    assert inspector.status().learning_rates[0].value == 0.3


def test_without_leave_nothing_is_changed_from_python_or_from_the_page() -> None:
    model, answers = net(), Answers()
    inspector = inspected(model, visualizer=answers)
    nudge = {"name": "scale_lr", "arguments": {"factor": 0.5}, "number": "1"}

    def between(step: int) -> None:
        if step == 2:
            inspector.command(nudge)
            inspector.scale_lr(0.5)

    with pytest.warns(MonitorchWarning, match=r"allow it with PyTorchInspector\(control=True\)"):
        train(model, batches(4), between)
    assert [record.refused for _, record in answers.given] == [True, True]
    assert same(weights(model), plain(4)) and not inspector.status().instrument.nudges


def test_one_group_of_one_optimizer() -> None:
    first, second = in_groups(0.1), in_groups(0.01)
    rates = seen(first, second)
    assert rates.scale(2, group=1) == "learning rate of SGD group 1 0.1 → 0.2; learning rate of SGD group 1 0.01 → 0.02"
    rates.scale(10.0, group=0, optimizer=1)
    assert values(rates) == [0.1, 0.2, 0.1, 0.02]


@pytest.mark.parametrize("factor", [0, -1, float("nan"), float("inf"), True, "2", None, [2]])
def test_a_factor_is_a_positive_number(factor: Any) -> None:
    optimizer = in_groups()
    with pytest.raises(ArgumentError, match="expected factor to be a positive number"):
        seen(optimizer).scale(factor)
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_a_group_that_is_not_there_is_refused_and_before_the_first_step_everything() -> None:
    optimizer = in_groups()
    with pytest.raises(ArgumentError, match=r"parameter group among 0 of optimizer 0 \(SGD\), .*received group=5"):
        seen(optimizer).scale(0.5, group=5)
    with pytest.raises(CommandRefused, match="no optimizer was seen stepping the model yet"):
        LearningRates().scale(0.5)


def test_a_rate_that_is_a_tensor_is_changed_in_place() -> None:
    lr = torch.tensor(0.1)
    model = nn.Linear(1, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    seen(optimizer).scale(0.5)
    assert optimizer.param_groups[0]["lr"] is lr and lr.item() == pytest.approx(0.05)


def test_a_tensor_that_all_groups_share_is_scaled_once_for_each() -> None:
    optimizer = in_groups(torch.tensor(0.1))
    rates = seen(optimizer)
    rates.scale(0.5)
    assert values(rates) == pytest.approx([0.05, 0.05])
    shared = in_groups(torch.tensor(0.1))
    rates = seen(shared)
    rates.scale(0.5, group=1)
    assert values(rates) == pytest.approx([0.1, 0.05])


def test_a_new_optimizer_in_the_place_of_one_that_is_gone_is_known() -> None:
    rates = LearningRates()
    for _ in range(40):  # memory is given again: many of them have the address of the one before
        optimizer = in_groups()
        rates.saw(optimizer)
        assert [rate.value for rate in rates.now] == [0.1, 0.1]
        del optimizer
    assert rates.now == ()  # nobody else keeps them


def test_what_an_optimizer_lacks_is_left_out() -> None:
    optimizer = in_groups()
    del optimizer.param_groups[0]["lr"]
    assert values(seen(optimizer)) == [0.1]


@pytest.mark.parametrize(
    ("scheduler", "after"),
    [(lambda of: torch.optim.lr_scheduler.ExponentialLR(of, 0.5), 0.0125), (lambda of: None, 0.05)],
    ids=["one that multiplies", "none"],
)
def test_a_scheduler_that_multiplies_keeps_the_factor(scheduler: Callable[[Optimizer], Any], after: float) -> None:
    model = net()
    inspector = inspected(model, control=True)
    optimizer = sgd(model)
    made = scheduler(optimizer)
    train(model, batches(2), at(2, lambda: inspector.scale_lr(0.5)), optimizer)
    train(model, batches(1), optimizer=optimizer)
    for _ in range(2 if made is not None else 0):
        made.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(after)


def test_another_model_has_other_optimizers() -> None:
    model, other = net(), net(1)
    inspector = inspected(model, control=True)
    optimizer = sgd(model)
    train(model, batches(2), optimizer=optimizer)
    inspector.attach(other)
    assert inspector.status().learning_rates == ()
    with pytest.raises(CommandRefused, match="no optimizer was seen"):
        inspector.scale_lr(0.5)
