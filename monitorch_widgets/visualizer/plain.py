"""Visualizers that need no library: one prints, one does nothing."""

from __future__ import annotations

from collections.abc import Mapping

from monitorch_widgets.values import TagAttributes

from .abstract import AbstractVisualizer, Ranges, Values


class PrintVisualizer(AbstractVisualizer):
    """Prints one line per tag and module, in model order, to the standard output.

    Numbers stand as Python writes them, so NaN is ``nan``. A name with unprintable characters is escaped, so
    that a name is always one line of text and never a command to the terminal.

    Examples
    --------
    >>> PrintVisualizer().plot_probabilities(3, "Output Activation", {"relu": {"death_rate": 0.25}})
    (3) Output Activation: relu - prbs: {'death_rate': 0.25}
    """

    def register_tags(self, main_tag: str, tag_attr: TagAttributes) -> None:
        """Print the tag and its attributes; see base class."""
        looks = (
            f"logy={tag_attr.logy}, big_plot={tag_attr.big_plot}, annotate={tag_attr.annotate}, "
            f"type={tag_attr.type.name}, ylim={tag_attr.ylim}"
        )
        print(f"{_text(main_tag)}: TagAttributes({looks})")

    def plot_numerical_values(
        self, epoch: int, main_tag: str, values_dict: Values, ranges_dict: Ranges | None = None
    ) -> None:
        """Print values and ranges of each module in one line; see base class."""
        ranges = ranges_dict or {}
        for tag in dict.fromkeys([*values_dict, *ranges]):
            values = _plain(values_dict.get(tag, {}))
            bands = {name: (float(low), float(high)) for name, (low, high) in ranges.get(tag, {}).items()}
            print(f"({epoch}) {_text(main_tag)}: {_text(tag)} - values : {values}; ranges : {bands}")

    def plot_probabilities(self, epoch: int, main_tag: str, values_dict: Values) -> None:
        """Print the rates of each module in one line; see base class."""
        for tag, rates in values_dict.items():
            print(f"({epoch}) {_text(main_tag)}: {_text(tag)} - prbs: {_plain(rates)}")

    def plot_relations(self, epoch: int, main_tag: str, values_dict: Values) -> None:
        """Print the parts of each whole in one line; see base class."""
        for tag, parts in values_dict.items():
            print(f"({epoch}) {_text(main_tag)}: {_text(tag)} - {_plain(parts)}")

    @property
    def where(self) -> str:
        """Where the numbers can be seen."""
        return "printed at each tick_epoch()"


class DummyVisualizer(AbstractVisualizer):
    """Does nothing, on the ranks that do not show anything and where only the history is wanted.

    Its ``show_fig()`` gives None instead of raising, so that a script runs alike on every rank.
    """

    def register_tags(self, main_tag: str, tag_attr: TagAttributes) -> None:
        """Do nothing; see base class."""

    def plot_numerical_values(
        self, epoch: int, main_tag: str, values_dict: Values, ranges_dict: Ranges | None = None
    ) -> None:
        """Do nothing; see base class."""

    def plot_probabilities(self, epoch: int, main_tag: str, values_dict: Values) -> None:
        """Do nothing; see base class."""

    def plot_relations(self, epoch: int, main_tag: str, values_dict: Values) -> None:
        """Do nothing; see base class."""

    def show_fig(self) -> object:
        """None: there is nothing to show."""
        return None

    @property
    def where(self) -> str:
        """Where the numbers can be seen."""
        return "not shown; inspector.history has them"


def _plain(numbers: Mapping[str, float]) -> dict[str, float]:
    # float() turns NumPy and 0-d torch scalars into what print writes briefly.
    return {name: float(number) for name, number in numbers.items()}


def _text(name: str) -> str:
    return name if name.isprintable() else repr(name)[1:-1]
