"""Where a tensor is seen: forward, output gradient, parameter gradient, optimizer step, epoch."""

from .abstract import AbstractGatherer
from .calls_seen import CallGatherer
from .changes_seen import ParameterChangesGatherer
from .hooks import Hooks
from .outputs_seen import BackwardGatherer, FeedForwardGatherer
from .parameters_seen import (
    CallParameterGatherer,
    EpochModuleGatherer,
    OptimizerStepParameterGatherer,
    ParameterGradientGatherer,
    ParameterGradientsGatherer,
    ParameterStepsGatherer,
)
from .state import InspectorState

__all__ = [
    "AbstractGatherer",
    "BackwardGatherer",
    "CallGatherer",
    "CallParameterGatherer",
    "EpochModuleGatherer",
    "FeedForwardGatherer",
    "Hooks",
    "InspectorState",
    "OptimizerStepParameterGatherer",
    "ParameterChangesGatherer",
    "ParameterGradientGatherer",
    "ParameterGradientsGatherer",
    "ParameterStepsGatherer",
]
