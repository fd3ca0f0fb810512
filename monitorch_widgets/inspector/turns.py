"""When each lens listens: its stride, and how many steps in a row."""

from __future__ import annotations

from dataclasses import dataclass

from monitorch_widgets.lens import AbstractLens
from monitorch_widgets.preprocessor import Ear

_MEMORY = 32  # steps after which an optimizer that made none is forgotten
_GROWTH = 4  # times that a stride may grow at once
_LONGEST = 8  # steps in a row at most, for optimizers that take turns


@dataclass(slots=True)
class Turn:
    """The stride of one lens.

    Attributes
    ----------
    lens : AbstractLens
        Who listens.
    ear : Ear
        What it listens with.
    fixed : bool
        Whether the user has set the stride.
    every : int
        It listens to every n-th step.
    first : int
        The step that it is counted from.
    heard : int
        How many steps it had listened to when its stride last grew.
    """

    lens: AbstractLens
    ear: Ear
    fixed: bool
    every: int
    first: int = 0
    heard: int = 0

    def length(self, cycle: int) -> int:
        """Steps in a row that it listens to each time, with optimizers that take turns in `cycle` steps."""
        return cycle * (2 if self.lens.pairs else 1)

    def plan(self, every: int, heard: int) -> None:
        """Take a stride: a smaller one at once, a larger one little by little, after it has listened again.

        A single listening that took long, for whatever reason, must not silence it.
        """
        if every <= self.every:
            self.every = every
        elif heard > self.heard:
            self.every, self.heard = min(every, _GROWTH * self.every), heard

    def begins(self, step: int) -> bool:
        """Whether it begins to listen at a step.

        Examples
        --------
        >>> from monitorch_widgets.lens import OutputNorm
        >>> turn = Turn(OutputNorm(), Ear(), fixed=True, every=4)
        >>> [step for step in range(10) if turn.begins(step)]
        [0, 4, 8]
        """
        return (step - self.first) % self.every == 0

    def listens(self, step: int, cycle: int) -> bool:
        """Whether it listens to a step.

        Examples
        --------
        >>> from monitorch_widgets.lens import ParameterGradientGeometry
        >>> turn = Turn(ParameterGradientGeometry(compute_correlation=True), Ear(), fixed=True, every=4)
        >>> [step for step in range(10) if turn.listens(step, cycle=1)]
        [0, 1, 4, 5, 8, 9]
        """
        return (step - self.first) % self.every < self.length(cycle)

    def next_change(self, step: int, cycle: int) -> int:
        """First step after this one at which it may begin to listen, or cease to."""
        length, place = self.length(cycle), (step - self.first) % self.every
        return step + (length if place < length < self.every else self.every) - place

    def shown_every(self, cycle: int) -> int:
        """Its stride as people would say it: a pair at every second step is every step."""
        return 1 if self.length(cycle) >= self.every else self.every


class Cycle:
    """In how many steps all optimizers of a model have had their turn; 1 for a single one.

    A generator and a discriminator in one model take turns: a lens that listened to every second step would see one of
    them only.
    """

    def __init__(self) -> None:
        self.steps = 1
        self._last: dict[int, int] = {}
        self._gaps: dict[int, int] = {}

    def saw(self, optimizer: object, step: int) -> None:
        """Note whose step it was; None where that is not known."""
        if optimizer is None:
            return
        key = id(optimizer)
        before, self._last[key] = self._last.get(key, step - 1), step
        alone = len(self._last) == 1  # steps that were skipped were its own
        self._gaps[key] = 1 if alone else step - before
        if not alone:
            self._forget(step)
        self.steps = min(max(self._gaps.values()), _LONGEST)

    def by_hand(self) -> None:
        """Note that the loop makes the steps itself: what they change is known from one to the next."""
        self.steps = 2

    def _forget(self, step: int) -> None:
        for key in [key for key, last in self._last.items() if step - last > _MEMORY]:
            del self._last[key], self._gaps[key]
