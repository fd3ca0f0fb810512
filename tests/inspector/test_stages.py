"""Each reading says at which stage it was taken; a step that was not made is an event."""

from __future__ import annotations

import gc
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import (
    LossMetrics,
    OutputGradientGeometry,
    OutputNorm,
    ParameterGradientGeometry,
    ParameterUpdateGeometry,
)

NORM, UPDATE = "Weight Gradient Norm", "Weight Update Norm"
LOSS = nn.MSELoss()


@pytest.fixture(autouse=True)
def no_other_inspector() -> None:
    """Inspectors of earlier tests, which used the same loss module, are gone."""
    gc.collect()


def small() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))


def watch(model: nn.Module, **how: Any) -> PyTorchInspector:
    lenses = [
        LossMetrics(loss_fn=LOSS),
        OutputNorm(),
        OutputGradientGeometry(),
        ParameterGradientGeometry(parameters="weight"),
        ParameterUpdateGeometry(parameters="weight"),
    ]
    return PyTorchInspector(lenses, module=model, visualizer="dummy", strict=True, **{"every": 1, **how})


def loss_of(model: nn.Module) -> Tensor:
    loss: Tensor = LOSS(model(torch.randn(3, 4)), torch.ones(3, 1))
    return loss


def stages(inspector: PyTorchInspector) -> dict[str, str]:
    return dict(inspector.status().stages)


def test_stages_follow_what_the_loop_does() -> None:
    model = small()
    inspector = watch(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    told = []
    for passes, clip in ((1, False), (4, False), (1, True), (2, True)):
        optimizer.zero_grad()
        for _ in range(passes):
            loss_of(model).backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        optimizer.step()
        told.append(inspector.history[NORM].stage)
    assert told == [
        "as the optimizer used it",
        "as the optimizer used it: accumulated over 4 backward passes",
        "as the optimizer used it: unscaled or clipped after backward",
        "as the optimizer used it: accumulated over 2 backward passes, then unscaled or clipped",
    ]
    assert [inspector.history[NORM].stage_at(step) for step in range(4)] == told
    assert stages(inspector)["Output Norm"].endswith("mean of 2 a step")
    assert stages(inspector)[UPDATE].startswith("as applied")


def test_a_closure_and_a_loop_without_optimizer_have_stages_of_their_own() -> None:
    model = small()
    inspector = watch(model)
    loss_of(model).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= 0.1 * parameter.grad
    inspector.tick_batch()
    inspector.history  # noqa: B018  # brings readings to the host
    assert stages(inspector)[NORM] == "as backward left it: no optimizer was seen"
    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=3)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        return loss

    optimizer.step(closure)
    assert "closure" in inspector.history[NORM].stage and inspector.status().events == ()


def test_a_closure_that_is_evaluated_once_is_as_a_step_without_one() -> None:
    """A Trainer gives one to every optimizer, with the last backward pass and the clipping in it."""
    model = small()
    inspector, optimizer = watch(model), torch.optim.SGD(model.parameters(), lr=0.1)

    def closure() -> Tensor:
        loss = loss_of(model)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1e-3)
        return loss

    told = []
    for before in (0, 3):
        optimizer.zero_grad()
        for _ in range(before):
            loss_of(model).backward()
        optimizer.step(closure)  # type: ignore[arg-type]
        told.append((inspector.history[NORM].stage, stages(inspector)["Output Norm"]))
    assert told[0][0] == "as the optimizer used it: unscaled or clipped after backward"
    assert told[1][0] == "as the optimizer used it: accumulated over 4 backward passes, then unscaled or clipped"
    assert told[1][1].endswith("mean of 4 a step") and "mean" not in told[0][1]


def steps_with_overflow(model: nn.Module, where: set[int], fused: bool, to_none: bool) -> Iterator[Tensor]:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    for i in range(6):
        optimizer.zero_grad(set_to_none=to_none)
        loss = loss_of(model)
        scaler.scale(loss * float("inf") if i in where else loss).backward()
        if not fused:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        yield loss.detach()


@pytest.mark.parametrize("to_none", [True, False])
def test_a_skipped_step_is_an_event_and_no_step(to_none: bool) -> None:
    model = small()
    inspector = watch(model)
    losses = [loss.item() for loss in steps_with_overflow(model, {1, 2, 4}, False, to_none)]
    inspector.tick_epoch()
    assert inspector.status().step == 3
    assert [(e.kind, e.step, e.last_step, e.count) for e in inspector.status().events] == [("skipped", 1, 2, 3)]
    loss = inspector.history["Loss"]
    np.testing.assert_allclose(loss.values[:, 0], [losses[0], losses[3], losses[5]], rtol=1e-6)
    kept = [losses[0], losses[3], losses[5]]
    assert loss.epochs[1].values["Loss"]["train_loss mean"] == pytest.approx(np.mean(kept))
    assert np.isfinite(inspector.history[NORM].values).all()
    assert np.isfinite(inspector.history["Output Gradient Norm"].values).all()


def test_a_step_that_a_fused_optimizer_skips_counts_and_is_an_event() -> None:
    model = small()
    inspector = watch(model)
    list(steps_with_overflow(model, {1, 2}, True, True))
    updates = inspector.history[UPDATE].values
    assert inspector.status().step == 6 and (updates[1:3] == 0).all() and (updates[3:] > 0).all()
    assert [(e.kind, e.step, e.last_step, e.count) for e in inspector.status().events] == [("skipped", 1, 2, 2)]
    assert np.isnan(inspector.history[NORM].values[1:3]).all()


def test_readings_that_are_looked_at_in_between_leave_the_row_of_a_step_that_was_not_made() -> None:
    model = small()
    inspector = watch(model)
    losses = []
    for loss in steps_with_overflow(model, {1}, False, True):
        losses.append(loss.item())
        inspector.history  # noqa: B018
    kept = [losses[0], *losses[2:]]
    np.testing.assert_allclose(inspector.history["Loss"].values[1:, 0][1:], kept[2:], rtol=1e-6)
    assert list(inspector.history["Loss"].steps) == list(range(5))


def test_a_pass_for_something_else_is_no_skipped_step() -> None:
    model = small()
    inspector = watch(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        x = torch.randn(3, 4, requires_grad=True)
        out = model(x).sum()
        (slope,) = torch.autograd.grad(out, x, create_graph=True)  # a gradient penalty
        optimizer.zero_grad()
        (out + slope.pow(2).sum()).backward()
        optimizer.step()
    assert inspector.status().events == ()
    assert np.isfinite(inspector.history["Output Norm"].values).all()


def test_an_error_in_backward_does_not_confuse_the_next_step() -> None:
    model = small()
    inspector = watch(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    hidden = model[0](torch.randn(3, 4))
    hidden.register_hook(lambda grad: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model[2](model[1](hidden)).sum().backward()
    for _ in range(2):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()
    assert inspector.status().step == 2 and inspector.history[NORM].stage == "as the optimizer used it"


def bodies(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def test_steps_that_are_not_listened_to_run_no_hook() -> None:
    model = small()
    inspector = watch(model, every=4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    counts, ran = [], []
    for _ in range(8):
        counts.append(bodies(model))
        optimizer.zero_grad()
        ran.append(calls_into_gatherers(lambda: model(torch.randn(3, 4)).sum().backward()))
        optimizer.step()
    assert counts[0] >= counts[1] > 0 and counts == [counts[0], counts[1], 0, 0] * 2  # correlations listen to pairs
    assert ran[0] > 0 and ran[2:4] + ran[6:] == [0] * 4
    assert list(inspector.history["Output Norm"].steps) == [0, 4]


def calls_into_gatherers(action: Callable[[], None]) -> int:
    count = 0

    def profile(frame: types.FrameType, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call" and "monitorch_widgets" in frame.f_code.co_filename

    gc.collect()  # whose finalizers are no hooks
    gc.disable()
    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def test_the_loss_is_read_at_every_step_and_in_evaluation() -> None:
    model = small()
    inspector = watch(model, every=4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(6):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()
    with torch.no_grad():
        loss_of(model)
    loss = inspector.history["Loss"]
    assert list(loss.steps) == list(range(6)) and np.isfinite(loss.values[:, 0]).all()
    assert np.isfinite(loss.values[5, 1])


def test_the_inspector_that_had_the_name_steps_aside() -> None:
    main = sys.modules["__main__"]
    main.watched_model = model = small()  # type: ignore[attr-defined]
    try:
        main.inspector = first = watch(model)  # type: ignore[attr-defined]
        other = watch(model)
        main.inspector = second = watch(model)  # type: ignore[attr-defined]
        assert first.state.attached
        loss_of(model).backward()
        assert not first.state.attached and second.state.attached and other.state.attached
    finally:
        for name in ("watched_model", "inspector"):
            vars(main).pop(name, None)
