"""Numbers over steps: series, bins that stay small, epochs."""

from .bins import STATS, Bins
from .history import History
from .series import CAPACITY, FOLD, MAX_BINS, EpochFigures, Rows, Series

__all__ = ["CAPACITY", "FOLD", "MAX_BINS", "STATS", "Bins", "EpochFigures", "History", "Rows", "Series"]
