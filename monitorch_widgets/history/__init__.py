"""Numbers over steps: series, bins that stay small, epochs."""

from .bins import STATS, Bins
from .folded import FOLD, MAX_BINS
from .history import History
from .journal import Journal, RecordedRun, RecordedSeries
from .ring import CAPACITY, Rows
from .series import EpochFigures, Series

__all__ = [
    "CAPACITY",
    "FOLD",
    "MAX_BINS",
    "STATS",
    "Bins",
    "EpochFigures",
    "History",
    "Journal",
    "RecordedRun",
    "RecordedSeries",
    "Rows",
    "Series",
]
