"""A training loop in a thread: what it shares with the cell that started it, and how it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
from torch import nn

from monitorch_widgets.errors import CommandRefused
from monitorch_widgets.transport.background import Run

from ..inspector.commanded import batches, inspected, net, plain, same, train, weights


class Lock:
    """Keeps a training function where it is until a test lets it go on."""

    def __init__(self) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, step: int = 0) -> None:
        self.reached.set()
        assert self.go_on.wait(60)


def endless(model: nn.Module, between: Callable[[int], object] = lambda step: None) -> None:
    x = torch.ones(5, 3)

    def forever() -> Iterator[torch.Tensor]:
        while True:
            yield x

    train(model, forever(), between)


def test_the_result_is_there_once_it_has_ended() -> None:
    model, lock = net(), Lock()
    inspector = inspected(model, box=None)
    run = inspector.run(train, model, batches(6), lambda step: lock() if step == 3 else None)
    assert lock.reached.wait(60) and run.running and repr(run) == "Run(running)"
    with pytest.raises(CommandRefused, match=r"the run goes on; wait for it with run\.join\(\)"):
        _ = run.result
    lock.go_on.set()
    assert run.join() == run.result == 6 and not run.running and repr(run) == "Run(finished)"
    assert same(weights(model), plain(6)) and inspector.history["Output Norm"].rows == 6
    assert inspector.status().state == "finished" and not run.stopped and run.error is None


def test_an_exception_is_printed_in_full_and_raised_where_the_result_is_asked_for(
    capfd: pytest.CaptureFixture[str],
) -> None:
    model = net()
    inspector = inspected(model, box=None)

    def fails_in_here() -> None:
        train(model, batches(4), lambda step: 1 // (3 - step))

    run = inspector.run(fails_in_here)
    for ask in (run.join, lambda: run.result):
        with pytest.raises(ZeroDivisionError) as error:
            ask()
        assert error.value is run.error
    told = capfd.readouterr().err
    assert "Traceback" in told and "in fails_in_here" in told and "ZeroDivisionError" in told
    assert repr(run) == "Run(failed)" and same(weights(model), plain(3))
    assert inspector.run(train, net(), batches(2)).join() == 2


def test_it_is_stopped_between_two_steps(capsys: pytest.CaptureFixture[str]) -> None:
    model, lock = net(), Lock()
    inspector = inspected(model, box=None)
    run = inspector.run(train, model, batches(50), lambda step: lock() if step == 2 else None)
    assert lock.reached.wait(60)
    inspector.stop()
    lock.go_on.set()
    assert run.stop() and run.stopped and run.join() is None and run.result is None and repr(run) == "Run(stopped)"
    steps = inspector.state.buffer.step
    assert steps in (2, 3) and same(weights(model), plain(steps))
    assert capsys.readouterr().out == "Training was stopped, as asked.\n"
    assert run.stop() and inspector.run(train, model, batches(3)).join() == 3  # and the next one is not


def test_one_that_is_stopped_before_its_first_step_makes_few() -> None:
    model, lock = net(), Lock()
    inspector = inspected(model, box=None)

    def later() -> None:
        lock()
        endless(model)

    run = inspector.run(later)
    assert lock.reached.wait(60)
    inspector.stop()
    lock.go_on.set()
    assert run.stop() and run.stopped and inspector.state.buffer.step <= 1


def test_a_loop_of_the_inspector_that_is_stopped_before_it_begins_does_not() -> None:
    model, lock = net(), Lock()
    inspector = inspected(model, box=None)

    def later() -> int:
        lock()
        return sum(train(model, batches(2)) for _ in inspector.range(3))

    run = inspector.run(later)
    assert lock.reached.wait(60)
    inspector.stop()
    lock.go_on.set()
    assert run.join() == 0 and list(inspector.range(2)) == [0, 1]


def test_the_model_can_be_looked_at_between_two_steps() -> None:
    model = net()
    inspector = inspected(model, box=None)
    run = inspector.run(endless, model)
    for _ in range(3):
        with run.paused():
            assert inspector._control.holding and inspector.status().state == "paused"
            step, before = inspector.state.buffer.step, weights(model)
            with run.paused():  # of another cell
                assert inspector._control.holding
            model.eval()
            with torch.no_grad():
                model(torch.ones(1, 3))
            model.train()
            assert inspector.state.buffer.step == step and same(weights(model), before)
    assert run.stop() and run.stopped


def test_a_run_that_has_ended_is_not_held() -> None:
    model = net()
    run = inspected(model, box=None).run(train, model, batches(2))
    run.join()
    with run.paused():
        assert not run.running
    assert run.running is False


def test_a_hold_is_over_when_the_block_raises() -> None:
    model = net()
    inspector = inspected(model, box=None)
    run = inspector.run(endless, model)
    with pytest.raises(ZeroDivisionError), run.paused():
        _ = 1 / 0
    assert run.stop() and run.stopped


def test_pause_step_and_resume_from_the_notebook() -> None:
    model = net()
    inspector = inspected(model, box=None)
    run = inspector.run(endless, model)
    run.pause()
    assert inspector._control.changed.wait(60)
    step = inspector.state.buffer.step
    inspector.add(more := _norm())
    run.resume()
    with run.paused():
        assert more in inspector.lenses and inspector.state.buffer.step >= step
    assert run.stop()


def _norm() -> Any:
    from monitorch_widgets.lens import ParameterNorm

    return ParameterNorm()


def test_there_is_one_run_at_a_time() -> None:
    model, lock = net(), Lock()
    inspector = inspected(model, box=None)
    run = inspector.run(lock)
    with pytest.raises(CommandRefused, match="a run goes on already"):
        inspector.run(train, model, batches(2))
    lock.go_on.set()
    run.join()
    assert inspector.run(train, model, batches(2)).join() == 2


def test_what_comes_after_its_last_step_is_done_when_it_ends() -> None:
    model, lock = net(), Lock()
    inspector = inspected(model, box=None)

    def ends_late() -> None:
        train(model, batches(2))
        lock()

    run = inspector.run(ends_late)
    assert lock.reached.wait(60)
    inspector.add(more := _norm())
    inspector.pause()
    lock.go_on.set()
    run.join()
    assert more in inspector.lenses
    records = [(record.name, record.refused) for record in inspector.history.commands]
    assert records == [("add", False), ("pause", True)]
    assert train(model, batches(2)) == 2  # in the main thread, where nobody could let it go on


# ---------------------------------------------------------------------- as in the cell


def surroundings() -> dict[str, Any]:
    return {
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "autocast": torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu"),
        "cache": torch.is_autocast_cache_enabled(),
        "device": torch.get_default_device(),
        "product": (torch.ones(2, 2, device="cpu") @ torch.ones(2, 2, device="cpu")).dtype,
        "made": torch.empty(1).device.type,
    }


@pytest.mark.parametrize(
    "enter",
    [
        torch.enable_grad,
        torch.no_grad,
        torch.inference_mode,
        lambda: torch.autocast("cpu", torch.bfloat16),
        lambda: torch.autocast("cpu", torch.float16, cache_enabled=False),
        lambda: torch.device("meta"),
    ],
    ids=["grad", "no_grad", "inference_mode", "bfloat16", "float16 without cache", "device"],
)
def test_it_runs_in_the_surroundings_of_its_cell(enter: Callable[[], AbstractContextManager[Any]]) -> None:
    inspector = inspected(net(), box=None)
    usual = surroundings()
    with enter():
        here, there = surroundings(), inspector.run(surroundings).join()
    assert here == there and surroundings() == inspector.run(surroundings).join() == usual


def test_it_draws_the_random_numbers_that_the_cell_would() -> None:
    def trained() -> int:
        return train(model, (torch.randn(5, 3) for _ in range(6)))

    made: list[list[torch.Tensor]] = []
    for in_thread in (True, False):
        model = net()
        inspector = inspected(model, box=None)
        torch.manual_seed(5)
        assert (inspector.run(trained).join() if in_thread else trained()) == 6
        made.append([*weights(model), torch.rand(1)])
    assert same(*made)


def test_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    inspected(net(), box=None).run(print, "from", "there", sep="-").join()
    assert capsys.readouterr().out == "from-there\n"


def test_context_variables_are_those_of_the_cell() -> None:
    import contextvars

    where = contextvars.ContextVar("where", default="nowhere")
    where.set("in the cell")
    assert inspected(net(), box=None).run(where.get).join() == "in the cell"


# ---------------------------------------------------------------------- interrupted


def test_an_interrupt_of_join_stops_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model = net()
    inspector = inspected(model, box=None)
    run = inspector.run(endless, model)
    waits: list[int] = []

    def wait(self: Run, timeout_s: float | None) -> bool:
        waits.append(1)
        if len(waits) == 1:
            raise KeyboardInterrupt
        return usual(self, timeout_s)

    usual = Run._wait
    monkeypatch.setattr(Run, "_wait", wait)
    with pytest.raises(KeyboardInterrupt):
        run.join()
    assert run.stopped and not run.running
    steps = inspector.state.buffer.step
    inspector.history["Output Norm"]
    assert inspector.run(train, model, batches(2)).join() == 2 and inspector.state.buffer.step == steps + 2


def test_messages_are_handled_while_somebody_waits() -> None:
    model, lock, calls = net(), Lock(), []
    inspector = inspected(model, box=None)

    def wait(seconds: float) -> None:
        calls.append(seconds)
        lock.go_on.set()

    inspector._control.wait = wait
    run = inspector.run(train, model, batches(4), lambda step: lock() if step == 2 else None)
    assert run.join() == 4 and calls
