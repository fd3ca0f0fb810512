"""Attempts of which no step is made, and epochs that end within a step."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from .stage import Stage, added, batches


@pytest.mark.parametrize("set_to_none", [True, False])
def test_the_first_attempt_is_thrown_away_after_an_evaluation(set_to_none: bool) -> None:
    """The evaluation belongs to step 0, for want of one before; it is no part of the attempt."""
    stage = Stage(lenses={"record_eval": True})
    optimizer = stage.sgd()
    (x, y), *rest = batches(4)
    stage.model.eval()
    with torch.no_grad():
        stage.loss_fn(stage.model(x), y)
    stage.passes(x, y, training=False, backward=False)
    stage.model.train()
    stage.backward(optimizer, x, y)
    stage.book.mark()
    stage.book.drop()
    for x, y in rest:
        optimizer.zero_grad(set_to_none=set_to_none)
        stage.step(optimizer, stage.backward(optimizer, x, y))
    assert [(e.kind, e.step, e.count) for e in stage.inspector.status().events] == [("skipped", 0, 1)]
    stage.agree()


def test_an_attempt_at_the_end_of_an_epoch_is_thrown_away() -> None:
    stage = Stage()
    optimizer = stage.sgd()
    for _ in range(2):
        *data, (x_last, y_last) = batches(4)
        for x, y in data:
            stage.step(optimizer, stage.backward(optimizer, x, y))
        stage.backward(optimizer, x_last, y_last)
        stage.book.mark()
        stage.inspector.tick_epoch()  # only the next epoch shows that no step is made
        stage.book.drop()
    assert stage.inspector.status().step == 6
    x, y = batches(1)[0]
    stage.step(optimizer, stage.backward(optimizer, x, y))
    stage.agree()
    assert sum(e.count for e in stage.inspector.status().events) == 2


def test_an_epoch_that_ends_between_micro_batches() -> None:
    stage = Stage()
    optimizer = stage.sgd()
    grads: dict[str, Any] = {}
    for i, (x, y) in enumerate(batches(9)):
        stage.loss_fn(stage.model(x), y).backward()
        grads = added(grads, stage.passes(x, y))
        if i % 3 == 2:
            stage.step(optimizer, grads)
            optimizer.zero_grad()
            grads = {}
        if i in (3, 7):
            stage.inspector.tick_epoch()
    assert not stage.inspector.status().events
    stage.agree()
