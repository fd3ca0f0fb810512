"""Ctrl-C at any line of the package: after detach nothing is left, and watching can begin anew."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
import torch
from torch import nn

import monitorch_widgets
from monitorch_widgets import PyTorchInspector
from monitorch_widgets.gatherer import Hooks
from monitorch_widgets.gatherer import optimizer_hooks as optimizer_hooks_of_ours

from ..zoo.watching import every_lens, hooks_on, optimizer_hooks, quiet_collector

PACKAGE = monitorch_widgets.__path__[0]
MOST = 400  # interrupts of one kind; where there are more lines, the first time of each line, and a sample

module_wide = pytest.fixture(autouse=True, scope="module")(quiet_collector)
# An interrupt in the callback of a weak reference goes nowhere: Python prints it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


class Lines:
    """Counts executed lines of the package, and raises at one of them."""

    def __init__(self, stop: int = -1) -> None:
        self.seen: list[tuple[str, int]] = []
        self.stop = stop

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            self.seen.append((frame.f_code.co_filename, frame.f_lineno))
            if len(self.seen) - 1 == self.stop:
                raise KeyboardInterrupt
        return self

    def during(self, work: Callable[[], Any]) -> bool:
        """Do the work; whether it was interrupted."""
        before = sys.gettrace()
        sys.settrace(self)
        try:
            work()
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        return False


class Scene:
    """A small model, its optimizer and an inspector that is not attached yet."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1)
        self.inspector = PyTorchInspector(every_lens(), visualizer="dummy")

    def attach(self) -> None:
        self.inspector.attach(self.model)

    def detach(self) -> None:
        self.inspector.detach()

    def step(self) -> None:
        self.optimizer.zero_grad()
        self.model(torch.randn(3, 2)).pow(2).mean().backward()
        self.optimizer.step()

    def epoch(self) -> None:
        self.inspector.tick_epoch()

    def again(self) -> None:
        """Attach to another model while attached."""
        self.inspector.attach(nn.Linear(2, 2))

    def made(self) -> None:
        """Make another inspector, and lose it."""
        PyTorchInspector(every_lens(), module=self.model, visualizer="dummy")


BEFORE: dict[str, tuple[str, ...]] = {
    "attach": (),
    "made": (),
    "step": ("attach", "step"),
    "epoch": ("attach", "step"),
    "detach": ("attach", "step"),
    "again": ("attach", "step"),
}


def prepared(kind: str) -> Scene:
    scene = Scene()
    for name in BEFORE[kind]:
        getattr(scene, name)()
    return scene


def chosen(lines: list[tuple[str, int]]) -> list[int]:
    """The first time of each line, and a sample of all times."""
    first = {line: i for i, line in reversed(list(enumerate(lines)))}
    rest = range(0, len(lines), max(1, len(lines) // MOST))
    return sorted({*first.values(), *rest})


def checked(kind: str, stop: int) -> str:
    """What is wrong after an interrupt at one line; empty for nothing."""
    optimizer_hooks_of_ours._followers = ()  # what an earlier line has left, which is not collected meanwhile
    optimizer_hooks_of_ours.leave_optimizers()
    scene = prepared(kind)
    lines = Lines(stop)
    lines.during(getattr(scene, kind))
    where = f"{kind} at {lines.seen[min(stop, len(lines.seen) - 1)]}: "
    scene.inspector.detach()
    if kind == "made":  # that inspector is nobody's: its hooks go when the next one comes
        gc.collect()
        Hooks()
    if hooks_on(scene.model) or optimizer_hooks():
        return where + f"{hooks_on(scene.model)} hooks on modules, {optimizer_hooks()} on optimizers"
    return _afresh(scene, where)


def _afresh(scene: Scene, where: str) -> str:
    new = PyTorchInspector(every_lens(), module=scene.model, visualizer="dummy", strict=True)
    scene.step()
    rows = new.history["Output Norm"].rows
    new.detach()
    if hooks_on(scene.model) or optimizer_hooks():
        return where + "a new inspector can't leave"
    if not torch.is_grad_enabled() or torch.is_inference_mode_enabled():
        torch.set_grad_enabled(True)
        return where + "the grad mode is another"
    return "" if rows == 1 else where + f"a new inspector has {rows} rows after a step"


def wrong(kind: str) -> Iterator[str]:
    lines = Lines()
    lines.during(getattr(prepared(kind), kind))
    assert len(lines.seen) > 50
    for stop in chosen(lines.seen):
        found = checked(kind, stop)
        if found:
            yield found


@pytest.mark.parametrize("kind", BEFORE)
def test_ctrl_c_at_any_line_leaves_nothing(kind: str) -> None:
    gc.collect()
    gc.disable()  # else what the collector runs comes between the lines, at any of them
    try:
        assert not list(wrong(kind))
    finally:
        gc.enable()
