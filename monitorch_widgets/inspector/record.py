"""A visualizer that keeps the epoch figures in the history, whatever shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitorch_widgets.history import History

if TYPE_CHECKING:
    from monitorch_widgets.visualizer import AbstractVisualizer


class EpochRecord:
    """Writes what lenses hand over into a history, and hands it on.

    Parameters
    ----------
    history : History
        Where the figures are kept.
    visualizer : AbstractVisualizer
        Who shows them.
    """

    def __init__(self, history: History, visualizer: AbstractVisualizer) -> None:
        self._history = history
        self._visualizer = visualizer

    def register_tags(self, main_tag: str, tag_attr: Any) -> None:
        """Hand on."""
        self._visualizer.register_tags(main_tag, tag_attr)

    def plot_numerical_values(self, epoch: int, main_tag: str, values_dict: Any, ranges_dict: Any = None) -> None:
        """Keep lines and ranges, and hand them on."""
        self._keep(epoch, main_tag, values_dict, ranges_dict)
        self._visualizer.plot_numerical_values(epoch, main_tag, values_dict, ranges_dict)

    def plot_probabilities(self, epoch: int, main_tag: str, values_dict: Any) -> None:
        """Keep rates, and hand them on."""
        self._keep(epoch, main_tag, values_dict, None)
        self._visualizer.plot_probabilities(epoch, main_tag, values_dict)

    def plot_relations(self, epoch: int, main_tag: str, values_dict: Any) -> None:
        """Keep shares, and hand them on."""
        self._keep(epoch, main_tag, values_dict, None)
        self._visualizer.plot_relations(epoch, main_tag, values_dict)

    def _keep(self, epoch: int, tag: str, values: Any, ranges: Any) -> None:
        copied = {name: dict(figures) for name, figures in values.items()}
        bands = {name: dict(figures) for name, figures in (ranges or {}).items()}
        self._history.record_epoch(tag, epoch, copied, bands)
