"""When each lens listens: its stride, and how many steps in a row."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from monitorch_widgets.lens import AbstractLens
from monitorch_widgets.preprocessor import Ear

_MEMORY = 32  # steps after which an optimizer that made none is forgotten
_LONGEST = 8  # steps in a row at most; an optimizer that steps more rarely is read when it happens to
_EVER = 1 << 62  # steps
_KEPT = 9  # newest times that it began to listen, from which is told how often it does


@dataclass(slots=True)
class Turn:
    """The stride of one lens.

    A stride that the user has set is kept to the step. A free one, a power of two, says how many steps each block has
    in which it listens once, at a step that is drawn anew for each block: what the loop itself does at every 16th step
    must not always, or never, fall on it. Lenses of larger strides listen to steps that those of smaller ones listen
    to.

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
        The step that a fixed stride is counted from.
    next : int
        The step at which it is to begin again; it may have to wait.
    least : int
        The smallest stride that it may be given.
    begun : deque of int
        The newest steps at which it began.
    ceased : bool
        Whether it was made to cease since.
    """

    lens: AbstractLens
    ear: Ear
    fixed: bool
    every: int
    first: int = 0
    next: int = 0
    least: int = 1
    begun: deque[int] = field(default_factory=lambda: deque(maxlen=_KEPT))
    ceased: bool = False

    def length(self, cycle: int) -> int:
        """Steps in a row that it listens to each time, with optimizers that take turns in `cycle` steps."""
        return cycle * (2 if self.lens.pairs else 1)

    def plan(self, every: int, step: int) -> None:
        """Take a stride, as of a step."""
        if every != self.every:
            self.every = every
            self.next = self._after(self.begun[-1], step) if self.begun else step

    def due(self, step: int) -> bool:
        """Whether it is to begin at a step.

        Examples
        --------
        >>> from monitorch_widgets.lens import OutputNorm
        >>> turn = Turn(OutputNorm(), Ear(), fixed=True, every=4)
        >>> [step for step in range(10) if turn.due(step)]
        [0, 4, 8]
        """
        return (step - self.first) % self.every == 0 if self.fixed else step >= self.next

    @property
    def always(self) -> bool:
        """Whether it has begun to listen to each step, and nobody has to look at it until it gets another stride."""
        return self.fixed and self.every == 1 and bool(self.begun) and not self.ceased

    def until(self, cycle: int) -> int:
        """The step at which it ceases; pairs are not torn when its stride changes."""
        if self.always:
            return _EVER
        return self.begun[-1] + self.length(cycle) if self.begun else self.first

    def begin(self, step: int) -> None:
        """Listen to a step and to those that belong to it.

        Examples
        --------
        >>> from monitorch_widgets.lens import ParameterGradientGeometry
        >>> turn = Turn(ParameterGradientGeometry(compute_correlation=True), Ear(), fixed=True, every=4)
        >>> turn.begin(4)
        >>> turn.until(cycle=1), turn.next
        (6, 8)
        """
        self.next = self._after(step, step + 1)
        self.begun.append(step)
        self.ceased = False

    def cease(self, step: int, cycle: int) -> None:
        """Listen no more, as of a step."""
        if self.always:
            self.begun.append(step - self.length(cycle))
            self.ceased = True

    def _after(self, begun: int, step: int) -> int:
        """The step at which it is to begin next, after it began at one, and not before another."""
        if self.fixed:
            return step + (self.first - step) % self.every
        step = max(step, begun + max(self.every // 2, 1))  # not twice in short time
        block = step // self.every
        chosen = _chosen(block, self.every)
        return chosen if chosen >= step else _chosen(block + 1, self.every)

    def change(self, step: int, cycle: int, wait: int) -> int:
        """First step after this one at which it may begin or cease; one that waits looks again in `wait` steps."""
        until = self.until(cycle)
        if step < until:
            if self.always:
                return until
            return min(until, self.next) if self.next > step else until
        if self.fixed:
            return self._after(step, step + 1)
        return self.next if self.next > step else step + wait

    def shown_every(self, step: int, cycle: int) -> int:
        """How often it listens, as people would say it: a pair at every second step is every step.

        A free one says what it did, not what is planned.
        """
        kept = self.every if self.fixed or len(self.begun) < 2 else self._kept(step)
        return 1 if self.length(cycle) >= kept else kept

    def _kept(self, step: int) -> int:
        gaps = len(self.begun) - 1
        so_far = (self.begun[-1] - self.begun[0]) / gaps
        waiting = step - self.begun[-1]
        return round(so_far if waiting <= 2 * so_far else (step - self.begun[0]) / (gaps + 1))


def _chosen(block: int, size: int) -> int:
    """The step in a block of so many steps, a power of two, at which lenses of this stride listen.

    It is the one that was chosen in one of the block's halves.

    Examples
    --------
    >>> [_chosen(block, 4) for block in range(6)], [_chosen(block, 8) for block in range(3)]
    ([0, 6, 9, 15, 16, 22], [0, 15, 16])
    """
    while size > 1:
        size //= 2
        block = 2 * block + _bit(block, size)
    return block


def _bit(block: int, size: int) -> int:
    """A number that is as good as drawn at random, the same each time."""
    mixed = ((block + size) * 0x9E3779B1) & 0xFFFFFFFF
    mixed = ((mixed ^ mixed >> 15) * 0x85EBCA6B) & 0xFFFFFFFF
    return mixed >> 16 & 1


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
        self.steps = max((gap for gap in self._gaps.values() if gap <= _LONGEST), default=1)

    def by_hand(self) -> None:
        """Note that the loop makes the steps itself: what they change is known from one to the next."""
        self.steps = 2

    def _forget(self, step: int) -> None:
        for key in [key for key, last in self._last.items() if step - last > _MEMORY]:
            del self._last[key], self._gaps[key]
