"""The history: all series of a run by tag."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from monitorch_widgets.errors import ArgumentError, unknown_name
from monitorch_widgets.values import CommandRecord, Reading

from .folded import UNIT
from .series import Ranges, Series

_COMMANDS = 1000  # that are kept


class History:
    """What was read, by tag: ``history.tags`` lists it, ``history[tag]`` gives it back.

    Memory is bounded: see :class:`Series`.

    Attributes
    ----------
    commands : deque of CommandRecord
        What was asked of the run, the newest ones.
    hyperparams : dict
        Hyper-parameters of the run, as the loop has logged them.

    Examples
    --------
    >>> from monitorch_widgets.values import Reading
    >>> history = History()
    >>> history.record([Reading("Output Norm", "fc", 0, 2.0), Reading("Output Norm", "fc", 1, 3.0)], second=0.5)
    >>> history["Output Norm"].values
    array([[2.],
           [3.]])
    """

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self.commands: deque[CommandRecord] = deque(maxlen=_COMMANDS)
        self.hyperparams: dict[str, str | int | float | bool | None] = {}

    def __repr__(self) -> str:
        return f"History({', '.join(map(repr, self._series.values()))})"

    @property
    def tags(self) -> list[str]:
        """Names of everything that has readings or epoch figures, in the order of the panels."""
        return [tag for tag, series in self._series.items() if series.rows or series.epochs]

    def __getitem__(self, tag: str) -> Series:
        if tag not in self._series:
            raise ArgumentError(unknown_name("tag", tag, self._series))
        return self._series[tag]

    def __contains__(self, tag: object) -> bool:
        return tag in self._series

    def __iter__(self) -> Iterator[str]:
        return iter(self.tags)

    def __len__(self) -> int:
        return len(self.tags)

    @property
    def columns(self) -> int:
        """Number of columns of all series; it grows when a name comes that was not declared."""
        return sum(series.width for series in self._series.values())

    def declare(self, tag: str, modules: Iterable[str] = ()) -> Series:
        """Make the series of `tag` with its columns in model order; an existing one only gains columns."""
        series = self._series.get(tag)
        if series is None:
            spare = 23 * len(self._series) % UNIT  # so that not all of them fold in the same step
            series = self._series[tag] = Series(tag, spare=spare)
        series.widen(modules)
        return series

    def record(self, readings: Iterable[Reading], second: float) -> None:
        """Add readings, which came `second` seconds after the start of the run."""
        groups: dict[tuple[str, int], tuple[list[str], list[float]]] = {}
        for reading in readings:
            names, values = groups.setdefault((reading.tag, reading.step), ([], []))
            names.append(reading.module)
            values.append(reading.value)
            if reading.stage:
                self.declare(reading.tag).note_stage(reading.step, reading.stage)
        for (tag, step), (names, values) in groups.items():
            self.declare(tag).record(step, second, names, values)

    def withdraw(self, step: int) -> None:
        """Empty the newest rows of `step`: what was read there belongs to no step after all."""
        for series in self._series.values():
            series.withdraw(step)

    def record_epoch(
        self, tag: str, epoch: int, values: dict[str, dict[str, float]], ranges: dict[str, Ranges]
    ) -> None:
        """Keep the epoch figures of `tag`."""
        self.declare(tag).record_epoch(epoch, values, ranges)
