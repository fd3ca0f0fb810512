"""Losses and metrics that the loop pushes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from monitorch_widgets.errors import NotWatched
from monitorch_widgets.lens import LossMetrics

if TYPE_CHECKING:
    from monitorch_widgets.gatherer import InspectorState
    from monitorch_widgets.history.arrivals import Arrivals
    from monitorch_widgets.lens import AbstractLens
    from monitorch_widgets.preprocessor import ExplicitCall

    from .phases import Phases
    from .schedule import Schedule


class Pushes:
    """Losses and metrics that the loop pushes; the lens :class:`LossMetrics` takes them."""

    state: InspectorState
    lenses: list[AbstractLens]
    _arrivals: Arrivals
    _call_preprocessor: ExplicitCall
    _phases: Phases
    _schedule: Schedule
    _told_of_lens: bool

    def push_metric(self, name: str, value: float, *, running: bool = True) -> None:
        """Record a metric.

        Parameters
        ----------
        name : str
            Name of the metric.
        value : float
            Its value now; NaN and infinity leave a gap.
        running : bool
            Keep running statistics of the epoch rather than every value.
        """
        push = self._call_preprocessor.push_running if running else self._call_preprocessor.push_memory
        if not self._phases.quiet:
            push(name, value)

    def push_loss(self, value: float, *, train: bool, running: bool = True) -> None:
        """Record a loss, for loops whose loss is not a module given to :class:`LossMetrics`.

        Parameters
        ----------
        value : float
            The loss; NaN and infinity leave a gap.
        train : bool
            Training loss rather than validation or test loss.
        running : bool
            Keep running statistics of the epoch rather than every value.
        """
        if not self._phases.quiet:
            self._call_preprocessor.push_loss(value, train=train, running=running)

    def _pushed(self, name: str, value: float) -> None:
        self._schedule.sees_push()
        takers = [lens for lens in self.lenses if isinstance(lens, LossMetrics)]
        if not takers and not self._told_of_lens:
            self._told_of_lens = True
            words = f"{name!r} was pushed, and no lens takes it: add LossMetrics() to the lenses of the inspector."
            warnings.warn(words, NotWatched, stacklevel=4)
        evaluation = not self.state.step_begun
        for lens in takers:
            tag = lens.note_metric(name)
            self.state.buffer.ear = self.state.hooks.ear_of(lens)  # not that of the lens whose callback ran last
            self.state.buffer.push(float(value), self._arrivals.pushed(tag), (name,), evaluation=evaluation)
