"""Activation rates: which share of a neuron's values is not zero, and for how long it has been none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .counting import Counted, count_active
from .tensors import constants, in_order, some_rows


def reduce_activation_to_activation_rates(act_tensor: Tensor, batch: bool) -> Tensor:
    """Share of active values for each neuron or channel.

    Parameters
    ----------
    act_tensor : torch.Tensor of bool
        True where a value is active. Shape (B, C, *spatial) with `batch`, (C, *rest) without; a tensor of 0
        dimensions (or 1 with `batch`) is one neuron.
    batch : bool
        Whether the first dimension is the batch.

    Returns
    -------
    torch.Tensor of float32, shape (C,)
        Rates in 0..1; NaN for a neuron without values.

    Examples
    --------
    >>> import torch
    >>> reduce_activation_to_activation_rates(torch.tensor([[True, False], [False, False]]), batch=True)
    tensor([0.5000, 0.0000])
    """
    channel = 1 if batch else 0
    if act_tensor.dim() <= channel:
        act_tensor = act_tensor.reshape(-1, 1) if batch else act_tensor.reshape(1)
    others = [d for d in range(act_tensor.dim()) if d != channel]
    return act_tensor.mean(dim=others, dtype=torch.float32) if others else act_tensor.float()


def activation_and_death(values: Tensor, eps: float, *, batch: bool, channel_last: bool = False) -> Tensor:
    """Mean activation rate and share of dead neurons.

    A value is active where its magnitude exceeds `eps`; a neuron is dead if none of its values is.

    Parameters
    ----------
    values : torch.Tensor
        An output (B, C, *spatial), or (B, *spatial, C) with `channel_last`; a gradient (C, *rest) without `batch`.
    eps : float
        Magnitude up to which a value counts as zero.
    batch, channel_last : bool
        Where the neurons are.

    Returns
    -------
    torch.Tensor, shape (2,)
        Both in 0..1, on the device of `values`; both NaN for an empty tensor and where NaN or infinity is among
        the values.
    """
    rates = neuron_rates(values, eps, batch=batch, channel_last=channel_last)
    if not rates.numel():
        return rates.new_full((2,), torch.nan)
    return active_and_dead(rates[None], rates[None] == 0)[0]


def active_and_dead(rates: Tensor, dead: Tensor) -> Tensor:
    """Mean activation rate, and share of dead neurons, of several layers of one width.

    Parameters
    ----------
    rates : torch.Tensor, shape (n, C)
        Share of active values of each neuron; NaN throughout a row of which nothing is known.
    dead : torch.Tensor of bool, shape (n, C)
        Which of them are 0.

    Returns
    -------
    torch.Tensor, shape (n, 2)
        Both in 0..1, on the device of `rates`; both NaN for rows of NaN.

    Examples
    --------
    >>> rates = torch.tensor([[0.5, 0.0]])
    >>> active_and_dead(rates, rates == 0)
    tensor([[0.2500, 0.5000]])
    """
    mean = rates.mean(1)
    return torch.stack([mean, dead.mean(1, dtype=rates.dtype) + mean * 0], dim=1)


def neuron_rates(values: Tensor, eps: float, *, batch: bool, channel_last: bool = False) -> Tensor:
    """Share of active values of each neuron.

    Parameters
    ----------
    values, eps, batch, channel_last
        As for :func:`activation_and_death`.

    Returns
    -------
    torch.Tensor of float32, shape (C,)
        In 0..1, on the device of `values`; all NaN where NaN or infinity is among the values, none for an empty tensor.

    Examples
    --------
    >>> neuron_rates(torch.tensor([[3.0, 0.0], [0.0, 0.0]]), 1e-8, batch=True)
    tensor([0.5000, 0.0000])
    """
    counted = count_active(values, eps, batch=batch, channel_last=channel_last)
    return rates_of([counted], poison_of([counted]))[0] if counted.size else counted.counts


def poison_of(counted: Sequence[Counted]) -> Tensor:
    """NaN for each tensor in which something is not finite, and 0 for the others, shape (n,)."""
    shapes: dict[int, list[int]] = {}
    for i, each in enumerate(counted):
        shapes.setdefault(each.check.numel(), []).append(i)
    stacks = [(group, torch.stack([counted[i].check for i in group])) for group in shapes.values()]
    return in_order([(group, (checks * 0).sum(1, dtype=torch.float32)) for group, checks in stacks])


def rates_of(counted: Sequence[Counted], poison: Tensor) -> Tensor:
    """Share of active values of each neuron, of layers that have equally many.

    Returns
    -------
    torch.Tensor of float32, shape (n, C)
        In 0..1; a row of NaN where `poison` is NaN.
    """
    counts = torch.stack([each.counts for each in counted])
    sizes = constants(tuple(float(each.size) for each in counted), torch.float32, counts.device)
    return counts.div_(sizes[:, None]).add_(poison[:, None])


class Streaks:
    """For how many tensors in a row each neuron has been dead, by name; all on the device of the tensors.

    A tensor with NaN or infinity in it is passed over; a changed number of neurons starts anew.

    Parameters
    ----------
    window : int
        Length of a streak that counts.

    Examples
    --------
    >>> streaks = Streaks(window=2)
    >>> for rates in (torch.tensor([[0.0, 0.5]]), torch.tensor([[0.0, 0.0]]), torch.tensor([[0.1, 0.0]])):
    ...     print(streaks.update(["relu"], rates, rates == 0).item())
    nan
    0.5
    0.5
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self._kept: dict[str, tuple[_Block, int]] = {}

    def update(self, names: Sequence[str], rates: Tensor, dead: Tensor) -> Tensor:
        """Go on by some tensors, several of one name in the order of their coming.

        Parameters
        ----------
        names : sequence of str
            Whose neurons these are.
        rates : torch.Tensor, shape (n, C)
            Share of active values of each neuron; NaN throughout a row of which nothing is known.
        dead : torch.Tensor of bool, shape (n, C)
            Which of them are 0.

        Returns
        -------
        torch.Tensor, shape (n,)
            Share of neurons that were dead in each of the last `window` tensors; NaN before there were so many.
        """
        size = _period(names)
        if size:
            return self.update_steps(names[:size], rates.view(-1, size, rates.shape[1])).flatten()
        alive, known = rates > 0, rates[:, 0] == rates[:, 0]  # NaN is neither alive nor dead: such a streak stays
        blocks = []
        for rows in _rounds(names):
            chosen = [names[row] for row in rows]
            before = self._of(chosen, rates)
            # Nothing is changed in place: other names may have rows of the same tensors.
            streaks = (before.streaks + some_rows(dead, rows)).masked_fill_(some_rows(alive, rows), 0)
            block = _Block(streaks, before.seen + some_rows(known, rows))
            self._kept.update((name, (block, row)) for row, name in enumerate(chosen))
            blocks.append((rows, block))
        streaks = in_order([(rows, block.streaks) for rows, block in blocks])
        seen = in_order([(rows, block.seen) for rows, block in blocks])
        lasting = (streaks >= self.window).mean(1, dtype=rates.dtype)
        return lasting.div_(seen >= self.window)  # before that, 0 by 0

    def update_steps(self, names: Sequence[str], rates: Tensor) -> Tensor:
        """Go on by some tensors at each of several steps.

        Parameters
        ----------
        names : sequence of str
            Whose neurons these are, P of them.
        rates : torch.Tensor, shape (n, P, C)
            Share of active values of each neuron, step after step; NaN throughout for a tensor of which nothing is
            known.

        Returns
        -------
        torch.Tensor, shape (n, P)
            What :meth:`update` gives.
        """
        before, first = self._of(names, rates[0]), rates[:, :, 0]
        known = (first == first).cumsum(0, dtype=torch.int32)
        # When a neuron was alive last, counted in known tensors; before the first of them, for as long as it was dead.
        last = torch.where(rates > 0, known[:, :, None], -before.streaks).cummax(0).values
        streaks, seen = known[:, :, None] - last, before.seen + known
        block = _Block(streaks[-1].clone(), seen[-1].clone())
        self._kept.update((name, (block, row)) for row, name in enumerate(names))
        lasting = (streaks >= self.window).mean(2, dtype=rates.dtype)
        return lasting.div_(seen >= self.window)  # before that, 0 by 0

    def _of(self, names: Sequence[str], rates: Tensor) -> _Block:
        """The streaks of these names so far, in this order."""
        kept = [self._kept.get(name) for name in names]
        whole = None if kept[0] is None else kept[0][0]
        if whole is not None and whole.fits(len(names), rates) and kept == [(whole, row) for row in range(len(kept))]:
            return whole
        rows = [_row(place, rates) for place in kept]
        return _Block(torch.stack([streaks for streaks, _ in rows]), torch.stack([seen for _, seen in rows]))

    def forget(self) -> None:
        """Drop all streaks."""
        self._kept.clear()


@dataclass(slots=True, eq=False)
class _Block:
    """What was updated together: streak of each neuron (n, C), and how many tensors there were (n,)."""

    streaks: Tensor
    seen: Tensor

    def fits(self, rows: int, rates: Tensor) -> bool:
        """Whether it has so many rows, of the width and on the device of `rates`."""
        return self.streaks.shape == (rows, rates.shape[1]) and self.streaks.device == rates.device


def _period(names: Sequence[str]) -> int:
    """After how many names they begin anew, if they are the same each time and all different; else 0."""
    try:
        size = names.index(names[0], 1)
    except ValueError:
        size = len(names)
    first = list(names[:size])
    whole = not len(names) % size and first * (len(names) // size) == list(names)
    return size if whole and len(set(first)) == size else 0


def _rounds(names: Sequence[str]) -> list[list[int]]:
    """Places of the names: those that come first, those that come for the second time, and so on."""
    counts: dict[str, int] = {}
    rounds: list[list[int]] = []
    for i, name in enumerate(names):
        time = counts.get(name, 0)
        counts[name] = time + 1
        if time == len(rounds):
            rounds.append([i])
        else:
            rounds[time].append(i)
    return rounds


def _row(place: tuple[_Block, int] | None, rates: Tensor) -> tuple[Tensor, Tensor]:
    """One row of a block, as new where there is none of this width."""
    width, device = rates.shape[1], rates.device
    if place is None or place[0].streaks.shape[1] != width:
        nothing = torch.zeros(width + 1, dtype=torch.int32, device=device)
        return nothing[1:], nothing[0]
    block, row = place
    return block.streaks[row].to(device), block.seen[row].to(device)
