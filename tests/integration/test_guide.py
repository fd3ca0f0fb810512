"""The guide docs/integrations.md: every part of it runs as it stands."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pytest
from accelerate.state import AcceleratorState, GradientState

from monitorch_widgets import PyTorchInspector

from .tiny import one_thread

__all__ = ["one_thread"]

GUIDE = (Path(__file__).parents[2] / "docs" / "integrations.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
FIRST, *REST = re.split(r"^## ", GUIDE, flags=re.MULTILINE)
PARTS = {part.partition("\n")[0]: _BLOCK.findall(part) for part in REST}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder to write into, and no state of other libraries left behind."""
    monkeypatch.chdir(tmp_path)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    plt.close("all")
    gc.collect()


@pytest.fixture
def names() -> dict[str, Any]:
    """What the page begins with."""
    found: dict[str, Any] = {"__name__": "guide", "PyTorchInspector": PyTorchInspector}
    for block in _BLOCK.findall(FIRST):
        exec(block, found)
    return found


def run(names: dict[str, Any], *titles: str) -> dict[str, Any]:
    for title in titles:
        assert PARTS[title], title
        for block in PARTS[title]:
            exec(compile(block, title, "exec"), names)
    return names


def test_every_part_is_run_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [title for title, blocks in PARTS.items() if blocks and f'"{title}"' not in source] == []


def test_plain_pytorch(names: dict[str, Any]) -> None:
    inspector = run(names, "Plain PyTorch")["inspector"]
    assert inspector.status().step == 3 * 4
    assert set(inspector.metrics) >= {"loss", "loss_step", "loss_epoch", "val/accuracy"}


@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:The number of training batches")
@pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated")
def test_lightning(names: dict[str, Any]) -> None:
    inspector = run(names, "Lightning")["callback"].inspector
    assert inspector.status().step == 2 * 8
    assert set(inspector.metrics) >= {"loss", "val_loss"}


def test_fabric(names: dict[str, Any]) -> None:
    assert run(names, "Fabric")["inspector"].status().step == 2 * 8


@pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")
def test_transformers(names: dict[str, Any]) -> None:
    inspector = run(names, "Transformers")["callback"].inspector
    assert inspector.history["Loss"].steps.tolist() == [0, 1, 2, 3]


def test_N36_accelerate(names: dict[str, Any]) -> None:
    assert run(names, "Accelerate")["inspector"].status().step == 8


def test_logging(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    run(names, "What is logged, and when")
    assert "{'hp/accuracy': 0.9, 'accuracy': 0.7}" in capsys.readouterr().out


def test_data_monitors(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    run(names, "What goes in and comes out")
    assert "histogram/batch/0" in capsys.readouterr().out


def test_checks_and_a_learning_rate(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    run(names, "Checks before a long run", "A learning rate")
    assert capsys.readouterr().out.startswith("True")
    assert names["inspector"].cards["lr_finder"].content["state"] == "finished"


def test_N29_timing(names: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    run(names, "Where the time and the memory go")
    assert "between steps" in capsys.readouterr().out
