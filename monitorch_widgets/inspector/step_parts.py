"""What the parts of a step take: waiting for data, the loop, forward, backward, the optimizer."""

from __future__ import annotations

from collections import deque
from statistics import fmean

from monitorch_widgets.gatherer import InspectorState

from .clock import Clock

PARTS = ("data", "loop", "forward", "backward", "optimizer")
_ENDS = {  # the part that ends at each moment; between a pass and the next one or the step, the loop is at work
    "asked": "loop",
    "batch": "data",
    "forward": "loop",
    "returned": "forward",
    "backward": "forward",  # the loss is made of the output
    "gradients": "backward",
    "step": "optimizer",  # unscaling and clipping
    "stepped": "optimizer",
}
_INSIDE = ("forward", "returned")  # before a backward pass: what comes until then is a part of the forward pass
_WHOLE = frozenset(("forward", "gradients", "step"))  # what a step must have had to be counted
_NEWEST = 64
_STOOD_S = 1e-3  # the clock stands still while the loop is held, and between cells


class StepParts:
    """Seconds that the parts of the newest steps took, without what the inspector took in them.

    Only steps that are followed have parts, and not those with an evaluation, a pause or the end of a cell before them.
    Times are those of the host: on a GPU, work is only queued in one part, and waited for in another.

    Parameters
    ----------
    state : InspectorState
        Its passes tell of the moments, its hooks of what the inspector took.
    clock : Clock
        Stands still while nothing runs.

    Attributes
    ----------
    data_means : str
        What waiting for data is, in words: who tells of batches may not be able to tell it from something else.
    """

    def __init__(self, state: InspectorState, clock: Clock) -> None:
        self._hooks, self._clock = state.hooks, clock
        self._rows: deque[tuple[float, ...]] = deque(maxlen=_NEWEST)
        self._counts: deque[tuple[int, int]] = deque(maxlen=_NEWEST)  # forward passes and batches of each
        self._row = dict.fromkeys(PARTS, 0.0)
        self._seen: set[str] = set()
        self._forwards = self._batches = 0
        self._last, self._whole = "", False
        self._at = self._spent_s = self._ran_s = 0.0
        self.data_means = ""
        state.passes.on_mark = self.mark

    def asks_for_batch(self, means: str = "waiting for data") -> None:
        """Note that the loop waits for a batch from now on, and what that `means`; for steps that are followed."""
        if self._hooks.own.on:
            self.data_means = means
            self.mark("asked")

    def has_batch(self) -> None:
        """Note that the batch is there, as far as the step is followed."""
        if self._hooks.own.on and self._last == "asked":
            self.mark("batch")

    def mark(self, moment: str) -> None:
        """Note a moment of the running step: see ``Passes.on_mark``; or of a loop that tells of its batches."""
        took_s = self._lap()
        if took_s is None or moment == "evaluation":
            self._whole = False
        else:
            inside = self._last in _INSIDE and moment in ("forward", "asked")
            self._row["forward" if inside else _ENDS[moment]] += took_s
        self._forwards += moment == "forward"
        self._batches += moment == "batch"
        self._seen.add(moment)
        self._last = moment
        if moment == "stepped":
            self._end_row()

    def _lap(self) -> float | None:
        """Seconds of training since the moment before; None where the run stood still."""
        now, ran_s = self._hooks.tally(), self._clock.seconds
        took_s, before = now - self._at, self._spent_s
        stood = abs(took_s - (ran_s - self._ran_s)) > _STOOD_S
        self._at, self._spent_s, self._ran_s = now, self._hooks.spent_s, ran_s
        return None if stood else max(took_s - (self._spent_s - before), 0.0)

    def _end_row(self) -> None:
        if self._whole and self._seen >= _WHOLE:
            self._rows.append(tuple(self._row.values()))
            self._counts.append((self._forwards, self._batches))
        self._row = dict.fromkeys(PARTS, 0.0)
        self._seen.clear()
        self._forwards, self._batches, self._whole = 0, 0, True

    @property
    def mean_s(self) -> dict[str, float]:
        """Seconds of each part, the mean over the newest steps; empty before the first.

        Where nobody tells of batches, ``data`` is all that lies between steps, and there is no ``loop``.
        """
        if not self._rows:
            return {}
        found = dict(zip(PARTS, map(fmean, zip(*self._rows, strict=True)), strict=True))
        return found if self.knows_data else {"data": found.pop("loop"), **{name: found[name] for name in PARTS[2:]}}

    @property
    def knows_data(self) -> bool:
        """Whether waiting for data is told from the rest of the loop: in some of the steps, for one may use none."""
        return any(batches for _, batches in self._counts)

    @property
    def forwards(self) -> float:
        """Forward passes of a step, the mean: more than one where gradients are accumulated; 0 before the first."""
        return fmean(forwards for forwards, _ in self._counts) if self._counts else 0.0
