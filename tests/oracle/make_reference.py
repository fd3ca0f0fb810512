"""Writes what monitorch 0.1.0.7 says of the run in scene.py, for the test to compare with.

Run by hand, from the root of the project, in an environment of its own; monitorch is no dependency of this package::

    python -m venv ~/monitorch
    ~/monitorch/bin/pip install torch==2.13.0 numpy monitorch==0.1.0.7
    ~/monitorch/bin/python -m tests.oracle.make_reference

The figures go to tests/oracle/monitorch_0_1_0_7.json. They are numbers that monitorch computes, nothing of its text.
"""

from __future__ import annotations

import importlib
import json
from importlib.metadata import version
from pathlib import Path

from .scene import CASES, watched

VERSION = "0.1.0.7"
REFERENCE = Path(__file__).with_name("monitorch_0_1_0_7.json")


def main() -> None:
    """Run every case under monitorch."""
    if version("monitorch") != VERSION:
        raise SystemExit(f"expected monitorch {VERSION}; found {version('monitorch')}")
    inspector = importlib.import_module("monitorch.inspector").PyTorchInspector
    lenses = importlib.import_module("monitorch.lens")
    base = importlib.import_module("monitorch.visualizer").AbstractVisualizer
    figures = {name: watched(case, inspector, lenses, base) for name, case in CASES.items()}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(calls)}" for name, calls in figures.items())
    REFERENCE.write_text(f"{{\n{lines}\n}}\n", encoding="ascii")
    print(f"{REFERENCE}: {sum(map(len, figures.values()))} calls in {len(figures)} cases")


if __name__ == "__main__":
    main()
