"""A cell that ends by an error: it is told at its step, what was read stays, and the cell can be run again."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector

from ..zoo.watching import hooks_on, optimizer_hooks, run, watch


def test_the_error_that_ended_a_run_is_an_event_at_its_step() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
    inspector = watch(model)
    run(model, 3)
    inspector._cell_ended(ValueError("not a number"))
    status = inspector.status()
    assert (status.state, status.step) == ("finished", 3)
    assert [(event.kind, event.step, event.words) for event in status.events] == [
        ("error", 3, "Stopped by ValueError: not a number")
    ]
    assert hooks_on(model) == 0
    run(model, 2)
    assert hooks_on(model) > 0
    assert inspector.status().state == "live"
    inspector._cell_ended(KeyboardInterrupt())
    assert [(event.step, event.words) for event in inspector.status().events][1:] == [(5, "Interrupted")]
    assert list(inspector.detach().history["Output Norm"].steps) == [0, 1, 2, 3, 4]


def test_an_error_where_nothing_trained_is_no_event() -> None:
    model = nn.Linear(2, 1)
    inspector = watch(model)
    inspector._cell_ended(ValueError("of another cell"))
    run(model, 1)
    inspector._cell_ended()
    inspector._cell_ended(ValueError("of another cell"))
    assert inspector.detach().status().events == ()


def test_an_error_in_the_background_is_told_too() -> None:
    model = nn.Linear(2, 1)

    def fails() -> None:
        run(model, 2)
        raise ValueError("in a thread")

    with watch(model) as inspector:
        with pytest.raises(ValueError, match="thread"):
            inspector.run(fails).join()
        assert [event.words for event in inspector.status().events] == ["Stopped by ValueError: in a thread"]


def test_an_error_between_the_passes_leaves_no_hook_behind_a_with_block() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))

    def fails() -> None:
        run(model, 2)
        model(torch.ones(1, 2))
        raise ValueError("between forward and backward")

    before = optimizer_hooks()  # of inspectors that other tests have left
    with pytest.raises(ValueError, match="between"), watch(model) as inspector:
        fails()
    assert (hooks_on(model), optimizer_hooks()) == (0, before)
    assert isinstance(inspector, PyTorchInspector) and inspector.history["Output Norm"].rows >= 2
