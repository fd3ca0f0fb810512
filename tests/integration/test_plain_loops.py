"""Plain PyTorch loops: limits, autocast, accumulation, several models, and where the numbers are made."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

import monitorch_widgets
from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import (
    LossMetrics,
    OutputNorm,
    ParameterGradientGeometry,
    ParameterNorm,
    ParameterUpdateGeometry,
)

from .tiny import one_thread

__all__ = ["one_thread"]


def loader(count: int = 20, batch_size: int = 2, dtype: torch.dtype = torch.float32) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(0)
    data = torch.randn(count, 4, generator=generator).to(dtype), torch.randn(count, 2, generator=generator).to(dtype)
    return DataLoader(TensorDataset(*data), batch_size=batch_size)


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def watched(model: nn.Module, *lenses: Any, **more: Any) -> PyTorchInspector:
    return PyTorchInspector(list(lenses), module=model, **{"visualizer": "dummy", "every": 1, "strict": True, **more})


# ---------------------------------------------------------------------- limits


@pytest.mark.parametrize(("limit", "batches"), [(3, 3), (0.25, 2), (1.0, 10), (99, 10), (0.01, 1)])
def test_N25_a_limit_is_a_count_or_a_fraction_of_batches(limit: float, batches: int) -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inspector = watched(model, OutputNorm())
    for _ in inspector.range(2):
        for x, y in inspector.iter(loader(), limit=limit):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
    assert inspector.status().epoch_marks == ((1, batches), (2, 2 * batches))
    assert inspector.history["Output Norm"].rows == 2 * batches


def test_N25_the_first_batches_are_taken_in_order() -> None:
    inspector = PyTorchInspector(visualizer="dummy")
    expected = [x for x, _ in loader()][:4]
    found = [x for x, _ in inspector.iter(loader(), limit=4)]
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


class Endless(IterableDataset[int]):
    def __iter__(self) -> Any:
        return iter(range(1_000_000))


def test_N25_a_stream_takes_a_count_but_no_fraction() -> None:
    inspector = PyTorchInspector(visualizer="dummy")
    stream: DataLoader[int] = DataLoader(Endless(), batch_size=3)
    assert len(list(inspector.iter(stream, limit=5))) == 5
    with pytest.raises(monitorch_widgets.ArgumentError, match="length"):
        inspector.iter(stream, limit=0.5)


# ---------------------------------------------------------------------- accumulation and several models


def test_N36_effective_batches_give_one_row_and_the_card_counts_the_passes() -> None:
    model, loss_fn = small(), nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inspector = watched(model, LossMetrics(loss_fn=loss_fn), ParameterGradientGeometry(parameters="weight"))
    expected = []
    for i, (x, y) in enumerate(loader(), start=1):
        (loss_fn(model(x), y) / 5).backward()
        if i % 5 == 0:
            expected.append(model[0].weight.grad.double().norm().item())  # type: ignore[union-attr,operator]
            optimizer.step()
            optimizer.zero_grad()
    inspector.detach()
    series = inspector.history["Weight Gradient Norm"]
    assert series.steps.tolist() == [0, 1]
    np.testing.assert_allclose(series.values[:, series.modules.index("0")], expected, rtol=1e-6)
    assert ["forward passes per step", "5"] in inspector.cards["timing"].content["facts"]


def test_several_models_in_one_loop_have_inspectors_and_steps_of_their_own() -> None:
    models = [small(), small()]
    optimizers = [torch.optim.SGD(model.parameters(), lr=0.1) for model in models]
    inspectors = [watched(model, OutputNorm()) for model in models]
    for i, (x, y) in enumerate(loader()):
        for k, (model, optimizer) in enumerate(zip(models, optimizers, strict=True)):
            if k == 0 or i % 2:
                optimizer.zero_grad()
                nn.functional.mse_loss(model(x), y).backward()
                optimizer.step()
    assert [inspector.status().step for inspector in inspectors] == [10, 5]
    assert [inspector.history["Output Norm"].rows for inspector in inspectors] == [10, 5]


# ---------------------------------------------------------------------- precision


def test_N39_autocast_is_read_in_float32() -> None:
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    inspector, outputs = watched(model, OutputNorm()), []
    handle = model[0].register_forward_hook(lambda module, args, output: outputs.append(output.detach()))
    for x, y in loader():
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
    handle.remove()
    series = inspector.history["Output Norm"]
    assert outputs[0].dtype is torch.bfloat16
    expected = [output.double().norm(dim=1).mean().item() for output in outputs]
    np.testing.assert_allclose(series.values[:, series.modules.index("0")], expected, rtol=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_N39_statistics_of_a_narrow_model_are_accumulated_in_float32(dtype: torch.dtype) -> None:
    """A sum over 40000 equal squares stands still in these types long before its end."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 20_000), nn.Linear(20_000, 2)).to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0078125)
    inspector = watched(
        model,
        OutputNorm(),
        ParameterNorm(),
        ParameterGradientGeometry(parameters="weight"),
        ParameterUpdateGeometry(parameters="weight"),
    )
    expected: dict[str, list[float]] = {"Output Norm": [], "Weight Norm": [], "Weight Gradient Norm": []}
    expected["Weight Update Norm"] = []
    layer = model[0]
    assert isinstance(layer, nn.Linear) and layer.weight.dtype is dtype
    layer.register_forward_hook(
        lambda module, args, output: expected["Output Norm"].append(output.double().norm(dim=1).mean().item())
    )
    for x, y in loader(6, dtype=dtype):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        assert layer.weight.grad is not None
        expected["Weight Gradient Norm"].append(layer.weight.grad.double().norm().item())
        before = layer.weight.detach().clone()
        optimizer.step()
        expected["Weight Norm"].append(layer.weight.detach().double().norm().item())
        expected["Weight Update Norm"].append((layer.weight.detach().float() - before.float()).double().norm().item())
    for tag, values in expected.items():
        series = inspector.history[tag]
        np.testing.assert_allclose(series.values[:, series.modules.index("0")], values, rtol=1e-5, err_msg=tag)


# ---------------------------------------------------------------------- where the numbers are made


def test_N09_N35_numbers_stay_on_the_tensors_device_until_the_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is moved or brought to the host before; device-agnostic code is what torch computes where tensors are.

    The same is counted in tests/inspector/test_steps.py (one copy a step) and tests/inspector/test_cuda.py (a GPU).
    """
    moved: list[str] = []
    batches = list(loader())
    for name in ("cpu", "cuda", "item", "tolist", "numpy", "__float__", "__bool__"):
        plain = getattr(torch.Tensor, name)

        def noted(tensor: Any, *args: Any, _plain: Any = plain, _name: str = name, **more: Any) -> Any:
            moved.append(_name)
            return _plain(tensor, *args, **more)

        monkeypatch.setattr(torch.Tensor, name, noted)
    model = small()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inspector = watched(model, *PyTorchInspector(visualizer="dummy").lenses)
    inspector._due_s = float("inf")  # no transfer within the loop
    for x, y in batches:
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
    assert moved == []
    monkeypatch.undo()
    assert inspector.history["Output Norm"].rows == 10
