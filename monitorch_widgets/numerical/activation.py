"""Activation rates: which share of a neuron's values is not zero."""

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
    magnitudes = precise(values).abs()
    if not magnitudes.numel():
        return magnitudes.new_full((2,), torch.nan, dtype=torch.float32)
    if channel_last and magnitudes.dim() > 2:
        magnitudes = magnitudes.movedim(-1, 1)
    rates = reduce_activation_to_activation_rates(magnitudes > eps, batch)
    poison = magnitudes.amax() * 0  # NaN exactly where something is not finite
    return torch.stack([rates.mean(), (rates == 0).to(rates.dtype).mean()]) + poison.to(rates.dtype)
