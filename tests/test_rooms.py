"""The rooms and their arrows: what imports what, and what the package shows."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import monitorch_widgets

ROOT = Path(monitorch_widgets.__file__).parent
ORDER = ["errors", "values", "numerical", "preprocessor", "gatherer", "lens", "history", "verification"]
ORDER += ["logging", "inspector", "transport", "panel", "visualizer", "integration"]
WIDGETS = {"ipywidgets", "bqplot", "anywidget", "traitlets", "IPython"}


def arrows() -> set[tuple[str, str]]:
    """Room to room, and room to widget library, by imports at the top of files."""
    found = set()
    for file in ROOT.rglob("*.py"):
        room = file.relative_to(ROOT).parts[0].removesuffix(".py")
        for node in ast.parse(file.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for name in names:
                head = name.split(".")
                if head[0] == "monitorch_widgets" and len(head) > 1:
                    found.add((room, head[1]))
                elif head[0] in WIDGETS:
                    found.add((room, head[0]))
    return {(a, b) for a, b in found if a != b and a != "__init__"}


def test_no_room_imports_a_later_one() -> None:
    late = [(a, b) for a, b in arrows() if b in ORDER and ORDER.index(b) > ORDER.index(a)]
    assert not late


def test_only_panel_and_visualizer_know_widgets() -> None:
    assert {a for a, b in arrows() if b in WIDGETS} <= {"panel", "visualizer"}


def test_the_inbox_imports_python_only() -> None:
    """Whatever it imports, also late, is Python's own, or stands beside it."""
    found = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name.split(".")[0]
        for file in (ROOT / "transport").glob("*.py")
        if file.name != "background.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.level)
        for alias in node.names
    }
    assert "threading" in found
    assert found <= sys.stdlib_module_names


ROOMS = [
    "lens",
    "preprocessor",
    "gatherer",
    "numerical",
    "history",
    "verification",
    "logging",
    "inspector",
    "transport",
    "visualizer",
]


@pytest.mark.parametrize("name", ["", *(f".{room}" for room in ROOMS)])
def test_public_names_are_sorted_and_there(name: str) -> None:
    module = importlib.import_module("monitorch_widgets" + name)
    assert sorted(module.__all__, key=str.lower) == sorted(module.__all__, key=str.lower)
    assert len(set(module.__all__)) == len(module.__all__)
    for public in module.__all__:
        assert getattr(module, public, None) is not None or public in ("MatplotlibVisualizer", "TensorBoardVisualizer")


WITHOUT_WIDGETS = """
import sys
for name in ("ipywidgets", "bqplot", "anywidget"):
    sys.modules[name] = None  # importing it raises ImportError
import torch, monitorch_widgets
model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
inspector = monitorch_widgets.PyTorchInspector(module=model, visualizer="print", strict=True, every=1)
for _ in inspector.range(2):
    optimizer.zero_grad()
    model(torch.ones(3, 2)).sum().backward()
    optimizer.step()
print("rows", inspector.history["Output Norm"].rows)
"""


def test_a_run_without_widget_libraries() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_WIDGETS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "rows 2" in done.stdout and "Output Norm" in done.stdout


def test_without_widget_libraries_the_default_says_what_to_install() -> None:
    code = WITHOUT_WIDGETS.replace('visualizer="print", ', "")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode != 0 and "pip install" in done.stderr and "print" in done.stderr
