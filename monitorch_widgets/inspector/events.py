"""What happened between two readings, like a step that was skipped."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from monitorch_widgets.values import Event

_KEPT = 200

OVERFLOW = "The step was skipped: a gradient scaler found infinity or NaN in the gradients."
NO_STEP = (
    "no optimizer step of the watched model was seen for a long time. A loop that changes the parameters itself, or in "
    "compiled code, should call inspector.tick_batch() after each step."
)
DROPPED = (
    "No optimizer step was seen that used the gradients of a backward pass: a gradient scaler skipped it, or the loop "
    "set them to zero, or changed the parameters itself; then it should call tick_batch()."
)
_SHORT = 300  # characters of an error's words


def ended_by(error: BaseException) -> str:
    """What ended a run before its time, in words.

    >>> ended_by(ValueError("not a number")), ended_by(KeyboardInterrupt())
    ('Stopped by ValueError: not a number', 'Interrupted')
    """
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted"
    words = f"Stopped by {type(error).__name__}: {error}".removesuffix(": ")
    return words if len(words) <= _SHORT else f"{words[:_SHORT]}…"


class Events:
    """The newest events of a run; those of one kind that follow each other step by step are one.

    Examples
    --------
    >>> events = Events()
    >>> for step in (3, 4, 9):
    ...     events.add("skipped", step, "No step was made.")
    >>> [(event.step, event.last_step, event.count) for event in events.all]
    [(3, 4, 2), (9, 9, 1)]
    """

    def __init__(self) -> None:
        self._events: deque[Event] = deque(maxlen=_KEPT)

    @property
    def all(self) -> tuple[Event, ...]:
        """The events, the oldest first."""
        return tuple(self._events)

    def add(self, kind: str, step: int, words: str) -> None:
        """Note that something happened when `step` steps were finished."""
        last = next((event for event in reversed(self._events) if event.kind == kind), None)
        if last is None or last.words != words or step > last.last_step + 1:
            self._events.append(Event(kind, step, step, 1, words))
        else:
            place = self._events.index(last)
            self._events[place] = replace(last, last_step=max(step, last.last_step), count=last.count + 1)
