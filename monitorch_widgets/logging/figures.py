"""The newest number of each logged name, in the forms in which it is asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

_MOST = 64  # texts in the strip


class Figures:
    """Knows the newest number of each name, what stands in the strip, and what the epoch has brought.

    Attributes
    ----------
    newest : dict of str to float
        The newest number of each name. A name that has a number of the step and one of the epoch is there with both
        endings, and without one: as the newest of the two.
    of_epoch : dict of str to float
        Numbers that stand for the epoch that runs, or has just ended.
    on_number : callable
        Called as ``on_number(name, number, step)`` for each number that a panel shows.

    Examples
    --------
    >>> figures = Figures()
    >>> figures.know("loss_step", "loss", shown=True)
    >>> figures.note("loss_step", 0.5, 0, tag="Logged")
    >>> figures.newest, figures.items
    ({'loss_step': 0.5, 'loss': 0.5}, (('loss_step', '0.5'),))
    """

    def __init__(self) -> None:
        self.newest: dict[str, float] = {}
        self.of_epoch: dict[str, float] = {}
        self.on_number: Callable[[str, float, int], None] = _nobody
        self._by_tag: dict[str, dict[str, float]] = {}
        self._compared: dict[str, None] = {}
        self._base: dict[str, str] = {}
        self._ended: dict[str, int] = {}  # by name: the step at which its epoch ended
        self._items: dict[str, str] = {}

    def know(self, name: str, base: str, *, shown: bool = False) -> None:
        """Note that a series belongs to a name, and whether it stands in the strip."""
        self._base[name] = base
        if shown and name not in self._items:
            self.show(name, "")

    def knows(self, name: str) -> bool:
        """Whether a series was noted."""
        return name in self._base

    @property
    def names(self) -> int:
        """How many series were noted."""
        return len(self._base)

    def note(self, name: str, number: float, step: int, *, tag: str, of_epoch: bool = False) -> None:
        """Note a number that has come; those of one step may come after that of the epoch which ends with it."""
        base = self._base.get(name, name)
        self.newest[name] = number
        if of_epoch or step > self._ended.get(base, -1):
            self.newest[base] = number
        if name in self._items:
            self._items[name] = f"{number:.4g}"
        if of_epoch:
            self._ended[base] = step
            self.of_epoch[name] = number
        if tag:
            self._by_tag.setdefault(tag, {})[name] = number
            self.on_number(name, number, step)

    def show(self, name: str, text: str | None) -> None:
        """Put a text into the strip, or take it away."""
        if text is None:
            self._items.pop(name, None)
        elif name in self._items or len(self._items) < _MOST:
            self._items[name] = text

    def compare(self, names: Iterable[str]) -> None:
        """Note metrics that runs are compared by."""
        self._compared.update(dict.fromkeys(names))

    @property
    def compared(self) -> dict[str, float]:
        """The newest numbers of these metrics."""
        return {name: self.newest.get(name, math.nan) for name in self._compared}

    @property
    def items(self) -> tuple[tuple[str, str], ...]:
        """What stands in the strip: names and texts."""
        return tuple((name, text) for name, text in self._items.items() if text)

    def take_epoch(self) -> dict[str, dict[str, float]]:
        """The newest numbers since the epoch began, by panel; the next one begins."""
        by_tag, self._by_tag, self.of_epoch = self._by_tag, {}, {}
        return {tag: {name: n for name, n in numbers.items() if math.isfinite(n)} for tag, numbers in by_tag.items()}


def _nobody(name: str, number: float, step: int) -> None:
    pass
