"""What objects hold now, so that it can be put back: the same objects in the same places, bit for bit."""

from __future__ import annotations

import random
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

PutBack = Callable[[], None]

_OBJECTS: tuple[type, ...] = (
    nn.Module,
    Optimizer,
    LRScheduler,
    torch.amp.GradScaler,
)  # looked into by their attributes


class Snapshot:
    """Remembers what some objects hold, and puts it back.

    It looks into what is given, into modules, optimizers, schedulers and gradient scalers that it finds there, and into
    containers, and copies tensors, arrays and the states of random generators. Any other object is only remembered as
    such: which one stood where.

    Parameters
    ----------
    subjects : iterable of object
        Modules, optimizers, tensors, generators, containers of such.

    Examples
    --------
    >>> layer = nn.Linear(2, 1)
    >>> snapshot, weight = Snapshot([layer]), layer.weight
    >>> layer.weight = nn.Parameter(torch.zeros(1, 2))
    >>> snapshot.put_back()
    >>> layer.weight is weight
    True
    """

    def __init__(self, subjects: Iterable[Any]) -> None:
        self._put_back: list[PutBack] = []
        self._seen: dict[int, Any] = {}  # the objects are kept, or an id could be given again
        subjects = list(subjects)
        self._given = {id(subject) for subject in subjects}
        waiting = deque(subjects)
        while waiting:
            found = waiting.popleft()
            if id(found) not in self._seen:
                self._seen[id(found)] = found
                waiting.extend(self._look_into(found))

    def put_back(self) -> None:
        """Make everything as it was; what can't be put back keeps nothing else from it, and is raised at the end."""
        errors = []
        with torch.no_grad():
            for put_back in self._put_back:
                try:
                    put_back()
                except Exception as error:
                    errors.append(error)
        if errors:
            raise errors[0]

    def _look_into(self, found: Any) -> Iterable[Any]:
        """Remember one object; what it holds is returned."""
        if isinstance(found, Tensor):
            self._put_back.append(_tensor(found))
            return ()
        if isinstance(found, _OBJECTS):
            return self._attributes(found)
        if isinstance(found, dict | list | set | deque):
            return self._container(found)
        if isinstance(found, tuple | frozenset):
            return found
        self._state(found)
        return self._attributes(found) if id(found) in self._given and hasattr(found, "__dict__") else ()

    def _attributes(self, found: Any) -> Iterable[Any]:
        kind = type(found)

        def put_back() -> None:
            if type(found) is not kind:  # a lazy module has become another
                found.__class__ = kind

        self._put_back.append(put_back)
        held = list(self._container(vars(found)))
        if isinstance(found, torch.jit.ScriptModule):  # it keeps its tensors in C++, not in its attributes
            held += [*found.parameters(), *found.buffers(), *found.modules()]
        return held

    def _container(self, found: Any) -> Iterable[Any]:
        if isinstance(found, dict):
            self._put_back.append(_dictionary(found))
            return list(found.values())
        kept: Any = found.copy()

        def put_back() -> None:
            if not _same(found, kept):
                found.clear()
                (found.update if isinstance(found, set) else found.extend)(kept)

        self._put_back.append(put_back)
        return list(kept)

    def _state(self, found: Any) -> None:
        """Arrays and random generators."""
        if isinstance(found, np.ndarray):
            array = found.copy()
            self._put_back.append(lambda: None if np.array_equal(found, array) else np.copyto(found, array))
        elif isinstance(found, torch.Generator):
            bits = found.get_state()
            self._put_back.append(lambda: _ignore(found.set_state(bits)))
        elif isinstance(found, random.Random):
            state = found.getstate()
            self._put_back.append(lambda: found.setstate(state))
        elif isinstance(found, np.random.Generator):
            kept = found.bit_generator.state
            self._put_back.append(lambda: setattr(found.bit_generator, "state", kept))


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, set):
        return {id(item) for item in a} == {id(item) for item in b}
    return len(a) == len(b) and all(x is y for x, y in zip(a, b, strict=True))


def _dictionary(found: dict[Any, Any]) -> PutBack:
    kept = list(found.items())
    kind: Any = OrderedDict if isinstance(found, OrderedDict) else dict  # past whatever a subclass does on writing

    def put_back() -> None:
        now = list(found.items())
        if len(now) != len(kept) or any(a is not c or b is not d for (a, b), (c, d) in zip(now, kept, strict=True)):
            kind.clear(found)
            for key, value in kept:
                kind.__setitem__(found, key, value)

    return put_back


def _tensor(found: Tensor) -> PutBack:
    """Put back the values of a tensor, where they lie, and its gradient."""
    kind, requires_grad, lazy = type(found), found.requires_grad, is_lazy(found)
    place = found.data if lazy else found.detach()
    values = None if lazy else place.clone()
    gradient = found.grad if found.is_leaf else None
    gradients = None if gradient is None else gradient.detach().clone()

    def put_back() -> None:
        if values is None or _moved(found, place):
            found.data = place
        if values is not None and not _equal(place, values):
            place.data.copy_(values)  # by .data: a graph that was made before stays valid
        if found.is_leaf and found.requires_grad is not requires_grad:
            found.requires_grad_(requires_grad)
        if found.is_leaf and found.grad is not gradient:
            found.grad = gradient
        if gradient is not None and gradients is not None and not _equal(gradient, gradients):
            gradient.data.copy_(gradients)
        if type(found) is not kind:  # a lazy parameter has got its shape
            found.__class__ = kind

    return put_back


def _moved(now: Tensor, place: Tensor) -> bool:
    """Whether a tensor stands for other memory now."""
    same = (now.dtype, now.device, now.shape, now.layout) == (place.dtype, place.device, place.shape, place.layout)
    if not same:
        return True
    return now.layout == torch.strided and (now.data_ptr(), now.stride()) != (place.data_ptr(), place.stride())


def _equal(a: Tensor, b: Tensor) -> bool:
    """Whether nothing is to be written; NaN equals nothing, so that it is written anew. Of other layouts all is."""
    if a.is_meta:
        return True
    return a.layout == torch.strided and a.shape == b.shape and torch.equal(a, b)


def _ignore(returned: object) -> None:
    """Nothing."""
