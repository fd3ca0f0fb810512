"""What the lenses of histograms share: which modules they look at, how often, and where the histograms go."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal

from torch import nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, NotWatched, checked_count, nearest
from monitorch_widgets.gatherer import CallGatherer, InspectorState
from monitorch_widgets.numerical import BINS, Histogram
from monitorch_widgets.preprocessor import Histograms, Seen
from monitorch_widgets.preprocessor.abstract import is_training

from .abstract_lens import AbstractLens, Emit, Stride, checked_lens_stride
from .histogram_cards import HistogramCards
from .output_lens import checked_classes

if TYPE_CHECKING:
    from typing_extensions import Self

    from monitorch_widgets.visualizer import AbstractVisualizer

LOG_EVERY_N_STEPS = 50
"""How often a histogram is made where nobody says."""

_MOST_BINS = 512

Modules = str | re.Pattern[str] | Iterable[str | re.Pattern[str]]


class HistogramLens(AbstractLens):
    """Base of lenses that show a histogram of each tensor; they have cards instead of curves."""

    side: Literal["input", "output"]

    def __init__(
        self,
        modules: Modules,
        include: Iterable[type[nn.Module]],
        exclude: Iterable[type[nn.Module]],
        record_eval: bool,
        evaluation_from_grad: bool,
        bins: int,
        every: Stride,
    ) -> None:
        self._patterns = _checked_patterns(modules)
        self._include, self._exclude = checked_classes("include", include), checked_classes("exclude", exclude)
        self._record_eval, self._evaluation_from_grad = record_eval, evaluation_from_grad
        self._own_stride = checked_lens_stride(every)
        self.every = self._own_stride or LOG_EVERY_N_STEPS
        bins = checked_bins(bins)
        self.cards = HistogramCards(bins)
        self._histograms = Histograms(self._show, bins)
        self._gatherers: list[CallGatherer] = []
        self._names: list[str] = []
        self._goes_on = False

    def log_every(self, steps: int) -> None:
        """Make histograms at every n-th step, unless the lens has a stride of its own."""
        self.every = self._own_stride or steps

    def become(self, other: Self) -> None:
        """Take over all that another lens is; what this one showed goes."""
        self.cards.clear(self.shelf)
        super().become(other)

    @property
    def evaluates(self) -> bool:
        """Whether it reads forward passes of an evaluation too."""
        return self._record_eval

    # ------------------------------------------------------------------ on the model

    def prepare(self, inspector_state: InspectorState, emit: Emit) -> None:
        """Let histograms join the step's one transfer; those of a model before this one go."""
        self._histograms.buffer = inspector_state.buffer
        if not self._goes_on:
            self.cards.clear(self.shelf)
        self._names, self._goes_on = [], False

    def register_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Watch the module, if it is among the chosen ones."""
        self._register(module, module_name, inspector_state, chosen=not self._patterns)

    def register_non_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Watch a module that has submodules, if it is chosen by name."""
        self._register(module, module_name, inspector_state, chosen=False)

    def _register(self, module: nn.Module, name: str, inspector_state: InspectorState, *, chosen: bool) -> None:
        self._names.append(name)
        named = any(_matches(pattern, name) for pattern in self._patterns)
        fits = (isinstance(module, self._include) or not self._include) and not isinstance(module, self._exclude)
        if (chosen or named) and fits:
            self._gatherers.append(CallGatherer(module, self.side, self._take, name, inspector_state))

    def registered(self, model: nn.Module, inspector_state: InspectorState) -> None:
        """Warn of names that no module has."""
        for pattern in self._patterns:
            if not any(_matches(pattern, name) for name in self._names):
                shown = pattern if isinstance(pattern, str) else pattern.pattern
                warnings.warn(
                    f"{shown!r} is the name of no module of {type(model).__name__}, and is passed over."
                    f"{nearest(shown, self._names)}",
                    NotWatched,
                    stacklevel=2,
                )

    def _show(self, seen: Seen, histogram: Histogram, step: int) -> None:
        if self.shelf is not None:
            self.cards.show(self.shelf, seen, histogram, step, self._own_stride)
            self.shelf.export(f"{seen.group}/{seen.name}", histogram, step)

    def _take(self, name: str, module: nn.Module, value: Any) -> None:
        self._count(self.side, name, module, value)

    def _count(self, group: str, name: str, module: nn.Module, value: Any) -> None:
        training = is_training(module, self._evaluation_from_grad, self._histograms.buffer.grad_outside)
        if training or self._record_eval:
            self._histograms.process_nested(group, name, value, evaluation=not training)

    def release(self) -> None:
        """Take the hands off the model; the history of the histograms stays."""
        for gatherer in self._gatherers:
            gatherer.detach()
        self._gatherers, self._goes_on = [], True

    def detach_from_module(self) -> None:
        """Stop watching; the cards stay until another model is watched."""
        self.release()
        self._goes_on = False

    # ------------------------------------------------------------------ there are no figures of epochs

    def introduce_tags(self, visualizer: AbstractVisualizer) -> None:
        """Do nothing: there are no curves."""

    def finalize_epoch(self) -> None:
        """Do nothing."""

    def vizualize(self, visualizer: AbstractVisualizer, epoch: int) -> None:
        """Do nothing."""

    def reset_epoch(self) -> None:
        """Do nothing."""


def _matches(pattern: str | re.Pattern[str], name: str) -> bool:
    if isinstance(pattern, str):
        return name == pattern or fnmatchcase(name, pattern)
    return pattern.fullmatch(name) is not None


def _checked_patterns(modules: object) -> tuple[str | re.Pattern[str], ...]:
    entries = (modules,) if isinstance(modules, str | re.Pattern) else modules
    found = tuple(entries) if isinstance(entries, Iterable) else (entries,)
    for entry in found:
        if not isinstance(entry, str | re.Pattern):
            raise ArgumentTypeError(
                "expected modules to hold names like 'generator.conv1', patterns like 'features.*', or compiled "
                f"regular expressions; received {entry!r}"
            )
    return found


def checked_bins(bins: object) -> int:
    """Check the number of bins; errors as for :func:`~monitorch_widgets.errors.checked_count`."""
    count = checked_count("bins", bins, f"{BINS} is a good start.")
    if count > _MOST_BINS:
        raise ArgumentError(f"expected bins to be at most {_MOST_BINS}; received {count}. {BINS} is a good start.")
    return count
