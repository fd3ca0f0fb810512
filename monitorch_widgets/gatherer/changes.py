"""What a step changes: one copy of each watched parameter, however many lenses look at the changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.optim import Optimizer

from monitorch_widgets.numerical import aside
from monitorch_widgets.preprocessor.difference import same_layout, taken_from

from .hooks import Hooks
from .parameter_places import Watched

if TYPE_CHECKING:
    from .changes_seen import ParameterChangesGatherer

Place = tuple[int, str]


@dataclass(slots=True)
class _Copy:
    tensor: Tensor
    parameter: int  # id of the parameter that was copied
    owner: object  # whose memory this counts as


class Changes:
    """Copies of parameters, and their changes over one step, for all gatherers of one inspector.

    A copy is taken right before an optimizer's step, so what the loop does to parameters between steps counts for no
    step. Without an optimizer it is taken when the step is told of, and the change is that since the step before; after
    a step that was not listened to there is none.

    A step has three parts for each gatherer: :meth:`begin`, :meth:`end`, :meth:`leave`. Differences are computed once,
    by the first that asks, in the memory of the copies.
    """

    def __init__(self) -> None:
        self._copies: dict[Place, _Copy] = {}
        self._fresh: set[Place] = set()  # copies that the running step started from
        self._inside: set[int] = set()  # gatherers that wait for the end of the running step
        self._ended = False
        self._measured: dict[Place, tuple[Tensor, Tensor | None]] = {}
        self._told: list[tuple[Watched, object]] = []  # parameters of a step without an optimizer
        self._since_told: set[Place] = set()  # copies of the newest such step, if it was the newest step
        self._told_at = -1  # number of that step
        self.gatherers: list[ParameterChangesGatherer] = []

    def begin(self, gatherer: object, watched: Sequence[Watched], optimizer: Optimizer | None, step: int) -> None:
        """Note what the parameters are before a step."""
        if self._ended or id(gatherer) in self._inside:  # the step before did not come to its end
            self._drop()
        self._inside.add(id(gatherer))
        if optimizer is not None:
            self._take([(each, gatherer) for each in watched if each.place not in self._fresh])
        elif step - self._told_at <= 1:
            self._fresh.update(self._since_told)

    def end(self, watched: Sequence[Watched], optimizer: Optimizer | None, gatherer: object) -> list[Watched]:
        """Measure the changes of the parameters that have a copy of before the step, and return these parameters."""
        self._ended = True
        if optimizer is None:
            self._told += [(each, gatherer) for each in watched]
        known = [each for each in watched if self._fits(each)]
        missing = [each for each in known if each.place not in self._measured]
        if missing:
            self._measure(missing)
        return known

    def _measure(self, watched: Sequence[Watched]) -> None:
        wanted = any(gatherer.needs_sizes for gatherer in self.gatherers)
        places = {each.place for each in watched}
        self._fresh -= places  # the copies are used up: if this fails, nobody can measure them
        with aside():
            copies = [self._copies[each.place].tensor for each in watched]
            changes, sizes = taken_from(copies, [each.tensor for each in watched], sizes=wanted)
        for i, each in enumerate(watched):
            self._measured[each.place] = changes[i], sizes[i] if wanted else None
        self._fresh |= places

    def measured(self, known: Sequence[Watched]) -> tuple[list[Tensor], list[Tensor]]:
        """Change of each parameter, and its norm before if some gatherer needs it; as in ``process_changes``."""
        pairs = [self._measured[each.place] for each in known]
        return [change for change, _ in pairs], [size for _, size in pairs if size is not None]

    def leave(self, gatherer: object, step: int) -> None:
        """Have seen the changes; with the last gatherer they go."""
        self._inside.discard(id(gatherer))
        if self._inside:
            return
        told = {each.place: (each, owner) for each, owner in reversed(self._told)}
        self._told.clear()
        self._take(list(told.values()))
        self._drop()
        if told:
            self._since_told, self._told_at = set(told), step

    def forget(self, gatherer: object) -> None:
        """Drop the copies that count as a gatherer's, and the running step."""
        self.gatherers = [other for other in self.gatherers if other is not gatherer]
        self._copies = {place: copy for place, copy in self._copies.items() if copy.owner is not gatherer}
        self._drop()

    def tell(self, hooks: Hooks) -> None:
        """Tell all gatherers of a step without an optimizer."""
        for gatherer in self.gatherers:
            hooks.run(gatherer.subscriptions[0], None)
        for gatherer in self.gatherers:
            hooks.run(gatherer.subscriptions[1], None)

    def memory_of(self, gatherer: object) -> int:
        """Memory of the copies that count as a gatherer's, in bytes; each copy counts once."""
        tensors = [copy.tensor for copy in self._copies.values() if copy.owner is gatherer]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def _take(self, watched: Sequence[tuple[Watched, object]]) -> None:
        """Copy parameters, into the copies that are there where they fit."""
        if not watched:
            return
        with aside():
            copies = [self._place_for(each, owner) for each, owner in watched]
            torch._foreach_copy_([copy.tensor for copy in copies], [each.tensor.detach() for each, _ in watched])
        self._fresh.update(each.place for each, _ in watched)
        self._since_told.clear()

    def _place_for(self, each: Watched, owner: object) -> _Copy:
        copy = self._copies.get(each.place)
        if copy is None:
            copy = self._copies[each.place] = _Copy(torch.empty_like(each.tensor), id(each.tensor), owner)
        elif not same_layout(copy.tensor, each.tensor):
            copy.tensor = torch.empty_like(each.tensor)
        copy.parameter = id(each.tensor)
        return copy

    def _fits(self, each: Watched) -> bool:
        """Whether there is a copy of this very parameter from before the step, in the same shape, dtype and device."""
        kept = self._copies.get(each.place) if each.place in self._fresh else None
        return kept is not None and kept.parameter == id(each.tensor) and same_layout(kept.tensor, each.tensor)

    def _drop(self) -> None:
        """Forget the running step; one without an optimizer whose parameters were not copied again has no successor."""
        if self._told:
            self._since_told.clear()
        self._fresh.clear()
        self._inside.clear()
        self._measured.clear()
        self._told.clear()
        self._ended = False
