"""On a GPU nothing waits for the device; these tests need one."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector

from ..zoo.watching import every_lens

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def conv() -> nn.Module:
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(4096, 4),
    ]
    return nn.Sequential(*layers).cuda()


def train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    x, loss_fn = torch.randn(8, 3, 16, 16, device="cuda"), nn.MSELoss()
    y = torch.zeros(8, 4, device="cuda")
    for _ in range(steps):
        optimizer.zero_grad()
        loss_fn(model(x), y).backward()
        optimizer.step()


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_a_step_with_all_lenses_never_waits_for_the_device(kind: type[torch.optim.Optimizer]) -> None:
    model = conv()
    inspector = PyTorchInspector(every_lens(), module=model, visualizer="dummy", strict=True, every=1)
    optimizer = kind(model.parameters(), lr=1e-3)  # type: ignore[call-arg]
    train(model, optimizer, 3)  # what is made once may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        train(model, optimizer, 20)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert inspector.history["Output Norm"].rows == 23


def test_no_activation_is_held() -> None:
    def peak(watched: bool) -> int:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        model = conv()
        inspector = PyTorchInspector(every_lens(), module=model, visualizer="dummy", every=1) if watched else None
        train(model, torch.optim.SGD(model.parameters(), lr=0.1), 20)
        del inspector
        return torch.cuda.max_memory_allocated()

    activation = 8 * 16 * 16 * 16 * 4
    # copies of output gradients and parameters, and scratch memory, but nothing that grows with the steps
    assert peak(watched=True) - peak(watched=False) < 20 * activation


def test_numbers_are_those_of_the_cpu() -> None:
    def norms(device: str) -> torch.Tensor:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).to(device)
        inspector = PyTorchInspector(every_lens(), module=model, visualizer="dummy", strict=True, every=1)
        optimizer, x = torch.optim.SGD(model.parameters(), lr=0.1), torch.ones(3, 4, device=device)
        for _ in range(5):
            optimizer.zero_grad()
            model(x).pow(2).mean().backward()
            optimizer.step()
        return torch.cat([torch.from_numpy(inspector.history[tag].values).flatten() for tag in inspector.history.tags])

    torch.testing.assert_close(norms("cuda"), norms("cpu"), rtol=1e-3, atol=1e-5, equal_nan=True)
