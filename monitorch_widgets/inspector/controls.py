"""What a person can ask of a run: the Python twins of what the panel offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from monitorch_widgets.errors import ArgumentError, MonitorchError, unknown_name
from monitorch_widgets.lens import AbstractLens, Expression
from monitorch_widgets.lens.expression import checked_name
from monitorch_widgets.values import CommandRecord

from .arguments import checked_switch
from .commands import made
from .control import Command, Control
from .instrument import Changes

if TYPE_CHECKING:
    from monitorch_widgets.transport import Inbox
    from monitorch_widgets.transport.background import Run
    from monitorch_widgets.visualizer import AbstractVisualizer

_ARGUMENTS = {  # of set(): the command that each stands for, and its argument there
    "collect": ("collect", "patterns"),
    "depth": ("depth", "depth"),
    "every": ("every", "every"),
    "max_overhead": ("budget", "max_overhead"),
    "log_every_n_steps": ("log_every", "steps"),
    "refresh_rate": ("refresh_rate", "rate"),
    "max_queue": ("max_queue", "max_queue"),
    "flush_secs": ("flush_secs", "flush_secs"),
}


class Controls:
    """Commands to a running training loop.

    Each is applied by the thread that trains, at the next boundary of a step; where nothing trains, at once. What was
    done stands in ``inspector.history.commands``, and as a hairline in the panels.

    Attributes
    ----------
    control : bool
        Whether learning rates may be changed.
    log_every_n_steps : int
        Histograms, and what else is heavy, are made at every n-th step.
    refresh_rate : float
        How often a second the page is told what is new, at most.
    """

    _control: Control
    _changes: Changes
    visualizer: AbstractVisualizer
    control: bool
    log_every_n_steps: int
    refresh_rate: float

    def connect(self, inbox: Inbox) -> None:
        """Hear at each boundary what waits in a kernel's inbox; a visualizer calls this."""
        from monitorch_widgets.transport import Shield  # a later room

        self._control.hear, self._control.reach, self._control.shield = inbox.pump, inbox.reach, Shield
        self._control.wait = None if inbox.mode == "none" else inbox.wait
        inbox.call(self._control.call)
        self._control.stand()

    def command(self, content: Mapping[str, Any]) -> None:
        """Take what a page sent; what can't be done is told there, and raises nothing."""
        try:
            command = made(content)
        except MonitorchError as error:
            number = content.get("number")
            record = CommandRecord("", "page", 0, str(error), refused=True)
            self.visualizer.answer(number if isinstance(number, str) else "", record)
        else:
            self._control.submit(command)

    def _ask(self, command: str, /, **arguments: Any) -> None:
        self._control.submit(Command(command, arguments))

    # ------------------------------------------------------------------ the loop

    def pause(self) -> None:
        """Hold the loop at the next boundary of a step; the panel stays alive.

        While nothing trains, the loop that comes is held before its first step.

        Raises
        ------
        CommandRefused
            Where nobody could let it go on: in the main thread of a program without a notebook.
        """
        self._ask("pause")

    def resume(self) -> None:
        """Let a held loop go on."""
        self._ask("resume")

    def step(self, steps: int = 1) -> None:
        """Let the loop make some steps, and hold it again.

        Parameters
        ----------
        steps : int
            Optimizer steps, at least 1.
        """
        self._ask("step", steps=steps)

    def step_epoch(self) -> None:
        """Let the loop go on to the end of the epoch, and hold it again."""
        self._ask("step_epoch")

    def stop(self) -> None:
        """End the loop at the next boundary of a step.

        Loops over :meth:`PyTorchInspector.iter` and ``range`` just end. Any other is left by
        :class:`~monitorch_widgets.TrainingStopped` before the model runs again, which a notebook shows as one line.

        Raises
        ------
        CommandRefused
            While nothing trains.
        """
        self._ask("stop")

    # ------------------------------------------------------------------ what is collected

    def add(self, lens: AbstractLens) -> None:
        """Add a lens; what the others have read stays.

        Raises
        ------
        ArgumentError
            If a panel of that name is there already.

        Examples
        --------
        >>> from monitorch_widgets import PyTorchInspector
        >>> from monitorch_widgets.lens import ParameterNorm
        >>> inspector = PyTorchInspector(visualizer="dummy")
        >>> inspector.add(ParameterNorm())
        >>> inspector.history.commands[-1].words
        'added ParameterNorm (Weight Norm, Bias Norm)'
        """
        self._ask("add", lens=lens)

    def remove(self, tag: str) -> None:
        """Take away the lens that has the panel `tag`; what it has read stays in the history."""
        self._ask("remove", tag=tag)

    def watch(self, function: Callable[..., Any], name: str | None = None) -> None:
        """Show a number of your own as a panel, from the next step on.

        Parameters
        ----------
        function : callable
            ``(module, input, output)`` or ``(parameter, gradient)`` to one number; see
            :class:`~monitorch_widgets.lens.Expression`.
        name : str, optional
            Title of the panel; a watched function of the same name is replaced.
        """
        self._ask("watch", function=function, name=name)

    def register(self, name: str, function: Callable[..., Any]) -> None:
        """Let a function be chosen by its name in the panel.

        Parameters
        ----------
        name : str
            Name that the panel offers.
        function : callable
            As for :meth:`watch`.
        """
        self._changes.functions[Expression(function, checked_name(name)).tag] = function
        self._changes.renew()

    def allow_text(self, allow: bool = True) -> None:
        """Let text that is typed in the panel run as Python, in this kernel and with your rights. Off at first."""
        self._changes.text = checked_switch("allow", allow)
        self._changes.renew()

    def set(self, **settings: Any) -> None:
        """Change how the inspector collects, shows and writes down.

        Parameters
        ----------
        collect : str, iterable of str or None
            Names of modules, or patterns like ``"features.*"``, that are read; None for all.
        depth : int
            Depth at which modules count as leaves; -1 for those without submodules.
        every : "auto", int or dict of str to int
            How often lenses listen.
        max_overhead : float
            The budget, as a fraction of the training time.
        log_every_n_steps : int
            Histograms, and what else is heavy, are made at every n-th step.
        refresh_rate : float
            How often a second the page is told what is new, at most; 0.1 to 30.
        max_queue : int
            How much may wait to be written, in all that writes the run down (a journal, event files).
        flush_secs : float
            Seconds after which what waits there is written anyway.

        Raises
        ------
        ArgumentError
            For a setting that does not exist, for values that are not valid, and for the settings of writers where
            nothing is written.
        """
        for name in settings:
            if name not in _ARGUMENTS:
                raise ArgumentError(unknown_name("setting", name, _ARGUMENTS))
        for name, value in settings.items():  # all of them, or none
            self._changes.check(_ARGUMENTS[name][0], value)
        for name, value in settings.items():
            command, argument = _ARGUMENTS[name]
            self._ask(command, **{argument: value})

    def scale_lr(self, factor: float, group: int | None = None, optimizer: int | None = None) -> None:
        """Multiply learning rates.

        A scheduler that computes the rate from scratch sets it anew at its next step; one that multiplies keeps the
        factor.

        Parameters
        ----------
        factor : float
            Above 0; 0.5 halves.
        group : int, optional
            Only this parameter group.
        optimizer : int, optional
            Only this optimizer, by the order in which they first stepped.

        Raises
        ------
        CommandRefused
            Without ``PyTorchInspector(control=True)``, and before the first step.
        """
        self._ask("scale_lr", factor=factor, group=group, optimizer=optimizer)

    # ------------------------------------------------------------------ in the background

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Run:
        """Run a training function in a thread, and return at once: the cell is free again.

        Parameters
        ----------
        function : callable
            Trains; called with the other arguments.

        Returns
        -------
        Run
            To pause, stop and wait for it; see :class:`~monitorch_widgets.transport.background.Run`.
        """
        from monitorch_widgets.transport.background import Run  # a later room

        return Run(self._control, function, args, kwargs)
