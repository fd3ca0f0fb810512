"""Every program runs and prints its table; what the figures are is not tested."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from benchmarks import history, imports, overhead, pushes, variants

OURS = ["none", "full", "auto", "auto-all", "paused"]
BRIEF = ["--steps", "4", "--rounds", "1", "--block", "2", "--long-block", "2", "--warm-up", "1"]


def run_overhead(*given: str) -> None:
    overhead.main([*BRIEF, *given])


def test_overhead_prints_one_row_for_each_variant(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    run_overhead("--models", "mlp14x64", "--variants", *OURS, "--json", str(found))
    printed = capsys.readouterr().out
    assert printed.startswith("python -m benchmarks.overhead --steps 4")
    assert f"torch {torch.__version__}" in printed
    for name in OURS[1:]:
        assert variants.VARIANTS[name][0] in printed
    names = [record["name"] for record in json.loads(found.read_text())["models"]["mlp14x64"]]
    assert names == ["none", "full", "none", "auto", "auto-all", "paused"]


@pytest.mark.parametrize("model", ["resnet", "gpt"])
def test_larger_models_are_measured_under_all_lenses(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_overhead("--models", model, "--variants", "none", "full", "--steps", "1")
    assert "ours, every=1, all lenses" in capsys.readouterr().out


def test_what_is_not_installed_is_left_out_with_a_remedy(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variants, "NEEDS", {"monitorch": "monitorch==0.1.0.7"})
    monkeypatch.setattr(variants.importlib.util, "find_spec", lambda name: None)
    run_overhead("--models", "mlp14x64", "--variants", "none", "monitorch")
    printed = capsys.readouterr().out
    assert "left out; it needs: pip install monitorch==0.1.0.7" in printed
    assert "bare, blocks of 2" in printed


def test_histograms_of_tensorboard_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    run_overhead("--models", "mlp14x64", "--variants", "none", "tensorboard", "--steps", "1")
    assert "TensorBoard histograms" in capsys.readouterr().out


def test_history_says_how_it_grows_and_how_true_quartiles_are(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = tmp_path / "found.json"
    history.main(["12000", "--modules", "2", "--tags", "4", "--block", "100", "--json", str(found)])
    printed = capsys.readouterr().out
    assert "the history holds" in printed
    record = json.loads(found.read_text())
    assert [mark["steps"] for mark in record["marks"]] == [1000, 10000, 12000]
    assert list(record["quartiles"]) == ["drift and noise", "heavy tails", "spikes", "jumps"]


def test_imports_are_compared(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "STATEMENTS", {"torch": "pass", "ours": "import json"})
    imports.main(["--rounds", "1"])
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split()[0] for row in rows] == ["torch", "ours"]


def test_pushes_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    pushes.main(["--modules", "2", "--pushes", "1"])
    printed = capsys.readouterr().out
    assert "a push that is not due" in printed
    assert "2 modules in 8 panels, 1 pushes" in printed
