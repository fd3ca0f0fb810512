"""Epoch figures against numpy over every reading of the epoch."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from monitorch_widgets import lens
from monitorch_widgets.lens import AbstractLens

from .definitions import EPS
from .stage import WINDOW, Stage, added, batches, mlp, threshold

POINTS = ("mean", "median", "max", "min", "Q1", "Q3", "std", "IQR")
RANGES = ("std", "Q1-Q3", "min-max")
ENDS = {"std": ("-σ", "+σ"), "Q1-Q3": ("Q1", "Q3"), "min-max": ("min", "max")}
Floats = npt.NDArray[np.float64]
GEOMETRY = (
    *("Output Norm", "Output Gradient Norm", "Output Gradient Correlation"),
    *("Weight Gradient Norm", "Weight Gradient Correlation", "Bias Gradient Norm"),
    *("Weight Update Norm", "Weight Update Correlation", "Weight Update Ratio", "Bias Update Ratio"),
)


def closest(values: Floats, rank: float) -> float:
    return float(np.quantile(values, rank, method="closest_observation"))


def point(values: Floats, method: str) -> float:
    """Median and IQR are of readings that were made; the quartiles are interpolated."""
    return {
        "mean": np.mean(values),
        "median": closest(values, 0.5),
        "max": np.max(values),
        "min": np.min(values),
        "Q1": np.quantile(values, 0.25),
        "Q3": np.quantile(values, 0.75),
        "std": np.std(values),
        "IQR": closest(values, 0.75) - closest(values, 0.25),
    }[method]


def band(values: Floats, method: str) -> tuple[float, float]:
    return {
        "std": (np.mean(values) - np.std(values), np.mean(values) + np.std(values)),
        "Q1-Q3": (closest(values, 0.25), closest(values, 0.75)),
        "min-max": (np.min(values), np.max(values)),
    }[method]


def lenses(loss_fn: nn.Module, inplace: bool) -> list[AbstractLens]:
    every: dict[str, Any] = {"line_aggregation": POINTS, "range_aggregation": RANGES, "inplace": inplace}
    return [
        lens.LossMetrics(loss_fn=loss_fn, loss_fn_inplace=inplace, loss_line=POINTS, loss_range=RANGES),
        lens.OutputNorm(record_eval=True, **every),
        lens.OutputActivation(record_eval=True, inplace=inplace, dead_window=WINDOW),
        lens.OutputGradientGeometry(**every),
        lens.ParameterGradientGeometry(**every),
        lens.ParameterGradientActivation(inplace=inplace, dead_window=WINDOW),
        lens.ParameterUpdateGeometry(**every),
        lens.ParameterUpdateRatio(**every),
        lens.ParameterNorm(inplace=inplace),
        lens.ParameterCond(inplace=inplace, every=1),
    ]


def epoch(stage: Stage, optimizer: torch.optim.Optimizer) -> None:
    """Five steps of one or two micro-batches, an attempt that becomes no step, and an evaluation."""
    for i, (x, y) in enumerate(batches(6)):
        optimizer.zero_grad()
        grads: dict[str, Any] = {}
        for part in (x, 2 * x)[: 1 + i % 2]:
            stage.loss_fn(stage.model(part), y).backward()
            grads = added(grads, stage.passes(part, y))
        if i != 3:
            stage.step(optimizer, grads)
        else:
            stage.book.mark()
            stage.book.drop()
    stage.model.eval()
    with torch.no_grad():
        stage.loss_fn(stage.model(x), y)
    stage.passes(x, y, training=False, backward=False)
    stage.model.train()


@pytest.fixture(scope="module", params=[True, False], ids=["running", "lists"])
def trained(request: Any) -> tuple[Stage, list[dict[tuple[str, str], Floats]]]:
    stage = Stage(mlp(), lenses={"record_eval": True}, attach=False)
    stage.inspector = type(stage.inspector)(
        lenses(stage.loss_fn, request.param), module=stage.model, visualizer="dummy", strict=True, every=1
    )
    optimizer = torch.optim.SGD(stage.model.parameters(), lr=0.2)
    readings = []
    for _ in range(2):
        stage.book.begin_epoch()
        epoch(stage, optimizer)
        stage.inspector.tick_epoch()
        found = {key: np.array(values) for key, values in stage.book.epoch.items()}
        readings.append({key: values[np.isfinite(values)] for key, values in found.items()})
    return stage, readings


@pytest.mark.parametrize("tag", GEOMETRY)
def test_lines_and_bands(trained: Any, tag: str) -> None:
    stage, readings = trained
    figures = stage.inspector.history[tag].epochs
    assert list(figures) == [1, 2]
    for number, expected in zip(figures, readings, strict=True):
        of_tag = {name: values for (of, name), values in expected.items() if of == tag}
        assert set(figures[number].values) == set(of_tag)
        for name, values in of_tag.items():
            _compare(figures[number].values[name], {m: point(values, m) for m in POINTS})
            _compare(figures[number].ranges[name], {ENDS[m]: band(values, m) for m in RANGES})


def _compare(got: dict[Any, Any], expected: dict[Any, Any]) -> None:
    assert set(got) == set(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(got[key], value, rtol=1e-5, atol=2e-6, err_msg=str(key))


@pytest.mark.parametrize("what", ["Output", "Weight Gradient", "Bias Gradient"])
def test_rates(trained: Any, what: str) -> None:
    stage, readings = trained
    tag = "Output Activations" if what == "Output" else f"{what} Activation"
    tags = {"activation_rate": tag, "death_rate": f"{what} Death Rate"}
    tags["lasting_death_rate"] = f"{what} Lasting Death Rate"
    for number, expected in zip((1, 2), readings, strict=True):
        figures = stage.inspector.history[tag].epochs[number].values
        assert set(figures) == {name for of, name in expected if of == tag}
        for name, rates in figures.items():
            _compare(rates, {key: np.mean(expected[of, name]) for key, of in tags.items()})


def test_losses(trained: Any) -> None:
    stage, readings = trained
    for number, expected in zip((1, 2), readings, strict=True):
        figures = stage.inspector.history["Loss"].epochs[number]
        points = {f"{n} {m}": point(expected["Loss", n], m) for n in ("train_loss", "val_loss") for m in POINTS}
        _compare(figures.values["Loss"], points)
        ends = {(n, m): tuple(f"{n} {end}" for end in ENDS[m]) for n in ("train_loss", "val_loss") for m in RANGES}
        bands = {label: band(expected["Loss", n], m) for (n, m), label in ends.items()}
        _compare(figures.ranges["Loss"], bands)


@pytest.mark.parametrize("tag", ["Weight Norm", "Bias Norm", "Weight Condition Number"])
def test_numbers_of_parameters_are_those_at_the_end_of_the_epoch(trained: Any, tag: str) -> None:
    stage, readings = trained
    for number, expected in zip((1, 2), readings, strict=True):
        figures = stage.inspector.history[tag].epochs[number].values
        ends = {name: values[-1] for (of, name), values in expected.items() if of == tag and len(values)}
        for name, value in ends.items():
            _compare(figures[name], {"mean": value})


def test_the_smooth_activation_has_its_own_threshold() -> None:
    model = mlp()
    assert [threshold(module) == EPS for module in model] == [True] * 5 + [False]
