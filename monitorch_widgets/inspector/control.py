"""What is asked of a run while it goes on, and what its thread does about that at the boundary of a step."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

from monitorch_widgets.errors import CommandRefused, MonitorchError, TrainingStopped
from monitorch_widgets.gatherer.gate import Gate

TOO_LATE = "the loop has ended"
OF_LOOP = ("pause", "resume", "step", "step_epoch", "stop")  # commands that mean nothing once it has ended
_LOOK_S = 0.25  # in a hold, between two looks at what else there is to do


@dataclass(frozen=True, slots=True)
class Command:
    """Something that is asked for, by a name of :mod:`~monitorch_widgets.inspector.commands`.

    `origin` is ``"python"`` or ``"page"``, and `number` what a page knows it by.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "python"
    number: str = ""


class Loop(Protocol):
    """What the control has to know of the training loop, and tells it."""

    @property
    def running(self) -> bool:
        """Whether training is under way, so that commands wait for its next boundary."""

    @property
    def attached(self) -> bool:
        """Whether a model is watched."""

    @property
    def in_step(self) -> bool:
        """Whether a step has begun."""

    def apply(self, command: Command) -> str:
        """Do what was asked for, and say what was done."""

    def told(self, command: Command, words: str, refused: bool) -> None:
        """Take note of what came of a command."""

    def close(self) -> None:
        """Let no forward pass begin without asking the gate."""

    def open(self) -> None:
        """Let forward passes begin."""

    def held(self) -> None:
        """Show that the loop is held; called again and again while it is."""

    def released(self) -> None:
        """Show that it goes on."""

    def over(self, error: BaseException | None = None) -> None:
        """Show that it has ended, maybe by an error."""


class Control:
    """Keeps what is asked for until a boundary, and holds or ends the loop there.

    Commands come from any thread. The thread that trains applies them, after an optimizer step or before the model
    runs; where nothing trains, whoever brings them does so at once.

    Parameters
    ----------
    gate : Gate
        Where the loop is held.
    loop : Loop
        The loop.

    Attributes
    ----------
    hear : callable
        Brings messages that wait in the kernel; called at each boundary.
    wait : callable or None
        ``wait(seconds)`` sleeps until a message comes, where messages reach a busy kernel.
    shield : callable
        Makes a context in which an interrupt waits, so that it tears no change.
    paused : bool
        Whether the loop is to be held at the next boundary.
    holding : bool
        Whether it is held now.
    stopping : bool
        Whether it is to end at the next boundary.
    iterates : bool
        Whether the loop looks at each epoch whether it shall go on.
    ends_itself : int
        How many loops over batches do so, one within the other.
    thread : int or None
        The thread of its own in which it runs, if it does.
    changed : threading.Event
        Set when the loop is held.
    reach : str
        When what is done in the page reaches the run, in words; empty where there is no page.
    """

    def __init__(self, gate: Gate, loop: Loop) -> None:
        self._gate = gate
        self._loop = loop
        gate.on_pass = self.at_gate
        self._queue: deque[Command] = deque()
        self._news = threading.Event()
        self._closed = self._draining = False
        self._armed: int | None = None  # passes of the gate when the loop should have been held at the next one
        self.hear: Callable[[], object] = bool
        self.wait: Callable[[float], object] | None = None
        self.shield: Callable[[], AbstractContextManager[object]] = nullcontext
        self.reach = ""
        self.changed = threading.Event()
        self.paused = self.stopping = self.holding = False
        self.thread: int | None = None
        self.iterates, self.ends_itself = False, 0
        self._steps_left = 0
        self._until_epoch = False

    # ------------------------------------------------------------------ asking

    def submit(self, command: Command) -> None:
        """Take a command, from any thread; errors of those that are applied at once come out of here."""
        if self._loop.running or (self.in_background and (self._loop.attached or self.holding)):
            self._queue.append(command)
            self.call()
            if threading.current_thread() is threading.main_thread() and not self.in_background:
                self._close()  # the loop's own thread: the boundary may be right here
        else:
            self._carry_out(command, aloud=command.origin == "python")
            if self.paused:
                self._close()  # the loop that comes is held before its first step

    def call(self) -> None:
        """Have the next boundary look at what there is to do; from any thread."""
        self._gate.called = True
        self._news.set()

    @property
    def running(self) -> bool:
        """Whether training is under way."""
        return self._loop.running

    @property
    def in_background(self) -> bool:
        """Whether the loop runs in a thread of its own, which is alive."""
        return self.thread is not None and self.thread in (0, *(alive.ident for alive in threading.enumerate()))

    def begin_elsewhere(self) -> None:
        """The loop is about to begin in a thread of its own; it is heard in evaluations too."""
        self.thread = 0
        self._close()

    @property
    def is_elsewhere(self) -> bool:
        """Whether the loop runs in another thread than this one, which then must not touch what waits for its step."""
        return self.thread not in (None, threading.get_ident()) and self.in_background

    @property
    def asked(self) -> str:
        """What comes at the next boundary: ``"pause"``, ``"stop"`` or nothing."""
        return "stop" if self.stopping else "pause" if self.paused and not self.holding else ""

    # ------------------------------------------------------------------ what can be asked of the loop

    def pause(self) -> None:
        """Hold the loop at the next boundary."""
        self._check_hold()
        self._forget()
        self.paused = True
        self.call()

    def resume(self) -> None:
        """Let the loop go on."""
        self._forget()
        self._news.set()

    def go(self, steps: int = 0, *, epoch: bool = False) -> None:
        """Let the loop go on for some steps, or to the epoch's end, and hold it again."""
        self._check_hold()
        self._forget()
        self._steps_left, self._until_epoch = steps, epoch
        self.call()

    def stop(self) -> None:
        """End the loop at the next boundary."""
        self._check_watched()
        self._forget()
        self.stopping = True
        self.call()

    def reset(self) -> None:
        """Forget what was asked of the loop: it is over. What came too late for a boundary is done now, or refused."""
        self._forget()
        self.stopping = False
        self._open()
        while self._queue:
            command = self._queue.popleft()
            if command.name in OF_LOOP:
                self._loop.told(command, TOO_LATE, True)
            else:
                self._carry_out(command, aloud=False)

    def stand(self) -> None:
        """Stay at the gate from now on, so that one is heard in an evaluation too."""
        self._loop.close()

    def _close(self) -> None:
        self._closed = True
        self._loop.close()

    def _open(self) -> None:
        if self._closed and not self.in_background:
            self._closed = False
            self._loop.open()

    def loop_over(self, error: BaseException | None = None) -> None:
        """The loop has ended, in its thread."""
        self._loop.over(error)
        self.reset()

    def _forget(self) -> None:
        self.paused, self._steps_left, self._until_epoch, self._armed = False, 0, False, None

    def _check_hold(self) -> None:
        """A hold in which nobody could be heard would never end."""
        main = threading.current_thread() is threading.main_thread()
        if self.wait is None and main and not self.in_background:
            raise CommandRefused(_CANNOT_HOLD)
        self._check_watched()

    def _check_watched(self) -> None:
        """The loop is known by its model: without one it goes on unseen."""
        if self.in_background and not self._loop.attached and not self.holding:
            raise CommandRefused("the inspector watches no model now, so it can't tell the loop anything")

    # ------------------------------------------------------------------ boundaries, in the thread that trains

    def boundary(self) -> None:
        """A step is over: do what was asked for, and see to it that the loop is held if it shall be."""
        main = threading.current_thread() is threading.main_thread()
        self.thread = None if main else threading.get_ident()
        self._gate.called = False
        self.hear()
        self._drain()
        if self._steps_left:
            self._steps_left -= 1
            self.paused = not self._steps_left
        self._arm()

    def epoch_over(self) -> None:
        """An epoch is over."""
        if self._until_epoch:
            self._until_epoch, self.paused = False, True
            self._arm()

    def _arm(self) -> None:
        """Close the gate where the loop shall be held or end; where it never comes there, do so at once."""
        self._gate.called = bool(self._gate.called or self._steps_left or self.paused or self.stopping)
        if not (self.paused or self.stopping):
            self._armed = None
            self._open()
        elif self._armed == self._gate.passed:
            self._hold()
        else:
            self._armed = self._gate.passed
            self._close()

    def between(self) -> None:
        """The loop comes to its next item: look whether it shall go on."""
        if self._gate.called and not self._loop.in_step:
            self.hear()
        if self._queue and not self._loop.in_step:
            self._drain()

    def at_gate(self, training: bool) -> None:
        """A forward pass is about to begin: the first one of a step, another one of it, or one of an evaluation."""
        if self.holding or self.is_elsewhere:
            return  # somebody looks at the model meanwhile
        self._gate.called = False
        self.hear()
        between = self._armed is not None or not self._loop.in_step
        if between:
            self._drain()
        self._gate.called = bool(self._queue or self._steps_left or self.paused or self.stopping)
        leaves = self.stopping and not self.ends_itself and (training or not self.iterates)
        if between and (self.paused or leaves):
            self._hold()

    def _hold(self) -> None:
        """Hold the loop until somebody lets it go on, or end it."""
        self._armed = None
        if self.paused and not self.stopping:
            self._sit()
        if self.stopping and not self.ends_itself:
            self.reset()
            self._loop.over()
            raise TrainingStopped

    def _sit(self) -> None:
        try:
            self._loop.held()
            self.holding = self._gate.holds = True
            self.changed.set()
            while self.paused and not self.stopping:
                self._sleep()
                self._drain()
                self._loop.held()
        except BaseException:
            self.reset()  # an interrupt: the loop is left, and the next one shall not be held
            raise
        finally:
            self.holding = self._gate.holds = False
            self.changed.clear()
            self._loop.released()

    def _sleep(self) -> None:
        if self.wait is not None and threading.current_thread() is threading.main_thread():
            self.wait(_LOOK_S)
        else:
            self._news.wait(_LOOK_S)
        self._news.clear()

    # ------------------------------------------------------------------ carrying out

    @property
    def is_held(self) -> bool:
        """Whether the loop is held and nothing is on its way that might let it go on."""
        return not self.has_waiting and self.holding and self.paused

    @property
    def has_waiting(self) -> bool:
        """Whether something was asked for that is not done yet."""
        return bool(self._queue) or self._draining

    def _drain(self) -> None:
        self._draining = True
        try:
            while self._queue:
                self._carry_out(self._queue.popleft(), aloud=False)
        finally:
            self._draining = False

    def _carry_out(self, command: Command, *, aloud: bool) -> None:
        try:
            with self.shield():
                words = self._loop.apply(command)
        except MonitorchError as error:
            self._loop.told(command, str(error), True)
            if aloud:
                raise
        else:
            self._loop.told(command, words, False)


_CANNOT_HOLD = (
    "nobody could let a held loop go on: no panel is shown, or its messages don't arrive while a cell runs. "
    "Show the inspector first, or run the loop in the background: run = inspector.run(train)."
)
