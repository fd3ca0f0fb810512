"""The step's buffer: numbers come late, together, with the step they belong to."""

from __future__ import annotations

import pytest
import torch

from monitorch_widgets.preprocessor import StepBuffer


class Heard(list):
    """A sink that remembers."""

    def __call__(self, values: list[float], step: int) -> None:
        self.append((values, step))


def test_one_copy_brings_everything_in_order() -> None:
    buffer, heard = StepBuffer(), Heard()
    buffer.push(torch.tensor([1.0, 2.0]), heard)
    buffer.push(torch.tensor(3.0, dtype=torch.float64), heard)
    buffer.push(torch.tensor([[4.0], [5.0]]), heard)
    assert (len(buffer), heard) == (3, [])
    buffer.flush()
    assert heard == [([1, 2], 0), ([3], 0), ([4, 5], 0)]
    assert (len(buffer), buffer.transfers) == (0, 1)
    buffer.flush()
    assert buffer.transfers == 1  # nothing waits, nothing is copied


def test_float64_does_not_pass_through_float32() -> None:
    buffer, heard = StepBuffer(), Heard()
    buffer.push(torch.tensor([1.0]), heard)
    buffer.push(torch.tensor([0.1], dtype=torch.float64), heard)
    buffer.flush()
    assert heard[1] == ([0.1], 0)


def test_training_counts_for_the_running_step_and_evaluation_for_the_one_before() -> None:
    buffer, heard = StepBuffer(), Heard()
    buffer.push(torch.ones(1), heard, evaluation=True)  # before any step there is none before
    buffer.push(torch.ones(1), heard)
    buffer.step = 7
    buffer.push(torch.ones(1), heard)
    buffer.push(torch.ones(1), heard, evaluation=True)
    buffer.step = 8
    buffer.flush()
    assert [step for _, step in heard] == [0, 0, 7, 6]


def test_an_empty_piece_is_delivered_as_such() -> None:
    buffer, heard = StepBuffer(), Heard()
    buffer.push(torch.empty(0), heard)
    buffer.push(torch.ones(1), heard)
    buffer.flush()
    assert heard == [([], 0), ([1], 0)]


def test_a_sink_that_raises_is_told_of_and_the_others_get_theirs() -> None:
    buffer, heard = StepBuffer(), Heard()
    faults: list[tuple[object, str]] = []
    buffer.on_fault = lambda owner, error: faults.append((owner, str(error)))

    def broken(values: list[float], step: int) -> None:
        raise RuntimeError("no room")

    buffer.owner = "lens A"
    buffer.push(torch.ones(1), broken)
    buffer.owner = "lens B"
    buffer.push(torch.ones(1), heard)
    buffer.owner = None
    buffer.flush()
    assert faults == [("lens A", "no room")]
    assert heard == [([1], 0)]


def test_alone_it_raises_what_a_sink_raises() -> None:
    def broken(values: list[float], step: int) -> None:
        raise RuntimeError("no room")

    buffer = StepBuffer()
    buffer.push(torch.ones(1), broken)
    with pytest.raises(RuntimeError, match="no room"):
        buffer.flush()


def test_dropped_numbers_never_arrive() -> None:
    buffer, heard = StepBuffer(), Heard()
    buffer.push(torch.ones(1), heard)
    buffer.drop()
    buffer.flush()
    assert heard == []


def test_not_waiting_delivers_what_is_there() -> None:
    buffer, heard = StepBuffer(), Heard()
    buffer.push(torch.ones(1), heard)
    buffer.flush(wait=False)  # on the CPU it always is
    assert heard == [([1], 0)]


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
        buffer.push(torch.tensor([value]), heard)
        buffer.flush(wait=False)
        buffer.step += 1
    assert heard == []
    events[0].done = True
    buffer.flush(wait=False)
    assert heard == [([1], 0)]  # under the step that it was pushed in
    assert [event.waits for event in events[1:]] == [0, 0]
    buffer.flush()
    assert heard == [([1], 0), ([2], 1), ([3], 2)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_nothing_waits_for_it() -> None:
    buffer, heard = StepBuffer(), Heard()
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        buffer.push(torch.ones(3, device="cuda") * 2, heard)
        buffer.flush(wait=False)
    finally:
        torch.cuda.set_sync_debug_mode(before)
    buffer.push(torch.ones(1), heard)
    buffer.flush()
    assert sorted(heard) == [([1], 0), ([2, 2, 2], 0)]
