"""The wheel, built and installed where nothing else of the project is: it brings the page, the types and the names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
STATIC = PROJECT / "monitorch_widgets" / "panel" / "static"

pytestmark = pytest.mark.slow


def call(*command: str | Path, folder: Path) -> str:
    """Run a program outside of pytest's own import path and give back what it printed."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=PROJECT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the Python of a fresh environment with the wheel; its dependencies are those already at hand here."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, symlinks=os.name != "nt")
    (python,) = [*folder.glob("bin/python"), *folder.glob("Scripts/python.exe")]
    pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index")
    call(*pip, wheel, folder=folder)
    own = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=folder).strip()
    # A plain path in a .pth file: the editable install of this checkout, a .pth file itself, is not followed.
    (Path(own) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_holds_the_page_the_types_and_nothing_beside_the_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    page = {f"monitorch_widgets/panel/static/{file.name}" for file in STATIC.iterdir() if file.is_file()}
    assert {Path(name).suffix for name in page} >= {".js", ".css"}
    assert page <= set(names)
    assert "monitorch_widgets/py.typed" in names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"monitorch_widgets"}


def test_the_core_asks_for_five_libraries(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (info,) = [path for path in zipfile.Path(archive).iterdir() if path.name.endswith(".dist-info")]
    required = PathDistribution(info).requires or []
    core = {name for name in required if "extra ==" not in name}
    assert core == {"torch>=2.4", "ipywidgets>=8.1", "bqplot>=0.13", "anywidget", "numpy"}


LOOK = """
import json, pathlib
import monitorch_widgets
from monitorch_widgets.panel.esm import page_source, page_style

missing = [name for name in monitorch_widgets.__all__ if not hasattr(monitorch_widgets, name)]
print(json.dumps({
    "from": str(pathlib.Path(monitorch_widgets.__file__).resolve()),
    "public": len(monitorch_widgets.__all__), "missing": missing,
    "page": page_source(), "style": page_style(),
}))
"""


@pytest.fixture(scope="module")
def seen(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    found = json.loads(call(installed, "-W", "ignore", "-c", LOOK, folder=tmp_path_factory.mktemp("elsewhere")))
    assert isinstance(found, dict)
    return found


def test_the_installed_package_has_its_public_names(installed: Path, seen: dict[str, object]) -> None:
    assert str(seen["from"]).startswith(str(installed.parents[1].resolve()))
    assert seen["public"]
    assert seen["missing"] == []


def test_the_page_assembles_from_the_installed_files(seen: dict[str, object], tmp_path: Path) -> None:
    assert "export default" in str(seen["page"])
    assert "{" in str(seen["style"])
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node.js to parse the page with")
    module = tmp_path / "page.mjs"
    module.write_text(str(seen["page"]), encoding="utf-8")
    call(node, "--check", module, folder=tmp_path)


SHOW = """
import json
import torch
from monitorch_widgets import PyTorchInspector

inspector = PyTorchInspector(module=torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU()), every=1)
shown = inspector.show()._repr_mimebundle_()
print(json.dumps(sorted(shown[0] if isinstance(shown, tuple) else shown)))
"""


def test_the_installed_package_shows_a_dashboard(installed: Path, tmp_path: Path) -> None:
    kinds = json.loads(call(installed, "-W", "ignore", "-c", SHOW, folder=tmp_path))
    assert "application/vnd.jupyter.widget-view+json" in kinds
