"""The step's buffer: numbers wait on their device until one copy brings them to the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Sink = Callable[[list[float], int], None]


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
    """

    def __init__(self) -> None:
        self.step = 0
        self.owner: object = None
        self.on_fault: Callable[[object, Exception], None] = _raise
        self.transfers = 0
        self._waiting: dict[torch.device, list[tuple[Tensor, Sink, int, object]]] = {}
        self._flying: list[tuple[Tensor, Any, list[tuple[int, Sink, int, object]]]] = []

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def push(self, numbers: Tensor, sink: Sink, *, evaluation: bool = False) -> None:
        """Keep `numbers`; `sink` is called with them as floats, and with their step, after a later flush."""
        step = max(self.step - 1, 0) if evaluation else self.step
        self._waiting.setdefault(numbers.device, []).append((numbers, sink, step, self.owner))

    def flush(self, *, wait: bool = True) -> None:
        """Start one copy per device, and deliver what has arrived; all of it if `wait`."""
        for entries in self._waiting.values():
            if entries:
                self._launch(entries)
        self._waiting.clear()
        while self._flying and (wait or self._flying[0][1] is None or self._flying[0][1].query()):
            self._land(*self._flying.pop(0))

    def drop(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._flying.clear()

    def _launch(self, entries: list[tuple[Tensor, Sink, int, object]]) -> None:
        flat = torch.cat([numbers.reshape(-1) for numbers, *_ in entries])
        host, event = _to_host(flat)
        self.transfers += 1
        self._flying.append(
            (host, event, [(numbers.numel(), sink, step, owner) for numbers, sink, step, owner in entries])
        )

    def _land(self, host: Tensor, event: Any, entries: list[tuple[int, Sink, int, object]]) -> None:
        if event is not None:
            event.synchronize()
        values = host.tolist()
        start = 0
        for size, sink, step, owner in entries:
            try:
                sink(values[start : start + size], step)
            except Exception as error:
                self.on_fault(owner, error)
            start += size


def _to_host(numbers: Tensor) -> tuple[Tensor, Any]:
    """Copy without waiting where the device can: the copy, and the event that says when it is there."""
    if numbers.device.type != "cuda":
        return numbers.cpu(), None
    host = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
    host.copy_(numbers, non_blocking=True)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]
    event.record(torch.cuda.current_stream(numbers.device))
    return host, event


def _raise(owner: object, error: Exception) -> None:
    raise error
