"""The clock: which step, epoch and phase it is, and how fast it goes."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.gatherer.parameter_places import ParameterPlace, parameter_places
from monitorch_widgets.values import Fault, Status

_MARKS = 2000  # epoch ends that are kept
_RATE_WINDOW = 50  # looks at the clock over which the rate is taken


class Clock:
    """Counts optimizer steps of one model.

    Parameters
    ----------
    state : InspectorState
        Its buffer carries the number of finished steps.
    now : callable, optional
        Time in seconds, by the clock of the hooks.
    """

    def __init__(self, state: InspectorState, now: Callable[[], float] | None = None) -> None:
        self._state = state
        self._now = perf_counter if now is None else now
        self._model: weakref.ref[nn.Module] | None = None
        self._own: dict[int, ParameterPlace] = {}
        self._foreign: weakref.WeakKeyDictionary[Optimizer, tuple[int, ...]] = weakref.WeakKeyDictionary()
        self._started: float | None = None
        self._ended: float | None = None
        self._ticks: deque[tuple[int, float]] = deque(maxlen=_RATE_WINDOW)  # step and time
        self._ends: list[float] = []  # seconds of finished steps whose readings may be on their way
        self._oldest = 0  # the first of these steps
        self.epoch_marks: deque[tuple[int, int]] = deque(maxlen=_MARKS)
        self.phase = "train"
        self.told_phase: str | None = None  # as the loop says it
        self.state = "waiting"

    def watch(self, model: nn.Module) -> None:
        """Follow the optimizers of `model`."""
        self.look_again(model)
        self._state.hooks.accepts = self.steps_model
        self.state = "waiting"

    def look_again(self, model: nn.Module) -> None:
        """Take in parameters that `model` has got since."""
        self._model = weakref.ref(model)
        self._own = _own(model)
        self._foreign.clear()

    def steps_model(self, optimizer: Optimizer) -> bool:
        """Whether an optimizer steps a parameter of the model, as both are now."""
        if self._shares(optimizer):
            return True
        stepped = tuple(id(parameter) for group in optimizer.param_groups for parameter in group["params"])
        if self._foreign.get(optimizer) == stepped:
            return False
        self._foreign[optimizer] = stepped
        model = None if self._model is None else self._model()
        if model is not None:  # a parameter may have been replaced, and the optimizer made of the new one
            self._own = _own(model)
        return self._shares(optimizer)

    def _shares(self, optimizer: Optimizer) -> bool:
        return any(self._is_own(parameter) for group in optimizer.param_groups for parameter in group["params"])

    def _is_own(self, parameter: Tensor) -> bool:
        place = self._own.get(id(parameter))
        return place is not None and place.parameter is parameter  # an id is given again when its owner is gone

    def saw_forward(self, training: bool) -> None:
        """Note a forward pass of the model."""
        self.phase = "train" if training else "eval"
        self._state.note_forward(training)
        self.go_on()

    def finish_step(self) -> None:
        """Note a finished step."""
        self.go_on()
        now = self._now()
        self._state.hooks.skipped_at.append(now)
        self._take_ends()
        self.phase, self._state.in_step = "train", False
        self._state.passes.step_ends()
        self._state.buffer.step += 1
        self._ticks.append((self._state.buffer.step, now))

    def finish_epoch(self) -> None:
        """Note the end of an epoch."""
        self.epoch_marks.append((self._state.counter, self._state.buffer.step))

    def stop(self, state: str) -> None:
        """End the run: ``"finished"`` or ``"paused"`` until it goes on, or ``"detached"``."""
        self._take_ends()
        if self.state in ("live", "paused") or state == "detached":
            self.state = state
            self._ended = self._now() if self._ended is None else self._ended

    def continue_from(self, step: int) -> None:
        """Count on from a step that a former run has reached."""
        self._state.buffer.step = self._oldest = step

    def go_on(self) -> None:
        """Start, or go on after an end: the time between is not counted."""
        if self._started is None:
            self._started = self._now()
        elif self._ended is not None:
            self._started += self._now() - self._ended
            self._ticks.clear()
        self.state, self._ended = "live", None

    @property
    def seconds(self) -> float:
        """Seconds of running since the first forward pass; it stands still while no run goes on."""
        if self._started is None:
            return 0.0
        return (self._now() if self._ended is None else self._ended) - self._started

    def second_of(self, step: int) -> float:
        """Seconds of running at the end of a step; until now for one that is not over."""
        self._take_ends()
        place = step - self._oldest
        return self._ends[place] if 0 <= place < len(self._ends) else self.seconds

    def forget_seconds(self, before: int) -> None:
        """Forget when the steps before this one ended: no readings of theirs are on their way."""
        self._take_ends()
        gone = min(max(before - self._oldest, 0), len(self._ends))
        del self._ends[:gone]
        self._oldest += gone

    def _take_ends(self) -> None:
        """Take in when the newest steps ended."""
        newest = self._state.hooks.skipped_at
        if newest:
            started = newest[0] if self._started is None else self._started
            self._ends += [end - started for end in newest]
            newest.clear()

    @property
    def steps_per_s(self) -> float:
        """Steps per second over the newest steps; 0 before the second."""
        if len(self._ticks) < 2:
            return 0.0
        (first, began), (last, ended) = self._ticks[0], self._ticks[-1]
        return (last - first) / max(ended - began, 1e-9)

    def status(self, faults: tuple[Fault, ...], **others: Any) -> Status:
        """Where the run stands; `others` are the fields that the clock does not know."""
        state = "fault" if faults and self.state not in ("detached", "paused") else self.state
        return Status(
            state,
            self._epoch(),
            self._state.buffer.step,
            self.told_phase or ("eval" if self._state.buffer.evaluated == self._state.buffer.step else self.phase),
            self.steps_per_s,
            self.seconds,
            tuple(self.epoch_marks),
            faults,
            **others,
        )

    def _epoch(self) -> int:
        """The running epoch; the last one where the run ended with it."""
        over = self.state in ("finished", "detached") and self.epoch_marks
        if over and self.epoch_marks[-1][1] == self._state.buffer.step:
            return self.epoch_marks[-1][0]
        return self._state.counter


def _own(model: nn.Module) -> dict[int, ParameterPlace]:
    places = {place: place.parameter for place in parameter_places(model)}
    return {id(parameter): place for place, parameter in places.items() if parameter is not None}
