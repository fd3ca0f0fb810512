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
from .deferred import StepBuffer, Taker, Told
from .difference import DifferencePreprocessor
from .ear import Ear
from .explicit_call import ExplicitCall
from .geometry import GradientGeometry, OutputGradientGeometry, ParameterDifferenceGeometry
from .histogram import Histograms, Seen
from .nested import nested_tensors, shape_of
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
    "Ear",
    "ExplicitCall",
    "GradientActivation",
    "GradientGeometry",
    "Histograms",
    "LossModule",
    "OutputActivation",
    "OutputGradientGeometry",
    "OutputNorm",
    "ParameterCond",
    "ParameterDifferenceGeometry",
    "ParameterNorm",
    "ParameterUpdateRatio",
    "Seen",
    "StepBuffer",
    "Taker",
    "TensorPreprocessor",
    "Told",
    "nested_tensors",
    "shape_of",
]
