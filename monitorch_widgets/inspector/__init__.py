"""What the user holds: attach and detach, the clock, the wiring, the one transfer per step."""

from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.logging import hyperparameters_of

from .inspector import PyTorchInspector

__all__ = ["InspectorState", "PyTorchInspector", "hyperparameters_of"]
