"""The values of a tensor counted in bins, on its device: nothing here waits for it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .tensors import aside, plain

BINS = 64
"""Bins of a histogram where nobody says."""

FIGURES = 6
"""Numbers behind the counts in a row: smallest and largest finite value, NaNs, infinities, mean, standard deviation."""

_PIECE = 1 << 18  # values that are counted at a time on the CPU: they stay in the processor's cache
_EXACT = 1 << 24  # the same elsewhere: counts are made in float32, which is exact up to here


def histogram_row(values: Tensor, bins: int = BINS) -> Tensor:
    """Count the values of a tensor in bins between its own smallest and largest; nothing waits for the device.

    Parameters
    ----------
    values : torch.Tensor
        Any shape and dtype with numbers; complex ones count by their magnitude.
    bins : int
        How many bins of one width there are between the smallest and the largest finite value.

    Returns
    -------
    torch.Tensor, shape (bins + FIGURES,)
        Counts, smallest and largest finite value, number of NaNs, number of infinities, mean and standard deviation of
        the finite values; on the tensor's device. Where no value is finite, smallest, largest, mean and deviation are
        NaN.

    Examples
    --------
    >>> histogram_row(torch.tensor([0, 1, 1, 4]), bins=4).tolist()
    [1.0, 2.0, 0.0, 1.0, 0.0, 4.0, 0.0, 0.0, 1.5, 1.5]
    """
    with aside():
        flat = _numbers(plain(values))
        if not flat.numel():
            nothing, none = flat.new_full((), math.nan), flat.new_zeros(())
            return _row(flat.new_zeros(bins), nothing, nothing, none, none, nothing, nothing)
        return _on_cpu(flat, bins) if flat.is_cpu else _elsewhere(flat, bins)


def _numbers(values: Tensor) -> Tensor:
    """The values as float32, or as float64 where they would lose something."""
    values = values.resolve_conj().abs() if values.is_complex() else values
    whole = not values.is_floating_point()
    if whole and values.dtype.itemsize > 2 and values.device.type != "mps":
        return values.reshape(-1).double()
    return values.reshape(-1).to(torch.float64 if values.dtype is torch.float64 else torch.float32)


def _on_cpu(flat: Tensor, bins: int) -> Tensor:
    low, high = torch.aminmax(flat)
    nans, kept = torch.zeros(()), flat
    if not (math.isfinite(low) and math.isfinite(high)):
        nans, kept = flat.isnan().sum(), flat[flat.isfinite()]
        low, high = torch.aminmax(kept) if kept.numel() else (flat.new_tensor(math.nan),) * 2
    halve = not math.isfinite(high - low)
    units = [_unit(piece, low, high, halve) for piece in torch.split(kept, _PIECE)]
    counts = torch.stack([_counted_on_cpu(unit, bins) for unit in units]).sum(0, dtype=torch.float64)
    mean = torch.stack([unit.sum(dtype=torch.float64) for unit in units]).sum() / kept.numel()
    squares = [unit.sub_(mean.to(unit.dtype)).square_().sum(dtype=torch.float64) for unit in units]
    deviation = (torch.stack(squares).sum() / kept.numel()).sqrt()
    infinite = torch.tensor(flat.numel() - kept.numel(), dtype=torch.float64) - nans
    return _row(counts, low, high, nans, infinite, *_scaled_back(mean, deviation, low, high))


def _elsewhere(flat: Tensor, bins: int) -> Tensor:
    """The same without a look at the values: what is not finite becomes NaN, which nothing counts."""
    finite, nans = flat.isfinite(), flat.isnan().sum()
    count = finite.sum()
    low = torch.where(finite, flat, math.inf).amin()
    high = torch.where(finite, flat, -math.inf).amax()
    low, high = (torch.where(count > 0, end, math.nan) for end in (low, high))
    unit = _unit(torch.where(finite, flat, math.nan), low, high, halve=True)
    counts = torch.stack([_counted(piece, bins) for piece in torch.split(unit, _EXACT)]).sum(0, dtype=_widest(flat))
    mean = unit.nansum(dtype=_widest(flat)) / count
    deviation = (unit.sub_(mean).square_().nansum(dtype=_widest(flat)) / count).sqrt()
    return _row(counts, low, high, nans, flat.numel() - count - nans, *_scaled_back(mean, deviation, low, high))


def _unit(values: Tensor, low: Tensor, high: Tensor, halve: bool) -> Tensor:
    """Where in their range values lie, 0 to 1; halved on the way where the range may exceed the largest number."""
    if not halve:
        return values.sub(low).div_(torch.where(high > low, high - low, 1))
    half = high * 0.5 - low * 0.5
    return values.mul(0.5).sub_(low * 0.5).div_(torch.where(half > 0, half, 1))


def _scaled_back(mean: Tensor, deviation: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    half = high.to(mean.dtype) * 0.5 - low.to(mean.dtype) * 0.5
    return (low.to(mean.dtype) * 0.5 + mean * half) * 2, deviation * half * 2


def _counted_on_cpu(unit: Tensor, bins: int) -> Tensor:
    """Counts of numbers in 0 to 1; histc takes several times as long here."""
    places = unit.mul(bins).clamp_(max=bins - 1)
    return torch.bincount(places.to(torch.uint8 if bins <= 256 else torch.int32), minlength=bins)


def _counted(unit: Tensor, bins: int) -> Tensor:
    """Counts of numbers in 0 to 1, NaN left out; histc on a GPU adds in any order, which is exact but not allowed."""
    if not torch.are_deterministic_algorithms_enabled():
        return torch.histc(unit, bins, 0, 1)
    places = (unit * bins).floor().clamp(max=bins - 1).nan_to_num(nan=bins).sort().values
    edges = torch.arange(bins + 1, dtype=places.dtype, device=places.device)
    return torch.searchsorted(places, edges).diff().to(unit.dtype)


def _row(counts: Tensor, *figures: Tensor) -> Tensor:
    dtype = _widest(counts)
    return torch.cat([counts.to(dtype), torch.stack([figure.to(dtype) for figure in figures])])


def _widest(tensor: Tensor) -> torch.dtype:
    return torch.float32 if tensor.device.type == "mps" else torch.float64
