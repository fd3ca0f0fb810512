"""Where lenses show what is no curve: among the cards, and wherever the visualizer takes histograms."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from monitorch_widgets.numerical import Histogram
from monitorch_widgets.values import Card

if TYPE_CHECKING:
    from .inspector import PyTorchInspector


class CardShelf:
    """What an inspector gives its lenses.

    Parameters
    ----------
    inspector : PyTorchInspector
        Whose cards they are; it is not kept alive.
    """

    def __init__(self, inspector: PyTorchInspector) -> None:
        self._inspector = weakref.ref(inspector)

    def put(self, card: Card) -> None:
        """Show a card."""
        inspector = self._inspector()
        if inspector is not None:
            inspector.cards.put(card)

    def remove(self, key: str) -> None:
        """Take a card away."""
        inspector = self._inspector()
        if inspector is not None:
            inspector.cards.remove(key)

    def export(self, tag: str, histogram: Histogram, step: int) -> None:
        """Hand a histogram to the visualizer, if it takes some: TensorBoard does."""
        inspector = self._inspector()
        add = getattr(inspector and inspector.visualizer, "add_histogram_raw", None)
        if add is not None:
            add(tag, step, **histogram.raw())
