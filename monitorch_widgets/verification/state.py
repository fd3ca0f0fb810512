"""Leaves no trace: whatever is tried with a model inside is undone, to the last bit."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from .snapshot import Snapshot

Aside = Callable[[nn.Module], contextlib.AbstractContextManager[None]]

watchers: list[Aside] = []
"""Each makes a context in which whoever watches a model looks away; later rooms add theirs."""


@contextlib.contextmanager
def kept(model: nn.Module, *others: Any, loaders: Iterable[Any] = ()) -> Iterator[None]:
    """Put everything back as it was when the block ends, also by an error or by Ctrl-C.

    That is parameters, buffers, gradients (the same tensor objects), modes, what requires gradients, plain attributes
    and hooks of modules, the state of optimizers, schedulers and gradient scalers, the random generators of Python,
    NumPy and torch on all devices, and whether gradients are enabled. It holds a copy of all these tensors meanwhile.

    Inspectors that watch the model neither read nor count what happens inside. Objects of other classes that a module
    holds are not looked into, unless they are given.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    *others : object
        Optimizers, schedulers, gradient scalers, further modules, tensors, generators; None is passed over.
    loaders : iterable of object
        Loaders of batches; their random generators are put back, and workers that stay are left alone.

    Examples
    --------
    >>> model = nn.Linear(2, 1)
    >>> optimizer = torch.optim.Adam(model.parameters())
    >>> with kept(model, optimizer):
    ...     model(torch.ones(1, 2)).sum().backward()
    ...     optimizer.step()
    >>> model.weight.grad is None, len(optimizer.state)
    (True, 0)
    """
    with contextlib.ExitStack() as aside:
        for watcher in watchers:
            aside.enter_context(watcher(model))
        generators = [generator for loader in loaders for generator in generators_of(loader)]
        snapshot = Snapshot([model, *others, *generators])
        random_states = _RandomStates()
        workers = [(loader, getattr(loader, "_iterator", None)) for loader in loaders if _keeps_workers(loader)]

        def put_back() -> None:
            for loader, iterator in workers:
                loader._iterator = iterator
            snapshot.put_back()
            random_states.put_back()

        with undone_by(put_back):
            for loader, _ in workers:
                loader._iterator = None  # a fresh one is made meanwhile
            with torch.inference_mode(False):  # puts back whether gradients are enabled, too
                yield


@contextlib.contextmanager
def undone_by(undo: Callable[[], None]) -> Iterator[None]:
    """Call `undo` when the block ends, and let no Ctrl-C tear it.

    >>> with undone_by(lambda: print("undone")):
    ...     print("done")
    done
    undone
    """
    from monitorch_widgets.transport import Shield  # a later room

    is_undone = False

    def shielded() -> None:
        nonlocal is_undone
        with Shield():
            undo()
            is_undone = True

    try:
        try:
            yield
        finally:
            shielded()
    finally:
        if not is_undone:  # Ctrl-C came between the block and the shield
            shielded()


def generators_of(loader: Any) -> list[torch.Generator]:
    """The random generators of a loader, its samplers and its data set.

    >>> data = torch.utils.data.DataLoader([1, 2], shuffle=True, generator=torch.Generator())
    >>> len(generators_of(data)), generators_of([1, 2])
    (1, [])
    """
    found: dict[int, torch.Generator] = {}
    batch_sampler = getattr(loader, "batch_sampler", None)
    parts = [loader, getattr(loader, "sampler", None), batch_sampler, getattr(batch_sampler, "sampler", None)]
    for part in [*parts, getattr(loader, "dataset", None)]:
        generator = getattr(part, "generator", None)
        if isinstance(generator, torch.Generator):
            found[id(generator)] = generator
    return list(found.values())


class _RandomStates:
    """The states of the generators that everybody shares."""

    def __init__(self) -> None:
        self._python = random.getstate()
        self._numpy = np.random.get_state()  # noqa: NPY002  # the one that everybody shares
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else None
        self._mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None

    def put_back(self) -> None:
        """Make them go on as they would have."""
        random.setstate(self._python)
        np.random.set_state(self._numpy)  # noqa: NPY002
        torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            torch.cuda.set_rng_state_all(self._cuda)
        if self._mps is not None:
            torch.mps.set_rng_state(self._mps)


def _keeps_workers(loader: Any) -> bool:
    """Whether a loader keeps its iterator, since the workers of that stay."""
    return bool(getattr(loader, "persistent_workers", False)) and hasattr(loader, "_iterator")
