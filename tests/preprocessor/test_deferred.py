"""The step's buffer: numbers come late, together, with the step they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from monitorch_widgets.preprocessor import Ear, StepBuffer, Told


class Heard(list):
    """A taker that remembers what it got, and how many pushes it finished at a time."""

    def __init__(self) -> None:
        self.pushes: list[int] = []

    def finish(self, names: list[Sequence[str]], materials: list[Any]) -> torch.Tensor:
        self.pushes.append(len(materials))
        return torch.cat([material.reshape(len(of), -1) for of, material in zip(names, materials, strict=True)])

    def take(self, names: list[str], values: np.ndarray, steps: list[int]) -> None:
        self.extend(zip(names, values.tolist(), steps, strict=True))


class Broken(Heard):
    """A taker that has no room."""

    def take(self, names: list[str], values: np.ndarray, steps: list[int]) -> None:
        raise RuntimeError("no room")


class Unfinished(Heard):
    """A taker that makes nothing of what was pushed."""

    def finish(self, names: list[Sequence[str]], materials: list[Any]) -> torch.Tensor:
        raise RuntimeError("no sense")


def test_one_copy_brings_everything_in_order() -> None:
    buffer, heard, other = StepBuffer(), Heard(), Heard()
    buffer.push(torch.tensor([1.0, 2.0]), heard, ["a"])
    buffer.push(torch.tensor(3.0, dtype=torch.float64), other, ["b"])
    buffer.push(torch.tensor([[4.0, 5.0], [6.0, 7.0]]), heard, ["c", "a"])
    assert (len(buffer), heard) == (3, [])
    buffer.flush()
    assert heard == [("a", [1, 2], 0), ("c", [4, 5], 0), ("a", [6, 7], 0)]
    assert other == [("b", [3], 0)]
    assert (heard.pushes, other.pushes) == ([2], [1])  # each makes its readings once
    assert (len(buffer), buffer.transfers) == (0, 1)
    buffer.flush()
    assert buffer.transfers == 1  # nothing waits, nothing is copied


def test_float64_does_not_pass_through_float32() -> None:
    buffer, heard, other = StepBuffer(), Heard(), Heard()
    buffer.push(torch.tensor([1.0]), heard, ["a"])
    buffer.push(torch.tensor([0.1], dtype=torch.float64), other, ["b"])
    buffer.flush()
    assert other == [("b", [0.1], 0)]


def test_training_counts_for_the_running_step_and_evaluation_for_the_one_before() -> None:
    buffer, heard = StepBuffer(), Heard()
    buffer.push(torch.ones(1), heard, ["a"], evaluation=True)  # before any step there is none before
    buffer.push(torch.ones(1), heard, ["a"])
    buffer.step = 7
    buffer.push(torch.ones(1), heard, ["a"])
    buffer.push(torch.ones(1), heard, ["a"], evaluation=True)
    buffer.step = 8
    buffer.flush()
    assert [step for *_, step in heard] == [0, 0, 7, 6]


def test_what_was_withdrawn_reaches_nobody() -> None:
    buffer, heard = StepBuffer(), Heard()
    buffer.push(torch.ones(1), heard, ["a"])
    buffer.push(torch.ones(1) * 2, heard, ["a"], evaluation=True)
    buffer.withdraw(buffer.pushes)
    buffer.push(torch.ones(1) * 3, heard, ["a"])
    buffer.flush()
    assert heard == [("a", [2], 0), ("a", [3], 0)]


def test_numbers_may_be_told_one_row_at_a_time() -> None:
    buffer, told = StepBuffer(), []
    buffer.push(torch.tensor([[1.0], [2.0]]), Told(lambda numbers, step: told.append((numbers, step))), ["", ""])
    buffer.flush()
    assert told == [([1], 0), ([2], 0)]


@pytest.mark.parametrize(("broken", "words"), [(Broken, "no room"), (Unfinished, "no sense")])
def test_a_taker_that_raises_is_told_of_and_the_others_get_theirs(broken: type[Heard], words: str) -> None:
    buffer, heard = StepBuffer(), Heard()
    faults: list[tuple[object, str]] = []
    buffer.on_fault = lambda lens, error: faults.append((lens, str(error)))
    for lens, taker in (("lens A", broken()), ("lens B", heard)):
        buffer.ear = Ear(lens)
        buffer.push(torch.ones(1), taker, ["a"])
    buffer.flush()
    assert faults == [("lens A", words)]
    assert heard == [("a", [1], 0)]


@pytest.mark.parametrize(("broken", "words"), [(Broken, "no room"), (Unfinished, "no sense")])
def test_alone_it_raises_what_a_taker_raises(broken: type[Heard], words: str) -> None:
    buffer = StepBuffer()
    buffer.push(torch.ones(1), broken(), ["a"])
    with pytest.raises(RuntimeError, match=words):
        buffer.flush()


def test_dropped_numbers_never_arrive() -> None:
    buffer, heard = StepBuffer(), Heard()
    buffer.push(torch.ones(1), heard, ["a"])
    buffer.drop()
    buffer.flush()
    assert heard == []


def test_not_waiting_delivers_what_is_there() -> None:
    buffer, heard = StepBuffer(), Heard()
    buffer.push(torch.ones(1), heard, ["a"])
    buffer.flush(wait=False)  # on the CPU it always is
    assert heard == [("a", [1], 0)]


def test_too_much_does_not_wait_for_the_end_of_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitorch_widgets.preprocessor.deferred.ROOM", 3)
    buffer, heard = StepBuffer(), Heard()
    for _ in range(7):
        buffer.push(torch.ones(1), heard, ["a"])
    assert (len(heard), len(buffer)) == (6, 1)


class LateEvent:
    """Stands for a copy that a device has not finished."""

    def __init__(self) -> None:
        self.done = False
        self.waits = 0

    def query(self) -> bool:
        return self.done

    def synchronize(self) -> None:
        self.waits += 1
        self.done = True


def test_what_is_on_its_way_is_waited_for_only_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[LateEvent] = []

    def slow_copy(numbers: torch.Tensor) -> tuple[torch.Tensor, LateEvent]:
        events.append(LateEvent())
        return numbers, events[-1]

    monkeypatch.setattr("monitorch_widgets.preprocessor.deferred._to_host", slow_copy)
    buffer, heard = StepBuffer(), Heard()
    for value in (1.0, 2.0, 3.0):
        buffer.push(torch.tensor([value]), heard, ["a"])
        buffer.flush(wait=False)
        buffer.step += 1
    assert heard == []
    events[0].done = True
    buffer.flush(wait=False)
    assert heard == [("a", [1], 0)]  # under the step that it was pushed in
    assert [event.waits for event in events[1:]] == [0, 0]
    buffer.flush()
    assert heard == [("a", [1], 0), ("a", [2], 1), ("a", [3], 2)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_nothing_waits_for_it() -> None:
    buffer, heard = StepBuffer(), Heard()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        buffer.push(torch.ones(3, device="cuda") * 2, heard, ["a"])
        buffer.flush(wait=False)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    buffer.push(torch.ones(1), heard, ["b"])
    buffer.flush()
    assert sorted(heard) == [("a", [2, 2, 2], 0), ("b", [1], 0)]
