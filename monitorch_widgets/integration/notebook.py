"""Showing an inspector in the cell that trains."""

from __future__ import annotations

import sys

from monitorch_widgets.inspector import PyTorchInspector


def display(inspector: PyTorchInspector) -> bool:
    """Show the inspector in the running cell, in a notebook where it is not shown yet; whether it was."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if not hasattr(shell, "kernel") or inspector.visualizer.live or not inspector.is_main_process:
        return False
    from IPython.display import display as show  # there, for it runs this

    show(inspector)  # type: ignore[no-untyped-call]
    return True
