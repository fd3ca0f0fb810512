"""Watch a PyTorch model learn, batch by batch, in the notebook."""

from .errors import (
    ArgumentError,
    ArgumentTypeError,
    LensFault,
    MonitorchError,
    MonitorchWarning,
    NotAttachedError,
)
from .inspector import InspectorState, PyTorchInspector

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "InspectorState",
    "LensFault",
    "MonitorchError",
    "MonitorchWarning",
    "NotAttachedError",
    "PyTorchInspector",
]
