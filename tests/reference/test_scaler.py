"""Gradient scalers and autocast: gradients are shown unscaled, and skipped steps are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets import PyTorchInspector

from .book import Book, agree
from .definitions import Array
from .recorder import Recorder
from .stage import Stage, batches, every_lens, mlp, tags_of, threshold

SCALE = 2.0**10


def scaler_of(scale: float = SCALE) -> torch.amp.GradScaler:
    # after an overflow the scale falls at once to where nothing overflows
    return torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=10**6, backoff_factor=SCALE / 2.0**127)


def sgd(fused: bool, model: nn.Module, lr: float = 0.2) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, fused=fused)


def scaled(stage: Stage, optimizer: Any, scaler: Any, x: Tensor, y: Tensor) -> tuple[dict[str, Array], float]:
    """Forward and backward; gradients without the scale, and the scale."""
    optimizer.zero_grad()
    scaler.scale(stage.loss_fn(stage.model(x), y)).backward()
    scale = scaler.get_scale()
    return {name: grad / scale for name, grad in stage.passes(x, y, scale).items()}, scale


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
@pytest.mark.parametrize("unscale", [False, True], ids=["by_step", "unscaled_before"])
def test_a_scaler(fused: bool, unscale: bool) -> None:
    stage = Stage()
    optimizer, scaler = sgd(fused, stage.model), scaler_of()
    for x, y in batches(4):
        grads, _ = scaled(stage, optimizer, scaler, x, y)
        if unscale:
            scaler.unscale_(optimizer)
        stage.step(optimizer, grads, lambda: scaler.step(optimizer))
        scaler.update()
    stage.agree()


@pytest.mark.parametrize("fused", [False, True], ids=["plain", "fused"])
def test_a_scaler_with_clipping_and_accumulation(fused: bool) -> None:
    stage = Stage()
    optimizer, scaler = sgd(fused, stage.model), scaler_of()
    data = batches(6)
    for pair in (data[:2], data[2:4], data[4:]):
        optimizer.zero_grad()
        total: dict[str, Any] = {}
        for x, y in pair:
            scaler.scale(stage.loss_fn(stage.model(x), y) / 2).backward()
            for name, grad in stage.passes(x, y, SCALE / 2).items():
                total[name] = total.get(name, 0.0) + grad / SCALE
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_value_(stage.model.parameters(), 0.01)
        clipped = {name: grad.clip(-0.01, 0.01) for name, grad in total.items()}
        stage.step(optimizer, clipped, lambda: scaler.step(optimizer))
        scaler.update()
    stage.agree()


def overflowing(i: int) -> float:
    """Scale of the i-th attempt: one overflows in between."""
    return 2.0**127 if i == 2 else SCALE


def test_a_skipped_step() -> None:
    stage = Stage()
    optimizer = sgd(False, stage.model, lr=1e-4)
    for i, (x, y) in enumerate(batches(5)):
        scaler = scaler_of(overflowing(i))
        grads, _ = scaled(stage, optimizer, scaler, x, 1000 * y)
        if i == 2:
            scaler.step(optimizer)
            stage.book.mark()
            stage.book.drop()  # the readings of the attempt are in no row
        else:
            stage.step(optimizer, grads, lambda: scaler.step(optimizer))  # noqa: B023 - called in this very iteration
        scaler.update()
    status = stage.inspector.status()
    assert status.step == 4
    assert [(e.kind, e.step, e.count) for e in status.events] == [("skipped", 2, 1)]
    stage.agree(without=_SECOND_ORDER)
    _compare_after_a_gap(stage)


_SECOND_ORDER = ("Output Gradient Norm", "Output Gradient Correlation")


def _compare_after_a_gap(stage: Stage) -> None:
    """In the float64 of the book the attempt's gradients were finite; the next one has no predecessor in float32."""
    norms = stage.inspector.history["Output Gradient Norm"]
    expected = stage.book.table("Output Gradient Norm")
    for step, name in expected:
        shown = norms.values[norms.steps.tolist().index(step), norms.modules.index(name)]
        np.testing.assert_allclose(shown, expected[step, name], rtol=1e-5)
    cosines = stage.inspector.history["Output Gradient Correlation"]
    assert np.isnan(cosines.values[[0]]).all() and np.isfinite(cosines.values[[1, 3]]).all()


def test_a_step_that_a_fused_optimizer_skips_counts_and_is_told() -> None:
    stage = Stage()
    optimizer = sgd(True, stage.model, lr=1e-4)
    for i, (x, y) in enumerate(batches(5)):
        scaler = scaler_of(overflowing(i))
        scaled(stage, optimizer, scaler, x, 1000 * y)
        before = stage.parameters()
        scaler.step(optimizer)
        scaler.update()
        unchanged = all(np.array_equal(before[name], now) for name, now in stage.parameters().items())
        assert unchanged == (i == 2)
    status = stage.inspector.status()
    assert status.step == 5
    assert [(e.kind, e.step, e.count) for e in status.events] == [("skipped", 2, 1)]
    history = stage.inspector.history
    updates, gradients = history["Weight Update Norm"], history["Weight Gradient Norm"]
    assert (updates.values[2] == 0).all() and (updates.values[[0, 1, 3, 4]] > 0).all()
    assert np.isfinite(gradients.values[[0, 1, 3, 4]]).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bfloat16", "float16"])
@pytest.mark.parametrize("where", ["loop", "submodule", "weights"])
def test_half_types(dtype: torch.dtype, where: str) -> None:
    """The reference is made of the very tensors, widened: how a half type rounds is not the inspector's matter."""
    with Recorder(_model(where, dtype), ("weight", "bias"), threshold) as recorder:
        _train(recorder.model, where, dtype)
    model = _model(where, dtype)
    with PyTorchInspector(every_lens(), module=model, visualizer="dummy", strict=True, every=1) as inspector:
        _train(model, where, dtype)
    agree(inspector.history, recorder.write(Book()), tags_of(("weight", "bias")))


class Inside(nn.Module):
    """Autocast within a submodule."""

    def __init__(self, inner: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.inner, self.dtype = inner, dtype

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", self.dtype):
            return self.inner(x).float()


def _model(where: str, dtype: torch.dtype) -> nn.Module:
    model = mlp()
    if where == "submodule":
        model[2] = Inside(model[2], dtype)
    return model.to(dtype) if where == "weights" else model


def _train(model: nn.Module, where: str, dtype: torch.dtype) -> None:
    optimizer, scaler = sgd(False, model), torch.amp.GradScaler("cpu", init_scale=SCALE, enabled=where != "weights")
    loss: Callable[[Tensor, Tensor], Tensor] = nn.MSELoss()
    for x, y in batches(5):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype, enabled=where == "loop"):
            out = model(x.to(dtype) if where == "weights" else x)
            value = loss(out.float(), y)
        scaler.scale(value).backward()
        scaler.step(optimizer)
        scaler.update()
