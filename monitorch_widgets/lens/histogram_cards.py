"""Histograms as they are shown: the newest as bars, and all so far as a map over the steps."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from monitorch_widgets.errors import NotWatched
from monitorch_widgets.numerical import BINS, Histogram, HistogramMap
from monitorch_widgets.preprocessor import Seen
from monitorch_widgets.values import Card

from .abstract_lens import ShowsCards, Stride

MOST = 256
"""Tensors that have a card; a model with more says which of them matter."""


class HistogramCards:
    """Keeps a card for each tensor.

    Parameters
    ----------
    bins : int
        Of the histograms.
    remedy : str
        What to do where there are too many tensors.
    """

    def __init__(self, bins: int = BINS, remedy: str = "choose some, as modules=['head.*'] does") -> None:
        self._bins = bins
        self._maps: dict[str, HistogramMap] = {}
        self._remedy, self._told = remedy, False

    def show(
        self, shelf: ShowsCards, seen: Seen, histogram: Histogram, step: int, own_every: Stride | None = None
    ) -> None:
        """Show the newest histogram of a tensor; a stride of the lens's own goes before `log_every_n_steps`."""
        seen = replace(seen, name=seen.name or "0")  # what comes alone
        key = f"histogram/{seen.group}/{seen.name}"
        if not self._has_room(key):
            return
        drawn = self._maps.setdefault(key, HistogramMap(self._bins))
        drawn.add(step, histogram)
        own = {} if own_every is None else {"own_every": own_every}
        content = {**told(seen, histogram, step), **own, "map": described(drawn)}
        shelf.put(Card(key, "Data", "histogram", f"{seen.group}/{seen.name}", content, (drawn.pixels,)))

    def _has_room(self, key: str) -> bool:
        room = key in self._maps or len(self._maps) < MOST
        if not room and not self._told:
            self._told = True
            warnings.warn(
                f"histograms of {MOST} tensors are shown, and there are more: {self._remedy}.",
                NotWatched,
                stacklevel=2,
            )
        return room

    def clear(self, shelf: ShowsCards | None) -> None:
        """Take all cards away, and begin anew."""
        if shelf is not None:
            for key in self._maps:
                shelf.remove(key)
        self._maps.clear()


def told(seen: Seen, histogram: Histogram, step: int) -> dict[str, Any]:
    """What a card says of one histogram."""
    drawn = histogram.with_width()
    return {
        "group": seen.group,
        "name": seen.name,
        "shape": seen.shape,
        "dtype": seen.dtype,
        "step": step,
        "low": drawn.low,
        "high": drawn.high,
        "counts": np.rint(drawn.counts).astype(int).tolist(),
        "nan": histogram.nan,
        "inf": histogram.inf,
        "count": round(histogram.count),
        "mean": _finite(histogram.mean),
        "std": _finite(histogram.std),
        "min": _finite(histogram.low),
        "max": _finite(histogram.high),
    }


def described(drawn: HistogramMap) -> dict[str, Any]:
    """What a card says of the history; the pixels are its first buffer."""
    return {
        "steps": drawn.steps,
        "bins": drawn.bins,
        "low": drawn.low,
        "high": drawn.high,
        "bad": drawn.bad,
        "below": drawn.below,
        "above": drawn.above,
        "buffer": 0,
    }


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
