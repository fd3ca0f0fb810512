"""The passes of a step: where the forward pass is, how many backward passes there were, and what became of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from monitorch_widgets.preprocessor import StepBuffer

from .calls import CallNumbers
from .parameter_places import ParameterPlace, parameter_places

NO_BACKWARD = -1
_SURE = 3  # steps without a call of the model: some loops make two steps of one call

_State = tuple[int, int]  # which tensor a gradient is, and how often that was written to


@dataclass(frozen=True, slots=True)
class _Left:
    """A gradient as a backward pass left it; one stands for all, since loops treat them alike.

    It is known by its ``id``: a reference, even a weak one, would forbid torch to swap it for another.
    """

    place: ParameterPlace
    state: _State

    @property
    def touched(self) -> bool:
        """Whether it was replaced, dropped, or written to since."""
        return _state(self.place) != self.state

    @property
    def dropped(self) -> bool:
        """Whether it was replaced, dropped, or filled with zeros since."""
        gradient = _gradient(self.place)
        if gradient is None or id(gradient) != self.state[0]:
            return True
        # Looking at values waits for the device, but only in loops that write to gradients and then make no step.
        return self.touched and not bool(gradient.any())


class Passes:
    """Follows the forward and backward passes of one model between its steps.

    Parameters
    ----------
    buffer : StepBuffer
        Of the inspector; told whether the running forward pass began with gradients enabled.

    Attributes
    ----------
    calls : CallNumbers
        Tells the calls of a module apart.
    count : int
        Backward passes that the gradients of the next step come from; a second optimizer may step the same ones.
    forwards : int
        Forward passes of the model in training since the last step; 0 where only its parts are called.
    begun : bool
        Whether a module has run forward in training since the last step.
    parts_only : bool
        Whether the newest steps that were followed were made of parts of the model, which itself was not called.
    on_dropped : callable
        Called as ``on_dropped(mark)`` when a backward pass begins and finds that the gradients of those before it went
        away without a step; `mark` is the number of pushes into the buffer when they ended.
    on_mark : callable
        Called as ``on_mark(moment)`` where a part of a step that is followed begins or ends: a forward pass
        (``"forward"`` in training, ``"evaluation"``, ``"returned"``), a backward pass (``"backward"``,
        ``"gradients"``), the optimizer's step (``"step"``, ``"stepped"``).
    """

    def __init__(self, buffer: StepBuffer) -> None:
        self.calls = CallNumbers()
        self.count = 0
        self.begun = False
        self.parts_only = False
        self.forwards = 0
        self.on_dropped: Callable[[int], None] = _ignore
        self.on_mark: Callable[[str], None] = _ignore_moment
        self._buffer = buffer
        self._inside = False
        self._running = False
        self._closure = self._followed = False
        self._uncalled = 0  # steps in a row without a call of the model itself
        self._part, self._unread = "", 0  # the moment at which a pass of parts began, and who began one without graph
        self._forward_since = False  # the last backward pass
        self._used = True  # whether a step was made of what the backward passes left
        self._task = self._queued = NO_BACKWARD
        self._at_end: Callable[[], None] | None = None
        self._begun_at = 0
        self._mark = 0
        self._left: _Left | None = None
        self._before: list[_State | None] = []  # the running backward pass
        self._places: list[ParameterPlace] = []

    def watch(self, model: nn.Module) -> None:
        """Follow a model."""
        self._places = parameter_places(model)
        self.step_ends()

    def forward_begins(self, *, training: bool = True, nested: bool = False) -> None:
        """Note that the model was called: in training or not, by itself if `nested`."""
        if not in_backward():
            self.calls.restart()
            if (self._inside or self._running) and not nested:  # the pass before has raised
                self._buffer.withdraw(self._buffer.pushes, since=self._begun_at)
            self._begun_at = self._buffer.pushes
            if not nested:
                self.on_mark("forward" if training else "evaluation")
            self.forwards += training and not nested
            self._inside, self._running = True, False
            self._buffer.grad_outside = torch.is_grad_enabled()

    def forward_ends(self) -> None:
        """Note that the model returns."""
        if not in_backward():
            self.on_mark("returned")
            self.calls.restart()
            self._inside, self._buffer.grad_outside = False, None

    def part_begins(self, key: int, *, training: bool) -> None:
        """Note that the part with this key was called by the loop; the first one of a pass begins it.

        What runs without a graph, in a model that trains, may be a frozen part; run again, it is an evaluation.
        """
        if in_backward() or self._inside or self.forwards:
            return
        unread = not torch.is_grad_enabled()
        moment = "forward" if training and not (unread and key == self._unread) else "evaluation"
        self._unread = key if unread and not self._part else self._unread
        if moment != self._part:
            self._part = moment
            self.on_mark(moment)

    def name_of_call(self, key: int, name: str, *, repeated: bool) -> str:
        """Name of the series for a call of a module, which runs now or has just run."""
        if repeated:
            return self.calls.repeated(key, name)
        self._running, self._forward_since = False, True
        if not self._inside and not torch.is_grad_enabled():
            return name  # nothing would ever end this count: neither the model returns, nor a backward pass begins
        return self.calls.name(key, name)

    def backward_runs(self) -> None:
        """Note that a backward pass has reached an output; only the first note of each pass counts."""
        task = running_backward()
        if self._running or (task == self._task and task != NO_BACKWARD):
            return
        self.on_mark("backward")
        self._task, self._running, self._at_end = task, True, None
        self._part, self._unread = "", 0
        self.calls.restart()
        if self._used:
            self.count, self._left, self._used = 0, None, False
        # without a forward pass in between, the loop works with the gradients of one attempt
        if self._left is not None and self._forward_since and not self._closure and self._left.dropped:
            self.on_dropped(self._mark)
            self.count, self.forwards = 0, min(self.forwards, 1)
        self.count += 1
        self._before = [_state(place) for place in self._places]
        _at_the_end(self._backward_ends)

    def _backward_ends(self) -> None:
        self.on_mark("gradients")
        self._running = self._forward_since = False
        self._look_at_gradients()
        at_end, self._at_end = self._at_end, None
        if at_end is not None:
            at_end()

    def _look_at_gradients(self) -> None:
        for place, before in zip(self._places, self._before, strict=True):
            now = _state(place)
            if now != before:
                self._left = None if now is None else _Left(place, now)
                self._mark = self._buffer.pushes
                return
        self.count -= 1  # it was made for something else than the parameters, a gradient penalty or the like

    @property
    def touched(self) -> bool:
        """Whether gradients were changed since the last backward pass: unscaled, clipped, or the like."""
        return self._left is not None and self._left.touched

    @property
    def waiting(self) -> int:
        """Backward passes whose gradients no step has used."""
        return 0 if self._used else self.count

    @property
    def inside(self) -> bool:
        """Whether a forward pass of the model is running, or was left by an exception."""
        return self._inside

    @property
    def pushes(self) -> int:
        """Numbers that were pushed so far."""
        return self._buffer.pushes

    def when_backward_ends(self, callback: Callable[[], None]) -> None:
        """Call something when the running backward pass ends, once; what raises never ends."""
        if self._running:
            self._at_end = callback
        elif self._queued != running_backward():  # no output of a watched module was in this pass
            self._queued = running_backward()
            _at_the_end(callback)

    def step_begins(self, closure: bool) -> None:
        """Note that the optimizer runs, with a closure or not; a closure may compute gradients many times."""
        self.on_mark("step")
        self._closure, self._followed = closure, True

    def step_ends(self) -> None:
        """Note that the gradients were used."""
        self.on_mark("stepped")
        if self._followed:
            self._uncalled = 0 if self.forwards else self._uncalled + 1
            self.parts_only = self._uncalled >= _SURE
        self._followed = False
        self._part, self._unread = "", 0
        self._closure = self.begun = False
        self.forwards = 0
        self.calls.restart()
        self._used = True
        self._inside = self._running = False
        self._buffer.grad_outside = None


def _no_backward() -> int:
    return NO_BACKWARD


running_backward: Callable[[], int] = getattr(torch._C, "_current_graph_task_id", _no_backward)
"""Number of the backward pass that is running; ``NO_BACKWARD`` for none. Private: without it, repetitions count."""


def in_backward() -> bool:
    """Whether a backward pass is running: a forward pass in there repeats one for activation checkpointing."""
    return running_backward() != NO_BACKWARD


def _at_the_end(callback: Callable[[], None]) -> None:
    """Call something when the running backward pass ends; not at all where torch does not let us."""
    try:
        torch.autograd.Variable._execution_engine.queue_callback(callback)
    except (AttributeError, RuntimeError):
        callback()


def _gradient(place: ParameterPlace) -> Tensor | None:
    parameter = place.parameter
    return None if parameter is None else parameter.grad


def _state(place: ParameterPlace) -> _State | None:
    gradient = _gradient(place)
    return None if gradient is None else (id(gradient), gradient._version)


def _ignore(mark: int) -> None:
    pass


def _ignore_moment(moment: str) -> None:
    pass
