"""Tensors to numbers, kept by module name, still on the device until the step's one copy."""

from .abstract import (
    AbstractBackwardPreprocessor,
    AbstractForwardPreprocessor,
    AbstractModulePreprocessor,
    AbstractPreprocessor,
    AbstractTensorPreprocessor,
    DeferredPreprocessor,
    TensorPreprocessor,
)
from .activation import GradientActivation, OutputActivation
from .deferred import StepBuffer
from .difference import DifferencePreprocessor
from .explicit_call import ExplicitCall
from .geometry import GradientGeometry, OutputGradientGeometry, ParameterDifferenceGeometry
from .output import LossModule, OutputNorm
from .parameter import ParameterCond, ParameterNorm
from .ratio import ParameterUpdateRatio

__all__ = [
    "AbstractBackwardPreprocessor",
    "AbstractForwardPreprocessor",
    "AbstractModulePreprocessor",
    "AbstractPreprocessor",
    "AbstractTensorPreprocessor",
    "DeferredPreprocessor",
    "DifferencePreprocessor",
    "ExplicitCall",
    "GradientActivation",
    "GradientGeometry",
    "LossModule",
    "OutputActivation",
    "OutputGradientGeometry",
    "OutputNorm",
    "ParameterCond",
    "ParameterDifferenceGeometry",
    "ParameterNorm",
    "ParameterUpdateRatio",
    "StepBuffer",
    "TensorPreprocessor",
]
