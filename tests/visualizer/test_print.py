"""Lines on the console."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monitorch_widgets.visualizer import PrintVisualizer

from .calls import MODULES, NAN, feed


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    feed(PrintVisualizer())
    return capsys.readouterr().out.splitlines()


def test_a_line_per_tag_and_module(lines: list[str]) -> None:
    assert len(lines) == 5 + 3 * (1 + 3 + 3 + 2 + 1)
    assert lines[0] == ("Loss: TagAttributes(logy=False, big_plot=True, annotate=True, type=NUMERICAL, ylim=None)")
    assert lines[5] == (
        "(1) Loss: Loss - values : {'train_loss mean': 1.0, 'val_loss mean': 2.0}; "
        "ranges : {('train_loss -σ', 'train_loss +σ'): (0.5, 1.5)}"
    )
    assert "(2) Output Activation: features.conv1 - prbs: {'activation_rate': 0.75, 'death_rate': 0.25}" in lines
    shares = dict(zip(MODULES, [0.5, 0.25, 0.25], strict=True))
    assert lines[-1] == f"(3) Norm Comparison: Norm Comparison - {shares}"


def test_modules_come_in_model_order_in_every_epoch(lines: list[str]) -> None:
    names = [line.split(": ")[1].split(" - ")[0] for line in lines if "Gradient Norm: " in line and line[0] == "("]
    assert names == MODULES * 3


def test_nan_and_infinity_are_printed(lines: list[str]) -> None:
    assert f"(2) Gradient Norm: {MODULES[2]} - values : {{'mean': nan, 'median': 1.0}}" in "\n".join(lines)
    assert f"(3) Gradient Norm: {MODULES[1]} - values : {{'mean': inf, 'median': 1.0}}" in "\n".join(lines)


def test_a_module_with_only_ranges_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    PrintVisualizer().plot_numerical_values(1, "Norm", {"a": {"mean": 1.0}}, {"b": {("min", "max"): (0.0, NAN)}})
    assert capsys.readouterr().out.splitlines() == [
        "(1) Norm: a - values : {'mean': 1.0}; ranges : {}",
        "(1) Norm: b - values : {}; ranges : {('min', 'max'): (0.0, nan)}",
    ]


def test_numpy_and_torch_scalars_print_like_floats(capsys: pytest.CaptureFixture[str]) -> None:
    numbers = {"numpy": np.float64(0.5), "torch": torch.tensor(0.25)}
    PrintVisualizer().plot_probabilities(1, "Rate", {"relu": numbers})  # type: ignore[dict-item]
    assert capsys.readouterr().out == "(1) Rate: relu - prbs: {'numpy': 0.5, 'torch': 0.25}\n"


def test_a_name_is_one_line_and_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    PrintVisualizer().plot_probabilities(1, "Rate", {"a\nb\x1b[2J": {"r": 0.5}})
    assert capsys.readouterr().out == "(1) Rate: a\\nb\\x1b[2J - prbs: {'r': 0.5}\n"
