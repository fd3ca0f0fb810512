"""What every visualizer is asked to do: by the lenses once per epoch, and by the inspector while the run lives.

Lenses read :meth:`AbstractVisualizer.register_tags` and the three ``plot_`` methods; the inspector reads the rest.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.values import CommandRecord, TagAttributes

if TYPE_CHECKING:
    from typing_extensions import Self

    from monitorch_widgets.inspector import PyTorchInspector

Values = Mapping[str, Mapping[str, float]]
"""Numbers of an epoch: module name -> name of the number -> number."""

Ranges = Mapping[str, Mapping[tuple[str, str], tuple[float, float]]]
"""Bands of an epoch: module name -> names of the two ends -> the two ends."""


class AbstractVisualizer(ABC):
    """Base of all visualizers: where the numbers of a run go.

    The four abstract methods are enough for one's own visualizer. The others do nothing here; a visualizer that
    lives with the run (the dashboard) overrides them.

    A number that is NaN or infinite is data: a visualizer shows it as a gap and never raises for it. An empty
    mapping is valid everywhere. Mappings come in model order, and a visualizer keeps that order.

    Examples
    --------
    >>> from monitorch_widgets.visualizer import DummyVisualizer
    >>> class Norms(DummyVisualizer):
    ...     def plot_numerical_values(self, epoch, main_tag, values_dict, ranges_dict=None):
    ...         print(epoch, main_tag, dict(values_dict))
    >>> Norms().plot_numerical_values(1, "Output Norm", {"lin1": {"mean": 0.5}})
    1 Output Norm {'lin1': {'mean': 0.5}}
    """

    @abstractmethod
    def register_tags(self, main_tag: str, tag_attr: TagAttributes) -> None:
        """Learn that a tag will come, and how it wants to be drawn.

        Parameters
        ----------
        main_tag : str
            Name of the tag, the heading of its plots.
        tag_attr : TagAttributes
            Kind and looks of the plots.
        """

    @abstractmethod
    def plot_numerical_values(
        self, epoch: int, main_tag: str, values_dict: Values, ranges_dict: Ranges | None = None
    ) -> None:
        """Take the numbers of one epoch, and bands around them.

        Parameters
        ----------
        epoch : int
            Number of the epoch.
        main_tag : str
            Name of the tag.
        values_dict : mapping of str to mapping of str to float
            For each module its numbers by name, ``{"lin1": {"mean": 0.1, "median": 0.2}}``. For one big plot
            the only module is `main_tag` itself.
        ranges_dict : mapping of str to mapping of (str, str) to (float, float), optional
            For each module its bands by the names of their ends, ``{"lin1": {("min", "max"): (0.0, 1.0)}}``.
        """

    @abstractmethod
    def plot_probabilities(self, epoch: int, main_tag: str, values_dict: Values) -> None:
        """Take the rates of one epoch, numbers between 0 and 1.

        Parameters
        ----------
        epoch : int
            Number of the epoch.
        main_tag : str
            Name of the tag.
        values_dict : mapping of str to mapping of str to float
            For each module its rates by name, ``{"relu1": {"activation_rate": 0.8, "death_rate": 0.1}}``.
        """

    @abstractmethod
    def plot_relations(self, epoch: int, main_tag: str, values_dict: Values) -> None:
        """Take numbers of one epoch that are parts of a whole.

        Parameters
        ----------
        epoch : int
            Number of the epoch.
        main_tag : str
            Name of the tag.
        values_dict : mapping of str to mapping of str to float
            For each plot its parts, ``{"Output Norm Comparison": {"relu1": 0.4, "relu2": 0.6}}``.
        """

    # The life of a run. The inspector calls these; none of them may raise, and refresh() comes after each step.

    def bind(self, inspector: PyTorchInspector) -> None:
        """Get to know the inspector, once its lenses are there; called while it is built."""

    def attached(self) -> None:
        """Learn that the modules or the panels have changed."""

    @property
    def live(self) -> bool:
        """Whether somebody may be looking while the model trains, so that news have to come some times a second."""
        return False

    def refresh(self, force: bool = False) -> None:
        """Show what is new if it is time to; costs microseconds when it is not.

        Parameters
        ----------
        force : bool
            Show it whatever the time is.
        """

    def log_scalar(self, name: str, value: float, step: int) -> None:
        """Take a number that the loop has logged, when it has arrived; by default it is only in the history."""

    def log_hyperparams(self, params: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Take hyper-parameters by flat names, and the metrics that they are compared by."""

    def answer(self, number: str, record: CommandRecord) -> None:
        """Tell what came of a command; `number` is what the page knows it by, empty for those from Python."""

    def finish(self) -> None:
        """Bring out everything that is still held back: the run, or the cell that ran it, has ended.

        The run may go on afterwards.
        """

    def reset_fig(self) -> Self:
        """Forget the numbers, keep the tags: a new run begins."""
        return self

    def show_fig(self) -> object:
        """Static figure of the epochs so far.

        Raises
        ------
        ArgumentError
            By a visualizer that draws no figure; it says where its numbers are.
        """
        raise ArgumentError(
            f"expected a visualizer that draws a figure; received {type(self).__name__}: {self.where}. "
            "For a figure build the inspector with visualizer='matplotlib'"
        )

    def show(self) -> object:
        """What a notebook cell displays for the run; None if the numbers go elsewhere (see :attr:`where`)."""
        return None

    def mimebundle(self, **kwargs: Any) -> Any:
        """What a notebook draws of :meth:`show`, by MIME type; None if there is nothing yet but a line of text.

        Parameters
        ----------
        **kwargs
            What IPython hands to ``_repr_mimebundle_``.
        """
        draws_itself = getattr(self.show(), "_repr_mimebundle_", None)
        return None if draws_itself is None else draws_itself(**kwargs)

    @property
    def where(self) -> str:
        """Where the numbers can be seen, in a few words."""
        return f"{type(self).__name__} takes the numbers of each epoch"


def check_visualizer(candidate: object) -> AbstractVisualizer:
    """Return `candidate` if it is a visualizer.

    Raises
    ------
    ArgumentTypeError
        If it is anything else; for a class it says to call it.
    """
    if isinstance(candidate, AbstractVisualizer):
        return candidate
    expected = "expected an instance of a visualizer (a class derived from AbstractVisualizer)"
    if isinstance(candidate, type):
        raise ArgumentTypeError(
            f"{expected}; received the class {candidate.__name__} itself: call it, {candidate.__name__}(...)"
        )
    raise ArgumentTypeError(f"{expected}; received {candidate!r} of type {type(candidate).__name__}")
