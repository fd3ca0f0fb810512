"""The way of numbers into the history: gathered by tag and step as they arrive, written one row at a time."""

from __future__ import annotations

from collections.abc import Sequence

from monitorch_widgets.history import History


class Arrivals:
    """Readings that have come to the host and are not yet in the history.

    Parameters
    ----------
    history : History
        Where they go.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._waiting: dict[tuple[str, int], list[tuple[Sequence[str], Sequence[float]]]] = {}

    def emit(self, tag: str, modules: Sequence[str], values: Sequence[float], step: int) -> None:
        """Take readings of one tag at one step."""
        self._waiting.setdefault((tag, step), []).append((modules, values))

    def settle(self, second: float) -> bool:
        """Write what waits into the history, as of `second`; whether there was anything."""
        waiting, self._waiting = self._waiting, {}
        # in the order of steps: late readings of a row join it before the next one begins
        for (tag, step), parts in sorted(waiting.items(), key=lambda item: item[0][1]):
            names = [name for modules, _ in parts for name in modules]
            values = [value for _, numbers in parts for value in numbers]
            self._history.declare(tag).record(step, second, names, values)
        return bool(waiting)

    def withdraw(self, step: int) -> None:
        """Drop what came for a step that was not made, from the history too."""
        self._waiting = {key: kept for key, kept in self._waiting.items() if key[1] != step}
        self._history.withdraw(step)

    def clear(self) -> None:
        """Drop everything."""
        self._waiting.clear()
