"""Gatherers of parameters and their gradients, around the optimizer's step or when called."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from monitorch_widgets.preprocessor import (
    AbstractModulePreprocessor,
    AbstractTensorPreprocessor,
    DifferencePreprocessor,
)

from .abstract import AbstractGatherer, share_buffer
from .parameter_places import ParameterPlaces
from .state import InspectorState


class ParametersGatherer(AbstractGatherer):
    """Base: hands the tensors of a whole step to each preprocessor at once."""

    def __init__(self, preprocessors: Sequence[AbstractTensorPreprocessor], inspector_state: InspectorState) -> None:
        super().__init__(inspector_state)
        self._preprocessors = preprocessors
        self._places = ParameterPlaces()
        share_buffer(preprocessors, inspector_state)
        self.subscriptions: list[Any] = []

    def watch(self, name: str, module: nn.Module, parameter: str) -> None:
        """Add a parameter of a module under the name of its series."""
        self._places.add(name, module, parameter)

    def now(self) -> tuple[list[str], list[Tensor]]:
        """Names and parameters as they are now."""
        names, _, tensors = self._places.now(None)
        return names, tensors

    def _hand_on(self, names: list[str], tensors: list[Tensor]) -> None:
        if names:
            for preprocessor in self._preprocessors:
                preprocessor.process_tensors(names, tensors)

    def detach(self) -> None:
        """Stop watching."""
        super().detach()
        for subscription in self.subscriptions:
            subscription.remove()


class ParameterGradientsGatherer(ParametersGatherer):
    """Sees the gradients of many parameters right before the optimizer uses them.

    Accumulated, unscaled and clipped, if the loop does so; a parameter without gradient is passed over.
    """

    def __init__(self, preprocessors: Sequence[AbstractTensorPreprocessor], inspector_state: InspectorState) -> None:
        super().__init__(preprocessors, inspector_state)
        self.subscriptions = [inspector_state.hooks.gradients(self)]

    @AbstractGatherer.requires_active_inspector_state
    def __call__(self, optimizer: Optimizer | None = None) -> None:
        """Hand on the gradients of the parameters that `optimizer` steps."""
        names, _, parameters = self._places.now(optimizer)
        grads = [p.grad for p in parameters]
        present = [grad for grad in grads if grad is not None]
        if len(present) < len(grads):
            names = [name for name, grad in zip(names, grads, strict=True) if grad is not None]
        self._hand_on(names, _unscaled(present, optimizer))


def _unscaled(grads: list[Tensor], optimizer: Optimizer | None) -> list[Tensor]:
    """Gradients without the scale that a gradient scaler leaves to a fused optimizer's own step."""
    scale = getattr(optimizer, "grad_scale", None)
    if not isinstance(scale, Tensor):
        return grads
    return [grad / scale.to(grad.device, non_blocking=True) for grad in grads]


class StepsGatherer(ParametersGatherer):
    """Base: called right before the steps of optimizers, and right after."""

    def __init__(
        self,
        preprocessors: Sequence[AbstractTensorPreprocessor],
        inspector_state: InspectorState,
        optimizer: Optimizer | None = None,
    ) -> None:
        super().__init__(preprocessors, inspector_state)
        self._optimizer = optimizer
        hooks = inspector_state.hooks
        self.subscriptions = [hooks.before_step(self.begin), hooks.after_step(self)]

    def begin(self, optimizer: Optimizer | None = None) -> None:
        """Take what is there before a step."""

    def _follows(self, optimizer: Optimizer | None) -> bool:
        return self._optimizer is None or optimizer is None or optimizer is self._optimizer


class ParameterStepsGatherer(StepsGatherer):
    """Sees many parameters right after the optimizer has stepped.

    Parameters
    ----------
    preprocessors : sequence of AbstractTensorPreprocessor
        Get the parameters of the step at once; those of differences are shown them before the step too.
    inspector_state : InspectorState
        Of the inspector.
    optimizer : torch.optim.Optimizer, optional
        Follow only this one; by default every optimizer is followed.
    """

    @AbstractGatherer.requires_active_inspector_state
    def begin(self, optimizer: Optimizer | None = None) -> None:
        """Let differences start at this step, whatever changed the parameters since the one before."""
        differences = [p for p in self._preprocessors if isinstance(p, DifferencePreprocessor)]
        if optimizer is None or not differences or not self._follows(optimizer):
            return  # without an optimizer the change has been made already: it counts from the last call
        names, _, tensors = self._places.now(optimizer)
        for preprocessor in differences:
            preprocessor.remember(names, tensors, anew=True)

    @AbstractGatherer.requires_active_inspector_state
    def __call__(self, optimizer: Optimizer | None = None) -> None:
        """Hand on the parameters that `optimizer` stepped."""
        if self._follows(optimizer):
            names, _, tensors = self._places.now(optimizer)
            self._hand_on(names, tensors)


class ParameterGradientGatherer(ParameterGradientsGatherer):
    """Sees the gradient of one parameter right before the optimizer uses it.

    monitorch reads it when backward has added to it, which gives partial sums under gradient accumulation and scaled
    values under a gradient scaler.

    Parameters
    ----------
    parameter : str
        Name of the parameter in its module.
    module : torch.nn.Module
        The module.
    preprocessors : sequence of AbstractTensorPreprocessor
        Get the gradient, one after the other.
    name : str
        Name of the module.
    inspector_state : InspectorState
        Of the inspector.
    """

    def __init__(
        self,
        parameter: str,
        module: nn.Module,
        preprocessors: Sequence[AbstractTensorPreprocessor],
        name: str,
        inspector_state: InspectorState,
    ) -> None:
        super().__init__(preprocessors, inspector_state)
        self.watch(name, module, parameter)


class OptimizerStepParameterGatherer(ParameterStepsGatherer):
    """Sees one parameter right after an optimizer has stepped.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    optimizer : torch.optim.Optimizer
        The optimizer to follow.
    parameter : str
        Name of the parameter in its module.
    preprocessors : sequence of AbstractTensorPreprocessor
        Get the parameter, one after the other.
    name : str
        Name of the module.
    inspector_state : InspectorState
        Of the inspector.
    """

    def __init__(
        self,
        module: nn.Module,
        optimizer: Optimizer,
        parameter: str,
        preprocessors: Sequence[AbstractTensorPreprocessor],
        name: str,
        inspector_state: InspectorState,
    ) -> None:
        super().__init__(preprocessors, inspector_state, optimizer)
        self.watch(name, module, parameter)


class CallParameterGatherer(ParametersGatherer):
    """Sees one parameter whenever it is called.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    parameter : str
        Name of the parameter in its module.
    preprocessors : sequence of AbstractTensorPreprocessor
        Get the parameter, one after the other.
    name : str
        Name of the module.
    inspector_state : InspectorState
        Of the inspector.
    """

    def __init__(
        self,
        module: nn.Module,
        parameter: str,
        preprocessors: Sequence[AbstractTensorPreprocessor],
        name: str,
        inspector_state: InspectorState,
    ) -> None:
        super().__init__(preprocessors, inspector_state)
        self.watch(name, module, parameter)

    @AbstractGatherer.requires_active_inspector_state
    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Hand on the parameter as it is now."""
        self._hand_on(*self.now())


class EpochModuleGatherer(AbstractGatherer):
    """Sees a module whenever it is called, which lenses do at the end of an epoch.

    Parameters
    ----------
    module : torch.nn.Module
        The module.
    preprocessors : sequence of AbstractModulePreprocessor
        Get the module, one after the other.
    name : str
        Name of the module.
    inspector_state : InspectorState
        Of the inspector.
    """

    def __init__(
        self,
        module: nn.Module,
        preprocessors: Sequence[AbstractModulePreprocessor],
        name: str,
        inspector_state: InspectorState,
    ) -> None:
        super().__init__(inspector_state)
        self._module = weakref.ref(module)
        self._name = name
        self._preprocessors = preprocessors
        share_buffer(preprocessors, inspector_state)

    @AbstractGatherer.requires_active_inspector_state
    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Hand on the module as it is now."""
        module = self._module()
        if module is not None:
            for preprocessor in self._preprocessors:
                preprocessor.process_module(self._name, module)

    def detach(self) -> None:
        """Stop; there is no hook to take back."""
        super().detach()
