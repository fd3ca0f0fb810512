"""The way of logged numbers into the history, and the panels that show them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from monitorch_widgets.history.arrivals import Arrivals
from monitorch_widgets.preprocessor.deferred import Ready
from monitorch_widgets.values import About, ChartSpec

from .figures import Figures

_ABOUT = About(
    "Numbers as the loop logs them, by name: of each step, or reduced over an epoch (where it ends).",
    "Metrics improve, then stay.",
    "Compare training with validation; a gap is a value that was NaN or infinite.",
)


class Logged(Ready):
    """Takes logged numbers of one panel when they have come to the host.

    Parameters
    ----------
    arrivals : Arrivals
        Their way to the history.
    figures : Figures
        Knows the newest of each name.
    tag : str
        The panel; empty for numbers that are not shown.
    step : int, optional
        The step that they belong to, whatever it is when they come.
    epoch : bool
        Whether they stand for an epoch.
    """

    def __init__(
        self, arrivals: Arrivals, figures: Figures, tag: str, *, step: int | None = None, epoch: bool = False
    ) -> None:
        self._arrivals, self._figures = arrivals, figures
        self._tag, self._step, self._epoch = tag, step, epoch

    def of_epoch(self, step: int) -> Logged:
        """One who takes numbers that stand for the epoch, at its last step."""
        return Logged(self._arrivals, self._figures, self._tag, step=step, epoch=True)

    def join(self, name: str, step: int, number: float, reading: float) -> None:
        """Let a reading join the row of a step, so that this becomes `number`."""
        if self._tag:
            self._arrivals.emit(self._tag, [name], [reading], step)
        self._figures.note(name, number, step, tag=self._tag)

    def take(self, names: list[str], values: npt.NDArray[np.float64], steps: list[int]) -> None:
        """Bring them to the history, and note them."""
        numbers, steps = values[:, 0], steps if self._step is None else [self._step] * len(steps)
        if self._tag and not self._epoch:
            self._arrivals.emit(self._tag, names, numbers, steps)
        for name, number, step in zip(names, numbers.tolist(), steps, strict=True):
            if self._tag and self._epoch:
                self._arrivals.put(self._tag, name, number, step)
            self._figures.note(name, number, step, tag=self._tag, of_epoch=self._epoch)


def spec_of(tag: str) -> ChartSpec:
    """The panel of a tag."""
    return ChartSpec(
        tag,
        tag,
        kind="logged",
        bands=(),
        stage="as logged",
        about=_ABOUT,
        empty="No number yet: one that is logged by the epoch comes when the epoch ends.",
    )
