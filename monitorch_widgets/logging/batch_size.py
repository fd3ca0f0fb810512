"""How many samples the current batch has, for means that are weighted by it."""

from __future__ import annotations

import dataclasses
import math
import warnings
import weakref
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from numbers import Real
from typing import Any

from torch import Tensor, nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, NotWatched
from monitorch_widgets.gatherer import Hooks
from monitorch_widgets.gatherer.compiled import not_compiled
from monitorch_widgets.gatherer.module_hooks import Inert, hookable

_MOST = 64  # tensors of a batch that are looked at
_DEEP = 8  # levels of nesting
_LOOKS = 512  # parts that are looked at, for lists of lists of numbers take long


def sizes_in(batch: Any) -> Iterator[int]:
    """First dimension of each tensor or array in a batch, 1 for one without; containers are looked into.

    Examples
    --------
    >>> import torch
    >>> list(sizes_in({"x": torch.zeros(4, 3), "more": [torch.zeros(2), "a name", torch.tensor(1.0)]}))
    [4, 2, 1]
    """
    waiting = [(batch, 0)]
    for _ in range(_LOOKS):
        if not waiting:
            return
        item, depth = waiting.pop()
        shape = getattr(item, "shape", None)
        if isinstance(item, Tensor) or isinstance(shape, tuple):
            yield int(shape[0]) if shape else 1
        elif depth < _DEEP and not isinstance(item, str | bytes):
            waiting += [(inner, depth + 1) for inner in islice(_inside(item), _MOST)][::-1]


def _found(batch: Any) -> list[int]:
    try:
        return list(islice(sizes_in(batch), _MOST))
    except Exception:  # an object of somebody's, whose attributes raise: its size is not known
        return []


def _inside(batch: Any) -> Iterable[Any]:
    if isinstance(batch, Mapping):
        return batch.values()
    if isinstance(batch, list | tuple | set | frozenset):
        return batch
    if dataclasses.is_dataclass(batch):
        return [getattr(batch, field.name) for field in dataclasses.fields(batch)]
    return ()


def checked_size(size: Any) -> Any:
    """Return a batch size: a number that is 0 or more, or a tensor of one element, which nobody waits for.

    Raises
    ------
    ArgumentError
        For another number.
    ArgumentTypeError
        For what is no number.
    """
    if isinstance(size, Tensor) and size.numel() == 1:
        return size
    if isinstance(size, bool) or not isinstance(size, Real):
        raise ArgumentTypeError(
            f"expected batch_size to be a number of samples; received {size!r:.100}. Use e.g. len(batch)."
        )
    if not 0 <= float(size) < math.inf:
        raise ArgumentError(f"expected batch_size to be a number of samples, 0 or more; received {size!r}.")
    return size


class BatchSize:
    """Knows the size of the current batch: from the batch itself, or from the input of the model.

    Neither is kept, only the sizes of their tensors.

    Attributes
    ----------
    has_batch : bool
        Whether a loop has said what its batch is.
    """

    def __init__(self) -> None:
        self._of_batch: list[int] = []
        self.has_batch = False
        self._of_input: list[int] = []
        self._warned = False
        self._handle: Any = None
        self._model: weakref.ref[nn.Module] | None = None

    def take(self, batch: Any) -> None:
        """Look at the batch that a loop has come to."""
        self._of_batch, self.has_batch = _found(batch), True

    @property
    def now(self) -> int | None:
        """The batch size; None where nobody knows it. Of several candidates the first is taken, with a warning."""
        sizes = self._of_batch or self._of_input
        if not self._warned and len(set(sizes)) > 1:
            self._warned = True
            warnings.warn(
                f"the batch has tensors of several sizes ({', '.join(map(str, dict.fromkeys(sizes)))}): means of the "
                f"epoch are weighted by the first, {sizes[0]}. Say it by log(..., batch_size=...).",
                NotWatched,
                stacklevel=5,
            )
        return sizes[0] if sizes else None

    # ------------------------------------------------------------------ where no loop says the batch

    def follow(self, model: nn.Module | None, hooks: Hooks) -> None:
        """Look at the input of `model` from now on, unless its code is compiled; only the size is kept."""
        if model is None or hooks.worn.stay or not hookable(model):
            return
        known = self._model() if self._model is not None else None
        if known is model and self._handle.id in model._forward_pre_hooks:
            return
        self.leave()
        self._model = weakref.ref(model)
        self._handle = model.register_forward_pre_hook(_SeesInput(hooks, model, self), with_kwargs=True)

    def leave(self) -> None:
        """Look at no model any more."""
        if self._handle is not None:
            self._handle.remove()
        self._handle = self._model = None
        self.forget()

    def forget(self) -> None:
        """Forget the batch: others come."""
        self._of_batch, self._of_input, self.has_batch = [], [], False

    def saw_input(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Look at what the model is called with."""
        if not self._of_batch:
            self._of_input = _found((args, kwargs))


class _SeesInput(Inert):
    """Hook before the watched model."""

    def __init__(self, hooks: Hooks, module: nn.Module, sizes: BatchSize) -> None:
        super().__init__(hooks, module)
        self._sizes = weakref.ref(sizes)

    @not_compiled
    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Note the size."""
        sizes, hooks = self._sizes(), self.owner()
        if sizes is not None and hooks is not None and not hooks.gate.holds:
            sizes.saw_input(args, kwargs)
