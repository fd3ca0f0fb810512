"""How far the run has come, and how long it will still take."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sized
from itertools import islice
from numbers import Integral, Real
from typing import TypeVar

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError

T = TypeVar("T")


class Progress:
    """Counts epochs and batches of loops whose length is known.

    Attributes
    ----------
    steps : int or None
        Optimizer steps of the whole run, where somebody has said so.
    """

    def __init__(self) -> None:
        self.steps: int | None = None
        self.leave()

    def begin(self, epochs: int | None, second: float) -> None:
        """A loop over epochs begins."""
        self._epochs, self._done = epochs, 0
        self._began = self._epoch_began = second
        self._batches: int | None = None
        self._batch = self._loops = 0

    def leave(self) -> None:
        """The loop is over."""
        self.begin(None, 0.0)

    def epoch_over(self, second: float) -> None:
        """An epoch of the loop is over."""
        self._done += 1
        self._epoch_began = second
        self._batches, self._batch, self._loops = None, 0, 0

    def over_batches(self, batches: Iterable[T]) -> Iterator[T]:
        """Count the batches of the epoch's first loop, which is that of training."""
        self._loops += 1
        first = self._loops == 1
        if first:
            self._batches = length_of(batches)
        for batch in batches:
            yield batch
            self._batch += first

    def left_s(self, second: float, step: int, steps_per_s: float) -> float:
        """Seconds until the run ends; NaN where that is not known.

        Parameters
        ----------
        second : float
            Seconds of running until now.
        step : int
            Steps that were made.
        steps_per_s : float
            Recent rate.
        """
        if self.steps is not None:
            return max(self.steps - step, 0) / steps_per_s if steps_per_s else math.nan
        if self._epochs is None:
            return math.nan
        in_epoch_s = second - self._epoch_began
        if self._done:
            each_s = (self._epoch_began - self._began) / self._done
        elif self._batches and self._batch:
            each_s = in_epoch_s * self._batches / self._batch
        else:
            return math.nan
        return max((self._epochs - self._done) * each_s - in_epoch_s, 0.0)


def length_of(iterable: object) -> int | None:
    """Number of items; None where it is not known before the end."""
    if not isinstance(iterable, Sized):
        return None
    try:
        return len(iterable)
    except TypeError:  # a DataLoader over a stream
        return None


class Limited(Iterable[T]):
    """The first items of something, as :func:`limited` counts them."""

    def __init__(self, iterable: Iterable[T], count: int) -> None:
        self._iterable, self._count = iterable, count

    def __iter__(self) -> Iterator[T]:
        return islice(self._iterable, self._count)

    def __len__(self) -> int:
        length = length_of(self._iterable)
        return self._count if length is None else min(self._count, length)


def limited(iterable: Iterable[T], limit: int | float) -> Limited[T]:
    """The first batches of a loader.

    Parameters
    ----------
    iterable : iterable
        The loader.
    limit : int or float
        How many batches, or which fraction of them, in (0, 1]; a fraction that is less than a batch is one.

    Raises
    ------
    ArgumentError
        For 0 and below, a fraction above 1, and a fraction of something without a length.
    ArgumentTypeError
        For what is no number.

    Examples
    --------
    >>> list(limited("abcdef", 2)), list(limited("abcdef", 0.5))
    (['a', 'b'], ['a', 'b', 'c'])
    """
    expected = "expected limit to be a number of batches, or a fraction of them in (0, 1]; received"
    if isinstance(limit, bool) or not isinstance(limit, Real):
        raise ArgumentTypeError(f"{expected} {limit!r}. Use 10 or 0.2.")
    if isinstance(limit, Integral):
        if limit < 1:
            raise ArgumentError(f"{expected} {limit!r}. Use 10 or 0.2.")
        return Limited(iterable, int(limit))
    if not 0 < limit <= 1:
        raise ArgumentError(f"{expected} {limit!r}. Use 10 or 0.2.")
    length = length_of(iterable)
    if length is None:
        raise ArgumentError(
            f"expected a loader with a length for limit={limit!r}, a fraction; received {type(iterable).__name__} "
            "without one. Give the number of batches, e.g. limit=10."
        )
    return Limited(iterable, max(int(length * float(limit)), 1))
