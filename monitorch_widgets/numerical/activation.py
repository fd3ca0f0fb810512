"""Activation rates: which share of a neuron's values is not zero, and for how long it has been none."""

from __future__ import annotations

import torch
from torch import Tensor

from .tensors import precise


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
    return active_and_dead(rates, rates == 0)


def active_and_dead(rates: Tensor, dead: Tensor) -> Tensor:
    """Mean activation rate, and share of dead neurons.

    Parameters
    ----------
    rates : torch.Tensor, shape (C,)
        Share of active values of each neuron, as :func:`neuron_rates` gives them.
    dead : torch.Tensor of bool, shape (C,)
        Which of them are 0.

    Returns
    -------
    torch.Tensor, shape (2,)
        Both in 0..1, on the device of `rates`; both NaN without neurons and where NaN is among the rates.

    Examples
    --------
    >>> rates = torch.tensor([0.5, 0.0])
    >>> active_and_dead(rates, rates == 0)
    tensor([0.2500, 0.5000])
    """
    mean = rates.mean()
    return torch.stack([mean, dead.mean(dtype=rates.dtype)]) + mean * 0


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
    magnitudes = precise(values).abs()
    if not magnitudes.numel():
        return magnitudes.new_empty((0,), dtype=torch.float32)
    if channel_last and magnitudes.dim() > 2:
        magnitudes = magnitudes.movedim(-1, 1)
    poison = magnitudes.amax() * 0  # NaN exactly where something is not finite
    return reduce_activation_to_activation_rates(magnitudes > eps, batch) + poison.to(torch.float32)


class Streaks:
    """For how many tensors in a row each neuron has been dead, by name; all on the device of the tensors.

    A tensor with NaN or infinity in it is passed over, so is an empty one; a changed number of neurons starts anew.

    Parameters
    ----------
    window : int
        Length of a streak that counts.

    Examples
    --------
    >>> streaks = Streaks(window=2)
    >>> for rates in (torch.tensor([0.0, 0.5]), torch.tensor([0.0, 0.0]), torch.tensor([0.1, 0.0])):
    ...     print(streaks.update("relu", rates, rates == 0).item())
    nan
    0.5
    0.5
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self._kept: dict[str, tuple[Tensor, Tensor]] = {}  # streak of each neuron, and how many tensors there were

    def update(self, name: str, rates: Tensor, dead: Tensor) -> Tensor:
        """Go on by one tensor.

        Parameters
        ----------
        name : str
            Whose neurons these are.
        rates : torch.Tensor, shape (C,)
            Share of active values of each neuron, as :func:`neuron_rates` gives them.
        dead : torch.Tensor of bool, shape (C,)
            Which of them are 0.

        Returns
        -------
        torch.Tensor, 0-d
            Share of neurons that were dead in each of the last `window` tensors; NaN before there were so many.
        """
        if not rates.numel():
            return rates.new_full((), torch.nan)
        before, seen = self._of(name, rates)
        # Nothing is changed in place: a streak that began under inference mode could not be, later. NaN is neither
        # above 0 nor dead: the streaks stay.
        streaks = (before + dead).masked_fill(rates > 0, 0)
        seen = seen + (rates[0] == rates[0])
        self._kept[name] = streaks, seen
        lasting = (streaks >= self.window).mean(dtype=rates.dtype)
        return lasting / (seen >= self.window)  # before that, 0 by 0

    def _of(self, name: str, rates: Tensor) -> tuple[Tensor, Tensor]:
        kept = self._kept.get(name)
        if kept is None or kept[0].shape != rates.shape:
            both = torch.zeros((2, len(rates)), dtype=torch.int32, device=rates.device)
            return both[0], both[1, 0]
        if kept[0].device != rates.device:
            return kept[0].to(rates.device), kept[1].to(rates.device)
        return kept

    def forget(self) -> None:
        """Drop all streaks."""
        self._kept.clear()
