"""Loops that few people write, and many meet: closures, no optimizer, groups added later, evaluation in between."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from monitorch_widgets import lens

from .definitions import Array
from .stage import Stage, batches


def sgd(model: nn.Module, **options: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.2, **options)


def trained(stage: Stage, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> None:
    optimizer.zero_grad()
    stage.loss_fn(stage.model(x), y).backward()
    stage.step(optimizer, stage.passes(x, y))


def test_lbfgs_with_its_closure() -> None:
    stage = Stage()
    optimizer = torch.optim.LBFGS(stage.model.parameters(), lr=0.5, max_iter=3)
    for x, y in batches(3):
        last: dict[str, Array] = {}

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = stage.loss_fn(stage.model(x), y)  # noqa: B023 - called in this very iteration
            loss.backward()
            last.update(stage.passes(x, y))  # noqa: B023
            return loss

        before = stage.parameters()
        optimizer.step(closure)
        stage.row(before.keys(), last, before)  # the gradient is what the last evaluation left
    assert stage.inspector.status().step == 3
    assert not stage.inspector.status().events  # evaluations within a step are no attempts without one
    stage.agree()


def test_sgd_with_a_closure() -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    for x, y in batches(3):

        def closure() -> torch.Tensor:
            optimizer.zero_grad()
            loss = stage.loss_fn(stage.model(x), y)  # noqa: B023 - called in this very iteration
            loss.backward()
            return loss

        grads = stage.passes(x, y)
        stage.step(optimizer, grads, lambda: optimizer.step(closure))
    stage.agree()


def test_no_optimizer_and_tick_batch() -> None:
    stage = Stage()
    before = None
    for x, y in batches(4):
        stage.model.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        grads = stage.passes(x, y)
        with torch.no_grad():
            for p in stage.model.parameters():
                p -= 0.2 * p.grad
        stage.inspector.tick_batch()
        stage.row(stage.parameters(), grads, before)  # the update is the change since the call before
        before = stage.parameters()
    assert stage.inspector.status().step == 4
    stage.agree()


def test_an_optimizer_made_in_the_loop() -> None:
    stage = Stage()
    for x, y in batches(3):
        trained(stage, sgd(stage.model), x, y)
    stage.agree()


def test_a_parameter_group_added_later() -> None:
    stage = Stage()
    optimizer = torch.optim.SGD(stage.model[0].parameters(), lr=0.2)
    for i, (x, y) in enumerate(batches(4)):
        if i == 2:
            optimizer.add_param_group({"params": stage.model[2].parameters(), "lr": 0.1})
        stage.model.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        stage.step(optimizer, stage.passes(x, y))
    stage.agree()


def test_an_optimizer_that_steps_another_model_too() -> None:
    stage, other = Stage(), nn.Linear(3, 3)
    optimizer = torch.optim.SGD([*other.parameters(), *stage.model.parameters()], lr=0.2)
    stranger = torch.optim.SGD(other.parameters(), lr=0.2)
    for x, y in batches(3):
        trained(stage, optimizer, x, y)
        other(y).sum().backward()
        stranger.step()  # no parameter of the model: no step
    assert stage.inspector.status().step == 3
    stage.agree()


def test_forward_without_backward() -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    for x, y in batches(3):
        stage.model(3 * x)
        stage.passes_forward(3 * x)
        trained(stage, optimizer, x, y)
    stage.agree()


@pytest.mark.parametrize("record_eval", [False, True])
@pytest.mark.parametrize("from_grad", [False, True])
def test_evaluation_inside_an_epoch(record_eval: bool, from_grad: bool) -> None:
    stage = Stage(lenses={"record_eval": record_eval, "from_grad": from_grad})
    optimizer = sgd(stage.model)
    for i, (x, y) in enumerate(batches(6)):
        trained(stage, optimizer, x, y)
        if i % 2:
            stage.model.eval()
            with torch.no_grad():
                stage.loss_fn(stage.model(2 * x), y)
            stage.passes(2 * x, y, training=False, backward=False)  # belongs to the step before
            stage.model.train()
    stage.agree()


@pytest.mark.parametrize("from_grad", [False, True])
def test_no_gradients_in_training_mode(from_grad: bool) -> None:
    stage = Stage(lenses={"record_eval": True, "from_grad": from_grad})
    optimizer = sgd(stage.model)
    for x, y in batches(4):
        with torch.no_grad():
            stage.loss_fn(stage.model(2 * x), y)
        stage.passes(2 * x, y, training=not from_grad, backward=False)
        trained(stage, optimizer, x, y)
    stage.agree()


@pytest.mark.parametrize("record_eval", [False, True])
def test_evaluation_between_forward_and_backward(record_eval: bool) -> None:
    """What is read in evaluation belongs to the step before, also where the next one has begun."""
    stage = Stage(lenses={"record_eval": record_eval})
    optimizer = sgd(stage.model)
    for x, y in batches(4):
        optimizer.zero_grad()
        loss = stage.loss_fn(stage.model(x), y)
        stage.model.eval()
        with torch.inference_mode():
            for factor in (2, 3):
                stage.loss_fn(stage.model(factor * x), y)
        stage.model.train()
        loss.backward()
        grads = stage.passes(x, y)
        for factor in (2, 3):
            stage.passes(factor * x, y, training=False, backward=False)
        stage.step(optimizer, grads)
    stage.agree()


@pytest.mark.parametrize("from_grad", [False, True])
def test_training_in_eval_mode(from_grad: bool) -> None:
    stage = Stage(lenses={"from_grad": from_grad})
    stage.model.eval()
    optimizer = sgd(stage.model)
    for x, y in batches(3):
        optimizer.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        stage.step(optimizer, stage.passes(x, y, training=from_grad))  # gradients are there in any case
    stage.agree()


def test_gradients_thrown_away_are_told_and_leave_the_row() -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    for i, (x, y) in enumerate(batches(5)):
        optimizer.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        grads = stage.passes(x, y)
        if i == 2:
            stage.book.mark()
            stage.book.drop()
        else:
            stage.step(optimizer, grads)
    status = stage.inspector.status()
    assert status.step == 4
    assert [(e.kind, e.step, e.count) for e in status.events] == [("skipped", 2, 1)]
    stage.agree()


def test_a_lens_of_one_optimizer_shows_its_updates_only() -> None:
    stage = Stage()
    first = torch.optim.SGD(stage.model[0].parameters(), lr=0.1)
    second = torch.optim.SGD(stage.model[2].parameters(), lr=0.1)
    stage.inspector.detach()
    only = lens.ParameterUpdateRatio(optimizer=second)
    inspector = type(stage.inspector)([only], module=stage.model, visualizer="dummy", strict=True, every=1)
    for x, y in batches(2):
        stage.model.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        grads = stage.passes(x, y)
        stage.step(first, grads)
        stage.step(second, grads)
    shown = inspector.history["Weight Update Ratio"]
    column = shown.values[:, shown.modules.index("2")].tolist()
    expected = {step: row["2"][0] for step, row in stage.book.rows["Weight Update Ratio"].items() if "2" in row}
    assert dict(zip(shown.steps.tolist(), column, strict=True)) == pytest.approx(expected, rel=1e-5)
