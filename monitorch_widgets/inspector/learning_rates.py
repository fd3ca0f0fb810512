"""Learning rates of the optimizers that step a model: what they are, and how they are changed while it trains."""

from __future__ import annotations

import math
import weakref
from numbers import Real

from torch import Tensor
from torch.optim import Optimizer

from monitorch_widgets.errors import ArgumentError, CommandRefused
from monitorch_widgets.values import LearningRate

_MOST = 16  # optimizers that are remembered


class LearningRates:
    """Knows the optimizers that were seen stepping the model, without keeping them alive.

    Examples
    --------
    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.5)
    >>> rates = LearningRates()
    >>> rates.saw(optimizer)
    >>> rates.scale(0.1), [rate.value for rate in rates.now]
    ('learning rate of SGD 0.5 → 0.05', [0.05])
    """

    def __init__(self) -> None:
        self._known: list[weakref.ref[Optimizer]] = []
        self._newest: weakref.ref[Optimizer] | None = None

    def saw(self, optimizer: Optimizer | None) -> None:
        """Note that an optimizer has stepped the model."""
        if optimizer is None or (self._newest is not None and self._newest() is optimizer):
            return
        self._newest = weakref.ref(optimizer)
        if not any(reference() is optimizer for reference in self._known):
            self._known = [reference for reference in self._known if reference() is not None][1 - _MOST :]
            self._known.append(weakref.ref(optimizer))

    def clear(self) -> None:
        """Forget the optimizers: another model is watched."""
        self._known, self._newest = [], None

    @property
    def now(self) -> tuple[LearningRate, ...]:
        """The learning rate of each parameter group."""
        return tuple(
            LearningRate(place, type(optimizer).__name__, i, rate)
            for place, optimizer in self._alive()
            for i, group in enumerate(optimizer.param_groups)
            if (rate := _rate(group)) is not None
        )

    def scale(self, factor: float, group: int | None = None, optimizer: int | None = None) -> str:
        """Multiply learning rates, of one group or of all; what was done is told in words.

        Raises
        ------
        ArgumentError
            For a factor that is not a positive number, and a group that does not exist.
        CommandRefused
            Before the first optimizer step.
        """
        if not isinstance(factor, Real) or isinstance(factor, bool) or not 0 < float(factor) < float("inf"):
            raise ArgumentError(f"expected factor to be a positive number; received {factor!r}. Use 0.5 to halve.")
        if not self._alive():
            raise CommandRefused("no optimizer was seen stepping the model yet, so there is no learning rate to change")
        chosen = [rate for rate in self.now if group in (None, rate.group) and optimizer in (None, rate.optimizer)]
        if not chosen:
            known = ", ".join(f"{rate.group} of optimizer {rate.optimizer} ({rate.kind})" for rate in self.now)
            raise ArgumentError(
                f"expected a parameter group among {known}; received group={group!r}, optimizer={optimizer!r}"
            )
        optimizers = dict(self._alive())
        told = [_scale(optimizers[rate.optimizer], rate, float(factor)) for rate in chosen]
        return "; ".join(told)

    def _alive(self) -> list[tuple[int, Optimizer]]:
        found = [(place, reference()) for place, reference in enumerate(self._known)]
        return [(place, optimizer) for place, optimizer in found if optimizer is not None]


def _rate(group: dict[str, object]) -> float | None:
    """Learning rate of a group; a tensor on a device is not waited for: it has no figure (NaN)."""
    rate = group.get("lr")
    if isinstance(rate, Tensor):
        return float(rate) if rate.device.type == "cpu" else math.nan
    return float(rate) if isinstance(rate, Real) else None


def _scale(optimizer: Optimizer, rate: LearningRate, factor: float) -> str:
    group = optimizer.param_groups[rate.group]
    shared = sum(other["lr"] is group["lr"] for other in optimizer.param_groups) > 1
    if isinstance(group["lr"], Tensor) and not shared:  # torch gives all groups the same one
        group["lr"].mul_(factor)
    else:
        group["lr"] = group["lr"] * factor
    where = f" group {rate.group}" if len(optimizer.param_groups) > 1 else ""
    told = f"x {factor:g}" if math.isnan(rate.value) else f"{rate.value:g} → {rate.value * factor:g}"
    return f"learning rate of {rate.kind}{where} {told}"
