"""What the loop tells of itself: its phase, where it goes on, how long it is, what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitorch_widgets.errors import ArgumentTypeError, CommandRefused, check_choice, checked_count

if TYPE_CHECKING:
    from monitorch_widgets.gatherer import InspectorState
    from monitorch_widgets.logging.logbook import Logbook

    from .clock import Clock
    from .events import Events
    from .phases import Phases
    from .progress import Progress
    from .schedule import Schedule

_MARKS = ("checkpoint", "early stop", "note")


class RunFacts:
    """What the loop tells of itself."""

    state: InspectorState
    _clock: Clock
    _events: Events
    _logbook: Logbook
    _phases: Phases
    _progress: Progress
    _schedule: Schedule

    @property
    def phase(self) -> str | None:
        """The phase as the loop has told it: ``"train"``, ``"val"``, ``"test"``, ``"predict"`` or ``"sanity"``.

        None, as at first, lets it be found: training or validation, by ``model.training`` and the grad mode. In
        ``"predict"`` and ``"sanity"`` nothing is read or logged; see :attr:`unread_phases`.

        Examples
        --------
        >>> from monitorch_widgets import PyTorchInspector
        >>> inspector = PyTorchInspector(visualizer="dummy")
        >>> inspector.phase = "test"
        >>> inspector.log("accuracy", 0.75, batch_size=1)
        >>> inspector.phase = None
        >>> inspector.status().phase, inspector.metrics
        ('train', {'accuracy': 0.75})
        """
        return self._phases.told

    @phase.setter
    def phase(self, phase: str | None) -> None:
        self._phases.tell(phase)

    @property
    def unread_phases(self) -> tuple[str, ...]:
        """Phases in which nothing is read: ``("predict", "sanity")`` unless it is set."""
        return self._phases.unread

    @unread_phases.setter
    def unread_phases(self, phases: tuple[str, ...]) -> None:
        self._phases.unread = phases

    def continue_from(self, step: int, epoch: int = 1) -> None:
        """Go on where a former run ended, as after loading a checkpoint; before the first step.

        Parameters
        ----------
        step : int
            Optimizer steps that were made.
        epoch : int
            Number of the epoch that begins or goes on.

        Raises
        ------
        CommandRefused
            If steps were made already.
        """
        if step != 0:
            checked_count("step", step, "Give the number of optimizer steps that were made.")
        checked_count("epoch", epoch, "Epochs count from 1.")
        if self.state.buffer.step and self.state.buffer.step != step:
            raise CommandRefused(
                f"{self.state.buffer.step} steps were seen already; call continue_from() before the first one"
            )
        self._clock.continue_from(step)
        self.state.counter = epoch
        self._schedule.start_over()

    def expect(self, steps: int | None = None) -> None:
        """Say how many optimizer steps the run will have made at its end, for the time that is left.

        Not needed with :meth:`~.PyTorchInspector.range` and :meth:`~.PyTorchInspector.iter` over something that has a
        length.
        """
        if steps is not None:
            checked_count("steps", steps, "Leave it out where the end is not known.")
        self._progress.steps = steps

    def mark(self, kind: str, words: str) -> None:
        """Put a mark on the time axis.

        Parameters
        ----------
        kind : str
            ``"checkpoint"``, ``"early stop"`` or ``"note"``.
        words : str
            What happened.

        Examples
        --------
        >>> from monitorch_widgets import PyTorchInspector
        >>> inspector = PyTorchInspector(visualizer="dummy")
        >>> inspector.mark("note", "Data of the second kind from here on.")
        >>> inspector.status().events[0].words
        'Data of the second kind from here on.'
        """
        if not isinstance(words, str):
            raise ArgumentTypeError(f"expected words to be a string; received {words!r}. Say what happened.")
        self._events.add(check_choice("kind of mark", kind, _MARKS), self.state.buffer.step, words)

    def show_item(self, name: str, text: str | None) -> None:
        """Put a text into the strip beside the losses; None takes it away.

        Examples
        --------
        >>> from monitorch_widgets import PyTorchInspector
        >>> inspector = PyTorchInspector(visualizer="dummy")
        >>> inspector.show_item("version", "7")
        >>> inspector.status().items
        (('version', '7'),)
        """
        if not isinstance(name, str) or not (text is None or isinstance(text, str)):
            raise ArgumentTypeError(f"expected a name and a text; received {name!r}, {text!r}. Use str(...).")
        self._logbook.figures.show(name, text)
