"""Lenses: which tensors are seen, which number is made of them, how it is aggregated and drawn."""

from .abstract_lens import AbstractLens
from .expression import Expression
from .input_histogram import InputHistogram
from .loss_metrics import LossMetrics
from .module_distinction import register_kind
from .output_activation import OutputActivation
from .output_gradient_geometry import OutputGradientGeometry
from .output_histogram import OutputHistogram
from .output_norm import OutputNorm
from .parameter_cond import ParameterCond
from .parameter_gradient_activation import ParameterGradientActivation
from .parameter_gradient_geometry import ParameterGradientGeometry
from .parameter_norm import ParameterNorm
from .parameter_update_geometry import ParameterUpdateGeometry
from .parameter_update_ratio import ParameterUpdateRatio

__all__ = [
    "AbstractLens",
    "Expression",
    "InputHistogram",
    "LossMetrics",
    "OutputActivation",
    "OutputGradientGeometry",
    "OutputHistogram",
    "OutputNorm",
    "ParameterCond",
    "ParameterGradientActivation",
    "ParameterGradientGeometry",
    "ParameterNorm",
    "ParameterUpdateGeometry",
    "ParameterUpdateRatio",
    "register_kind",
]
