"""Models that train while they are told what to do, and the same without a word."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import AbstractLens, OutputNorm, ParameterGradientGeometry
from monitorch_widgets.values import CommandRecord
from monitorch_widgets.visualizer import DummyVisualizer

TAGS = ("Output Norm", "Weight Gradient Norm", "Weight Gradient Correlation")
Asked = Callable[[], object]


class Box:
    """Stands for the inbox of a kernel: while the loop is held, what waits in it is done one by one."""

    mode, reach = "thread", "live control"

    def __init__(self, inspector: PyTorchInspector, *asked: Asked) -> None:
        self.asked = list(asked)
        self.looks = 0
        self.came = threading.Event()
        inspector.connect(self)  # type: ignore[arg-type]

    def pump(self) -> int:
        return 0

    def call(self, told: Callable[[], None]) -> None:
        self.told = told

    def wait(self, seconds: float) -> int:
        """Do the next thing; without one, sleep until another thread has something."""
        self.looks += 1
        if not self.asked:
            return int(self.came.wait(seconds))
        self.asked.pop(0)()
        return 1


class Answers(DummyVisualizer):
    """Keeps what a page would be told."""

    def __init__(self) -> None:
        self.given: list[tuple[str, CommandRecord]] = []

    def answer(self, number: str, record: CommandRecord) -> None:
        self.given.append((number, record))


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))


def lenses() -> list[AbstractLens]:
    return [OutputNorm(), ParameterGradientGeometry(parameters="weight", compute_correlation=True)]


def inspected(
    model: nn.Module, kinds: Sequence[AbstractLens] | None = None, box: Sequence[Asked] | None = (), **more: Any
) -> PyTorchInspector:
    """A model under watch at every step; with a box, unless it is None."""
    how: dict[str, Any] = {"visualizer": "dummy", "every": 1, "strict": True, "module": model, **more}
    inspector = PyTorchInspector(lenses() if kinds is None else list(kinds), **how)
    if box is not None:
        Box(inspector, *box)
    return inspector


def batches(count: int) -> Iterable[Tensor]:
    """The same batches each time."""
    of_batch = torch.Generator().manual_seed(7)
    return [torch.randn(5, 3, generator=of_batch) for _ in range(count)]


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def train(
    model: nn.Module,
    data: Iterable[Tensor],
    between: Callable[[int], object] = lambda step: None,
    optimizer: torch.optim.Optimizer | None = None,
) -> int:
    """Train a step a batch; `between` is called after each, with how many there were. Their number is returned."""
    optimizer = optimizer or sgd(model)
    step = 0
    for x in data:
        optimizer.zero_grad()
        model(x).pow(2).mean().backward()
        optimizer.step()
        step += 1
        between(step)
    return step


def at(which: int, *asked: Asked) -> Callable[[int], None]:
    """Does something after one step."""
    return lambda step: [ask() for ask in asked] and None if step == which else None


def weights(model: nn.Module) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in model.parameters()]


def plain(steps: int, seed: int = 0) -> list[Tensor]:
    """Weights after so many steps that nobody watches."""
    model = net(seed)
    train(model, batches(steps))
    return weights(model)


def same(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def check_same_history(a: PyTorchInspector, b: PyTorchInspector, tags: Iterable[str] = TAGS) -> None:
    """Compare all readings bit for bit."""
    for tag in tags:
        one, other = a.history[tag], b.history[tag]
        assert one.modules == other.modules and one.rows > 0
        np.testing.assert_array_equal(one.steps, other.steps)
        np.testing.assert_array_equal(one.values, other.values)


def done(inspector: PyTorchInspector) -> list[tuple[str, int]]:
    """What was done, and after how many steps."""
    return [(record.name, record.step) for record in inspector.history.commands if not record.refused]
