"""A training loop in a thread of its own, so that the notebook stays free."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from monitorch_widgets.errors import CommandRefused, TrainingStopped
from monitorch_widgets.inspector.control import Command, Control

_SOON_S = 0.01
_LOOK_S = 0.1  # between two looks while somebody waits in the main thread


class Run:
    """A function that trains in a thread; :meth:`PyTorchInspector.run` makes it.

    Grad mode, inference mode, autocast, the default device and the current GPU are those of the caller, and what the
    thread prints appears in the cell that started it, an exception with its whole traceback too. Random state, modules
    and all other objects are shared: look at the model between two steps, ``with run.paused(): ...``.

    Attributes
    ----------
    error : BaseException or None
        What ended the function, if it raised.
    stopped : bool
        Whether it was stopped.
    """

    def __init__(
        self, control: Control, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        if control.in_background:
            raise CommandRefused("a run goes on already; wait for it with run.join(), or end it with run.stop()")
        self._control = control
        self._over = threading.Event()
        self._result: Any = None
        self.error: BaseException | None = None
        self.stopped = False
        self._call: Callable[[], Any] = partial(function, *args, **kwargs)
        control.begin_elsewhere()
        context, surroundings = contextvars.copy_context(), _surroundings()
        self._thread = threading.Thread(
            target=context.run, args=(self._run, surroundings), name="monitorch training", daemon=True
        )
        self._thread.start()

    def __repr__(self) -> str:
        ended = "stopped" if self.stopped else "failed" if self.error else "finished"
        return f"Run({'running' if self.running else ended})"

    def _run(self, surroundings: list[Enter]) -> None:
        self._control.thread = threading.get_ident()
        try:
            with contextlib.ExitStack() as stack:
                for enter in surroundings:
                    stack.enter_context(enter())
                self._result = self._call()
        except TrainingStopped as stop:
            self.stopped = True
            print(stop)
        except BaseException as error:
            self.error = error
            traceback.print_exc()
        finally:
            del self._call
            self._control.thread = None
            self._control.loop_over(self.error)
            self._over.set()

    @property
    def running(self) -> bool:
        """Whether the function has not returned yet."""
        return not self._over.is_set()

    @property
    def result(self) -> Any:
        """What the function returned.

        Raises
        ------
        CommandRefused
            While it runs.
        BaseException
            What the function raised.
        """
        if self.running:
            raise CommandRefused("the run goes on; wait for it with run.join()")
        if self.error is not None:
            raise self.error
        return self._result

    def stop(self, timeout_s: float | None = None) -> bool:
        """Ask the loop to end at the next boundary of a step, and wait for it; whether it has ended is returned.

        Within the function itself nothing is waited for.
        """
        if self.running:
            self._control.submit(Command("stop"))
        return not self.running if self._is_own_thread else self._wait(timeout_s)

    def pause(self) -> None:
        """Hold the loop at the next boundary of a step; what was asked for is not waited for."""
        try:
            if self.running:
                self._control.submit(Command("pause"))
        except CommandRefused:
            if self.running:  # and has not just ended
                raise

    def resume(self) -> None:
        """Let a held loop go on."""
        self._control.submit(Command("resume"))

    def join(self) -> Any:
        """Wait for the end, and return the result; the panel stays alive, and an interrupt stops the loop.

        Raises
        ------
        BaseException
            What the function raised.
        """
        self._check_other_thread()
        try:
            self._wait(None)
        except KeyboardInterrupt:
            self.stop()
            raise
        return None if self.stopped else self.result

    @property
    def _is_own_thread(self) -> bool:
        return threading.current_thread() is self._thread

    def _check_other_thread(self) -> None:
        if self._is_own_thread:
            raise CommandRefused("the function that runs can't wait for itself; use inspector.pause() or run.stop()")

    def wait_held(self) -> bool:
        """Wait until the loop is held, or over; whether it is held is returned."""
        self._check_other_thread()
        while self.running and not self._control.is_held:
            self._control.changed.wait(_LOOK_S)
        return self.running

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Hold the loop between two steps while the block runs; nothing is held once the function has returned."""
        self._check_other_thread()
        while self.running and self._control.has_waiting:  # a resume from before, perhaps
            self._over.wait(_SOON_S)
        held_before = self._control.is_held
        try:
            if not held_before:
                self.pause()
                self.wait_held()
            yield
        finally:
            if not held_before:
                self.resume()

    def _wait(self, timeout_s: float | None) -> bool:
        """Wait for the end; in a notebook's main thread messages of the page are handled meanwhile."""
        wait = self._control.wait
        if wait is None or threading.current_thread() is not threading.main_thread():
            return self._over.wait(timeout_s)
        looks = float("inf") if timeout_s is None else timeout_s / _LOOK_S
        while self.running and looks > 0:
            wait(_LOOK_S)
            looks -= 1
        return not self.running


Enter = Callable[[], contextlib.AbstractContextManager[Any]]


def _surroundings() -> list[Enter]:
    """What torch keeps for each thread, as it is here, to be entered in another."""
    gradients, device = torch.is_grad_enabled(), torch.get_default_device()
    found: list[Enter] = [torch.inference_mode] if torch.is_inference_mode_enabled() else []
    found += [lambda: torch.set_grad_enabled(gradients), *_autocasts()]
    if device.type != "cpu":
        found.append(lambda: device)
    if torch.cuda.is_available() and torch.cuda._initialized:
        current = torch.cuda.current_device()
        found.append(lambda: torch.cuda.device(current))
    return found


def _autocasts() -> list[Enter]:
    kinds = [kind for kind in ("cpu", "cuda") if torch.is_autocast_enabled(kind)]
    cached = torch.is_autocast_cache_enabled()
    return [partial(torch.autocast, kind, torch.get_autocast_dtype(kind), True, cached) for kind in kinds]
