"""How each step went: the stage of its readings, and whether it was made at all."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping

import torch
from torch.optim import Optimizer

from monitorch_widgets.errors import NotWatched
from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.history import History
from monitorch_widgets.history.arrivals import Arrivals
from monitorch_widgets.preprocessor import Told
from monitorch_widgets.values import ChartSpec

from .events import DROPPED, NO_STEP, OVERFLOW, Events
from .stages import StepTaken, stage_of

_ATTEMPTS, _PASSES = 50, 200  # attempts without a step, or passes of one step, before one is told that none was seen


class StepLog:
    """Notes how steps go, so that readings can say at which stage they were taken.

    Parameters
    ----------
    state : InspectorState
        Of the inspector; its passes tell when gradients went away without a step.
    arrivals : Arrivals
        Loses what was read for a step that was not made.
    events : Events
        Where skipped steps are noted.
    """

    def __init__(self, state: InspectorState, arrivals: Arrivals, events: Events) -> None:
        self._state = state
        self._arrivals = arrivals
        self._events = events
        self._never_a_step = 0
        self._told = False
        self._waited = 0  # backward passes before the step that is being made
        self._taken: dict[int, StepTaken] = {}
        self._noted: dict[str, StepTaken] = {}
        self._overflows = Told(self._overflow_known)
        state.passes.on_dropped = self._dropped

    def saw_step(self, optimizer: Optimizer | None) -> None:
        """Note a step, right before it is made."""
        self._waited = self._state.passes.waiting
        self._note(optimizer is not None, self._state.hooks.closure)
        overflow = getattr(optimizer, "found_inf", None)  # a gradient scaler leaves it to a fused optimizer
        if isinstance(overflow, torch.Tensor):
            self._state.buffer.push(overflow.detach().reshape(1).float(), self._overflows, ("overflow",))

    def made_step(self) -> None:
        """Note how a step went whose optimizer was given a closure, right after it."""
        if self._state.hooks.closure:  # which a Trainer gives to any optimizer, and most evaluate it once
            self._note(True, self._state.passes.count - self._waited > 1)

    def _note(self, optimizer: bool, closure: bool) -> None:
        passes = self._state.passes
        self._taken[self._state.buffer.step] = StepTaken(
            passes.count, passes.touched, optimizer, closure, passes.forwards or passes.count
        )

    def note_stages(self, history: History, specs: Iterable[ChartSpec], came: Mapping[str, Iterable[int]]) -> None:
        """Tell each series how the steps went whose readings have come."""
        for spec in specs:
            for step in came.get(spec.tag, ()):
                taken = self._taken.get(step)
                if taken is not None and taken != self._noted.get(spec.tag):
                    self._noted[spec.tag] = taken
                    history.declare(spec.tag).note_stage(step, stage_of(spec, taken))

    def forget(self, before: int) -> None:
        """Forget how the steps before this one went: no readings of theirs are on their way."""
        self._taken = {step: taken for step, taken in self._taken.items() if step >= before}

    def clear(self) -> None:
        """Forget the steps; events stay."""
        self._taken.clear()
        self._noted.clear()

    def _overflow_known(self, values: list[float], step: int) -> None:
        if values[0] > 0:
            self._events.add("skipped", step, OVERFLOW)

    def _dropped(self, mark: int) -> None:
        self._state.buffer.withdraw(mark)
        self._arrivals.withdraw(self._state.buffer.step)
        self._events.add("skipped", self._state.buffer.step, DROPPED)
        self._never_a_step += self._state.buffer.step == 0
        if self._never_a_step == _ATTEMPTS:
            self._tell_of_no_step()

    def step_is_long(self) -> None:
        """Tell, if it has been going on for many backward passes, that no step was seen."""
        if self._state.passes.count > _PASSES:
            self._tell_of_no_step()

    def _tell_of_no_step(self) -> None:
        if not self._told:
            self._told = True
            warnings.warn(NO_STEP, NotWatched, stacklevel=3)
