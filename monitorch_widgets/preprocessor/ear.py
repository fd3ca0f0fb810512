"""What a lens listens with."""

from __future__ import annotations


class Ear:
    """Whether one lens listens now, and what its callbacks have cost.

    Parameters
    ----------
    lens : object
        Whose ear it is; None for what the inspector itself listens to.

    Attributes
    ----------
    on : bool
        Whether it listens to the running step.
    muted : bool
        Whether it has raised, and is not called any more.
    always : bool
        Whether it listens to every step, whatever the others do.
    spent_s : float
        Seconds that it has taken so far, on the host.
    finished_s : float
        Those of them that went into readings, after its callbacks.
    rows : int
        Readings that have come of it so far.
    """

    __slots__ = ("always", "finished_s", "lens", "muted", "on", "rows", "spent_s")

    def __init__(self, lens: object = None) -> None:
        self.lens = lens
        self.on = True
        self.muted = False
        self.always = False
        self.spent_s = self.finished_s = 0.0
        self.rows = 0

    def __repr__(self) -> str:
        return f"Ear({type(self.lens).__name__}, {'on' if self.on else 'off'}, {self.spent_s:.3g} s)"
