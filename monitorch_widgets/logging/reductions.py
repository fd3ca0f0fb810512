"""Reductions of what an epoch has logged, kept in as much memory as one number takes."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from monitorch_widgets.errors import ArgumentTypeError, check_choice

KEPT = 4096
"""Values of an epoch that are kept for a median or a function of one's own: the newest ones."""

Number = float | Tensor
Combine = Callable[[Tensor, Tensor], Tensor]


class Reduction:
    """Base of reductions: takes numbers one by one, some of them on a device, and waits for none."""

    def add(self, value: Number, weight: float) -> None:
        """Take a number; a tensor has no dimension and no graph, and stays on its device."""
        raise NotImplementedError

    def result(self) -> Number:
        """What the numbers come to; NaN before the first."""
        raise NotImplementedError

    def state(self) -> Any:
        """The same in plain numbers, for :meth:`merged`; waits for the device."""
        raise NotImplementedError

    def merged(self, states: Sequence[Any]) -> float:
        """What the numbers of several ranks come to, each as :meth:`state` gave them."""
        raise NotImplementedError

    def over_ranks(self, values: Sequence[float]) -> float:
        """What one number of each rank comes to."""
        return self.merged(values)


class Mean(Reduction):
    """Mean, each number with its weight.

    Examples
    --------
    >>> mean = Mean()
    >>> mean.add(1.0, 3), mean.add(torch.tensor(5.0), 1)
    (None, None)
    >>> float(mean.result())
    2.0
    """

    def __init__(self) -> None:
        self._sum = Sum()
        self._weight = 0.0

    def add(self, value: Number, weight: float) -> None:
        """Take a number with its weight."""
        self._sum.add(value, 1.0, times=weight)
        self._weight += weight

    def result(self) -> Number:
        """The weighted mean."""
        return self._sum.result() / self._weight if self._weight else math.nan

    def state(self) -> tuple[float, float]:
        """Sum and weight."""
        return self._sum.state(), self._weight

    def merged(self, states: Sequence[tuple[float, float]]) -> float:
        """The weighted mean over all ranks."""
        weight = sum(weight for _, weight in states)
        return sum(total for total, _ in states) / weight if weight else math.nan

    def over_ranks(self, values: Sequence[float]) -> float:
        """The mean, as ranks weigh the same."""
        return sum(values) / len(values)


class Sum(Reduction):
    """Sum; numbers of the host and of a device apart, so that neither waits for the other.

    Examples
    --------
    >>> total = Sum()
    >>> total.add(1.5, 1), total.add(torch.tensor(2), 1), float(total.result())
    (None, None, 3.5)
    """

    def __init__(self) -> None:
        self._host = 0.0
        self._device: Tensor | None = None
        self._any = False

    def add(self, value: Number, weight: float, times: float = 1.0) -> None:
        """Take a number `times` times; a weight means nothing here."""
        self._any = True
        if not isinstance(value, Tensor):
            self._host += value * times
        elif self._device is None:
            self._device = wide(value) * times
        else:
            self._device = torch.add(self._device, _beside(value, self._device), alpha=times)

    def result(self) -> Number:
        """The sum."""
        if not self._any:
            return math.nan
        return self._host if self._device is None else self._device + self._host

    def state(self) -> float:
        """The sum on the host."""
        return float(self.result())

    def merged(self, states: Sequence[float]) -> float:
        """The sum over all ranks."""
        return float(sum(states))


class Extreme(Reduction):
    """Smallest or largest number; NaN where one of them is.

    Parameters
    ----------
    combine : callable
        ``torch.minimum`` or ``torch.maximum``.
    """

    def __init__(self, combine: Combine) -> None:
        self._combine = combine
        self._host: float | None = None
        self._device: Tensor | None = None

    def add(self, value: Number, weight: float) -> None:
        """Take a number."""
        if not isinstance(value, Tensor):
            self._host = value if self._host is None else self.merged([self._host, value])
        elif self._device is None:
            self._device = wide(value)
        else:
            self._device = self._combine(self._device, _beside(value, self._device))

    def result(self) -> Number:
        """The smallest or the largest one."""
        if self._device is None:
            return math.nan if self._host is None else self._host
        return (
            self._device
            if self._host is None
            else self._combine(self._device, torch.full_like(self._device, self._host))
        )

    def state(self) -> float:
        """The same on the host."""
        return float(self.result())

    def merged(self, states: Sequence[float]) -> float:
        """The smallest or the largest one over all ranks."""
        extreme = torch.tensor(states[0], dtype=torch.float64)
        for state in states[1:]:
            extreme = self._combine(extreme, torch.tensor(state, dtype=torch.float64))
        return float(extreme)


class Kept(Reduction):
    """Any function of the values of the epoch, of which the newest 4096 are kept.

    Parameters
    ----------
    function : callable
        Makes one number of a tensor of one dimension.
    """

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        self._function = function
        self._values: deque[Number] = deque(maxlen=KEPT)

    def add(self, value: Number, weight: float) -> None:
        """Keep a number."""
        self._values.append(value.clone() if isinstance(value, Tensor) else value)

    def _stacked(self) -> Tensor:
        on_device = [value for value in self._values if isinstance(value, Tensor)]
        if not on_device:
            return torch.tensor(list(self._values), dtype=torch.float64)
        like = wide(on_device[0])
        return torch.stack([_wide_like(value, like) for value in self._values])

    def result(self) -> Number:
        """What the function makes of them."""
        if not self._values:
            return math.nan
        made = self._function(self._stacked())
        return made.detach().reshape(()) if isinstance(made, Tensor) else float(made)

    def state(self) -> list[float]:
        """The values on the host."""
        return list(map(float, self._stacked().tolist())) if self._values else []

    def merged(self, states: Sequence[list[float]]) -> float:
        """What the function makes of the values of all ranks."""
        values = [value for state in states for value in state]
        return float(self._function(torch.tensor(values, dtype=torch.float64))) if values else math.nan

    def over_ranks(self, values: Sequence[float]) -> float:
        """What the function makes of them."""
        return self.merged([list(values)])


def wide(value: Tensor) -> Tensor:
    """`value` as a new tensor, in the widest floating-point type that its device has."""
    return value.to(torch.float32 if value.device.type == "mps" else torch.float64, copy=True)


def _beside(value: Tensor, other: Tensor) -> Tensor:
    return value if value.device == other.device else value.to(other.device)


def _wide_like(value: Number, like: Tensor) -> Tensor:
    return value.to(like.device, like.dtype) if isinstance(value, Tensor) else torch.full_like(like, value)


_MADE: dict[str, Callable[[], Reduction]] = {
    "mean": Mean,
    "min": lambda: Extreme(torch.minimum),
    "max": lambda: Extreme(torch.maximum),
    "sum": Sum,
    "median": lambda: Kept(torch.median),
}
_NAMES: dict[Any, str] = {
    torch.mean: "mean",
    torch.min: "min",
    torch.max: "max",
    torch.sum: "sum",
    torch.median: "median",
    min: "min",
    max: "max",
    sum: "sum",
}


def reduction_of(reduce_fx: object) -> Reduction:
    """The reduction that ``reduce_fx`` asks for.

    Raises
    ------
    ArgumentError
        For an unknown name; the message names the nearest one.
    ArgumentTypeError
        For what is neither a name nor a function.

    Examples
    --------
    >>> type(reduction_of(torch.max)).__name__, type(reduction_of("avg")).__name__
    ('Extreme', 'Mean')
    """
    if isinstance(reduce_fx, str):
        lower = reduce_fx.lower()
        name = "mean" if lower == "avg" else lower
        return _MADE[check_choice("reduction", name, _MADE)]()
    if not callable(reduce_fx):
        raise ArgumentTypeError(
            f"expected reduce_fx to be one of {', '.join(map(repr, _MADE))}, or a function of a tensor like "
            f"torch.mean; received {reduce_fx!r}. Leave it out for the mean."
        )
    named = next((name for known, name in _NAMES.items() if known is reduce_fx), None)
    return Kept(reduce_fx) if named is None else _MADE[named]()


def weighs(reduction: Reduction) -> bool:
    """Whether the batch size matters."""
    return isinstance(reduction, Mean)
