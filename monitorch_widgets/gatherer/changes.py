"""What a step changes: one copy of each watched parameter, however many lenses look at the changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor
from torch.optim import Optimizer

from monitorch_widgets.numerical import aside
from monitorch_widgets.preprocessor.difference import Moved, taken_from

from .hooks import Hooks
from .parameter_places import Found, Place

if TYPE_CHECKING:
    from .changes_seen import ParameterChangesGatherer

Layout = tuple[Any, torch.dtype, torch.device]


class Measured(NamedTuple):
    """What a step did to one parameter, for all who look at it."""

    change: Tensor
    size: Tensor | None  # norm before the step
    length: Tensor  # norm of the change


@dataclass(slots=True)
class _Copy:
    tensor: Tensor
    parameter: int  # id of the parameter that was copied
    layout: Layout
    owner: object  # whose memory this counts as
    name: str  # that the parameter has there


@dataclass(slots=True)
class _Usual:
    """Copies that are taken together at every step, as long as nothing is replaced."""

    places: list[Place]
    ids: list[int]
    layouts: list[Layout]
    copies: list[Tensor]
    fresh: bool = False  # taken before the running step
    moved: Moved | None = None

    def fits(self, found: Found) -> bool:
        """Whether these are the parameters that are there, in the same shape, dtype and device."""
        places, tensors = found.places, found.tensors
        return (
            (places is self.places or places == self.places)
            and [id(tensor) for tensor in tensors] == self.ids
            and [_layout(tensor) for tensor in tensors] == self.layouts
        )


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
        self._usual: _Usual | None = None
        self._fresh: set[Place] = set()  # other copies that the running step started from
        self._inside: set[int] = set()  # gatherers that wait for the end of the running step
        self._ended = False
        self._measured: dict[Place, Measured] = {}
        self._told: list[tuple[Found, object]] = []  # parameters of a step without an optimizer
        self._since_told: set[Place] = set()  # copies of the newest such step, if it was the newest step
        self._told_at = -1  # number of that step
        self.gatherers: list[ParameterChangesGatherer] = []

    def begin(self, gatherer: object, found: Found, optimizer: Optimizer | None, step: int) -> None:
        """Note what the parameters are before a step."""
        if self._ended or id(gatherer) in self._inside:  # the step before did not come to its end
            self._drop()
        self._inside.add(id(gatherer))
        if optimizer is not None:
            if not self._take_as_usual(found):
                self._be_unusual()
                self._take(found, gatherer, known=self._fresh)
        elif step - self._told_at <= 1:
            self._be_unusual()
            self._fresh.update(self._since_told)

    def _take_as_usual(self, found: Found) -> bool:
        usual = self._usual
        if usual is None or self._fresh or not usual.fits(found):
            return False
        if not usual.fresh:
            with aside():
                torch._foreach_copy_(usual.copies, [tensor.detach() for tensor in found.tensors])
            self._since_told.clear()
            usual.fresh = True
        return True

    def _be_unusual(self) -> None:
        """Go on with each copy by itself in this step."""
        usual, self._usual = self._usual, None
        if usual is None or not usual.fresh:
            return
        self._fresh.update(usual.places)
        if usual.moved is not None:
            self._note(usual.places, usual.moved)

    def end(self, found: Found, optimizer: Optimizer | None, gatherer: object) -> Moved:
        """Measure the changes of the parameters that have a copy of before the step."""
        self._ended = True
        if optimizer is None:
            self._told.append((found, gatherer))
        usual = self._usual
        if usual is not None and usual.fresh and usual.fits(found):
            if usual.moved is None:
                usual.fresh = False  # the copies are used up: if this fails, nobody can measure them
                usual.moved = self._measure(found.names, usual.copies, found.tensors)
                usual.fresh = True
            return usual.moved._replace(names=found.names)
        self._be_unusual()
        return self._end_unusual(found)

    def _end_unusual(self, found: Found) -> Moved:
        known = [i for i, place in enumerate(found.places) if self._fits(place, found.tensors[i])]
        missing = [i for i in known if found.places[i] not in self._measured]
        if missing:
            places = [found.places[i] for i in missing]
            self._fresh.difference_update(places)  # as above
            copies = [self._copies[place].tensor for place in places]
            self._note(places, self._measure([], copies, [found.tensors[i] for i in missing]))
            self._fresh.update(places)
        every = [self._measured[found.places[i]] for i in known]
        sizes = [each.size for each in every if each.size is not None]
        return Moved(
            [found.names[i] for i in known], [each.change for each in every], sizes, [each.length for each in every]
        )

    def _note(self, places: Sequence[Place], moved: Moved) -> None:
        sizes: Sequence[Tensor | None] = moved.sizes or [None] * len(places)
        made = map(Measured, moved.changes, sizes, moved.lengths)
        self._measured.update(zip(places, made, strict=True))

    def _measure(self, names: list[str], copies: Sequence[Tensor], tensors: Sequence[Tensor]) -> Moved:
        wanted = any(gatherer.needs_sizes for gatherer in self.gatherers if id(gatherer) in self._inside)
        with aside():
            return taken_from(names, copies, tensors, sizes=wanted)

    def leave(self, gatherer: object, step: int) -> None:
        """Have seen the changes; with the last gatherer they go."""
        self._inside.discard(id(gatherer))
        if self._inside:
            return
        told, self._told = self._told, []
        taken: set[Place] = set()
        for found, owner in told:
            self._take(found, owner, known=taken)
            taken.update(found.places)
        self._drop()
        if told:
            self._since_told, self._told_at = taken, step

    def forget(self, gatherer: object) -> None:
        """Drop the copies that count as a gatherer's, and the running step."""
        self.gatherers = [other for other in self.gatherers if other is not gatherer]
        self._copies = {place: copy for place, copy in self._copies.items() if copy.owner is not gatherer}
        self._usual = None
        self._drop()

    def tell(self, hooks: Hooks) -> None:
        """Tell all gatherers of a step without an optimizer."""
        for gatherer in self.gatherers:
            hooks.run(gatherer.subscriptions[0], None)
        for gatherer in self.gatherers:
            hooks.run(gatherer.subscriptions[1], None)

    def memory_of(self, gatherer: object, prefix: str = "") -> int:
        """Memory of the copies that count as a gatherer's, in bytes, of names that begin so; each copy counts once."""
        copies = [copy for copy in self._copies.values() if copy.owner is gatherer]
        tensors = [copy.tensor for copy in copies if copy.name.startswith(prefix)]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    def _take(self, found: Found, owner: object, *, known: set[Place]) -> None:
        """Copy parameters but the known ones, into the copies that are there where they fit."""
        rows = [i for i, place in enumerate(found.places) if place not in known]
        if not rows:
            return
        with aside():
            copies = [self._place_for(found, i, owner) for i in rows]
            torch._foreach_copy_([copy.tensor for copy in copies], [found.tensors[i].detach() for i in rows])
        self._fresh.update(found.places[i] for i in rows)
        self._since_told.clear()

    def _place_for(self, found: Found, row: int, owner: object) -> _Copy:
        place, tensor = found.places[row], found.tensors[row]
        copy, layout = self._copies.get(place), _layout(tensor)
        if copy is None:
            made = _Copy(torch.empty_like(tensor), id(tensor), layout, owner, found.names[row])
            copy = self._copies[place] = made
        elif copy.layout != layout:
            copy.tensor, copy.layout = torch.empty_like(tensor), layout
        copy.parameter = id(tensor)
        return copy

    def _fits(self, place: Place, tensor: Tensor) -> bool:
        """Whether there is a copy of this very parameter from before the step, in the same shape, dtype and device."""
        kept = self._copies.get(place) if place in self._fresh else None
        return kept is not None and kept.parameter == id(tensor) and kept.layout == _layout(tensor)

    def _drop(self) -> None:
        """Forget the running step; one without an optimizer whose parameters were not copied again has no successor."""
        if self._told:
            self._since_told.clear()
        self._settle()
        self._fresh.clear()
        self._inside.clear()
        self._measured.clear()
        self._told.clear()
        self._ended = False

    def _settle(self) -> None:
        """See whether the next step can be as this one was."""
        if self._usual is not None:
            self._usual.fresh, self._usual.moved = False, None
        elif self._fresh:
            places = [place for place in self._copies if place in self._fresh]
            chosen = [self._copies[place] for place in places]
            ids, layouts = [copy.parameter for copy in chosen], [copy.layout for copy in chosen]
            self._usual = _Usual(places, ids, layouts, [copy.tensor for copy in chosen])


def _layout(tensor: Tensor) -> Layout:
    return tensor.shape, tensor.dtype, tensor.device
