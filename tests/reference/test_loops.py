"""Loops by hand: what every lens shows against formulas in float64, which use no hooks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from .definitions import Array
from .stage import Stage, added, batches, mlp, tags_of


def sgd(model: nn.Module, **options: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.2, **options)


def usual(stage: Stage, optimizer: torch.optim.Optimizer, steps: int = 5) -> None:
    for x, y in batches(steps):
        optimizer.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        stage.step(optimizer, stage.passes(x, y))


@pytest.mark.parametrize("rms", [False, True])
def test_the_usual_loop(rms: bool) -> None:
    stage = Stage(lenses={"rms": rms})
    usual(stage, sgd(stage.model))
    stage.agree()


def test_a_model_in_float64_is_not_rounded() -> None:
    stage = Stage(mlp().double())
    optimizer = sgd(stage.model)
    for x, y in batches(5):
        x, y = x.double(), y.double()
        optimizer.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        stage.step(optimizer, stage.passes(x, y))
    rates = [tag for tag in tags_of(("weight", "bias")) if tag.endswith(("Activation", "Activations", "Death Rate"))]
    stage.agree(rtol=1e-10, cosine_atol=1e-10, tolerances=dict.fromkeys(rates, 1e-6))  # rates are in float32


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, fused=True),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, foreach=True),
        lambda p: torch.optim.Adam(p, lr=0.01, fused=True),
        lambda p: torch.optim.Adam(p, lr=0.01, foreach=True),
        lambda p: torch.optim.AdamW(p, lr=0.01, foreach=False, weight_decay=0.1),
        lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True),
    ],
    ids=["sgd_fused", "sgd_foreach", "adam_fused", "adam_foreach", "adamw", "rmsprop"],
)
def test_implementations_of_optimizers(make: Any) -> None:
    stage = Stage()
    usual(stage, make(stage.model.parameters()))
    stage.agree()


def test_gradients_set_to_zero_rather_than_dropped() -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    for x, y in batches(4):
        optimizer.zero_grad(set_to_none=False)
        stage.loss_fn(stage.model(x), y).backward()
        stage.step(optimizer, stage.passes(x, y))
    stage.agree()


def test_zero_grad_between_forward_and_backward() -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    for x, y in batches(4):
        loss = stage.loss_fn(stage.model(x), y)
        optimizer.zero_grad()
        loss.backward()
        stage.step(optimizer, stage.passes(x, y))
    stage.agree()


@pytest.mark.parametrize("divide", [True, False], ids=["loss_over_k", "plain_loss"])
@pytest.mark.parametrize("set_to_none", [True, False])
def test_accumulation_with_a_shorter_last_group(divide: bool, set_to_none: bool) -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    data, k = batches(8), 3
    for start in range(0, len(data), k):
        group = data[start : start + k]
        factor = 1 / len(group) if divide else 1.0
        optimizer.zero_grad(set_to_none=set_to_none)
        total: dict[str, Array] = {}
        for x, y in group:
            (stage.loss_fn(stage.model(x), y) * factor).backward()
            total = added(total, stage.passes(x, y, factor))
        stage.step(optimizer, total)
    assert stage.inspector.status().step == 3
    stage.agree()


def test_micro_batches_of_unequal_size() -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    for (x, y), (small, its) in zip(batches(3), batches(3, rows=2), strict=True):
        optimizer.zero_grad()
        total = {}
        for part, target in ((x, y), (small, its)):
            stage.loss_fn(stage.model(part), target).backward()
            total = added(total, stage.passes(part, target))
        stage.step(optimizer, total)
    stage.agree()


def length(grads: dict[str, Array]) -> float:
    return float(sum((grad**2).sum() for grad in grads.values()) ** 0.5)


def test_clipping_by_norm() -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    for x, y in batches(5):
        optimizer.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        torch.nn.utils.clip_grad_norm_(stage.model.parameters(), 0.05)
        grads = stage.passes(x, y)
        factor = min(1.0, 0.05 / (length(grads) + 1e-6))
        assert factor < 1
        stage.step(optimizer, {name: grad * factor for name, grad in grads.items()})
    stage.agree()


def test_clipping_by_value() -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    for x, y in batches(5):
        optimizer.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        torch.nn.utils.clip_grad_value_(stage.model.parameters(), 0.02)
        stage.step(optimizer, {name: grad.clip(-0.02, 0.02) for name, grad in stage.passes(x, y).items()})
    stage.agree()


def test_two_optimizers_on_disjoint_parameters() -> None:
    stage = Stage()
    first = torch.optim.SGD(stage.model[0].parameters(), lr=0.1)
    second = torch.optim.Adam([*stage.model[2].parameters(), *stage.model[4].parameters()], lr=0.01)
    for x, y in batches(3):
        for optimizer in (first, second):
            stage.model.zero_grad()
            stage.loss_fn(stage.model(x), y).backward()
            stage.step(optimizer, stage.passes(x, y))
    assert stage.inspector.status().step == 6
    stage.agree()


def test_two_optimizers_after_one_backward_pass() -> None:
    stage = Stage()
    first = torch.optim.SGD(stage.model[0].parameters(), lr=0.1)
    second = torch.optim.SGD(stage.model[2:].parameters(), lr=0.1)
    for x, y in batches(3):
        stage.model.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        grads = stage.passes(x, y)
        stage.step(first, grads)
        stage.step(second, grads)  # its row has no outputs: they belong to the step before
    stage.agree()


def test_two_optimizers_on_shared_parameters() -> None:
    stage = Stage()
    everything, some = sgd(stage.model), torch.optim.Adam(stage.model[2].parameters(), lr=0.01)
    for x, y in batches(3):
        stage.model.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        grads = stage.passes(x, y)
        stage.step(everything, grads)
        stage.step(some, grads)
    stage.agree()


def test_several_backward_passes_before_a_step() -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    for x, y in batches(4):
        optimizer.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        (stage.loss_fn(stage.model(2 * x), y) * 0.5).backward()
        stage.step(optimizer, added(stage.passes(x, y), stage.passes(2 * x, y, 0.5)))
    stage.agree()


def test_both_forward_passes_before_the_backward_passes() -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    for x, y in batches(4):
        optimizer.zero_grad()
        losses = [stage.loss_fn(stage.model(x), y), stage.loss_fn(stage.model(2 * x), y)]
        for loss in losses:
            loss.backward()
        stage.step(optimizer, added(stage.passes(x, y), stage.passes(2 * x, y)))
    stage.agree()


def test_one_graph_run_backward_twice() -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    for x, y in batches(4):
        optimizer.zero_grad()
        loss = stage.loss_fn(stage.model(x), y)
        loss.backward(retain_graph=True)
        (3 * loss).backward()
        stage.step(optimizer, stage.passes(x, y, 1.0, 3.0))
    stage.agree()
