"""The picture of a learning-rate finder, by matplotlib."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from .lr_target import shown

if TYPE_CHECKING:
    from .lr_finder import LRFinder


def drawn(finder: LRFinder, *, suggest: bool, show: bool, ax: Any) -> Any:
    """Draw what a finder has measured; the figure is returned."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("plot() needs matplotlib: pip install 'monitorch_widgets[matplotlib]'") from error
    if ax is None:
        _, ax = plt.subplots()
    lrs, losses = finder.results["lr"], finder.results["loss"]
    ax.plot(lrs, losses, color="tab:blue", alpha=0.4, label="loss")
    ax.plot(lrs, [math.nan if value is None else value for value in finder.smoothed], color="tab:blue", label="smooth")
    ax.set(xlabel="Learning rate", ylabel="Loss", xscale="log" if finder.mode == "exponential" else "linear")
    index = finder.suggestion_index() if suggest else None
    if index is not None:
        ax.plot(lrs[index], finder.smoothed[index], "o", color="red", label=f"suggested: {shown(lrs[index])}")
    ax.legend()
    if show:
        plt.show()
    return ax.figure
