"""How far quartiles of bins are from those of the readings that went into them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from monitorch_widgets.history import STATS, Series

from .signals import Floats, Signals

QUARTILES = {"q1": 0.25, "median": 0.5, "q3": 0.75}


def errors(series: Series, signals: Signals, tag: int, module: int) -> tuple[Floats, Floats]:
    """Errors of all quartiles of all bins of a module: in rank, and in value over the distance of the quartiles.

    An error in rank of 0.01 means that the first quartile lies where 24 or 26 % of the readings are smaller.
    """
    ends = series.bins.last_step + 1
    starts = np.concatenate([[0], ends])[:-1]
    found = [
        _errors_of_bin(signals.column(tag, module, start, end - start), stats)
        for start, end, stats in zip(starts.tolist(), ends.tolist(), series.bins.stats[:, module], strict=True)
    ]
    ranks, values = np.array(found).reshape(-1, 2, len(QUARTILES)).swapaxes(0, 1)
    return ranks.ravel(), values.ravel()


def _errors_of_bin(readings: Floats, stats: Floats) -> tuple[list[float], list[float]]:
    exact = np.quantile(readings, list(QUARTILES.values()))
    spread = max(float(exact[2] - exact[0]), 1e-300)
    ranks, values = [], []
    for (name, q), right in zip(QUARTILES.items(), exact.tolist(), strict=True):
        taken = float(stats[STATS.index(name)])
        ranks.append(abs(_rank(readings, taken) - q))
        values.append(abs(taken - right) / spread)
    return ranks, values


def _rank(readings: npt.NDArray[np.float64], value: float) -> float:
    """Share of the readings below `value`; readings equal to it count half."""
    return float(((readings < value).sum() + (readings <= value).sum()) / 2 / len(readings))
