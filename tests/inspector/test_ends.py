"""However watching ends, nothing of it stays: no hook, no attribute, no tensor, no reference."""

from __future__ import annotations

import contextlib
import gc
import warnings
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim import optimizer as optimizers

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import LensFault

from ..zoo import ZOO, Scene
from ..zoo.watching import (
    Broken,
    alive,
    begun,
    every_lens,
    hooks_on,
    live_tensors,
    nobody_else,
    optimizer_hooks,
    quiet_collector,
    rooted,
    run,
    traces,
    unlike,
    watch,
)


class BoomError(Exception):
    """What goes wrong."""


module_wide = pytest.fixture(autouse=True, scope="module")(quiet_collector)


alone = pytest.fixture(autouse=True)(nobody_else)


def built(name: str) -> Scene:
    torch.manual_seed(1)
    return ZOO[name].build()


# ---------------------------------------------------------------------- the whole zoo


@cache
def bare(name: str, steps: int) -> tuple[dict[str, Any], list[str], int]:
    """Training without an inspector: its traces, what of it lives on in torch, and how many tensors."""
    _trained(name, steps)  # what torch keeps from the first time on
    tensors = live_tensors()
    found, references = _trained(name, steps)
    return found, alive(references), live_tensors() - tensors


def _trained(name: str, steps: int) -> tuple[dict[str, Any], list[weakref.ref[Any]]]:
    scene = built(name)
    loop = begun(scene)
    for _ in range(steps):
        next(loop)
    return traces(scene), rooted(scene)


@pytest.mark.parametrize("name", ZOO)
def test_detach_leaves_nothing(name: str) -> None:
    expected, still_alive, more = bare(name, 2)
    tensors = live_tensors()
    scene = built(name)
    inspector = watch(scene.model)
    loop = begun(scene, inspector)
    next(loop)
    next(loop)
    inspector.detach()
    inspector.detach()
    assert not unlike(expected, traces(scene))
    references = rooted(scene)
    loop.close()
    del scene, loop
    assert alive(references) == still_alive
    del inspector
    assert live_tensors() - tensors == more


@pytest.mark.parametrize("name", ZOO)
def test_a_model_deleted_while_it_is_watched_is_collected(name: str) -> None:
    _, still_alive, _ = bare(name, 2)
    scene = built(name)
    inspector = watch(scene.model)
    loop = begun(scene, inspector)
    next(loop)
    next(loop)
    references = rooted(scene)
    loop.close()
    del scene, loop
    assert alive(references) == still_alive
    assert inspector.history.tags
    hooks = optimizer_hooks()
    inspector.detach()
    assert optimizer_hooks() == hooks - 2  # others may belong to an inspector that another test holds


def fail(*args: Any) -> None:
    raise BoomError


def failing_forward(scene: Scene) -> list[Any]:
    calls: list[nn.Module] = []

    def fail_late(module: nn.Module, args: Any) -> None:
        calls.append(module)
        if len(calls) == 2:
            raise BoomError

    return [register_module_forward_pre_hook(fail_late)]


def failing_backward(scene: Scene) -> list[Any]:
    return [parameter.register_hook(fail) for parameter in scene.model.parameters() if parameter.requires_grad]


def failing_step(scene: Scene) -> list[Any]:
    return [optimizers.register_optimizer_step_pre_hook(fail)]


def failed(name: str, failing: Callable[[Scene], list[Any]], watched: bool) -> dict[str, Any]:
    """Traces after an iteration in which something raised, and another one that went well."""
    scene = built(name)
    inspector = watch(scene.model) if watched else None
    loop = begun(scene, inspector)
    next(loop)
    handles = failing(scene)
    with contextlib.suppress(BoomError):
        next(loop)
    for handle in handles:
        handle.remove()
    next(begun(scene, inspector))
    if inspector is not None:
        inspector.detach()
    return traces(scene)


@pytest.mark.filterwarnings("ignore:Using `torch.compile.module.` when there are global hooks:UserWarning")
@pytest.mark.parametrize("name", [name for name in ZOO if ZOO[name].fits("exception")])
def test_an_exception_in_the_loop_leaves_nothing(name: str) -> None:
    for failing in (failing_forward, failing_backward, failing_step):
        expected, found = (failed(name, failing, watched) for watched in (False, True))
        assert not unlike(expected, found), failing.__name__


@pytest.mark.parametrize("name", ZOO)
def test_a_lens_that_raises_leaves_nothing(name: str) -> None:
    expected, _, _ = bare(name, 2)
    scene = built(name)
    inspector = watch(scene.model, lenses=[Broken(), *every_lens()], strict=False)
    loop = begun(scene, inspector)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LensFault)
        next(loop)
        next(loop)
    assert all("no such number" in str(warning.message) for warning in caught) and len(caught) <= 1
    assert len(inspector.status().faults) == len(caught)
    inspector.detach()
    assert not unlike(expected, traces(scene))


@pytest.mark.parametrize("name", ZOO)
def test_a_second_attach_leaves_the_first_model(name: str) -> None:
    expected, _, _ = bare(name, 2)
    scene, other = built(name), nn.Linear(2, 2)
    inspector = watch(scene.model)
    loop = begun(scene, inspector)
    next(loop)
    inspector.attach(other)
    next(scene.loop(lambda: None))
    assert hooks_on(other) > 0
    inspector.detach()
    assert hooks_on(other) == 0
    found = traces(scene)
    assert not unlike(expected, found) or len(scene.optimizers) > 1
    assert found["global optimizer hooks"] == 0


# ---------------------------------------------------------------------- single models


def test_attached_twice_to_one_model_it_reads_once() -> None:
    model = nn.Linear(2, 2)
    inspector = watch(model)
    hooks = hooks_on(model)
    inspector.attach(model)
    assert hooks_on(model) == hooks
    run(model, 3)
    assert inspector.history["Output Norm"].rows == 3
    inspector.detach()


def test_the_context_manager_detaches_on_an_exception() -> None:
    model, hooks = nn.Linear(2, 2), optimizer_hooks()
    with pytest.raises(KeyboardInterrupt), PyTorchInspector(module=model, visualizer="dummy", every=1):
        raise KeyboardInterrupt
    assert hooks_on(model) == 0 and optimizer_hooks() == hooks


def test_hooks_of_a_forgotten_inspector_do_nothing_and_go_with_the_next_one() -> None:
    model, hooks = nn.Linear(2, 2), optimizer_hooks()
    forgotten = weakref.ref(PyTorchInspector(module=model, visualizer="dummy", strict=True, every=1))
    gc.collect()
    assert forgotten() is None
    run(model, 1)
    PyTorchInspector(visualizer="dummy")
    assert optimizer_hooks() == hooks and hooks_on(model) == 0


def test_garbage_collected_within_a_step_does_not_disturb_it() -> None:
    model = nn.Linear(2, 2)
    PyTorchInspector(module=model, visualizer="dummy", every=1)

    def collect(*args: Any) -> None:
        gc.collect()

    handle = optimizers.register_optimizer_step_pre_hook(collect)
    try:
        run(model, 1)
    finally:
        handle.remove()
