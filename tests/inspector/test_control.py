"""Pause, step, resume and stop: where the loop is held, what it had done by then, and that nothing else changes."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import CommandRefused, MonitorchWarning, TrainingStopped
from monitorch_widgets.gatherer.gate import GateHook

from .commanded import (
    Box,
    at,
    batches,
    check_same_history,
    done,
    inspected,
    lenses,
    net,
    plain,
    same,
    sgd,
    train,
    weights,
)

# ---------------------------------------------------------------------- held, and let go on


def steps_seen(inspector: PyTorchInspector, seen: list[int]) -> Callable[[], None]:
    return lambda: seen.append(inspector.state.buffer.step)


def test_a_pause_holds_between_two_steps_and_changes_nothing() -> None:
    model, seen = net(), []
    inspector = inspected(model, box=None)
    look = steps_seen(inspector, seen)
    states: list[str] = []
    box = Box(inspector, look, lambda: states.append(inspector.status().state), look, inspector.resume)
    train(model, batches(6), at(3, inspector.pause))
    assert seen == [3, 3] and states == ["paused"] and not box.asked
    assert inspector.status().state == "live" and inspector.status().asked == ""
    untold, told_nothing = net(), inspected(net(), box=None)
    told_nothing.attach(untold)
    train(untold, batches(6))
    assert same(weights(model), plain(6))
    check_same_history(inspector, told_nothing)
    assert done(inspector) == [("pause", 3), ("resume", 3)]


def test_steps_are_made_one_by_one_and_some_at_a_time() -> None:
    model, seen = net(), []
    inspector = inspected(model, box=None)
    look = steps_seen(inspector, seen)
    Box(inspector, look, inspector.step, look, lambda: inspector.step(3), look, inspector.resume)
    train(model, batches(9), at(2, inspector.pause))
    assert seen == [2, 3, 6] and same(weights(model), plain(9))


def test_a_running_loop_steps_on_and_is_held() -> None:
    model, seen = net(), []
    inspector = inspected(model, box=None)
    Box(inspector, steps_seen(inspector, seen), inspector.resume)
    train(model, batches(6), at(2, lambda: inspector.step(2)))
    assert seen == [4]


def test_a_step_to_the_end_of_the_epoch_holds_before_the_next() -> None:
    model, seen = net(), []
    inspector = inspected(model, box=None)
    look = steps_seen(inspector, seen)
    Box(inspector, look, inspector.step_epoch, look, inspector.resume)
    optimizer = sgd(model)
    for epoch in range(3):
        train(model, batches(4), at(2, *([inspector.pause] if epoch == 0 else [])), optimizer)
        inspector.tick_epoch()
    assert seen == [2, 4] and inspector.state.counter == 4


def test_a_pause_before_training_holds_before_the_first_step() -> None:
    model, seen = net(), []
    inspector = inspected(model, box=None)
    Box(inspector, steps_seen(inspector, seen), inspector.resume)
    inspector.pause()
    train(model, batches(3))
    assert seen == [0]


def test_a_pause_that_is_taken_back_in_time_holds_nothing() -> None:
    model = net()
    inspector = inspected(model, box=None)
    box = Box(inspector)
    train(model, batches(4), at(2, inspector.pause, inspector.resume))
    assert box.looks == 0 and same(weights(model), plain(4))


@pytest.mark.parametrize("how", ["pause", "step", "step_epoch"])
def test_a_hold_that_nobody_could_end_is_refused(how: str) -> None:
    model = net()
    inspector = inspected(model, box=None)
    with pytest.raises(CommandRefused, match=r"background: run = inspector\.run"):
        getattr(inspector, how)()
    with pytest.warns(MonitorchWarning, match=f"{how} was refused: nobody could let a held loop go on"):
        train(model, batches(4), at(2, getattr(inspector, how)))
    assert [record.refused for record in inspector.history.commands] == [True, True]
    assert same(weights(model), plain(4))


def test_steps_have_to_be_a_number() -> None:
    inspector = inspected(net())
    for wrong in (0, -1, True, 1.5, "2"):
        with pytest.raises((ValueError, TypeError), match="expected steps to be"):
            inspector.step(wrong)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- from another thread


class Other:
    """Another thread that does one thing after another, each when it is told to."""

    def __init__(self) -> None:
        self._may = threading.Semaphore(0)
        self._done = threading.Semaphore(0)
        self._asked: list[Callable[[], object]] = []
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while self._may.acquire():
            self._asked.pop(0)()
            self._done.release()

    def begin(self, asked: Callable[[], object]) -> None:
        self._asked.append(asked)
        self._may.release()

    def do(self, asked: Callable[[], object]) -> None:
        self.begin(asked)
        assert self._done.acquire(timeout=60)


def test_another_thread_holds_the_loop_and_lets_it_go_on() -> None:
    model, seen, other = net(), [], Other()
    inspector = inspected(model, box=None)
    held = inspector._control.changed

    def look_and_resume() -> None:
        assert held.wait(60)
        seen.append((inspector.state.buffer.step, inspector._control.holding))
        inspector.resume()

    Box(inspector)

    def between(step: int) -> None:
        if step == 3:
            other.do(inspector.pause)
            other.begin(look_and_resume)

    train(model, batches(6), between)
    # before the next step, or after it where nothing stood before the model when the other thread asked
    assert seen in ([(3, True)], [(4, True)]) and same(weights(model), plain(6))


def test_another_thread_stops_the_loop() -> None:
    model, other = net(), Other()
    inspector = inspected(model, box=None)
    with pytest.raises(TrainingStopped):
        train(model, batches(9), lambda step: other.do(inspector.stop) if step == 3 else None)
    assert inspector.state.buffer.step == 4 and same(weights(model), plain(4))


def test_a_loop_in_a_thread_of_ones_own_is_held_too() -> None:
    model = net()
    inspector = inspected(model, box=None)
    reached, go_on = threading.Event(), threading.Event()

    def between(step: int) -> None:
        if step == 2:
            reached.set()
            assert go_on.wait(60)

    thread = threading.Thread(target=train, args=(model, batches(6), between))
    thread.start()
    assert reached.wait(60)
    inspector.pause()
    go_on.set()
    assert inspector._control.changed.wait(60)
    held_at = inspector.state.buffer.step
    inspector.resume()
    thread.join(60)
    assert held_at in (2, 3) and same(weights(model), plain(6))


# ---------------------------------------------------------------------- stopped


def test_a_plain_loop_gets_one_exception_between_two_steps() -> None:
    model, caught = net(), []
    inspector = inspected(model)
    with pytest.raises(TrainingStopped) as stop:
        train(model, batches(9), at(4, inspector.stop))
    caught.append(stop.value)
    assert str(stop.value) == "Training was stopped, as asked."
    assert stop.value._render_traceback_() == [str(stop.value)]
    assert not isinstance(stop.value, Exception)
    assert inspector.state.buffer.step == 4 and same(weights(model), plain(4))
    assert inspector.status().state == "finished" and inspector.history["Output Norm"].rows == 4


def test_the_next_loop_after_a_stop_is_neither_stopped_nor_held() -> None:
    model = net()
    inspector = inspected(model)
    optimizer = sgd(model)
    data = list(batches(9))
    with pytest.raises(TrainingStopped):
        train(model, data[:6], at(4, inspector.stop), optimizer)
    assert train(model, data[4:], optimizer=optimizer) == 5
    assert same(weights(model), plain(9)) and inspector.history["Output Norm"].rows == 9
    assert inspector.status().state == "live"


def test_there_is_nothing_to_stop_before_and_after() -> None:
    model = net()
    inspector = inspected(model)
    with pytest.raises(CommandRefused, match="nothing trains now"):
        inspector.stop()
    with pytest.raises(TrainingStopped):
        train(model, batches(3), at(1, inspector.stop))
    with pytest.raises(CommandRefused, match="nothing trains now"):
        inspector.stop()


@pytest.mark.parametrize("which", ["iter", "range"])
def test_loops_of_the_inspector_just_end(which: str) -> None:
    model, epochs = net(), []
    inspector = inspected(model)
    optimizer, data = sgd(model), list(batches(8))
    for epoch in inspector.range(3) if which == "range" else inspector.iter("abc"):
        epochs.append(epoch)
        for i, x in enumerate(inspector.iter(data[:5])):
            train(model, [x], optimizer=optimizer)
            if len(epochs) == 2 and i == 1:
                inspector.stop()
    assert len(epochs) == 2 and inspector.state.buffer.step == 7 and inspector.state.counter == 2
    straight = net()
    train(straight, data[:5] + data[:2])
    assert same(weights(model), weights(straight))
    assert [epoch for epoch in inspector.range(2) for _ in inspector.iter("xy")] == [0, 0, 1, 1]
    assert train(model, data, optimizer=optimizer) == 8


def test_a_loop_of_epochs_ends_when_it_is_stopped_between_batches_of_a_plain_one() -> None:
    model = net()
    inspector = inspected(model)
    done_with: list[int] = []

    def epochs() -> None:
        for epoch in inspector.range(2):
            train(model, batches(3), at(2, inspector.stop))
            done_with.append(epoch)

    with pytest.raises(TrainingStopped):
        epochs()
    assert not done_with and same(weights(model), plain(2))
    assert list(inspector.range(2)) == [0, 1]


def test_a_stop_wins_over_a_hold() -> None:
    model = net()
    inspector = inspected(model, box=None)
    Box(inspector, inspector.stop)
    with pytest.raises(TrainingStopped):
        train(model, batches(6), at(2, inspector.pause))
    assert same(weights(model), plain(2)) and not inspector._control.paused


# ---------------------------------------------------------------------- loops as people write them


def tick_batch_loop(inspector: PyTorchInspector | None, model: nn.Module, between: Callable[[int], object]) -> None:
    for step, x in enumerate(batches(6), 1):
        model(x).pow(2).mean().backward()
        with torch.no_grad():
            for parameter in model.parameters():
                assert parameter.grad is not None
                parameter -= 0.1 * parameter.grad
        if inspector is not None:
            inspector.tick_batch()
        model.zero_grad()
        between(step)


def accumulating(inspector: PyTorchInspector | None, model: nn.Module, between: Callable[[int], object]) -> None:
    optimizer, step = sgd(model), 0
    for i, x in enumerate(batches(12)):
        model(x).pow(2).mean().backward()
        if i % 2:
            optimizer.step()
            optimizer.zero_grad()
            step += 1
            between(step)


def scaled(inspector: PyTorchInspector | None, model: nn.Module, between: Callable[[int], object]) -> None:
    optimizer, scaler = sgd(model), torch.amp.GradScaler("cpu", init_scale=64.0)
    for step, x in enumerate(batches(6), 1):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(x).pow(2).mean()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        scaler.step(optimizer)
        scaler.update()
        between(step)


def lbfgs(inspector: PyTorchInspector | None, model: nn.Module, between: Callable[[int], object]) -> None:
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3)
    for step, x in enumerate(batches(6), 1):

        def closure(x: Tensor = x) -> Tensor:
            optimizer.zero_grad()
            loss = model(x).pow(2).mean()
            loss.backward()
            return loss

        optimizer.step(closure)  # type: ignore[arg-type]
        between(step)


def two_optimizers(inspector: PyTorchInspector | None, model: nn.Module, between: Callable[[int], object]) -> None:
    assert isinstance(model, nn.Sequential)
    turns = [sgd(model[0]), torch.optim.Adam(model[2].parameters())]
    for step, x in enumerate(batches(6), 1):
        optimizer = turns[step % 2]
        model.zero_grad()
        model(x).pow(2).mean().backward()
        optimizer.step()
        between(step)


def with_evaluations(inspector: PyTorchInspector | None, model: nn.Module, between: Callable[[int], object]) -> None:
    optimizer = sgd(model)
    for step, x in enumerate(batches(6), 1):
        train(model, [x], optimizer=optimizer)
        model.eval()
        with torch.no_grad():
            model(x)
        model.train()
        between(step)


LOOPS = (tick_batch_loop, accumulating, scaled, lbfgs, two_optimizers, with_evaluations)


@pytest.fixture(params=LOOPS, ids=lambda loop: loop.__name__)
def loop(request: pytest.FixtureRequest) -> Callable[..., None]:
    found: Callable[..., None] = request.param
    return found


def until(loop: Callable[..., None], steps: int) -> list[Tensor]:
    """Weights after so many steps of a loop that nobody watches."""
    model = net()
    found: list[list[Tensor]] = []
    loop(None, model, lambda step: found.append(weights(model)))
    return found[steps - 1]


def test_such_a_loop_stops_after_whole_steps(loop: Callable[..., None]) -> None:
    model = net()
    inspector = inspected(model)
    with pytest.raises(TrainingStopped):
        loop(inspector, model, at(3, inspector.stop))
    assert inspector.state.buffer.step == 3 and same(weights(model), until(loop, 3))
    fresh = net()
    inspector.attach(fresh)
    loop(inspector, fresh, lambda step: None)
    assert same(weights(fresh), until(loop, 6))


def test_such_a_loop_is_held_and_goes_on_as_if_nothing_were(loop: Callable[..., None]) -> None:
    model, seen = net(), []
    inspector = inspected(model, box=None)
    look = steps_seen(inspector, seen)
    Box(inspector, look, inspector.step, look, inspector.resume)
    loop(inspector, model, at(3, inspector.pause))
    untold = net()
    silent = inspected(untold)
    loop(silent, untold, lambda step: None)
    assert seen == [3, 4]
    assert same(weights(model), until(loop, 6))
    check_same_history(inspector, silent)


class Parts(nn.Module):
    """Is never called itself."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)


def train_parts(model: Parts, between: Callable[[int], object]) -> None:
    optimizer = sgd(model)
    for step, x in enumerate(batches(6), 1):
        optimizer.zero_grad()
        model.second(model.first(x)).pow(2).mean().backward()
        optimizer.step()
        between(step)


def test_a_model_that_is_never_called_stops_and_is_held_at_the_end_of_a_step() -> None:
    straight: list[list[Tensor]] = []
    bare = Parts()
    train_parts(bare, lambda step: straight.append(weights(bare)))
    model, seen = Parts(), []
    inspector = inspected(model, box=None)
    Box(inspector, steps_seen(inspector, seen), inspector.resume)
    with pytest.raises(TrainingStopped):
        train_parts(model, lambda step: {2: inspector.pause, 4: inspector.stop}.get(step, int)())
    reached = inspector.state.buffer.step
    assert len(seen) == 1 and seen[0] in (3, 4) and reached in (5, 6)
    assert same(weights(model), straight[reached - 1])


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # while torch compiles
@pytest.mark.parametrize("wrapped", [True, False], ids=["torch.compile(model)", "model.compile()"])
def test_a_compiled_model_stops_and_is_held(wrapped: bool) -> None:
    model, seen = net(), []
    called: Any = torch.compile(model, backend="eager") if wrapped else model
    if not wrapped:
        model.compile(backend="eager")
    inspector = inspected(called, box=None)
    Box(inspector, steps_seen(inspector, seen), inspector.resume)
    with pytest.raises(TrainingStopped):
        train(called, batches(12), lambda step: {3: inspector.pause, 6: inspector.stop}.get(step, int)())
    reached = inspector.state.buffer.step
    assert len(seen) == 1 and 3 <= seen[0] <= 5 and 6 <= reached <= 8
    assert same(weights(model), plain(reached))


# ---------------------------------------------------------------------- interrupted, and left in other ways


def interrupt() -> None:
    raise KeyboardInterrupt


def test_an_interrupt_of_a_held_loop_comes_once_and_the_next_loop_is_free() -> None:
    model = net()
    inspector = inspected(model, box=None)
    box = Box(inspector, interrupt)
    optimizer, data = sgd(model), list(batches(6))
    caught = 0
    try:
        train(model, data, at(2, inspector.pause), optimizer)
    except KeyboardInterrupt:
        caught += 1
    assert caught == 1 and not inspector._control.holding and not inspector._control.paused
    train(model, data[2:], optimizer=optimizer)
    assert not box.asked and same(weights(model), plain(6)) and inspector.history["Output Norm"].rows == 6


def test_a_loop_that_raises_takes_no_hold_with_it() -> None:
    model = net()
    inspector = inspected(model, box=None)
    Box(inspector)
    with pytest.raises(ZeroDivisionError), inspector:
        train(model, batches(4), at(2, inspector.pause, lambda: 1 / 0))
    assert not inspector._control.paused and not any(module._forward_pre_hooks for module in model.modules())
    train(model, batches(3))


def test_nothing_stands_before_the_model_once_the_loop_goes_on() -> None:
    model = net()
    inspector = inspected(model, box=None)
    Box(inspector, inspector.resume)
    train(model, batches(6), at(3, inspector.pause))
    assert not any(isinstance(hook, GateHook) for hook in model._forward_pre_hooks.values())
    inspector.detach()
    assert not model._forward_pre_hooks


def test_what_comes_after_the_last_boundary_is_done_or_refused_when_the_loop_is_over() -> None:
    model, other = net(), Other()
    inspector = inspected(model, box=None)
    Box(inspector)

    def epochs() -> Iterator[int]:
        yield from inspector.range(1)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in epochs():
            train(model, batches(3))
            for asked in (inspector.pause, lambda: inspector.set(depth=1)):
                other.do(asked)
    records = list(inspector.history.commands)
    assert [(record.name, record.refused, record.words) for record in records] == [
        ("pause", True, "the loop has ended"),
        ("depth", False, "depth 1"),
    ] and all(issubclass(warning.category, MonitorchWarning) for warning in told)
    assert inspector.depth == 1 and train(model, batches(2)) == 2


def test_commands_that_only_look_leave_a_training_as_it_was() -> None:
    model, untold = net(), net()
    inspector, silent = inspected(model, lenses(), box=None), inspected(untold, lenses())
    Box(inspector, lambda: inspector.status(), lambda: inspector.step(2), lambda: inspector.history, inspector.resume)

    def between(step: int) -> None:
        inspector.status()
        if step == 5:
            inspector.set(max_overhead=0.2)
            inspector.register("mean", lambda module, input, output: output.mean())
            inspector.pause()

    train(model, batches(12), between)
    train(untold, batches(12))
    assert same(weights(model), weights(untold))
    check_same_history(inspector, silent)
