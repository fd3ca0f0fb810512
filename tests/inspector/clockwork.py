"""Time that passes only where a test says so: models and lenses that take a known time, on a clock of their own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.lens import OutputNorm
from monitorch_widgets.lens.abstract_lens import Emit

ROOMS = ("preprocessor", "gatherer", "lens", "inspector")


class Clockwork:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clockwork(monkeypatch: pytest.MonkeyPatch) -> Clockwork:
    """The clock of everything that measures time."""
    made = Clockwork()
    files = [
        file for name, file in sys.modules.items() if name.startswith(tuple(f"monitorch_widgets.{r}" for r in ROOMS))
    ]
    for file in files:
        for name in ("perf_counter", "monotonic"):
            if hasattr(file, name):
                monkeypatch.setattr(file, name, made)
    return made


class Timed(nn.Module):
    """A model whose forward pass takes a known time; more while hooks hang on it, if `hidden_s` says so."""

    def __init__(self, clockwork: Clockwork, takes_s: float, hidden_s: float = 0.0) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.clockwork, self.takes_s, self.hidden_s = clockwork, takes_s, hidden_s

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.clockwork.pass_(self.takes_s + (self.hidden_s if self.layer._forward_hooks else 0.0))
        found: torch.Tensor = self.layer(x)
        return found


class Costly(OutputNorm):
    """A lens that takes a known time for each step; several in one inspector need tags of their own."""

    def __init__(
        self, clockwork: Clockwork, takes_s: float, tag: str = "Costly", pairs: bool = False, **more: Any
    ) -> None:
        self._SMALL_TAG_NAME = tag
        super().__init__(**more)
        self.clockwork, self.takes_s, self._pairs = clockwork, takes_s, pairs
        self.left_out = 0

    @property
    def pairs(self) -> bool:
        return self._pairs

    def steps_left_out(self) -> None:
        self.left_out += 1
        super().steps_left_out()

    def prepare(self, inspector_state: InspectorState, emit: Emit) -> None:
        super().prepare(inspector_state, emit)
        inspector_state.hooks.before_step(self._take_time)

    def _take_time(self, optimizer: object) -> None:
        self.clockwork.pass_(self.takes_s)


@dataclass
class Run:
    """A model that trains on a clockwork."""

    clockwork: Clockwork
    model: Timed
    inspector: PyTorchInspector
    optimizer: torch.optim.Optimizer

    def steps(self, count: int, between: Callable[[], None] = lambda: None) -> float:
        """Train for so many steps; the time that was added, as a fraction of that of the steps alone."""
        began, bare_s = self.clockwork.now, 0.0
        for _ in range(count):
            self.optimizer.zero_grad()
            self.model(torch.ones(1, 2)).sum().backward()
            self.optimizer.step()
            bare_s += self.model.takes_s
            between()
        return (self.clockwork.now - began - bare_s) / bare_s


def run(
    clockwork: Clockwork,
    lenses: Sequence[Any],
    takes_s: float = 0.01,
    hidden_s: float = 0.0,
    strict: bool = True,
    **more: Any,
) -> Run:
    """A model that takes `takes_s` a step, watched."""
    model = Timed(clockwork, takes_s, hidden_s)
    inspector = PyTorchInspector(list(lenses), module=model, visualizer="dummy", strict=strict, **more)
    return Run(clockwork, model, inspector, torch.optim.SGD(model.parameters(), lr=0.0))


def read(inspector: PyTorchInspector, tag: str = "Costly") -> list[int]:
    """Steps that a lens has listened to."""
    steps: list[int] = inspector.history[tag].steps.tolist()
    return steps
