"""Where the time and the memory of a run go, as two cards."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter

from torch import nn

from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.values import Card, Overhead

from .cards import Cards
from .clock import Clock
from .memory import Memory, parameters_of
from .schedule import Schedule
from .step_parts import StepParts

_TIMING_S, _MEMORY_S = 1.0, 5.0  # between two cards
_WORDS = {
    "loop": "between steps: what else the loop does",
    "forward": "forward pass and loss",
    "backward": "backward pass",
    "optimizer": "clipping and optimizer step",
    "inspector": "this inspector",
}
_UNKNOWN = "between steps: data, and what else the loop does"  # where nobody tells when a batch is there
_MUCH = 0.3  # of a step that is spent waiting


class Timing:
    """Shows what a step is made of, and what memory the run takes; the cards ``timing`` and ``memory``.

    Parameters
    ----------
    state, clock, schedule, cards
        Of the inspector.
    model : callable, optional
        Gives the watched model, or None.

    Attributes
    ----------
    parts : StepParts
        Seconds of the parts of a step.
    memory : Memory
        What the run takes.
    """

    def __init__(
        self,
        state: InspectorState,
        clock: Clock,
        schedule: Schedule,
        cards: Cards,
        model: Callable[[], nn.Module | None] = lambda: None,
    ) -> None:
        self._clock, self._schedule, self._cards, self._model = clock, schedule, cards, model
        self._hooks = state.hooks
        self._parameters: list[list[str]] = []
        self.parts = StepParts(state, clock)
        self.memory = Memory()
        self._timing_due = self._memory_due = 0.0

    def refresh(self, force: bool = False) -> None:
        """Renew the cards if it is time to; costs less than a microsecond where it is not.

        Parameters
        ----------
        force : bool
            Renew them whatever the time is.
        """
        now = perf_counter()
        try:
            if force or now >= self._timing_due:
                self._timing_due = now + _TIMING_S
                self._show_timing()
            if force or now >= self._memory_due:
                self._memory_due = now + _MEMORY_S
                self._show_memory()
        except Exception as error:
            self._hooks.on_fault(None, "", error)

    @property
    def each_s(self) -> dict[str, float]:
        """Seconds that each part of a step takes, the inspector's own among them; empty before the first step.

        The inspector's is the mean over all steps, also those that it does not listen to.
        """
        parts = self.parts.mean_s
        own_s = self._schedule.meter.usual_s * self._schedule.overhead.fraction
        return {**parts, "inspector": own_s if math.isfinite(own_s) else 0.0} if parts else {}

    def _show_timing(self) -> None:
        each = self.each_s
        whole_s = sum(each.values())
        if not whole_s:
            return
        shares = {name: took_s / whole_s for name, took_s in each.items()}
        slow = "data" if shares["data"] > _MUCH else max(shares, key=lambda name: shares[name])
        words = {**_WORDS, "data": self.parts.data_means if self.parts.knows_data else _UNKNOWN}
        rows = [[words[name], 1000 * each[name], 100 * shares[name]] for name in each]
        content = {
            "words": f"A step takes {_ms(whole_s)}; {100 * shares[slow]:.0f} % of it: {words[slow]}.",
            "facts": self._facts(),
            "bars": {
                "labels": list(each),
                "values": [1000 * took_s for took_s in each.values()],
                "lit": [list(each).index(slow)],
                "unit": "ms",
            },
            "table": {"columns": ["part of a step", "ms", "%"], "rows": rows},
        }
        self._cards.put(Card("timing", "Performance", "report", "Time of a step", content))

    def _facts(self) -> list[list[str]]:
        passes = self.parts.forwards
        facts = [["forward passes per step", f"{passes:.3g}"]] if passes > 1 else []
        return facts + _costs(self._schedule.overhead)

    def _show_memory(self) -> None:
        self.memory.look(self._clock.seconds)
        model = self._model()
        self._parameters = self._parameters if model is None else parameters_of(model)
        facts = self._parameters + self.memory.facts
        if facts:
            curve = {
                "x": list(self.memory.seconds),
                "y": [size / 1e6 for size in self.memory.resident],
                "x_label": "seconds",
                "y_label": "process, MB",
                "log": False,
            }
            self._cards.put(Card("memory", "Performance", "report", "Memory", {"facts": facts, "curve": curve}))


def _costs(overhead: Overhead) -> list[list[str]]:
    """What watching costs, and how often lenses listen."""
    facts = []
    if math.isfinite(overhead.fraction):
        budget = "" if overhead.max_fraction is None else f" of at most {100 * overhead.max_fraction:.3g} %"
        facts.append(["this inspector adds", f"{100 * overhead.fraction:.1f} %{budget}"])
    low, high = overhead.every_steps
    if high:
        facts.append(["lenses listen every", f"{low} steps" if low == high else f"{low} to {high} steps"])
    return facts


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"
