"""What lenses of outputs share: which modules are watched."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from torch import nn

from monitorch_widgets.errors import ArgumentTypeError
from monitorch_widgets.gatherer import FeedForwardGatherer, InspectorState
from monitorch_widgets.preprocessor import AbstractForwardPreprocessor

from .module_distinction import isactivation, isdropout
from .reading_lens import ReadingLens

OUTPUT_STAGE = "micro-batch: each forward pass"
OUTPUT_EMPTY = (
    "No forward pass in training mode yet. For a model in eval mode, give the lens record_eval=True, or "
    "evaluation_from_grad=True where it trains in eval mode."
)


class OutputLens(ReadingLens):
    """Base of lenses that look at outputs in the forward pass.

    Every leaf module is watched. With `include`, only its classes are, besides activations (and dropouts) as asked.
    """

    _forward: AbstractForwardPreprocessor

    def __init__(
        self,
        *,
        activation: bool,
        dropout: bool,
        include: Iterable[type[nn.Module]],
        exclude: Iterable[type[nn.Module]],
        evaluates: bool,
    ) -> None:
        super().__init__()
        self._evaluates = evaluates
        self._activation = activation
        self._dropout = dropout
        self._include = checked_classes("include", include)
        self._exclude = checked_classes("exclude", exclude)

    @property
    def evaluates(self) -> bool:
        """Whether it reads forward passes of an evaluation too."""
        return self._evaluates

    def register_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Watch the module's output, if it is among the chosen ones."""
        if not self._chosen(module):
            return
        self._gatherers.append(FeedForwardGatherer(module, [self._forward], module_name, inspector_state))
        for preprocessor in self.preprocessors:
            self._note_series(preprocessor, module_name)

    def _chosen(self, module: nn.Module) -> bool:
        if isinstance(module, self._exclude):
            return False
        if isinstance(module, self._include):
            return True
        if isactivation(module):
            return self._activation
        if isdropout(module):
            return self._dropout
        return not self._include


def checked_classes(argument: str, classes: Iterable[type[nn.Module]]) -> tuple[type[nn.Module], ...]:
    """Check classes of modules.

    Raises
    ------
    ArgumentTypeError
        For anything else among them.
    """
    found: tuple[object, ...] = (classes,) if isinstance(classes, type) else tuple(classes)
    for entry in found:
        if not (isinstance(entry, type) and issubclass(entry, nn.Module)):
            raise ArgumentTypeError(
                f"expected {argument} to hold module classes, e.g. (torch.nn.Linear,); received {entry!r}"
            )
    return cast(tuple[type[nn.Module], ...], found)
