"""One look at the parameters of all kinds, weights and biases, and numbers for each kind by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .abstract import DeferredPreprocessor, TensorPreprocessor
from .deferred import Floats

_MARK = "\0"


def of_kind(kind: str, name: str = "") -> str:
    """Name of a tensor among those of all kinds; without a name, what those of a kind begin with."""
    return f"{kind}{_MARK}{name}"


def kind_and_name(name: str) -> tuple[str, str]:
    """Kind of a tensor, and the name that it has there.

    Examples
    --------
    >>> kind_and_name(of_kind("weight", "0.fc"))
    ('weight', '0.fc')
    """
    kind, _, own = name.partition(_MARK)
    return kind, own


class KindsPreprocessor(TensorPreprocessor):
    """Base of preprocessors that can measure for several others of their class, one for each kind.

    By itself it measures for itself.
    """

    _kinds: Kinds | None = None

    def serve(self, parts: Mapping[str, DeferredPreprocessor]) -> None:
        """Hand all readings on to others, by kind; names of tensors are those of :func:`of_kind` from now on."""
        self._kinds = Kinds(parts)

    def memory_under(self, prefix: str) -> int:
        """Memory that copies of the tensors take whose names begin so, in bytes."""
        return 0

    @property
    def memory_bytes(self) -> int:
        """Memory that copies of tensors take, in bytes."""
        return self.memory_under("")

    def take(self, names: list[str], values: Floats, steps: list[int]) -> None:
        """Get readings on the host, and keep them or hand them on."""
        if self._kinds is None:
            super().take(names, values, steps)
        elif names:
            self._kinds.hand_on(names, values, steps)


class Kinds:
    """Tells the readings of several kinds apart: step after step they come in the same order."""

    def __init__(self, parts: Mapping[str, DeferredPreprocessor]) -> None:
        self._parts = parts
        self._names: list[str] = []  # of one step
        self._shares: list[tuple[DeferredPreprocessor, list[int], list[str]]] = []  # who gets which of them

    def hand_on(self, names: list[str], values: Floats, steps: list[int]) -> None:
        """Give each kind its rows."""
        if not self._repeats(names):
            self._learn(names, names.index(names[0], 1) if names[0] in names[1:] else len(names))
            if not self._repeats(names):  # not all of them in each step
                self._learn(names, len(names))
        rounds, size = len(names) // len(self._names), len(self._names)
        numbers, numbered = values.reshape(rounds, size, -1), np.array(steps).reshape(rounds, size)
        for part, rows, own in self._shares:
            chosen = numbers[:, rows].reshape(rounds * len(rows), -1)
            part.take(own * rounds, chosen, numbered[:, rows].ravel().tolist())

    def _repeats(self, names: list[str]) -> bool:
        size = len(self._names)
        return bool(size) and not len(names) % size and names == self._names * (len(names) // size)

    def _learn(self, names: Sequence[str], size: int) -> None:
        rows: dict[str, list[int]] = {}
        for i, name in enumerate(names[:size]):
            rows.setdefault(kind_and_name(name)[0], []).append(i)
        self._names = list(names[:size])
        self._shares = [
            (self._parts[kind], places, [kind_and_name(names[i])[1] for i in places]) for kind, places in rows.items()
        ]
