"""Runs in the background that are held, left and spoken to in ways that nobody foresaw."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable

import pytest
import torch
from torch import nn

from monitorch_widgets.errors import CommandRefused, TrainingStopped
from monitorch_widgets.lens import OutputNorm

from ..inspector.commanded import batches, inspected, net, train, weights
from .test_background import endless


def evaluates(model: nn.Module, passes: int, between: Callable[[int], object]) -> int:
    model.eval()
    with torch.no_grad():
        for i in range(passes):
            between(i)
            model(torch.ones(1, 3))
    model.train()
    return passes


def test_an_interrupt_while_a_hold_is_waited_for_lets_the_loop_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model = net()
    run = inspected(model, box=None).run(endless, model)

    def interrupted() -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "wait_held", interrupted)
    with pytest.raises(KeyboardInterrupt), run.paused():
        pass
    monkeypatch.undo()
    with run.paused():
        before = weights(model)
    assert run.stop() and run.stopped and before


def test_what_is_asked_from_within_the_function_waits_for_nothing() -> None:
    model, told = net(), []
    inspector = inspected(model, box=None)

    def between(step: int) -> None:
        if step == 2:
            for ask in (run.join, run.wait_held, run.paused().__enter__):
                with pytest.raises(CommandRefused, match="can't wait for itself"):
                    ask()
            told.append(run.stop())

    ready = threading.Event()

    def trains() -> None:
        assert ready.wait(60)
        endless(model, between)

    run = inspector.run(trains)
    ready.set()
    assert run.join() is None and run.stopped and told == [False]


def test_a_model_that_is_left_while_the_loop_is_held_leaves_it_held() -> None:
    model = net()
    inspector = inspected(model, box=None)
    run = inspector.run(endless, model)
    with run.paused():
        inspector.detach()
        before = weights(model)
        inspector.attach(model)
        assert run.running and all(torch.equal(a, b) for a, b in zip(before, weights(model), strict=True))
    assert run.stop()


def test_without_a_model_the_loop_can_be_told_nothing() -> None:
    model, over = net(), threading.Event()
    inspector = inspected(model, box=None)
    run = inspector.run(over.wait)
    inspector.detach()
    for ask in (run.stop, run.pause, run.paused().__enter__, inspector.stop):
        with pytest.raises(CommandRefused, match=r"watches no model|nothing trains"):
            ask()
    over.set()
    assert run.join()


def test_a_look_at_the_model_while_it_is_held_is_not_read() -> None:
    model = net()
    inspector = inspected(model, box=None)
    run = inspector.run(train, model, batches(6), lambda step: inspector.pause() if step == 3 else None)
    assert run.wait_held()
    model(torch.full((5, 3), 1e6)).sum().backward()
    model.zero_grad()
    inspector.resume()
    run.join()
    assert inspector.history["Output Norm"].values.max() < 1e3


def test_a_pause_in_the_background_is_heard_in_an_evaluation() -> None:
    model = net()
    inspector = inspected(model, box=None)
    made: list[int] = []

    def function() -> None:
        train(model, batches(2))
        evaluates(model, 100, between)

    def between(i: int) -> None:
        made.append(i)
        if i == 5:
            inspector.pause()

    run = inspector.run(function)
    assert run.wait_held() and made[-1] == 5
    inspector.resume()
    run.join()
    assert len(made) == 100


def test_a_stop_is_heard_in_an_evaluation_of_a_plain_loop_and_not_in_that_of_an_epoch() -> None:
    model = net()
    inspector = inspected(model, box=None)

    def asks(i: int) -> None:
        if i == 5:
            inspector.stop()

    train(model, batches(2))
    with pytest.raises(TrainingStopped):
        evaluates(model, 100, asks)
    for _ in inspector.range(3):
        train(model, inspector.iter(batches(2)))
        passes = evaluates(model, 100, asks)
    assert passes == 100 and inspector.state.buffer.step == 4


def test_loops_over_batches_within_each_other_all_just_end() -> None:
    model = net()
    inspector = inspected(model, box=None)
    after = []
    for epoch in inspector.range(2):
        for i, x in enumerate(inspector.iter(batches(6))):
            list(inspector.iter("ab"))
            train(model, [x])
            if i == 1:
                inspector.stop()
        after.append(epoch)
    assert after == [0] and inspector.state.buffer.step == 2


def test_a_loop_that_was_left_and_is_still_held_by_somebody_does_not_matter() -> None:
    model = net()
    inspector = inspected(model, box=None)
    left = inspector.range(5)
    next(left)
    assert list(inspector.range(2)) == [0, 1] and inspector.state.counter == 3
    for _ in inspector.range(2):
        kept = inspector.iter(batches(4))
        train(model, [next(kept)])
    inspector.range(1)
    with pytest.raises(TrainingStopped):
        train(model, batches(5), lambda step: inspector.stop() if step == 1 else None)


def test_a_second_inspector_of_the_loop_knows_that_it_runs_elsewhere() -> None:
    one, other = net(), net(1)
    first, second = inspected(one, box=None), inspected(other, box=None)
    reached, go_on = threading.Event(), threading.Event()

    def both() -> None:
        train(one, batches(2))
        second._due_s = 0.0  # as it is some times a second
        train(other, batches(2))
        reached.set()
        assert go_on.wait(60)

    run = first.run(both)
    assert reached.wait(60)
    second._cell_ended(ValueError("of another cell"))
    assert second.status().state == "live" and not second.status().events
    go_on.set()
    run.join()
    second._cell_ended()
    assert second.status().state == "finished"


def test_a_copy_of_a_lens_that_was_in_use_belongs_to_nobody() -> None:
    lens = OutputNorm()
    inspector = inspected(net(), kinds=[lens], box=None)
    inspector.detach()
    twin = copy.copy(lens)
    twin.set(normalize_by_size=True)
    assert (twin.specs[0].unit, lens.specs[0].unit) == ("RMS", "L2")
