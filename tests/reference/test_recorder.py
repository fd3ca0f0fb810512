"""The naive recorder itself: what it writes is what the formulas give, without any inspector."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from .book import Book
from .recorder import Recorder
from .stage import Stage, added, batches, mlp, tags_of, threshold
from .test_calls import Shared, shared_formula

KINDS = ("weight", "bias")


def trained(stage: Stage) -> None:
    """Steps of one to three micro-batches, an attempt that becomes no step, an evaluation."""
    optimizer = torch.optim.SGD(stage.model.parameters(), lr=0.2, momentum=0.9)
    for i, (x, y) in enumerate(batches(7)):
        optimizer.zero_grad()
        grads: dict[str, Any] = {}
        for factor in (1, 2, 3)[: 1 + i % 3]:
            stage.loss_fn(stage.model(factor * x), y).backward()
            grads = added(grads, stage.passes(factor * x, y))
        if i == 3:
            stage.book.mark()
            stage.book.drop()
            continue
        stage.step(optimizer, grads)
        stage.model.eval()(x)
        stage.passes(x, y, training=False, backward=False)
        stage.model.train()


@pytest.mark.parametrize("shared", [False, True])
def test_a_recorder_and_the_formulas_agree(shared: bool) -> None:
    options: dict[str, Any] = {"formula": shared_formula, "quiet": ("act", "act#2")} if shared else {}
    model: nn.Module = Shared() if shared else mlp()
    stage = Stage(model, attach=False, lenses={"record_eval": True}, **options)
    with Recorder(model, KINDS, threshold) as recorder:
        trained(stage)
    book = recorder.write(Book(record_eval=True))
    assert book.step == stage.book.step == 6
    for tag in tags_of(KINDS):
        assert book.table(tag) == pytest.approx(stage.book.table(tag), rel=1e-5, abs=2e-6), tag


def test_a_recorder_leaves_nothing_behind() -> None:
    model = mlp()
    engine, made = torch.autograd._engine_run_backward, torch.optim.Optimizer.__init__
    with Recorder(model, KINDS, threshold):
        assert torch.autograd._engine_run_backward is not engine
    assert torch.autograd._engine_run_backward is engine and torch.optim.Optimizer.__init__ is made
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
