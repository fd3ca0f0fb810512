"""A sketch of a distribution that stays small: exact at first, then equal shares of what was seen."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class QuantileSketch:
    """Quantiles of a stream of numbers in bounded memory.

    Up to ``2 * size`` values are kept as they came, and every quantile is exact. Beyond that they are compressed to
    `size` weighted values, equal shares of the sorted whole, so that a quantile is off by at most about
    ``1 / size`` in rank for each compression since.

    Parameters
    ----------
    size : int
        Number of values after a compression, at least 2.

    Notes
    -----
    Merging two sketches appends the values of one to the other, so any order of merging describes the same data
    within the stated error.

    Examples
    --------
    >>> sketch = QuantileSketch()
    >>> sketch.extend([1.0, 2.0, 3.0, 4.0, 5.0])
    >>> sketch.quantile(0.5, interpolate=True)
    3.0
    """

    def __init__(self, size: int = 512) -> None:
        self._size = size
        self._values: list[float] = []
        self._weights: list[float] = []

    def __len__(self) -> int:
        return len(self._values)

    def append(self, value: float, weight: float = 1.0) -> None:
        """Add one finite number that stands for `weight` readings."""
        self._values.append(value)
        self._weights.append(weight)
        if len(self._values) > 2 * self._size:
            self._compress()

    def extend(self, values: Iterable[float]) -> None:
        """Add several numbers."""
        for value in values:
            self.append(value)

    def merge(self, other: QuantileSketch) -> None:
        """Add all that another sketch has seen."""
        for value, weight in zip(other._values, other._weights, strict=True):
            self.append(value, weight)

    def quantile(self, q: float, *, interpolate: bool = False) -> float:
        """Value at rank `q` of 0..1; NaN for an empty sketch.

        Parameters
        ----------
        q : float
            Rank.
        interpolate : bool
            Take the weighted mean of the two neighbours rather than the closest observation (Hyndman and Fan's third
            definition, which prefers even ranks: the figure that monitorch gives for a median).
        """
        if not self._values:
            return float("nan")
        order = np.argsort(self._values, kind="stable")
        values, weights = np.asarray(self._values)[order], np.asarray(self._weights)[order]
        if self.exact:
            return float(np.quantile(values, q, method="linear" if interpolate else "closest_observation"))
        centres = (np.cumsum(weights) - weights / 2) / weights.sum()
        if interpolate:
            return float(np.interp(q, centres, values))
        return float(values[np.abs(centres - q).argmin()])

    @property
    def exact(self) -> bool:
        """Whether nothing has been compressed yet."""
        return all(weight == 1.0 for weight in self._weights)

    def state(self) -> tuple[list[float], list[float]]:
        """Values and weights, as plain lists that another process can :meth:`restore`."""
        return list(self._values), list(self._weights)

    def restore(self, state: tuple[list[float], list[float]]) -> None:
        """Take over what :meth:`state` gave."""
        self._values, self._weights = list(state[0]), list(state[1])

    def _compress(self) -> None:
        order = np.argsort(self._values, kind="stable")
        values, weights = np.asarray(self._values)[order], np.asarray(self._weights)[order]
        total = weights.sum()
        share = total / self._size
        group = np.minimum(((np.cumsum(weights) - weights / 2) / share).astype(int), self._size - 1)
        mass = np.bincount(group, weights, self._size)
        mean = np.bincount(group, weights * values, self._size)
        held = mass > 0
        self._values, self._weights = (mean[held] / mass[held]).tolist(), mass[held].tolist()
