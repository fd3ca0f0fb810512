"""Base of all lenses: a lens is the recipe from a tensor to a panel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

from torch import nn

from monitorch_widgets.errors import ArgumentError, checked_count
from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.numerical import Histogram
from monitorch_widgets.preprocessor import AbstractPreprocessor
from monitorch_widgets.preprocessor.deferred import Floats
from monitorch_widgets.values import Card, ChartSpec

if TYPE_CHECKING:
    from typing_extensions import Self

    from monitorch_widgets.visualizer import AbstractVisualizer

Emit = Callable[[str, Sequence[str], Sequence[float] | Floats, int | Sequence[int]], None]
"""Takes readings of a tag: names of modules and values of one length, and one step for all, or one for each."""


Stride = int | Literal["auto"] | None
"""How often a lens listens: to every n-th step, as the budget allows, or as the inspector does."""


class ShowsCards(Protocol):
    """Where cards are shown."""

    def put(self, card: Card) -> None:
        """Show a card, in place of the one with the same key."""

    def remove(self, key: str) -> None:
        """Take a card away."""


class Shelf(ShowsCards, Protocol):
    """Where a lens shows what is no curve."""

    def export(self, tag: str, histogram: Histogram, step: int) -> None:
        """Hand a histogram to whoever else takes some."""


class AbstractLens(ABC):
    """What an inspector asks of a lens.

    The inspector calls, at attach: :meth:`prepare`, then :meth:`register_leaf_module` and
    :meth:`register_non_leaf_module` in model order, then :meth:`registered`; at the end of an epoch:
    :meth:`start_sync`, :meth:`finish_sync`, :meth:`finalize_epoch`, :meth:`vizualize` and :meth:`reset_epoch`.
    """

    every: Stride = None
    """Listens to every n-th step; None leaves it to the inspector."""

    least_stride: int = 1
    """Steps from one listening to the next, at least, where nothing is said of :attr:`every` for this lens."""

    made_with: tuple[tuple[Any, ...], dict[str, Any]] = ((), {})
    """Positional and keyword arguments that it was made with."""

    change: Callable[[Mapping[str, Any]], None] | None = None
    """Set by the inspector that uses it: hands changed arguments to the thread that trains."""

    shelf: Shelf | None = None
    """Set by the inspector that uses it: takes cards."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember what it is made with."""
        lens = super().__new__(cls)
        lens.made_with = (args, kwargs)
        return lens

    def set(self, **arguments: Any) -> None:
        """Change arguments of the constructor while it watches, from the next boundary of a step on.

        The series stay; figures of the running epoch, and what correlations compare with, begin anew.

        Raises
        ------
        ArgumentError
            For an argument that it does not have, and whatever its constructor raises.

        Examples
        --------
        >>> from monitorch_widgets.lens import OutputNorm
        >>> lens = OutputNorm()
        >>> lens.set(normalize_by_size=True)
        >>> lens.specs[0].unit
        'RMS'
        """
        from .settings import changed  # which knows this class

        fresh = changed(self, arguments)
        if self.change is None:
            self.become(fresh)
        else:
            self.change(arguments)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out whose it is: a copy belongs to nobody."""
        return {name: value for name, value in vars(self).items() if name not in ("change", "shelf")}

    def become(self, other: Self) -> None:
        """Take over all that another lens of the same kind is."""
        change = self.change
        self.__dict__ = vars(other)
        self.change = change

    @property
    def called(self) -> str:
        """What it goes by in tables."""
        return type(self).__name__

    @property
    def pairs(self) -> bool:
        """Whether it compares a step with the one before, and so listens to two in a row."""
        return False

    @property
    def evaluates(self) -> bool:
        """Whether it reads forward passes of an evaluation too."""
        return False

    def steps_left_out(self) -> None:
        """Note that steps were left out before the one that comes; nothing by default."""

    @abstractmethod
    def register_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Watch a module without submodules, or pass it over."""

    def register_non_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Watch a module that has submodules; nothing by default."""

    def registered(self, model: nn.Module, inspector_state: InspectorState) -> None:
        """Learn that all modules of a model were offered; nothing by default."""

    @abstractmethod
    def detach_from_module(self) -> None:
        """Stop watching, and forget the figures of the running epoch."""

    def release(self) -> None:
        """Take the hands off the model, to be registered again at once; by default :meth:`detach_from_module`.

        Modules may have been added or replaced meanwhile. What should go on over that is kept.
        """
        self.detach_from_module()

    def register_foreign_preprocessor(self, ext_ppr: AbstractPreprocessor, inspector_state: InspectorState) -> None:
        """Get to know numbers that come from elsewhere; nothing by default."""

    @abstractmethod
    def introduce_tags(self, visualizer: AbstractVisualizer) -> None:
        """Tell a visualizer which tags will come."""

    @abstractmethod
    def finalize_epoch(self) -> None:
        """Aggregate the epoch."""

    def start_sync(self, dst_rank: int) -> None:
        """Begin to merge with the other ranks; nothing by default."""

    def finish_sync(self) -> None:
        """Finish merging with the other ranks; nothing by default."""

    @abstractmethod
    def vizualize(self, visualizer: AbstractVisualizer, epoch: int) -> None:
        """Hand the figures of the epoch to a visualizer."""

    @abstractmethod
    def reset_epoch(self) -> None:
        """Begin a new epoch."""

    # What a lens needs for live panels; one that only has epoch figures leaves it as it is.

    @property
    def specs(self) -> list[ChartSpec]:
        """Panels of this lens."""
        return []

    def prepare(self, inspector_state: InspectorState, emit: Emit) -> None:
        """Get ready to watch a model; readings go to ``emit(tag, modules, values, step)``."""

    def series_of(self, tag: str) -> list[str]:
        """Names of the series that a panel will have, as far as they are known."""
        return []

    def memory_of(self, tag: str) -> int:
        """Memory that copies of tensors take for one panel, in bytes."""
        return 0

    @property
    def memory_bytes(self) -> int:
        """Memory that copies of tensors take, in bytes."""
        return sum(self.memory_of(spec.tag) for spec in self.specs)


def checked_stride(argument: str, every: object) -> int | Literal["auto"]:
    """Check how often to listen: ``"auto"``, or every n-th step.

    Raises
    ------
    ArgumentError
        For another word, and below 1.
    ArgumentTypeError
        For anything else.
    """
    if every == "auto":
        return "auto"
    if isinstance(every, str):
        raise ArgumentError(
            f"expected {argument} to be 'auto' or a number of steps; received {every!r}. Use 'auto' or 1."
        )
    return checked_count(argument, every, "Use 'auto' or 1.")


def checked_lens_stride(every: object) -> Stride:
    """Check the argument `every` of a lens; errors as for :func:`checked_stride`."""
    return None if every is None else checked_stride("every", every)


def checked_steps(argument: str, steps: object) -> int:
    """Check the number of steps for one tag; errors as for :func:`checked_stride`."""
    return checked_count(argument, steps, "Use 1 for each step; leave the tag out for 'auto'.")
