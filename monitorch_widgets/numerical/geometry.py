"""Geometry of tensors that follow each other: how long they are, and how far each points where the last one did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from .flat import Together, kind_of
from .running import (
    Accumulator,
    RunningMeanVar,
    append_finite,
    finish_sync_rmv_or_error,
    start_sync_rmv_or_error,
)
from .scratch import Scratch, scratch
from .tensors import (
    aside,
    constants,
    cosines_of,
    dots_into,
    length_of,
    lengths_of,
    norms_of,
    root_size,
    same_layout,
    seen_again,
    stored,
    wide,
)


class Look(NamedTuple):
    """What one look at a tensor leaves: all of 0 dimensions, on its device."""

    length: Tensor
    product: Tensor  # with the tensor before; NaN without one
    before: Tensor  # length of the tensor before
    root: float  # what the length is divided by


class Looks(NamedTuple):
    """What one look at several tensors leaves: of n numbers each, on their device."""

    lengths: Tensor
    products: Tensor
    before: Tensor
    roots: Sequence[float]


@dataclass(slots=True)
class _Kept:
    tensor: Tensor
    length: Tensor | None  # None while there is nothing to compare with


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
        self._previous: dict[str, _Kept] = {}
        self._flats: list[Together] = []
        self._scratch: Scratch | None = None

    def measure(
        self, names: Sequence[str], tensors: Sequence[Tensor], lengths: Sequence[Tensor] | None = None
    ) -> Tensor:
        """Norm, and correlation where asked for, of each tensor; call it without gradients, as :func:`aside` does.

        Parameters
        ----------
        names, tensors : sequence
            Tensors of any shape and dtype, all on one device.
        lengths : sequence of torch.Tensor, optional
            Their L2 norms, where they are known.

        Returns
        -------
        torch.Tensor, shape (n, 1) or (n, 2)
            On the device of the tensors, which must be one; not finite for empty tensors and where NaN or infinity is
            among the values; NaN for correlations without a predecessor of the same shape.
        """
        return self.numbers_of([self.look_at(names, tensors, lengths)])

    def look_at(
        self, names: Sequence[str], tensors: Sequence[Tensor], lengths: Sequence[Tensor] | None = None
    ) -> Looks:
        """Measure tensors as :meth:`measure` does, as far as that takes them; :meth:`numbers_of` goes on."""
        self._scratch = scratch()
        roots = [root_size(tensor.numel(), self.normalize) for tensor in tensors]
        if not self.correlation:
            widened = [wide(stored(tensor)) for tensor in tensors]
            known = norms_of(widened) if lengths is None else torch.stack(list(lengths))
            return Looks(known, known, known, roots)
        flat = self._flat(list(names), tensors)
        if flat is not None:
            found, products, before = flat.compare(tensors, None if lengths is None else torch.stack(list(lengths)))
            nothing = constants((math.nan,), found.dtype, found.device).expand(len(found))
            return Looks(found, nothing if products is None else products, nothing if before is None else before, roots)
        widened = [wide(tensor) for tensor in tensors]
        each = lengths_of(widened) if lengths is None else list(lengths)
        return self._together(self._compared(names, widened, each, roots))

    def numbers_of(self, looks: Sequence[Looks]) -> Tensor:
        """What :meth:`measure` gives, of tensors that were looked at together, below each other."""
        self._scratch = scratch()
        lengths = torch.cat([look.lengths for look in looks])
        measured = self._divided(lengths, [root for look in looks for root in look.roots])
        if not self.correlation:
            return measured[:, None]
        products = torch.cat([look.products for look in looks])
        before = torch.cat([look.before for look in looks])
        return torch.stack([measured, cosines_of(products, lengths, before, self.eps)], dim=1)

    def _flat(self, names: list[str], tensors: Sequence[Tensor]) -> Together | None:
        """Where tensors that come together are kept; None where each is kept by itself."""
        for flat in self._flats:
            if flat.fits(names, tensors):
                return flat
        self._take_apart(names)
        known = any(name in self._previous for name in names)
        kind = kind_of(tensors)
        if len(tensors) < 2 or known or len(set(names)) < len(names) or kind is None:
            return None
        self._flats.append(kind(names, tensors))
        return self._flats[-1]

    def look(self, name: str, tensor: Tensor) -> Look:
        """Measure one tensor, as far as that takes the tensor itself; :meth:`numbers` goes on."""
        tensor = tensor.detach()
        root = root_size(tensor.numel(), self.normalize)
        if not self.correlation:
            length = length_of(wide(stored(tensor)))
            return Look(length, length, length, root)
        tensor = wide(tensor)
        if self._flats:
            self._take_apart([name])
        kept = self._fitting(name, tensor)
        if kept is None or kept.length is None:
            return self._first(name, tensor, length_of(tensor), root, kept)
        before, kept.length = kept.length, None  # an interrupt in between leaves what can't be compared with
        length, product = seen_again(kept.tensor, tensor)
        kept.length = length
        return Look(length, product, before, root)

    def numbers(self, looks: Sequence[Look]) -> Tensor:
        """What :meth:`measure` gives, of tensors that were looked at, one row each."""
        return self.numbers_of([self._together(looks)])

    def _together(self, looks: Sequence[Look]) -> Looks:
        lengths, roots = torch.stack([look.length for look in looks]), [look.root for look in looks]
        if not self.correlation:
            return Looks(lengths, lengths, lengths, roots)
        products = torch.stack([look.product for look in looks])
        return Looks(lengths, products, torch.stack([look.before for look in looks]), roots)

    def _take_apart(self, names: Sequence[str]) -> None:
        """Keep tensors by themselves, which came together with others until now."""
        for flat in [flat for flat in self._flats if not set(flat.names).isdisjoint(names)]:
            self._flats.remove(flat)
            self._previous.update((name, _Kept(tensor, length)) for name, tensor, length in flat.apart())

    @property
    def memory_bytes(self) -> int:
        """Memory that the kept copies take, in bytes."""
        return self.memory_under("")

    def memory_under(self, prefix: str) -> int:
        """Memory that the kept copies of the tensors take whose names begin so, in bytes."""
        chosen = [kept.tensor for name, kept in self._previous.items() if name.startswith(prefix)]
        together = sum(flat.memory_under(prefix) for flat in self._flats)
        return together + sum(tensor.numel() * tensor.element_size() for tensor in chosen)

    def forget(self) -> None:
        """Drop the kept tensors."""
        self._previous.clear()
        self._flats.clear()
        self._scratch = None

    def interrupt(self) -> None:
        """Compare the next tensors with nothing; the memory of the kept ones is used again."""
        for kept in self._previous.values():
            kept.length = None
        for flat in self._flats:
            flat.lengths = None

    def _divided(self, lengths: Tensor, roots: Sequence[float]) -> Tensor:
        if all(root == 1.0 for root in roots):
            return lengths
        return lengths / constants(tuple(roots), lengths.dtype, lengths.device)

    def _compared(
        self, names: Sequence[str], tensors: Sequence[Tensor], lengths: Sequence[Tensor], roots: Sequence[float]
    ) -> list[Look]:
        found = [self._fitting(name, tensor) for name, tensor in zip(names, tensors, strict=True)]
        known = [(i, kept, kept.length) for i, kept in enumerate(found) if kept is not None and kept.length is not None]
        for _, kept, _ in known:
            kept.length = None
        products = dots_into([kept.tensor for _, kept, _ in known], [tensors[i] for i, _, _ in known])
        looks: list[Look | None] = [None] * len(names)
        for (i, kept, before), product in zip(known, products, strict=True):
            kept.length = lengths[i]
            looks[i] = Look(lengths[i], product, before, roots[i])
        return [
            self._first(names[i], tensors[i], lengths[i], roots[i], found[i]) if look is None else look
            for i, look in enumerate(looks)
        ]

    def _first(self, name: str, tensor: Tensor, length: Tensor, root: float, kept: _Kept | None) -> Look:
        """Keep what has nothing to be compared with."""
        if kept is None:
            with aside():
                self._previous[name] = _Kept(tensor.clone(), length)
        else:
            kept.tensor.copy_(tensor)
            kept.length = length
        nothing = constants((math.nan,), length.dtype, length.device)[0]
        return Look(length, nothing, nothing, root)

    def _fitting(self, name: str, tensor: Tensor) -> _Kept | None:
        """What is kept under a name, if it can be compared with the tensor."""
        kept = self._previous.get(name)
        return kept if kept is not None and same_layout(kept.tensor, tensor) else None


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
        with aside():
            measured = self._tensors.measure([""], [X])
        self.record(*measured[0].tolist())

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
