"""The inspector is a good guest: training is what it would have been, and copies know nothing of it."""

from __future__ import annotations

from contextlib import nullcontext
from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import OutputNorm

from ..zoo import ZOO
from ..zoo.same import all_bits, difference
from ..zoo.watching import begun, hooks_on, quiet_collector, watch

STEPS = 50
CASTS: dict[str, Any] = {"float32": nullcontext, "bfloat16": lambda: torch.autocast("cpu", torch.bfloat16)}


class Trained(NamedTuple):
    """Bits of all that a run has made."""

    losses: dict[str, torch.Tensor]
    weights: dict[str, torch.Tensor]
    gradients: dict[str, torch.Tensor]
    optimizers: dict[str, torch.Tensor]
    modes: dict[str, bool]
    random: torch.Tensor


def train(name: str, cast: str, every: Any = None) -> tuple[Trained, PyTorchInspector | None]:
    """Train an animal, watched if `every` says how often."""
    torch.manual_seed(1)
    scene = ZOO[name].build()
    inspector = None if every is None else watch(scene.model, every)
    losses, loop = [], begun(scene, inspector)
    for _ in range(STEPS):
        with CASTS[cast]():
            losses.append(next(loop))
        if inspector is not None and len(losses) % 20 == 0:
            inspector.tick_epoch()
    if inspector is not None:
        inspector.detach()
    model = scene.model
    modes = {place: module.training for place, module in model.named_modules()}
    buffers = {place: buffer for place, buffer in model.named_buffers() if buffer is not None}
    gradients = {place: p.grad for place, p in model.named_parameters() if p.grad is not None}
    states = [optimizer.state_dict() for optimizer in scene.optimizers]
    made = (losses, [dict(model.state_dict()), buffers], gradients, states)
    return Trained(*map(all_bits, made), modes, torch.get_rng_state()), inspector


@cache
def bare(name: str, cast: str) -> Trained:
    """A run without an inspector, trained once for all tests."""
    return train(name, cast)[0]


module_wide = pytest.fixture(autouse=True, scope="module")(quiet_collector)


# Where an animal changes its modules the inspector says what it does not watch; that is right.
@pytest.mark.filterwarnings("ignore::monitorch_widgets.errors.NotWatched")
@pytest.mark.parametrize("every", [1, "auto"])
@pytest.mark.parametrize(("name", "cast"), [(name, c) for name in ZOO for c in CASTS if ZOO[name].fits(c)])
def test_training_is_bit_for_bit_the_same(name: str, cast: str, every: Any) -> None:
    alone = bare(name, cast)
    watched, inspector = train(name, cast, every)
    assert not difference(alone.losses, watched.losses)
    assert not difference(alone.weights, watched.weights)
    assert not difference(alone.gradients, watched.gradients)
    assert not difference(alone.optimizers, watched.optimizers)
    assert alone.modes == watched.modes
    assert torch.equal(alone.random, watched.random)
    assert inspector is not None and not inspector.status().faults
    assert inspector.history.tags


def test_one_hook_per_module_serves_all_lenses() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    inspector = watch(model)
    assert hooks_on(model) <= 2 * len(list(model.modules()))
    inspector.detach()


def test_steps_that_are_not_listened_to_run_no_hook() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inspector = PyTorchInspector([OutputNorm()], module=model, visualizer="dummy", strict=True, every=3)
    counts = []
    for _ in range(6):
        counts.append(hooks_on(model[0]))
        model(torch.ones(3, 2)).sum().backward()
        optimizer.step()
    inspector.detach()
    assert [count > 0 for count in counts] == [True, False, False, True, False, False]
