"""Models and whole set-ups for the tests of checks, and what of them can be compared to the last bit."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..zoo.same import all_bits


class Counting(nn.Module):
    """Plain attributes and a buffer that is made in the first forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.calls = 0
        self.seen: list[float] = []
        self.register_buffer("mean", torch.zeros(4), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen.append(float(x.detach().sum()))
        self.mean.mul_(0.9).add_(x.detach().mean(0))
        if "late" not in self._buffers:
            self.register_buffer("late", torch.ones(2))
        return self.linear(x)


class Tied(nn.Module):
    """One weight in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(4, 4), nn.Linear(4, 4)
        self.out.weight = self.into.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.into(x)))


def norms() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 4))
    model[2].eval()
    model[0].bias.requires_grad_(False)
    return model


def lazy() -> nn.Module:
    return nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d(), nn.Linear(8, 4))


MODELS: dict[str, Any] = {"norms": norms, "counting": Counting, "tied": Tied, "lazy": lazy}
OPTIMIZERS: dict[str, Any] = {
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9),
    "adam": lambda parameters: torch.optim.Adam(parameters, lr=0.01),
    "capturable": lambda parameters: torch.optim.Adam(parameters, lr=torch.tensor(0.01)),
}


@dataclass
class Setting:
    """A model in the middle of its training."""

    model: nn.Module
    optimizer: torch.optim.Optimizer | None = None
    others: list[Any] = field(default_factory=list)

    @property
    def state(self) -> dict[str, Any]:
        """Everything that can be told of it: values to the last bit, and which objects stand where."""
        model, optimizer = self.model, self.optimizer
        parameters, buffers = dict(model.named_parameters()), dict(model.named_buffers())
        plain = {name: {k: v for k, v in vars(m).items() if k != "training"} for name, m in model.named_modules()}
        return {
            "values": {name: bits.tolist() for name, bits in all_bits({**parameters, **buffers}).items()},
            "objects": {name: id(tensor) for name, tensor in (parameters | buffers).items()},
            "kinds": [type(module) for module in model.modules()] + [type(p) for p in parameters.values()],
            "gradients": {
                name: (id(p.grad), None if p.grad is None else p.grad.tolist()) for name, p in parameters.items()
            },
            "trained": {name: p.requires_grad for name, p in parameters.items()},
            "modes": [module.training for module in model.modules()],
            "hooks": [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()],
            "attributes": repr([(name, sorted(kept)) for name, kept in plain.items()]),
            "counters": [(getattr(m, "calls", None), list(getattr(m, "seen", []))) for m in model.modules()],
            "optimizer": None if optimizer is None else repr(optimizer.state_dict()),
            "optimizer's attributes": None if optimizer is None else sorted(vars(optimizer)),
            "others": [repr(other.state_dict()) for other in self.others],
            "random": (
                random.getstate(),
                repr(np.random.get_state()),  # noqa: NPY002
                torch.get_rng_state().tolist(),
            ),
            "enabled": torch.is_grad_enabled(),
        }


def trained(name: str, optimizer: str = "adam") -> Setting:
    """A model with one step behind it, gradients of the next one waiting; a lazy model is only made."""
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    model = MODELS[name]()
    if name == "lazy":
        return Setting(model)
    setting = Setting(model, OPTIMIZERS[optimizer](model.parameters()))
    for _ in range(2):
        model(torch.rand(6, 4)).pow(2).sum().backward()
        setting.optimizer.step()
    return setting


def batches(count: int = 4, size: int = 8) -> list[tuple[Tensor, Tensor]]:
    """Batches of a task with two classes that a small model learns fast."""
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(count, size, 4, generator=generator)
    return [(x, (x.sum(1) > 0).long()) for x in inputs]


def classifier() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
