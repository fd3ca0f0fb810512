"""Correlations: exact, carried over epochs, without a value for the first; and norms of a million values."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets import PyTorchInspector, lens

from . import definitions as right
from .recorder import wide

N = 1000  # a matrix of N by N is a million values


def geometry() -> list[lens.AbstractLens]:
    return [lens.OutputGradientGeometry(), lens.ParameterGradientGeometry(), lens.ParameterUpdateGeometry()]


CORRELATIONS = (
    *("Output Gradient Correlation", "Weight Gradient Correlation", "Bias Gradient Correlation"),
    *("Weight Update Correlation", "Bias Update Correlation"),
)


@pytest.mark.parametrize("tag", CORRELATIONS)
def test_a_constant_gradient_correlates_fully_but_at_the_very_first_step(tag: str) -> None:
    """Two epochs of four batches: the first batch of the second epoch is compared with the last of the first."""
    model = nn.Linear(2, 1)
    nn.init.constant_(model.weight, 8.0)  # updates of 1/64 are exact here
    nn.init.constant_(model.bias, 8.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1 / 128)
    with PyTorchInspector(geometry(), module=model, visualizer="dummy", strict=True, every=1) as inspector:
        for _ in inspector.range(2):
            for _ in range(4):
                optimizer.zero_grad()
                model(torch.ones(2, 2)).sum().backward()
                optimizer.step()
    values = inspector.history[tag].values[:, 0]
    assert len(values) == 8 and np.isnan(values[0])
    np.testing.assert_allclose(values[1:], 1.0, atol=1e-6)
    means = [figures.values["Linear"]["mean"] for figures in inspector.history[tag].epochs.values()]
    np.testing.assert_allclose(means, [1.0, 1.0], atol=1e-6)


@cache
def noise(seed: int) -> Tensor:
    return torch.randn(N, N, generator=torch.Generator().manual_seed(seed))


STREAMS: dict[str, Callable[[int], Tensor]] = {
    "independent": noise,
    "nearly_parallel": lambda i: noise(0) + 1e-3 * noise(i + 1),
    "opposed": lambda i: (-1) ** i * (noise(0) + 0.3 * noise(i + 1)),
    "far_from_zero": lambda i: 1 + 1e-2 * noise(i),
    "tiny": lambda i: 1e-12 * noise(i),
    "few_large_ones": lambda i: noise(i) * torch.where(noise(i + 9) > 3.5, 1e4, 1e-4),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("stream", STREAMS)
def test_a_million_values_against_float64(stream: str, dtype: torch.dtype) -> None:
    model = nn.Linear(N, N, bias=False).to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    grads = [STREAMS[stream](i).to(dtype) for i in range(3)]
    with PyTorchInspector([_of_weights()], module=model, visualizer="dummy", strict=True, every=1) as inspector:
        for grad in grads:
            model.weight.grad = grad
            optimizer.step()
    copies = [wide(grad) for grad in grads]
    norms = inspector.history["Weight Gradient Norm"].values[:, 0]
    np.testing.assert_allclose(norms, [right.norm(copy) for copy in copies], rtol=1e-5)
    if dtype == torch.float16 and stream == "tiny":
        return  # all zeros there: no direction
    cosines = inspector.history["Weight Gradient Correlation"].values[1:, 0]
    expected = [right.cosine(now, before) for before, now in pairwise(copies)]
    np.testing.assert_allclose(cosines, expected, rtol=0, atol=1e-6)


def _of_weights() -> lens.AbstractLens:
    return lens.ParameterGradientGeometry(parameters="weight")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("size", [1e25, 1e15, 1e-15, 1e-25])
def test_gradients_near_the_ends_of_float32(size: float, dtype: torch.dtype) -> None:
    """What float32 squares can't hold is a gap or 0, as the docstring says; all else is exact."""
    model = nn.Linear(N, N, bias=False).to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with PyTorchInspector([_of_weights()], module=model, visualizer="dummy", strict=True, every=1) as inspector:
        model.weight.grad = (size * noise(0)).to(dtype)
        optimizer.step()
    norm = right.norm(wide(model.weight.grad))
    expected = np.nan if norm > 1e19 else 0.0 if size < 1e-23 else norm
    np.testing.assert_allclose(inspector.history["Weight Gradient Norm"].values[0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("rows", [1, 2, N])
def test_outputs_of_a_million_values(rows: int) -> None:
    model = nn.Sequential(nn.Identity())
    x = noise(0).reshape(rows, -1)
    with PyTorchInspector(
        [lens.OutputNorm(), lens.OutputActivation()], module=model, visualizer="dummy", every=1
    ) as inspector:
        model(x.relu())
    expected = wide(x.relu())
    np.testing.assert_allclose(inspector.history["Output Norm"].values[0], right.sample_norm(expected), rtol=1e-5)
    shown = inspector.history["Output Activations"].values[0]
    np.testing.assert_allclose(shown, right.activation_rate(expected, batch=True), rtol=1e-5)


def test_output_gradients_of_a_million_values() -> None:
    model = nn.Identity()
    outer = nn.Sequential(nn.Linear(1, 1), model)
    optimizer = torch.optim.SGD(outer.parameters(), lr=0.0)
    grads = [noise(0), noise(0) + noise(1), noise(2)]
    with PyTorchInspector(
        [lens.OutputGradientGeometry()], module=outer, visualizer="dummy", strict=True, every=1
    ) as inspector:
        for grad in grads:
            out = outer(torch.ones(N * N, 1))
            out.backward(grad.reshape(-1, 1))
            optimizer.step()
    copies = [wide(grad) for grad in grads]
    norms = inspector.history["Output Gradient Norm"]
    column = norms.modules.index("1")
    np.testing.assert_allclose(norms.values[:, column], [right.norm(copy) for copy in copies], rtol=1e-5)
    cosines = inspector.history["Output Gradient Correlation"].values[:, column]
    expected = [right.cosine(copies[1], copies[0]), right.cosine(copies[2], copies[1])]
    np.testing.assert_allclose(cosines[1:], expected, rtol=0, atol=1e-6)


def test_with_a_stride_neighbours_are_compared() -> None:
    model = nn.Linear(N, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    grads = [noise(0)[:1] + noise(i)[:1] for i in range(7)]
    lenses = [_of_weights(), lens.ParameterUpdateGeometry(parameters="weight")]
    with PyTorchInspector(lenses, module=model, visualizer="dummy", strict=True, every=4) as inspector:
        before = []
        for grad in grads:
            before.append(wide(model.weight))
            model.weight.grad = grad.clone()
            optimizer.step()
    before.append(wide(model.weight))
    series = inspector.history["Weight Gradient Correlation"]
    assert series.steps.tolist() == [0, 1, 4, 5]
    expected = [
        math.nan,
        right.cosine(wide(grads[1]), wide(grads[0])),
        math.nan,
        right.cosine(wide(grads[5]), wide(grads[4])),
    ]
    np.testing.assert_allclose(series.values[:, 0], expected, atol=1e-6)
    updates = inspector.history["Weight Update Norm"].values[:, 0]
    np.testing.assert_allclose(updates, [right.norm(before[i + 1] - before[i]) for i in (0, 1, 4, 5)], rtol=1e-5)
