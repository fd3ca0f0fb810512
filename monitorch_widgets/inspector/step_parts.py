"""What the parts of a step take: waiting for data, forward, backward, the optimizer."""

from __future__ import annotations

from collections import deque
from statistics import fmean

from monitorch_widgets.gatherer import InspectorState

from .clock import Clock

PARTS = ("data", "forward", "backward", "optimizer")
_ENDS = {  # the part that ends at each moment; between a pass and the next one or the step, the loop is at work
    "forward": "data",
    "returned": "forward",
    "backward": "forward",  # the loss is made of the output
    "gradients": "backward",
    "step": "optimizer",  # unscaling and clipping
    "stepped": "optimizer",
}
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
    """

    def __init__(self, state: InspectorState, clock: Clock) -> None:
        self._hooks, self._clock = state.hooks, clock
        self._rows: deque[tuple[float, ...]] = deque(maxlen=_NEWEST)
        self._passes: deque[int] = deque(maxlen=_NEWEST)
        self._row = dict.fromkeys(PARTS, 0.0)
        self._seen: set[str] = set()
        self._forwards = 0
        self._last, self._whole = "", False
        self._at = self._spent_s = self._ran_s = 0.0
        state.passes.on_mark = self.mark

    def mark(self, moment: str) -> None:
        """Note a moment of the running step; see ``Passes.on_mark``."""
        took_s = self._lap()
        if took_s is None or moment == "evaluation":
            self._whole = False
        else:
            part = "forward" if self._last == "returned" and moment == "forward" else _ENDS[moment]
            self._row[part] += took_s
        self._forwards += moment == "forward"
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
            self._passes.append(self._forwards)
        self._row = dict.fromkeys(PARTS, 0.0)
        self._seen.clear()
        self._forwards, self._whole = 0, True

    @property
    def mean_s(self) -> dict[str, float]:
        """Seconds of each part, the mean over the newest steps; empty before the first."""
        columns = zip(*self._rows, strict=True) if self._rows else ()
        return dict(zip(PARTS, map(fmean, columns), strict=False))

    @property
    def forwards(self) -> float:
        """Forward passes of a step, the mean: more than one where gradients are accumulated; 0 before the first."""
        return fmean(self._passes) if self._passes else 0.0
