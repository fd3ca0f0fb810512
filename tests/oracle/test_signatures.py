"""Public names, arguments and defaults are those of monitorch 0.1.0.7, so that its scripts run with renamed imports."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path

import pytest

from .make_signatures import parameters

ROOMS = json.loads(Path(__file__).with_name("signatures.json").read_text())
NAMES = [(room, name) for room, names in ROOMS.items() for name in names]

# Where ours differs, and why.
OTHER_DEFAULTS = {
    ("PyTorchInspector", "visualizer"): "'widgets'",  # the dashboard is the default
    ("PyTorchInspector", "lenses"): "None",  # there is a sensible set
    ("ParameterUpdateGeometry", "optimizer"): "None",  # steps are found by themselves
}

# monitorch spells an argument in two ways, and takes a rank where it is not used: nobody passes these by name.
LOOSE = {"vizualizer", "dst_rank", "_"}
RENAMED = {"visualizer", "ext_ppr"}


@pytest.mark.parametrize(("room", "name"), NAMES)
def test_a_public_name_keeps_its_place_and_its_arguments(room: str, name: str) -> None:
    ours = getattr(importlib.import_module(f"monitorch_widgets.{room}"), name)
    for method, theirs in ROOMS[room][name].items():
        member = getattr(ours, method) if method else ours
        if inspect.isclass(member) or callable(member):
            check(name, method, theirs, parameters(member))


def check(name: str, method: str, theirs: dict[str, str], ours: dict[str, str]) -> None:
    where = f"{name}.{method}"
    if "kwargs" in ours or "args" in ours:
        return  # takes whatever is given
    for argument, default in theirs.items():
        if argument.startswith("_") or argument in {"args", "kwargs"} | LOOSE:
            continue
        assert argument in ours, f"{where} lacks {argument}"
        expected = OTHER_DEFAULTS.get((name, argument), default) if not method else default
        if expected != "required":
            assert same(ours[argument], expected), f"{where}({argument}): {ours[argument]} is not {expected}"
    required = [
        argument for argument, default in ours.items() if default == "required" and argument not in {*theirs, *RENAMED}
    ]
    assert not required, f"{where} needs {required}, which monitorch does not have"


def same(ours: str, theirs: str) -> bool:
    numbers = {"0": "0.0", "tuple()": "()"}
    return numbers.get(ours, ours) == numbers.get(theirs, theirs)
