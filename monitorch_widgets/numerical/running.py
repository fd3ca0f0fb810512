"""Running mean, variance, extremes and quantiles of a stream of numbers, with the rule by which ranks merge."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch.distributed as dist
from torch import Tensor

from .quantiles import QuantileSketch


@dataclass
class RunningMeanVar:
    """Statistics of a stream in bounded memory.

    NaN and infinity are counted in :attr:`nonfinite` and never reach the other numbers.

    Attributes
    ----------
    count : int
        Number of finite values seen.
    mean : float
        Their mean; 0 before the first.
    var : float
        Their variance without correction (divided by `count`), by Welford's algorithm; 0 before the second.
    min_, max_ : float
        Extremes; ``+inf`` and ``-inf`` before the first value.
    nonfinite : int
        Number of NaN and infinite values.
    sketch : QuantileSketch
        Median and quartiles: exact up to 1024 values.

    References
    ----------
    B. P. Welford, "Note on a method for calculating corrected sums of squares and products", 1962. T. F. Chan,
    G. H. Golub, R. J. LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances", 1979.

    Examples
    --------
    >>> running = RunningMeanVar()
    >>> for value in (1.0, 2.0, float("nan"), 6.0):
    ...     running.update(value)
    >>> running.count, running.mean, running.min_, running.max_, running.nonfinite
    (3, 3.0, 1.0, 6.0, 1)
    """

    count: int = 0
    mean: float = 0.0
    var: float = 0.0
    min_: float = math.inf
    max_: float = -math.inf
    nonfinite: int = 0
    sketch: QuantileSketch = field(default_factory=QuantileSketch, repr=False, compare=False)
    _gathered: list[Any] = field(default_factory=list, repr=False, compare=False)

    def update(self, new_value: float) -> None:
        """Add a number; a tensor of one element is taken too, at the price of a wait for its device."""
        value = number(new_value)
        if not math.isfinite(value):
            self.nonfinite += 1
            return
        self.count += 1
        before = value - self.mean
        self.mean += before / self.count
        self.var += (before * (value - self.mean) - self.var) / self.count
        self.min_ = min(self.min_, value)
        self.max_ = max(self.max_, value)
        self.sketch.append(value)

    append = update

    def extend(self, values: npt.ArrayLike) -> None:
        """Add many numbers, the same as one by one.

        Examples
        --------
        >>> running = RunningMeanVar()
        >>> running.extend([1.0, 2.0, float("nan"), 6.0])
        >>> running.count, running.mean, running.nonfinite
        (3, 3.0, 1)
        """
        new = np.asarray(values, float).ravel()
        finite = np.isfinite(new)
        if not finite.all():
            self.nonfinite += len(new) - int(finite.sum())
            new = new[finite]
        if len(new):
            with np.errstate(over="ignore", invalid="ignore"):
                mean, var = float(new.mean()), float(new.var())
            self._add(len(new), mean, var, float(new.min()), float(new.max()))
            self.sketch.extend(new)

    def merge(self, other: RunningMeanVar) -> None:
        """Add all that `other` has seen, as if both streams had been one (Chan's rule)."""
        self.nonfinite += other.nonfinite
        if other.count:
            self._add(other.count, other.mean, other.var, other.min_, other.max_)
            self.sketch.merge(other.sketch)

    def _add(self, count: int, mean: float, var: float, low: float, high: float) -> None:
        self.count += count
        share = count / self.count
        delta = mean - self.mean
        self.var += (var - self.var) * share + delta * delta * share * (1 - share)
        self.mean += delta * share
        self.min_, self.max_ = min(self.min_, low), max(self.max_, high)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[float]:
        """Count, mean and variance, in this order."""
        return iter((self.count, self.mean, self.var))

    def state(self) -> dict[str, Any]:
        """Everything seen so far as plain numbers, for another process."""
        numbers = {name: getattr(self, name) for name in ("count", "mean", "var", "min_", "max_", "nonfinite")}
        return {**numbers, "sketch": self.sketch.state()}

    @staticmethod
    def from_state(state: dict[str, Any]) -> RunningMeanVar:
        """Make statistics from what :meth:`state` gave."""
        numbers = {name: value for name, value in state.items() if name != "sketch"}
        made = RunningMeanVar(**numbers)
        made.sketch.restore(state["sketch"])
        return made

    def start_sync(self, dst_rank: int = 0) -> None:
        """Exchange statistics with the other ranks; every rank must call it."""
        self._gathered = [None] * dist.get_world_size()
        dist.all_gather_object(self._gathered, self.state())

    def finish_sync(self) -> None:
        """Become the merged statistics of all ranks, the same on each."""
        merged = RunningMeanVar()
        for state in self._gathered:
            merged.merge(RunningMeanVar.from_state(state))
        self._gathered = []
        self.__dict__.update(merged.__dict__)


@dataclass
class RunningValue:
    """The newest value of a stream and how many there were."""

    count: int = 0
    value: Any = None


Accumulator = RunningMeanVar | list[float]


def append_finite(accumulator: Accumulator, value: float) -> None:
    """Add a number; NaN and infinity leave a gap in a list, and are counted by running statistics."""
    if isinstance(accumulator, RunningMeanVar) or math.isfinite(value):
        accumulator.append(value)


def extend_finite(accumulator: Accumulator, values: npt.NDArray[np.float64]) -> None:
    """Add many numbers, the same as one by one with :func:`append_finite`."""
    if isinstance(accumulator, RunningMeanVar):
        accumulator.extend(values)
    else:
        accumulator.extend(values[np.isfinite(values)].tolist())


def number(value: Any) -> float:
    """A number, or a tensor of one element (which may carry a graph), as a float; waits for a tensor's device."""
    return float(value.detach() if isinstance(value, Tensor) else value)


def start_sync_rmv_or_error(rmv: Accumulator, dst_rank: int) -> None:
    """Start merging `rmv` over the ranks; nothing happens without an initialised process group.

    Parameters
    ----------
    rmv : RunningMeanVar or list of float
        Statistics; a list is extended by the lists of the other ranks.
    dst_rank : int
        Rank that needs the result; all ranks get it.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return
    if isinstance(rmv, RunningMeanVar):
        rmv.start_sync(dst_rank)
        return
    gathered: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, list(rmv))
    rmv[:] = [value for part in gathered for value in part]


def finish_sync_rmv_or_error(rmv: Accumulator) -> None:
    """Finish what :func:`start_sync_rmv_or_error` began."""
    if isinstance(rmv, RunningMeanVar) and rmv._gathered:
        rmv.finish_sync()
