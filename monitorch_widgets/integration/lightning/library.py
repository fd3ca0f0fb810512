"""The base classes, of ``lightning.pytorch`` or of the standalone ``pytorch_lightning``, whose classes are others."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lightning.fabric.utilities.exceptions import MisconfigurationException
    from lightning.pytorch.callbacks import Callback, ProgressBar
    from lightning.pytorch.loggers import Logger
    from lightning.pytorch.utilities import rank_zero_only

PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def library() -> Any:
    """The package that the program uses: the one that is imported already, else the first that is installed.

    Raises
    ------
    ImportError
        If neither is installed; it says how to install one.
    """
    loaded = [name for name in PACKAGES if name in sys.modules]
    for name in [*loaded, *PACKAGES]:
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if not name.startswith(str(error.name)):  # it is there, and lacks something itself
                raise
    raise ImportError(
        "monitorch_widgets.integration.lightning needs Lightning. "
        "Install it: pip install 'monitorch_widgets[lightning]'"
    )


if not TYPE_CHECKING:
    _found = library()
    Callback, ProgressBar = _found.callbacks.Callback, _found.callbacks.ProgressBar
    Logger, rank_zero_only = _found.loggers.Logger, _found.utilities.rank_zero_only
    MisconfigurationException = import_module(f"{_found.__name__}.utilities.exceptions").MisconfigurationException

__all__ = ["Callback", "Logger", "MisconfigurationException", "ProgressBar", "rank_zero_only"]
