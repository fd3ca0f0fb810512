"""What the arithmetic keeps from call to call, memory and constants, for as long as somebody watches."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _Local(threading.local):
    """What one thread has, by kind."""

    def __init__(self) -> None:
        self.kinds: dict[Any, Any] = {}


class Scratch:
    """Kept by all who measure; it goes with the last of them.

    Attributes
    ----------
    shared : dict
        What all threads may look at and nobody changes.
    """

    def __init__(self) -> None:
        self.shared: dict[Any, Any] = {}
        self._local = _Local()

    def own(self, kind: Callable[[], T]) -> T:
        """The one of its kind in this thread, whose passes come one after the other."""
        kept = self._local.kinds
        if kind not in kept:
            kept[kind] = kind()
        return cast(T, kept[kind])

    def __reduce__(self) -> tuple[Callable[[], Scratch], tuple[()]]:
        """Copies and pickles refer to the one that is there."""
        return scratch, ()


def _nobody() -> None:
    """Where nobody watches."""


_current: Callable[[], Scratch | None] = _nobody


def scratch() -> Scratch:
    """The one that all share; whoever will come back keeps hold of it.

    Examples
    --------
    >>> kept = scratch()
    >>> kept is scratch()
    True
    """
    global _current
    found = _current()
    if found is None:
        found = Scratch()
        _current = weakref.ref(found)
    return found
