"""Histograms, images and figures that the loop logs."""

from __future__ import annotations


class Media:
    """Histograms, images and figures that the loop logs."""
