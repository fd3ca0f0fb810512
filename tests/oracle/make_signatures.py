"""Write down the public names and signatures of monitorch 0.1.0.7, which ours keep.

Run by hand, with monitorch in an environment of its own::

    python -m venv oracle && oracle/bin/pip install torch==2.13.0 monitorch==0.1.0.7 matplotlib tensorboard
    oracle/bin/python tests/oracle/make_signatures.py
"""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path

ROOMS = ("inspector", "lens", "preprocessor", "gatherer", "numerical", "visualizer")


def parameters(thing: object) -> dict[str, str]:
    """Argument names and defaults, ``"required"`` where there is none."""
    found = {}
    for name, parameter in inspect.signature(thing).parameters.items():
        empty = parameter.default is inspect.Parameter.empty
        found[name] = "required" if empty else repr(parameter.default)
    return found


def main() -> None:
    """Write ``signatures.json`` beside this file."""
    rooms = {}
    for room in ROOMS:
        module = importlib.import_module(f"monitorch.{room}")
        rooms[room] = {name: _describe(getattr(module, name)) for name in sorted(module.__all__)}
    target = Path(__file__).with_name("signatures.json")
    target.write_text(json.dumps(rooms, indent=1, sort_keys=True) + "\n")


def _describe(thing: object) -> dict[str, dict[str, str]]:
    if not inspect.isclass(thing):
        return {"": parameters(thing)} if callable(thing) else {}
    methods = {"": parameters(thing)}
    for name, member in inspect.getmembers(thing, inspect.isfunction):
        if not name.startswith("_"):
            methods[name] = parameters(member)
    return methods


if __name__ == "__main__":
    main()
