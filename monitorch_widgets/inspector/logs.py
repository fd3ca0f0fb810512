"""Numbers, metrics and hyper-parameters that the loop logs."""

from __future__ import annotations


class Logs:
    """Numbers, metrics and hyper-parameters that the loop logs."""
