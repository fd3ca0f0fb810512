"""Checks of the model and the loop, and the learning-rate finder."""

from __future__ import annotations


class Checks:
    """Checks of the model and the loop, and the learning-rate finder."""
