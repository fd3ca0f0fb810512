"""Which call of a module it is: one that runs several times in a forward pass has a series for each call."""

from __future__ import annotations

MAX_CALLS = 16
"""Calls that are told apart; later ones share the last series, so that a long recurrence does not make a thousand."""


class CallNumbers:
    """Names for the calls of modules: ``fc`` for the first in a forward pass, ``fc#2`` for the second, and so on.

    Examples
    --------
    >>> calls = CallNumbers()
    >>> [calls.name(1, "fc"), calls.name(1, "fc"), calls.name(2, "head")]
    ['fc', 'fc#2', 'head']
    >>> calls.restart()
    >>> calls.name(1, "fc")
    'fc'
    """

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._repeatable: dict[int, int] = {}

    def name(self, key: int, name: str) -> str:
        """Name of one more call of the module with this key."""
        count = self._counts[key] = self._counts.get(key, 0) + 1
        return numbered(name, count)

    def repeated(self, key: int, name: str) -> str:
        """Name of a call that is repeated for activation checkpointing, where the last calls come first.

        A segment that calls one module twice repeats these two in forward order; their names are then exchanged.
        """
        count = self._repeatable.get(key, 1)
        self._repeatable[key] = max(count - 1, 1)
        return numbered(name, count)

    def restart(self) -> None:
        """Begin to count anew."""
        self._repeatable.update(self._counts)
        self._counts.clear()


def numbered(name: str, count: int) -> str:
    """Name of the series for the `count`-th call, from 1.

    Examples
    --------
    >>> numbered("cell", 1), numbered("cell", 15), numbered("cell", 400)
    ('cell', 'cell#15', 'cell#16+')
    """
    if count == 1:
        return name
    return f"{name}#{count}" if count < MAX_CALLS else f"{name}#{MAX_CALLS}+"
