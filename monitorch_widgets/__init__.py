"""Watch a PyTorch model learn, batch by batch, in the notebook."""

from .errors import (
    ArgumentError,
    ArgumentTypeError,
    CommandRefused,
    LensFault,
    MonitorchError,
    MonitorchWarning,
    NotAttachedError,
    TrainingStopped,
)
from .history import Journal
from .inspector import InspectorState, PyTorchInspector, hyperparameters_of
from .verification import BatchGradientVerification, DryRun, LRFinder, OverfitCheck

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "BatchGradientVerification",
    "CommandRefused",
    "DryRun",
    "InspectorState",
    "Journal",
    "LRFinder",
    "LensFault",
    "MonitorchError",
    "MonitorchWarning",
    "NotAttachedError",
    "OverfitCheck",
    "PyTorchInspector",
    "TrainingStopped",
    "hyperparameters_of",
]
