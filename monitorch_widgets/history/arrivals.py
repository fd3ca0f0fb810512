"""The way of numbers into the history: gathered by tag as they arrive, written many at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from monitorch_widgets.preprocessor.deferred import Ready

from .history import History
from .journal import Journal
from .series import Series

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Arrivals:
    """Readings that have come to the host and are not yet in the history.

    Parameters
    ----------
    history : History
        Where they go.
    journal : Journal, optional
        Gets them too, first: it is the whole record, also when an interrupt comes in between.
    """

    def __init__(self, history: History, journal: Journal | None = None) -> None:
        self._history = history
        self.journal = journal
        self._waiting: dict[str, list[tuple[Sequence[str], Floats, Ints]]] = {}
        self._results: dict[str, dict[tuple[int, str], float]] = {}
        self._pushed: dict[str, Pushed] = {}

    def emit(
        self, tag: str, modules: Sequence[str], values: Sequence[float] | Floats, steps: int | Sequence[int]
    ) -> None:
        """Take readings of one tag, with one step for all or one for each."""
        numbers = np.asarray(values, np.float64)
        of_each = np.broadcast_to(np.asarray(steps, np.int64), numbers.shape)
        self._waiting.setdefault(tag, []).append((modules, numbers, of_each))

    def put(self, tag: str, name: str, value: float, step: int) -> None:
        """Take a result, which stands for a whole phase: the newest of a step counts, no mean of them."""
        self._results.setdefault(tag, {})[step, name] = value

    def pushed(self, tag: str) -> Pushed:
        """Who brings numbers here that the loop pushes for one tag; the same each time, so that they come together."""
        if tag not in self._pushed:
            self._pushed[tag] = Pushed(self, tag)
        return self._pushed[tag]

    def settle(self, second_of: Callable[[int], float]) -> dict[str, list[int]]:
        """Write what waits into the history, each step as of its second; the steps that came, by tag."""
        waiting, self._waiting = self._waiting, {}
        filled = {tag: parts for tag, parts in waiting.items() if any(modules for modules, _, _ in parts)}
        came = {tag: self._write(tag, parts, second_of) for tag, parts in filled.items()}
        results, self._results = self._results, {}
        for tag, found in results.items():
            came[tag] = sorted({*came.get(tag, ()), *self._write_results(tag, found, second_of)})
        return came

    def _write_results(
        self, tag: str, found: dict[tuple[int, str], float], second_of: Callable[[int], float]
    ) -> set[int]:
        if self.journal is not None:
            self._write_down(self.journal, tag, found, second_of)
        for (step, name), value in sorted(found.items()):
            self._history.declare(tag).replace(step, second_of(step), [name], [value])
        return {step for step, _ in found}

    def _write(
        self, tag: str, parts: list[tuple[Sequence[str], Floats, Ints]], second_of: Callable[[int], float]
    ) -> list[int]:
        names = list(chain.from_iterable(modules for modules, _, _ in parts))
        values = np.concatenate([numbers for _, numbers, _ in parts])
        steps = np.concatenate([of_each for _, _, of_each in parts])
        if (steps[1:] < steps[:-1]).any():  # a late one joins its step before the next begins
            order = np.argsort(steps, kind="stable")
            names, values, steps = [names[i] for i in order.tolist()], values[order], steps[order]
        came, places = np.unique(steps, return_inverse=True)
        seconds = np.array([second_of(step) for step in came.tolist()])[places]
        series = self._declared(tag)
        if self.journal is not None:
            self.journal.take(tag, names, steps, seconds, values, len(came))
        series.record_readings(names, steps, seconds, values)
        found: list[int] = came.tolist()
        return found

    def _declared(self, tag: str) -> Series:
        """The series of a tag, whose columns the journal has too."""
        series = self._history.declare(tag)
        if self.journal is not None and self.journal.width(tag) != series.width:
            self.journal.declare(tag, series.modules)
        return series

    def _write_down(
        self,
        journal: Journal,
        tag: str,
        found: dict[tuple[int, str], float],
        second_of: Callable[[int], float],
    ) -> None:
        """Bring results to the journal."""
        self._declared(tag)
        ordered = sorted(found.items())
        steps = np.array([step for (step, _), _ in ordered], np.int64)
        seconds = np.array([second_of(step) for step in steps.tolist()])
        names = [name for (_, name), _ in ordered]
        journal.replace(tag, names, steps, seconds, np.array([value for _, value in ordered], np.float64))

    def withdraw(self, step: int) -> None:
        """Drop what came for a step that was not made, from the history too."""
        for parts in self._waiting.values():
            parts[:] = [_without(part, step) for part in parts]
        if self.journal is not None:
            self.journal.withdraw(step)
        self._history.withdraw(step)

    def clear(self) -> None:
        """Drop everything."""
        self._waiting.clear()
        self._results.clear()


class Pushed(Ready):
    """Takes numbers that the loop has pushed for one tag, under their names."""

    def __init__(self, arrivals: Arrivals, tag: str) -> None:
        self._arrivals = arrivals
        self._tag = tag

    def take(self, names: list[str], values: Floats, steps: list[int]) -> None:
        """Bring them to the others."""
        self._arrivals.emit(self._tag, names, values[:, 0], steps)


def _without(part: tuple[Sequence[str], Floats, Ints], step: int) -> tuple[Sequence[str], Floats, Ints]:
    modules, values, steps = part
    kept = steps != step
    return [name for name, keep in zip(modules, kept.tolist(), strict=True) if keep], values[kept], steps[kept]
