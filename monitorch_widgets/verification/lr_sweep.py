"""The learning rates that are tried, and when to stop trying."""

from __future__ import annotations

import math
from collections.abc import Iterator
from numbers import Real

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, check_choice

MODES = ("exponential", "linear")
_MEMORY = 0.98  # of the running mean by which a diverging loss is seen
_EARLIEST = 2  # steps before it is looked for


class Divergence:
    """Tells from the running mean of the loss when there is no use in going on."""

    def __init__(self, threshold: float) -> None:
        self._threshold = threshold
        self._sum, self._best, self._count = 0.0, math.inf, 0

    def why(self, loss: float) -> str:
        """Why to stop, in words; empty to go on."""
        if not math.isfinite(loss):
            return f"the loss is {loss}"
        self._count += 1
        self._sum = _MEMORY * self._sum + (1 - _MEMORY) * loss
        mean = self._sum / (1 - _MEMORY**self._count)
        limit = self._best + (self._threshold - 1) * abs(self._best)  # losses may be below 0
        if self._count > _EARLIEST and mean > limit:
            return "the loss diverges"
        self._best = min(self._best, mean)
        return ""


def rates(first: float, last: float, count: int, mode: str) -> Iterator[float]:
    """Learning rates from the first to the last, even in their logarithm or in themselves.

    >>> [round(rate, 3) for rate in rates(0.001, 1.0, 4, "exponential")]
    [0.001, 0.01, 0.1, 1.0]
    """
    first, last = checked_rate("min_lr", first), checked_rate("max_lr", last)
    check_choice("mode", mode, MODES)
    if not first < last:
        raise ArgumentError(f"expected min_lr below max_lr; received {first:g} and {last:g}")
    for i in range(count):
        part = i / max(count - 1, 1)
        yield first * (last / first) ** part if mode == "exponential" else first + (last - first) * part


def checked_rate(name: str, value: float) -> float:
    """Return `value` if it is a positive number."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise ArgumentTypeError(f"expected {name} to be a learning rate, a positive number; received {value!r}")
    if not 0 < float(value) < math.inf:
        raise ArgumentError(f"expected {name} to be a learning rate, a positive number; received {value!r}")
    return float(value)


def checked_threshold(value: float | None) -> float:
    """Return `value` if it is above 1, infinity for None."""
    if value is None:
        return math.inf
    if not isinstance(value, Real) or not float(value) > 1:
        raise ArgumentError(
            f"expected early_stop_threshold above 1, or None for never; received {value!r}. 4.0 is usual."
        )
    return float(value)
