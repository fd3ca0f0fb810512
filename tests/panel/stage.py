"""A run without a model: what an inspector offers to a visualizer, with readings made by the test."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from monitorch_widgets.history import History
from monitorch_widgets.inspector.cards import Cards
from monitorch_widgets.values import ChartSpec, ModuleInfo, Overhead, Reading, Status

NORM, RATE, LOSS = "Output Norm", "Output Activation Rate", "Loss"
KINDS = ("conv", "norm", "activation")


def module_infos(n: int, prefix: str = "layer") -> tuple[ModuleInfo, ...]:
    return tuple(
        ModuleInfo(f"{prefix}{i}", "Layer", KINDS[i % 3], activation=KINDS[i % 3] == "activation") for i in range(n)
    )


def chart_specs() -> tuple[ChartSpec, ...]:
    return (
        ChartSpec(NORM, "Output norm", "L2", log=True, bands=("std",)),
        ChartSpec(RATE, "Output activation", "share", kind="probability"),
        ChartSpec(LOSS, "Loss", kind="loss", bands=()),
    )


@dataclass(eq=False)
class Stage:
    """Offers `title`, `specs`, `modules`, `history`, `status()`, and counts ended cells."""

    modules: tuple[ModuleInfo, ...] = field(default_factory=lambda: module_infos(3))
    specs: tuple[ChartSpec, ...] = field(default_factory=chart_specs)
    history: History = field(default_factory=History)
    title: str = "Net"
    strict: bool = False
    refresh_rate: float = 10.0
    now: Status = field(default_factory=Status)
    cells: int = 0
    cards: Cards = field(default_factory=Cards)
    commands: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        for tag in (NORM, RATE):
            self.history.declare(tag, [module.name for module in self.modules])

    @property
    def _history(self) -> History:
        return self.history

    def status(self) -> Status:
        return self.now

    @property
    def overhead(self) -> Overhead:
        return self.now.overhead

    def connect(self, inbox: object) -> None:
        self.inbox = inbox

    def command(self, content: object) -> None:
        self.commands.append(content)

    def _cell_ended(self, error: BaseException | None = None) -> None:
        self.cells += 1

    def train(self, n: int, start: int = 0) -> None:
        """`n` steps: module i has the norm step + i and the rate i / 10."""
        for step in range(start, start + n):
            readings = [Reading(NORM, module.name, step, float(step + i)) for i, module in enumerate(self.modules)]
            readings += [Reading(RATE, module.name, step, i / 10) for i, module in enumerate(self.modules)]
            readings.append(Reading(LOSS, "train_loss", step, 1 / (1 + step)))
            self.history.record(readings, second=step / 100)
        self.now = Status("live", step=start + n, steps_per_s=50.0, elapsed_s=n / 50)


def floats(buffer: bytes, *shape: int) -> np.ndarray:
    return np.frombuffer(buffer, np.float32).reshape(*shape)


def ints(buffer: bytes) -> np.ndarray:
    return np.frombuffer(buffer, np.int32)
