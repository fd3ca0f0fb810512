"""How often the page gets news: asked for, and changed while training goes on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError
from monitorch_widgets.lens import OutputNorm
from monitorch_widgets.visualizer import DummyVisualizer

from .clockwork import Clockwork, Timed, clockwork
from .commanded import net

__all__ = ["clockwork"]


class Page(DummyVisualizer):
    """Counts how often it is told to look for news."""

    live = True

    def __init__(self) -> None:
        self.looks = 0

    def refresh(self, force: bool = False) -> None:
        self.looks += not force


class Run:
    """A model of ten milliseconds a step, shown on a page."""

    def __init__(self, clockwork: Clockwork, **more: Any) -> None:
        self.model = Timed(clockwork, 0.01)
        self.page = Page()
        self.inspector = PyTorchInspector([OutputNorm(every=1)], module=self.model, visualizer=self.page, **more)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.0)
        self.x = torch.ones(1, 2)

    def looks_in(self, seconds: float) -> int:
        """Train for so long; gives how often the page was told to look."""
        before = self.page.looks
        for _ in range(round(100 * seconds)):
            self.optimizer.zero_grad()
            self.model(self.x).sum().backward()
            self.optimizer.step()
        return self.page.looks - before


@pytest.mark.parametrize("rate", [1, 2, 10, 20])
def test_B03_the_page_is_told_as_often_as_is_asked_for(clockwork: Clockwork, rate: float) -> None:
    assert Run(clockwork, refresh_rate=rate).looks_in(10) == pytest.approx(10 * rate, rel=0.15, abs=1)


def test_B03_it_is_changed_live_and_holds_at_once(clockwork: Clockwork) -> None:
    run = Run(clockwork)
    assert run.looks_in(5) == pytest.approx(50, abs=5)
    run.inspector.set(refresh_rate=2)
    assert run.looks_in(5) == pytest.approx(10, abs=2)
    run.inspector.set(refresh_rate=20)
    assert run.looks_in(5) == pytest.approx(100, abs=20)
    assert run.inspector.refresh_rate == run.inspector.status().instrument.refresh_rate == 20
    assert [record.words for record in run.inspector.history.commands] == ["refresh_rate=2", "refresh_rate=20"]


def test_B03_at_a_low_rate_what_was_read_still_comes_to_the_history_each_second(clockwork: Clockwork) -> None:
    run = Run(clockwork, refresh_rate=0.1)
    assert run.looks_in(10) == pytest.approx(10, abs=1)  # the page itself keeps to its own clock
    assert run.inspector._history["Output Norm"].rows >= 899


def test_B03_while_nobody_looks_a_high_rate_costs_nothing(clockwork: Clockwork) -> None:
    run = Run(clockwork, refresh_rate=30)
    run.page.live = False
    run.looks_in(1)  # the one that is due already
    assert run.looks_in(5) == pytest.approx(5, abs=1)


@pytest.mark.parametrize("wrong", [0, 0.05, 31, -1, float("nan"), float("inf"), "10", None, True])
def test_B03_a_wrong_rate_raises_at_once_with_a_remedy(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match=r"0\.1 to 30; received .*10 is what the eye takes for live"):
        PyTorchInspector(visualizer="dummy", refresh_rate=wrong)
    inspector = PyTorchInspector(module=net(), visualizer="dummy")
    with pytest.raises(ArgumentError, match="expected refresh_rate to be updates a second"):
        inspector.set(refresh_rate=wrong)
    assert inspector.refresh_rate == 10
