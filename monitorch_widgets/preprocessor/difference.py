"""What preprocessors of parameter changes share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from monitorch_widgets.numerical import aside, lengths_of, precise, wide

from .kinds import KindsPreprocessor


def same_layout(kept: Tensor, tensor: Tensor) -> bool:
    """Whether a copy is of the shape, dtype and device of a tensor: else their difference means nothing."""
    return kept.shape == tensor.shape and kept.dtype is tensor.dtype and kept.device == tensor.device


class DifferencePreprocessor(KindsPreprocessor):
    """Base of preprocessors of what a step changes.

    Changes are handed to :meth:`process_changes` by whoever computed them; or this keeps one copy of each parameter
    and computes them from one call of :meth:`process_tensors` to the next.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._before: dict[str, Tensor] = {}
        self._stale: set[str] = set()  # names of copies from before steps that were left out

    needs_sizes = False
    """Whether :meth:`process_changes` looks at `sizes`."""

    @abstractmethod
    def process_changes(
        self,
        names: Sequence[str],
        changes: Sequence[Tensor],
        sizes: Sequence[Tensor],
        lengths: Sequence[Tensor] | None = None,
    ) -> None:
        """Measure changes.

        Parameters
        ----------
        names : sequence of str
            Names of the parameters.
        changes : sequence of torch.Tensor
            What each parameter was before the step minus what it is, in float32 or wider. They are overwritten later.
        sizes : sequence of torch.Tensor
            L2 norm of each parameter before the step, if :attr:`needs_sizes`; otherwise there may be none.
        lengths : sequence of torch.Tensor, optional
            L2 norms of the changes, where they are known.
        """

    def memory_under(self, prefix: str) -> int:
        """Memory that the kept copies of the parameters take whose names begin so, in bytes."""
        chosen = [tensor for name, tensor in self._before.items() if name.startswith(prefix)]
        return sum(tensor.numel() * tensor.element_size() for tensor in chosen) + super().memory_under(prefix)

    def forget(self) -> None:
        """Drop the kept copies: the next update starts anew."""
        super().forget()
        self._before.clear()

    def steps_left_out(self) -> None:
        """Take no change from what was before: it would be that of several steps."""
        super().steps_left_out()
        self._stale.update(self._before)

    def process_tensor(self, name: str, param: Tensor) -> None:
        """Measure the change of one parameter since the last call; the first call only remembers it."""
        self.process_tensors([name], [param])

    def process_tensors(self, names: Sequence[str], tensors: Sequence[Tensor]) -> None:
        """Measure the change of all parameters since the last call."""
        known = [i for i, name in enumerate(names) if name not in self._stale and self._fits(name, tensors[i])]
        if known:
            with aside():
                kept = [self._before[names[i]] for i in known]
                changes, sizes, lengths = taken_from(kept, [tensors[i] for i in known], sizes=self.needs_sizes)
                self.process_changes([names[i] for i in known], changes, sizes, lengths)
        self.remember(names, tensors, anew=True)

    def remember(self, names: Sequence[str], tensors: Sequence[Tensor], *, anew: bool = False) -> None:
        """Keep the parameters that are not known yet, or all of them `anew`, without measuring."""
        with aside():
            for name, tensor in zip(names, tensors, strict=True):
                if not self._fits(name, tensor):
                    self._before[name] = tensor.detach().clone()
                elif anew or name in self._stale:
                    self._before[name].copy_(tensor.detach())
                self._stale.discard(name)

    def _fits(self, name: str, tensor: Tensor) -> bool:
        kept = self._before.get(name)
        return kept is not None and same_layout(kept, tensor)


def taken_from(
    copies: Sequence[Tensor], tensors: Sequence[Tensor], *, sizes: bool
) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Copies minus tensors, if asked for the L2 norms that the copies had, and those of the differences.

    The copies are used up: the differences are computed in their memory, where they are wide enough. Those of a half
    type are widened first, since the difference itself would be rounded.
    """
    differences = [precise(copy) for copy in copies]
    norms = lengths_of([wide(copy) for copy in differences]) if sizes else []
    torch._foreach_sub_(differences, [precise(tensor) for tensor in tensors])
    return differences, norms, lengths_of([wide(difference) for difference in differences])
