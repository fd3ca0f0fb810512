"""Geometry of tensors that follow each other: how long they are, and how far each points where the last one did."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .running import (
    Accumulator,
    RunningMeanVar,
    append_finite,
    finish_sync_rmv_or_error,
    start_sync_rmv_or_error,
)
from .tensors import correlations, lengths_of, root_sizes, stored, wide


class ConsecutiveTensors:
    """Measures tensors by name against the tensors that came before under the same names.

    Parameters
    ----------
    normalize : bool
        Root mean square rather than L2 norm.
    correlation : bool
        Measure correlations too; keeps one copy of each tensor, see :attr:`memory_bytes`.
    eps : float
        Length up to which a tensor has no direction.
    """

    def __init__(self, normalize: bool, correlation: bool, eps: float) -> None:
        self.normalize = normalize
        self.correlation = correlation
        self.eps = eps
        self._previous: dict[str, tuple[Tensor, Tensor]] = {}

    def measure(self, names: Sequence[str], tensors: Sequence[Tensor]) -> Tensor:
        """Norm, and correlation where asked for, of each tensor.

        Returns
        -------
        torch.Tensor, shape (n, 1) or (n, 2)
            On the device of the tensors, which must be one; not finite for empty tensors and where NaN or infinity is
            among the values; NaN for correlations without a predecessor of the same shape.
        """
        widened = [wide(tensor if self.correlation else stored(tensor)) for tensor in tensors]
        lengths = torch.stack(lengths_of(widened))
        measured = lengths / root_sizes(tensors, lengths, self.normalize)
        if not self.correlation:
            return measured[:, None]
        cosines = self._compare(names, widened, lengths)
        self._remember(names, widened, lengths)
        return torch.stack([measured, cosines], dim=1)

    @property
    def memory_bytes(self) -> int:
        """Memory that the kept copies take, in bytes."""
        return sum(kept.numel() * kept.element_size() for kept, _ in self._previous.values())

    def forget(self) -> None:
        """Drop the kept tensors."""
        self._previous.clear()

    def _compare(self, names: Sequence[str], tensors: Sequence[Tensor], lengths: Tensor) -> Tensor:
        known = [i for i, name in enumerate(names) if self._fits(name, tensors[i])]
        if not known:
            return torch.full_like(lengths, math.nan)
        previous = [self._previous[names[i]] for i in known]
        cosines = correlations(
            [tensors[i] for i in known],
            [kept for kept, _ in previous],
            torch.stack([lengths[i] for i in known]),
            torch.stack([length for _, length in previous]),
            self.eps,
        )
        if len(known) == len(names):
            return cosines
        places = torch.tensor(known).to(lengths.device, non_blocking=True)  # made there, it would wait for the device
        return torch.full_like(lengths, math.nan).index_put((places,), cosines)

    def _remember(self, names: Sequence[str], tensors: Sequence[Tensor], lengths: Tensor) -> None:
        same = [i for i, name in enumerate(names) if self._fits(name, tensors[i])]
        if same:
            torch._foreach_copy_([self._previous[names[i]][0] for i in same], [tensors[i] for i in same])
        kept = set(same)
        for i, name in enumerate(names):
            tensor = self._previous[name][0] if i in kept else tensors[i].clone()
            self._previous[name] = (tensor, lengths[i])

    def _fits(self, name: str, tensor: Tensor) -> bool:
        if name not in self._previous:
            return False
        kept = self._previous[name][0]
        return kept.shape == tensor.shape and kept.device == tensor.device and kept.dtype == tensor.dtype


class GeometryComputation:
    r"""Norm of a tensor, and its correlation with the tensor of the call before.

    The correlation is the cosine :math:`\langle p, c \rangle / (\lVert p \rVert \lVert c \rVert)`. It has no
    value for the very first tensor, and carries over :meth:`reset`, so the first batch of an epoch is compared with
    the last one of the epoch before (monitorch reports 0 for both).

    Parameters
    ----------
    inplace : bool
        Keep running statistics rather than lists.
    normalize : bool
        Root mean square rather than L2 norm.
    correlation : bool
        Compute correlations; keeps one copy of the tensor.
    eps : float
        Length up to which a tensor has no direction, hence no correlation.

    Attributes
    ----------
    norm, product : RunningMeanVar or list of float
        What :meth:`update` collected; `product` only with `correlation`.

    Examples
    --------
    >>> import torch
    >>> geometry = GeometryComputation(inplace=False, normalize=False, correlation=True, eps=1e-8)
    >>> for tensor in (torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.0]), torch.tensor([-6.0, -8.0])):
    ...     geometry.update(tensor)
    >>> geometry.norm, geometry.product
    ([5.0, 5.0, 10.0], [1.0, -1.0])
    """

    def __init__(self, inplace: bool, normalize: bool, correlation: bool, eps: float) -> None:
        self.inplace = inplace
        self.normalize = normalize
        self.correlation = correlation
        self.eps = eps
        self._tensors = ConsecutiveTensors(normalize, correlation, eps)
        self.reset()

    def update(self, X: Tensor) -> None:
        """Add a tensor of any shape; waits for its device."""
        self.record(*self._tensors.measure([""], [X])[0].tolist())

    def record(self, norm: float, product: float = float("nan")) -> None:
        """Add numbers that were measured elsewhere; NaN and infinity leave a gap."""
        append_finite(self.norm, norm)
        if self.correlation:
            append_finite(self.product, product)

    @property
    def value(self) -> Accumulator | tuple[Accumulator, Accumulator]:
        """The norms, or norms and correlations."""
        return (self.norm, self.product) if self.correlation else self.norm

    def reset(self) -> None:
        """Forget the numbers, not the previous tensor."""
        self.norm: Accumulator = RunningMeanVar() if self.inplace else []
        self.product: Accumulator = RunningMeanVar() if self.inplace else []

    def start_sync(self, dst_rank: int) -> None:
        """Begin to merge with the other ranks."""
        start_sync_rmv_or_error(self.norm, dst_rank)
        if self.correlation:
            start_sync_rmv_or_error(self.product, dst_rank)

    def finish_sync(self) -> None:
        """Finish merging with the other ranks."""
        finish_sync_rmv_or_error(self.norm)
        finish_sync_rmv_or_error(self.product)
