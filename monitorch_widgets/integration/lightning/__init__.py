"""Lightning: the inspector as a callback, as a logger and as a progress bar of a Trainer.

Works with ``lightning.pytorch`` and with the standalone ``pytorch_lightning``. Their classes are not the same ones: the
package that the program has imported first is taken, ``lightning.pytorch`` where both are there. Import it before this
module, if both are installed and yours is ``pytorch_lightning``.
"""

from .callback import InspectorCallback
from .logger import WidgetLogger
from .progress import InspectorProgressBar

__all__ = ["InspectorCallback", "InspectorProgressBar", "WidgetLogger"]
