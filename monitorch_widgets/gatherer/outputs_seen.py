"""Gatherers of outputs and of their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from monitorch_widgets.preprocessor import AbstractBackwardPreprocessor, AbstractForwardPreprocessor

from .abstract import AbstractGatherer, share_buffer
from .state import InspectorState


class FeedForwardGatherer(AbstractGatherer):
    """Sees outputs in the forward pass, each tensor of a nested output by itself.

    A repetition for activation checkpointing is not counted.

    Parameters
    ----------
    module : torch.nn.Module
        The module to watch.
    preprocessors : sequence of AbstractForwardPreprocessor
        Get each output, one after the other.
    name : str
        Name of the module.
    inspector_state : InspectorState
        Of the inspector.
    """

    def __init__(
        self,
        module: nn.Module,
        preprocessors: Sequence[AbstractForwardPreprocessor],
        name: str,
        inspector_state: InspectorState,
    ) -> None:
        super().__init__(inspector_state)
        self._preprocessors = preprocessors
        share_buffer(preprocessors, inspector_state)
        self._subscription = inspector_state.hooks.forward(module, name, self)

    @AbstractGatherer.requires_active_inspector_state
    def __call__(self, name: str, module: nn.Module, layer_input: Any, layer_output: Tensor) -> None:
        """Hand on one output tensor."""
        for preprocessor in self._preprocessors:
            preprocessor.process_fw(name, module, layer_input, layer_output)

    def detach(self) -> None:
        """Stop watching."""
        super().detach()
        self._subscription.remove()


class BackwardGatherer(AbstractGatherer):
    """Sees gradients at the output tensors, in backward.

    The hook sits on the tensor, not on the module: in-place operations that follow keep working.

    Parameters
    ----------
    module : torch.nn.Module
        The module to watch.
    preprocessors : sequence of AbstractBackwardPreprocessor
        Get each gradient, one after the other.
    name : str
        Name of the module.
    inspector_state : InspectorState
        Of the inspector.
    """

    def __init__(
        self,
        module: nn.Module,
        preprocessors: Sequence[AbstractBackwardPreprocessor],
        name: str,
        inspector_state: InspectorState,
    ) -> None:
        super().__init__(inspector_state)
        self._preprocessors = preprocessors
        share_buffer(preprocessors, inspector_state)
        self._subscription = inspector_state.hooks.output_gradient(module, name, self)

    @AbstractGatherer.requires_active_inspector_state
    def __call__(self, name: str, module: nn.Module, grad: Tensor) -> None:
        """Hand on the gradient of one output tensor."""
        for preprocessor in self._preprocessors:
            preprocessor.process_bw(name, module, (None,), (grad,))

    def detach(self) -> None:
        """Stop watching."""
        super().detach()
        self._subscription.remove()
