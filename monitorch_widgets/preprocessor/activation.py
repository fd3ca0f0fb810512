"""Which share of outputs and gradients is not zero, and how many neurons are dead."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, groupby
from typing import Any

import torch
from torch import Tensor, nn

from monitorch_widgets.numerical import (
    Counted,
    Scratch,
    Streaks,
    active_and_dead,
    count_active,
    count_output,
    in_order,
    poison_of,
    rates_of,
    scratch,
    some_rows,
)
from monitorch_widgets.numerical.marks import Alike, Marked, Marks, go_together, marked

from .abstract import AbstractForwardPreprocessor, DeferredPreprocessor, by_device, is_training
from .kinds import KindsPreprocessor

SMOOTH: tuple[type[nn.Module], ...] = (nn.GELU, nn.SiLU, nn.Mish, nn.GLU, nn.Sigmoid, nn.LogSigmoid, nn.Softplus)
"""Activations that tend to 0 without reaching it.

Those with a linear part are shut by a gate that tends to 0 (GELU, SiLU, Mish, GLU); the others tend to 0 on one side
(Sigmoid, Softplus for negative inputs, LogSigmoid for positive ones). Not among them: Hardswish and the like, which
reach 0; ELU, SELU, CELU, Tanh, Softsign, which tend to other values; softmaxes, whose values are small because there
are many.
"""


class _Rates(DeferredPreprocessor):
    """Activation rate; death rate if asked for; share of neurons dead for a whole window, if asked for."""

    def __init__(self, death: bool, inplace: bool, eps: float, window: int | None) -> None:
        super().__init__(1 + death + (window is not None), inplace)
        self._eps = eps
        self._streaks = None if window is None else Streaks(window)
        self._scratch: Scratch | None = None

    def forget(self) -> None:
        """Drop the streaks: the next window begins anew."""
        self._scratch = None
        if self._streaks is not None:
            self._streaks.forget()

    def finish(self, names: list[Sequence[str]], materials: list[Any]) -> Tensor:
        """Make rates of counts, of all layers of one width at once."""
        self._scratch = scratch()
        counted = [one for several in materials for one in (several if isinstance(several, tuple) else (several,))]
        whose, poison = list(chain.from_iterable(names)), poison_of(counted)
        groups = _groups(whose, counted)
        return in_order([(group, self._numbers(group, whose, counted, poison)) for group in groups])

    def _numbers(self, group: list[int], whose: list[str], counted: list[Counted], poison: Tensor) -> Tensor:
        first = counted[group[0]]
        if not first.size:
            return torch.full((len(group), self._channels), torch.nan, device=first.device)
        rates = rates_of([counted[i] for i in group], some_rows(poison, group))
        dead = rates == 0
        numbers = active_and_dead(rates, dead)
        if self._streaks is None:
            return numbers[:, : self._channels]
        if first.training:
            lasting = self._streaks.update([whose[i] for i in group], rates, dead) + numbers[:, 0] * 0
        else:
            lasting = torch.full_like(numbers[:, 0], torch.nan)
        return torch.cat([numbers[:, : self._channels - 1], lasting[:, None]], dim=1)


def _groups(names: Sequence[str], counted: Sequence[Counted]) -> list[list[int]]:
    """Places of what rates can be made of together, in an order in which streaks can go on.

    A name whose number of neurons changes has a turn for each number, the first before the second.
    """
    turns: dict[str, tuple[int, int]] = {}
    groups: dict[tuple[int, int, bool], list[int]] = {}
    for i, (name, each) in enumerate(zip(names, counted, strict=True)):
        width, turn = each.counts.numel(), 0
        if width and each.training:
            turn, before = turns.get(name, (0, width))
            turn += width != before
            turns[name] = turn, width
        groups.setdefault((turn, width, each.training), []).append(i)
    return [groups[key] for key in sorted(groups)]


class GradientActivation(_Rates, KindsPreprocessor):
    """Share of gradient values that are not zero, and share of neurons whose gradient is zero throughout.

    A neuron (the first dimension of the parameter) without gradient learns nothing from this batch.

    Parameters
    ----------
    death : bool
        Report the death rate too.
    inplace : bool
        Keep running statistics rather than lists.
    eps : float
        Magnitude up to which a value counts as zero.
    window : int, optional
        Report, as the last number, the share of neurons without gradient in each of so many tensors in a row.
    """

    def __init__(self, death: bool, inplace: bool, eps: float = 1e-8, window: int | None = None) -> None:
        super().__init__(death, inplace, eps, window)
        self._plans: list[Marks] = []

    def process_tensor(self, name: str, grad: Tensor) -> None:
        """Measure one gradient (C, ...): rates in 0..1, NaN where NaN or infinity is among the values."""
        self.process_tensors([name], [grad])

    def process_tensors(self, names: Sequence[str], tensors: Sequence[Tensor]) -> None:
        """Measure the gradients of a whole step: small ones together, large ones while they are in the cache."""
        self._scratch = scratch()
        together = go_together(tensors)
        if all(together):
            self._mark(list(names), tensors)
            return
        if sum(together) > 1:
            small = [i for i, one in enumerate(together) if one]
            self._mark([names[i] for i in small], [tensors[i] for i in small])
            large = [i for i, one in enumerate(together) if not one]
            names, tensors = [names[i] for i in large], [tensors[i] for i in large]
        for group in by_device(tensors):
            counted = tuple(count_active(tensors[i], self._eps, batch=False) for i in group)
            self._push([names[i] for i in group], counted)

    def _mark(self, names: list[str], tensors: Sequence[Tensor]) -> None:
        found = marked(self._plans, names, [tensor.detach() for tensor in tensors], self._eps)
        self._push(found.plan.names, found)

    def forget(self) -> None:
        """Drop the streaks, and what measuring keeps."""
        super().forget()
        self._plans.clear()

    def finish(self, names: list[Sequence[str]], materials: list[Any]) -> Tensor:
        """Make rates of counts, of all steps at once."""
        self._scratch = scratch()
        runs = _runs(names, [each.plan if isinstance(each, Marked) else None for each in materials])
        made: dict[int, Tensor] = {}
        for plan, rows in runs:
            chosen = [materials[i] for i in rows]
            numbers = super().finish([names[i] for i in rows], chosen) if plan is None else self._rates(plan, chosen)
            made.update(zip(rows, torch.split(numbers, [len(names[i]) for i in rows]), strict=True))
        return torch.cat([made[i] for i in range(len(materials))])

    def _rates(self, plan: Marks, marks: Sequence[Marked]) -> Tensor:
        """Numbers of gradients that came together, at several steps."""
        counts = torch.stack([each.counts for each in marks])
        numbers = [self._of_alike(alike, counts) for alike in plan.alike]
        return torch.cat(numbers, dim=1).flatten(0, 1)

    def _of_alike(self, alike: Alike, counts: Tensor) -> Tensor:
        tensors, neurons = len(alike.names), alike.neurons
        rates = counts[:, alike.start : alike.start + tensors * neurons].reshape(-1, tensors, neurons) / alike.size
        rates += (rates * 0).sum(2, keepdim=True)  # NaN in one neuron is NaN in all
        flat = rates.flatten(0, 1)
        numbers = active_and_dead(flat, flat == 0)[:, : self._channels - (self._streaks is not None)]
        if self._streaks is not None:
            lasting = self._streaks.update_steps(alike.names, rates).flatten() + flat[:, 0] * 0
            numbers = torch.cat([numbers, lasting[:, None]], dim=1)
        return numbers.view(len(counts), tensors, -1)


def _runs(names: list[Sequence[str]], plans: list[Marks | None]) -> list[tuple[Marks | None, list[int]]]:
    """Places of what can be finished together: all of a plan, or where plans share names what comes in a row."""
    whose: dict[Marks | None, set[str]] = {}
    for plan, own in zip(plans, names, strict=True):
        whose.setdefault(plan, set()).update(own)
    if len(set().union(*whose.values())) == sum(map(len, whose.values())):
        return [(plan, [i for i, each in enumerate(plans) if each is plan]) for plan in whose]
    return [(plan, list(rows)) for plan, rows in groupby(range(len(plans)), key=plans.__getitem__)]


class OutputActivation(_Rates, AbstractForwardPreprocessor):
    """Share of output values that are not zero, and share of neurons that are zero for the whole batch.

    A neuron or channel that is dead for every sample passes nothing on; behind a ReLU it gets no gradient either.

    Parameters
    ----------
    death : bool
        Report the death rate too.
    inplace : bool
        Keep running statistics rather than lists.
    record_eval : bool
        Measure during evaluation as well.
    evaluation_from_grad : bool
        Tell evaluation by grad mode rather than by ``module.training``.
    eps : float
        Magnitude up to which a value counts as zero.
    channel_last : bool
        Neurons in the last dimension, (B, T, ..., C), rather than the second, (B, C, ...).
    smooth_eps : float, optional
        The same as `eps`, for activations that tend to 0 without reaching it (:data:`SMOOTH`); by default `eps`.
    window : int, optional
        Report, as the last number, the share of neurons that were dead in each of so many training passes in a row.
    """

    def __init__(
        self,
        death: bool,
        inplace: bool,
        record_eval: bool,
        evaluation_from_grad: bool,
        eps: float = 1e-8,
        channel_last: bool = False,
        smooth_eps: float | None = None,
        window: int | None = None,
    ) -> None:
        super().__init__(death, inplace, eps, window)
        self._smooth_eps = eps if smooth_eps is None else smooth_eps
        self._record_eval = record_eval
        self._evaluation_from_grad = evaluation_from_grad
        self._channel_last = channel_last

    def process_fw(self, name: str, module: nn.Module, layer_input: Any, layer_output: Any) -> None:
        """Measure one output; rates in 0..1, NaN where NaN or infinity is among the values."""
        training = is_training(module, self._evaluation_from_grad, self.buffer.grad_outside)
        if not (training or self._record_eval):
            return
        self._scratch = scratch()
        eps = self._smooth_eps if isinstance(module, SMOOTH) else self._eps
        counted = count_output(layer_output, eps, channel_last=self._channel_last)
        counted.training = training
        self._push([name], counted, evaluation=not training)
