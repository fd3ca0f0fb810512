"""A short section that an interrupt must not tear: Ctrl-C waits for its end."""

from __future__ import annotations

import signal
import threading
from time import monotonic
from types import FrameType


class Shield:
    """Hold SIGINT back inside a ``with`` block, and raise it once where the block ends.

    The handler that was there before decides what an interrupt does, also afterwards: it is called with the held-back
    signal, then it is back in its place. An inner shield leaves the work to the outer one. In other threads than the
    main one, where Python never runs signal handlers, and where nothing of Python's handles SIGINT, it does nothing.

    Parameters
    ----------
    patience : float
        Seconds after the first SIGINT from which on a further one is let through at once: the section may hang.

    Examples
    --------
    >>> import signal
    >>> try:
    ...     with Shield() as shield:
    ...         signal.raise_signal(signal.SIGINT)
    ...         print("not torn", shield.pending)
    ... except KeyboardInterrupt:
    ...     print("raised at the end")
    not torn True
    raised at the end
    """

    __slots__ = ("_before", "_first", "_patience")

    def __init__(self, patience: float = 1.0) -> None:
        self._patience = patience
        self._first: float | None = None
        self._before: object = None

    @property
    def pending(self) -> bool:
        """Whether an interrupt waits for the end of the section."""
        return self._first is not None

    def __enter__(self) -> Shield:
        self._first = self._before = None
        if threading.current_thread() is not threading.main_thread():
            return self
        before = signal.getsignal(signal.SIGINT)
        owner = getattr(before, "__self__", None)
        if isinstance(owner, Shield):
            return owner
        if callable(before):
            self._before = before  # noted before the switch, so that __exit__ undoes it wherever an interrupt falls
            signal.signal(signal.SIGINT, self._hold)
        return self

    def _hold(self, number: int, frame: FrameType | None) -> None:
        now = monotonic()
        if self._first is None:
            self._first = now
        elif now - self._first > self._patience:
            self._first = None
            self._pass_on(number, frame)

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            return
        signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]
        if self._first is not None:
            self._first = None
            self._pass_on(signal.SIGINT, None)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        if callable(self._before):
            self._before(number, frame)
