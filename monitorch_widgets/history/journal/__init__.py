"""The whole run at full detail, on disk: written as it comes, and read back."""

from .journal import Journal, checked_journal
from .reader import RecordedRun, RecordedSeries

__all__ = ["Journal", "RecordedRun", "RecordedSeries", "checked_journal"]
