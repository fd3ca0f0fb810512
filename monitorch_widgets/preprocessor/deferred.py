"""The step's buffer: numbers wait on their device until one copy brings them to the host."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from monitorch_widgets.numerical import aside

from .ear import Ear

Floats = npt.NDArray[np.float64]

ROOM = 20_000
"""Pushes that wait at most, for loops without steps."""
WITHDRAWN = -1
"""Step of numbers that belong to an attempt of which no step was made: nobody gets them."""


class Taker(Protocol):
    """Who gets the numbers of a push, in two moves: made on the device, for many pushes at once, then taken."""

    def finish(self, names: list[Sequence[str]], materials: list[Any]) -> Tensor:
        """Make readings of what was pushed, on its device: one row for each name, in order.

        Pushes of several steps may be among them, and of several passes of one step; all are on one device.
        """

    def take(self, names: list[str], values: Floats, steps: list[int]) -> None:
        """Get the rows, each with its name and step, when they are on the host."""


class Ready:
    """Base of takers of what is readings already: materials have one row a name."""

    def finish(self, names: list[Sequence[str]], materials: list[Any]) -> Tensor:
        """Put the rows below each other."""
        return rows_of(names, materials)


class Told(Ready):
    """Hands each row to a function, called as ``tell(numbers, step)``."""

    def __init__(self, tell: Callable[[list[float], int], None]) -> None:
        self._tell = tell

    def take(self, names: list[str], values: Floats, steps: list[int]) -> None:
        """Tell of each row."""
        for numbers, step in zip(values.tolist(), steps, strict=True):
            self._tell(numbers, step)


def rows_of(names: list[Sequence[str]], materials: list[Tensor]) -> Tensor:
    """Tensors of one row a name each, or of as many numbers in any shape, below each other."""
    return torch.cat([numbers.reshape(len(of), -1) for of, numbers in zip(names, materials, strict=True)])


@dataclass(slots=True)
class _Entry:
    material: Any
    taker: Taker
    names: Sequence[str]
    step: int
    ear: Ear
    evaluation: bool
    place: int


@dataclass(slots=True)
class _Group:
    """What one taker gets of one transfer."""

    taker: Taker
    entries: list[_Entry]
    rows: int = 0
    size: int = 0

    @property
    def ear(self) -> Ear:
        return self.entries[0].ear


class StepBuffer:
    """Collects small tensors during steps and hands their numbers out when they have arrived on the host.

    Attributes
    ----------
    step : int
        Number of finished optimizer steps: what is pushed while training belongs to this step, what is pushed
        during evaluation to the one before.
    begun : int
        The newest step in which the model, or a loss, has run forward in training, as far as that is followed.
    evaluated : int
        The same for evaluation, -1 after a pass in training.
    ear : Ear
        Whose callback is running.
    on_fault : callable
        Called as ``on_fault(lens, error)`` when a taker of theirs raises; the default raises.
    finished_s : float
        Seconds of flushing that went into takers' own :meth:`Taker.finish` so far.
    transfers : int
        Copies to the host so far: one for each device that had numbers, per flush.
    pushes : int
        Pushes so far.
    grad_outside : bool or None
        Whether gradients were enabled when the running forward pass of the model began; None between such passes.
        Checkpointing disables them inside.
    on_full : callable
        Called when so much waits that it should not wait for the end of the step; flushes, by default.
    """

    def __init__(self) -> None:
        self.step = 0
        self.begun = self.evaluated = -1
        self.ear = Ear()
        self.on_fault: Callable[[object, Exception], None] = _raise
        self.finished_s = 0.0
        self.transfers = 0
        self.pushes = 0
        self.grad_outside: bool | None = None
        self.on_full: Callable[[], None] = self._flush_without_wait
        self._room = ROOM
        self._waiting: list[_Entry] = []
        self._flying: list[tuple[Tensor, Any, list[_Group]]] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether nothing waits, and nothing is on its way."""
        return not self._waiting and not self._flying

    @property
    def _evaluated(self) -> int:
        """The step that an evaluation comes after."""
        return max(self.step - 1, 0)

    @property
    def oldest(self) -> int:
        """The first step that numbers may still come for: they wait, are on their way, or an evaluation brings them."""
        steps = (entry.step for entry in self._entries() if entry.step != WITHDRAWN)
        return min([self._evaluated, *steps])

    def note_pass(self, training: bool) -> None:
        """Note that the model, or a loss, runs forward."""
        if training:
            self.begun, self.evaluated = self.step, -1
        else:
            self.evaluated = self.step

    def push(self, material: Any, taker: Taker, names: Sequence[str], *, evaluation: bool = False) -> None:
        """Keep a tensor, a tuple of such on one device, or a number until a later flush; nobody else may change them.

        Numbers are readings as they are, and take no part in a transfer.
        """
        step = self._evaluated if evaluation else self.step
        self.pushes += 1
        self._waiting.append(_Entry(material, taker, names, step, self.ear, evaluation, self.pushes))
        self._room -= 1
        if not self._room:
            self.on_full()

    def withdraw(self, mark: int, since: int = 0) -> None:
        """Take the pushes up to number `mark`, so far as they wait, out of the running step: they belong to none.

        Those up to number `since` stay.
        """
        for entry in self._entries():
            if since < entry.place <= mark and entry.step == self.step and not entry.evaluation:
                entry.step = WITHDRAWN

    def _entries(self) -> Iterator[_Entry]:
        flying = (group.entries for _, _, groups in self._flying for group in groups)
        return chain(self._waiting, *flying)

    def flush(self, *, wait: bool = True) -> None:
        """Start one copy per device, and deliver what has arrived; all of it if `wait`."""
        self._room = ROOM
        waiting, self._waiting = self._waiting, []  # an interrupt in between loses numbers rather than doubling them
        for device, groups in _by_device(waiting).items():  # withdrawn ones too: what counts passes has seen them
            if device is None:
                self._hand_over(groups)
            else:
                self._launch(groups)
        while self._flying and (wait or self._flying[0][1] is None or self._flying[0][1].query()):
            self._land(*self._flying.pop(0))

    def _flush_without_wait(self) -> None:
        self.flush(wait=False)

    def drop(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._flying.clear()

    def _launch(self, groups: list[_Group]) -> None:
        with aside():
            made = [(group, self._finished(group)) for group in groups]
            ready = [(group, numbers) for group, numbers in made if numbers is not None]
            if ready:
                host, event = _to_host(torch.cat([numbers.reshape(-1) for _, numbers in ready]))
                self.transfers += 1
                self._flying.append((host, event, [group for group, _ in ready]))

    def _hand_over(self, groups: list[_Group]) -> None:
        """Deliver numbers, which are on the host already."""
        for group in groups:
            began = perf_counter()
            group.rows = len(group.entries)
            group.ear.rows += group.rows
            self._deliver(group, np.array([[entry.material] for entry in group.entries], np.float64))
            self._note(group, perf_counter() - began)

    def _note(self, group: _Group, took_s: float) -> None:
        group.ear.spent_s += took_s
        group.ear.finished_s += took_s
        self.finished_s += took_s

    def _finished(self, group: _Group) -> Tensor | None:
        began = perf_counter()
        entries = group.entries
        try:
            numbers = group.taker.finish([e.names for e in entries], [e.material for e in entries])
        except Exception as error:
            self.on_fault(group.ear.lens, error)
            return None
        for entry in entries:
            entry.material = None  # lets the device's memory go
        group.rows, group.size = len(numbers), numbers.numel()
        group.ear.rows += group.rows
        self._note(group, perf_counter() - began)
        return numbers

    def _land(self, host: Tensor, event: Any, groups: list[_Group]) -> None:
        if event is not None:
            event.synchronize()
        values = host.numpy().astype(np.float64)
        start = 0
        for group in groups:
            if group.rows:
                self._deliver(group, values[start : start + group.size].reshape(group.rows, -1))
            start += group.size

    def _deliver(self, group: _Group, values: Floats) -> None:
        names = [name for entry in group.entries for name in entry.names]
        steps = [entry.step for entry in group.entries for _ in entry.names]
        if WITHDRAWN in steps:  # while they were on their way
            kept = [i for i, step in enumerate(steps) if step != WITHDRAWN]
            names, steps, values = [names[i] for i in kept], [steps[i] for i in kept], values[kept]
        try:
            group.taker.take(names, values, steps)
        except Exception as error:
            self.on_fault(group.ear.lens, error)


def _by_device(entries: list[_Entry]) -> dict[torch.device | None, list[_Group]]:
    """The entries by device, None for numbers, and for each by who takes them, in the order that they came."""
    devices: dict[torch.device | None, dict[int, _Group]] = {}
    for entry in entries:
        first = entry.material[0] if isinstance(entry.material, tuple) else entry.material
        groups = devices.setdefault(None if isinstance(first, float) else first.device, {})
        group = groups.get(id(entry.taker))
        if group is None:
            group = groups[id(entry.taker)] = _Group(entry.taker, [])
        group.entries.append(entry)
    return {device: list(groups.values()) for device, groups in devices.items()}


def _to_host(numbers: Tensor) -> tuple[Tensor, Any]:
    """Copy without waiting where the device can: the copy, and the event that says when it is there."""
    if numbers.device.type != "cuda":
        return numbers.cpu(), None
    here, side = torch.cuda.current_stream(numbers.device), _side_stream(numbers.device)
    side.wait_stream(here)
    with torch.cuda.stream(side):
        host = torch.empty(numbers.shape, dtype=numbers.dtype, device="cpu", pin_memory=True)
        host.copy_(numbers, non_blocking=True)
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(side)
    numbers.record_stream(side)  # its memory is not given away before the copy is made
    return host, event


_SIDE: dict[torch.device, Any] = {}


def _side_stream(device: torch.device) -> Any:
    """A stream of ours beside the training's, one for each device: the copy delays nothing there."""
    if device not in _SIDE:
        _SIDE[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    return _SIDE[device]


def _raise(lens: object, error: Exception) -> None:
    raise error
