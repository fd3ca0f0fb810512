"""What preprocessors of parameter changes share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from monitorch_widgets.numerical import aside, lengths_of, precise, same_layout, walk, wide

from .kinds import KindsPreprocessor


class Moved(NamedTuple):
    """What a step did to parameters.

    Attributes
    ----------
    names : list of str
        Names of the parameters.
    changes : list of torch.Tensor
        What each parameter was before the step minus what it is, in float32 or wider. They are overwritten later.
    sizes : list of torch.Tensor
        L2 norm of each parameter before the step; none where nobody needs them.
    lengths : list of torch.Tensor
        L2 norm of each change.
    """

    names: list[str]
    changes: list[Tensor]
    sizes: list[Tensor]
    lengths: list[Tensor]


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
    """Whether :meth:`process_changes` looks at the sizes of parameters."""

    @abstractmethod
    def process_changes(self, moved: Moved) -> None:
        """Measure changes; their `sizes` are there if :attr:`needs_sizes`."""

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
                chosen, now = [names[i] for i in known], [tensors[i] for i in known]
                kept = [self._before[name] for name in chosen]
                self.process_changes(taken_from(chosen, kept, now, sizes=self.needs_sizes))
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


def taken_from(names: list[str], copies: Sequence[Tensor], tensors: Sequence[Tensor], *, sizes: bool) -> Moved:
    """Copies minus tensors, with the `sizes` that the copies had if asked for.

    The copies are used up: the differences are computed in their memory, where they are wide enough. Those of a half
    type are widened first, since the difference itself would be rounded.
    """
    if walk.walks(copies) and walk.walks(tensors):
        before, lengths = walk.take(copies, tensors)
        return Moved(names, list(copies), list(before.unbind()) if sizes else [], list(lengths.unbind()))
    differences = [precise(copy) for copy in copies]
    norms = lengths_of([wide(copy) for copy in differences]) if sizes else []
    torch._foreach_sub_(differences, [precise(tensor) for tensor in tensors])
    return Moved(names, differences, norms, lengths_of([wide(difference) for difference in differences]))
