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
from .inspector import InspectorState, PyTorchInspector

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "CommandRefused",
    "InspectorState",
    "LensFault",
    "MonitorchError",
    "MonitorchWarning",
    "NotAttachedError",
    "PyTorchInspector",
    "TrainingStopped",
]
