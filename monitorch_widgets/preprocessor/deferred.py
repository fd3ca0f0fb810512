"""The step's buffer: numbers wait on their device until one copy brings them to the host."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

Sink = Callable[[list[float], int], None]

ROOM = 20_000
"""Pushes that wait at most, for loops without steps."""
WITHDRAWN = -1
"""Step of numbers that belong to an attempt of which no step was made: nobody gets them."""


@dataclass(slots=True)
class _Entry:
    numbers: Tensor
    sink: Sink
    step: int
    owner: object
    evaluation: bool
    place: int
    size: int


class StepBuffer:
    """Collects small tensors during a step and hands their numbers out when they have arrived on the host.

    Attributes
    ----------
    step : int
        Number of finished optimizer steps: what is pushed while training belongs to this step, what is pushed
        during evaluation to the one before.
    owner : object
        Whose callback is running; told to `on_fault` when a sink of theirs raises.
    on_fault : callable
        Called as ``on_fault(owner, error)``; the default raises.
    transfers : int
        Copies to the host so far: one for each device that had numbers, per flush.
    pushes : int
        Numbers pushed so far, each push counted once.
    grad_outside : bool or None
        Whether gradients were enabled when the running forward pass of the model began; None between such passes.
        Checkpointing disables them inside.
    on_full : callable
        Called when a step is so long that what waits should not wait for its end; flushes, by default.
    """

    def __init__(self) -> None:
        self.step = 0
        self.owner: object = None
        self.on_fault: Callable[[object, Exception], None] = _raise
        self.transfers = 0
        self.pushes = 0
        self.grad_outside: bool | None = None
        self.on_full: Callable[[], None] = self._flush_without_wait
        self._room = ROOM
        self._waiting: dict[torch.device, list[_Entry]] = {}
        self._flying: list[tuple[Tensor, Any, list[_Entry]]] = []

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    @property
    def idle(self) -> bool:
        """Whether nothing waits, and nothing is on its way."""
        return not self._waiting and not self._flying

    def push(self, numbers: Tensor, sink: Sink, *, evaluation: bool = False) -> None:
        """Keep `numbers`; `sink` is called with them as floats, and with their step, after a later flush."""
        step = max(self.step - 1, 0) if evaluation else self.step
        self.pushes += 1
        entry = _Entry(numbers, sink, step, self.owner, evaluation, self.pushes, numbers.numel())
        self._waiting.setdefault(numbers.device, []).append(entry)
        self._room -= 1
        if not self._room:
            self.on_full()

    def withdraw(self, mark: int, since: int = 0) -> None:
        """Take the pushes up to number `mark`, so far as they wait, out of the running step: they belong to none.

        Those up to number `since` stay.
        """
        flying = (entries for _, _, entries in self._flying)
        for entries in [*self._waiting.values(), *flying]:
            for entry in entries:
                if since < entry.place <= mark and entry.step == self.step and not entry.evaluation:
                    entry.step = WITHDRAWN

    def flush(self, *, wait: bool = True) -> None:
        """Start one copy per device, and deliver what has arrived; all of it if `wait`."""
        self._room = ROOM
        waiting, self._waiting = self._waiting, {}  # an interrupt in between loses numbers rather than doubling them
        for entries in waiting.values():
            self._launch(entries)
        while self._flying and (wait or self._flying[0][1] is None or self._flying[0][1].query()):
            self._land(*self._flying.pop(0))

    def _flush_without_wait(self) -> None:
        self.flush(wait=False)

    def drop(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._flying.clear()

    def _launch(self, entries: list[_Entry]) -> None:
        host, event = _to_host(torch.cat([entry.numbers.reshape(-1) for entry in entries]))
        self.transfers += 1
        for entry in entries:
            entry.numbers = host  # lets the device's memory go
        self._flying.append((host, event, entries))

    def _land(self, host: Tensor, event: Any, entries: list[_Entry]) -> None:
        if event is not None:
            event.synchronize()
        values = host.tolist()
        start = 0
        for entry in entries:
            if entry.step != WITHDRAWN:
                self._deliver(entry, values[start : start + entry.size])
            start += entry.size

    def _deliver(self, entry: _Entry, values: list[float]) -> None:
        try:
            entry.sink(values, entry.step)
        except Exception as error:
            self.on_fault(entry.owner, error)


def _to_host(numbers: Tensor) -> tuple[Tensor, Any]:
    """Copy without waiting where the device can: the copy, and the event that says when it is there."""
    if numbers.device.type != "cuda":
        return numbers.cpu(), None
    host = torch.empty(numbers.shape, dtype=numbers.dtype, device="cpu", pin_memory=True)
    host.copy_(numbers, non_blocking=True)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(numbers.device))
    return host, event


def _raise(owner: object, error: Exception) -> None:
    raise error
