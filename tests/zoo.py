"""Awkward models: each with inputs and a loss, for tests that must hold for all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint


@dataclass(frozen=True)
class Animal:
    """A model, a batch for it, and a loss of its output."""

    make: Callable[[], nn.Module]
    batch: Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]
    loss: Callable[[Any], Tensor]

    def step(self, model: nn.Module) -> Tensor:
        """Forward and backward of one batch."""
        args, kwargs = self.batch()
        loss = self.loss(model(*args, **kwargs))
        loss.backward()
        return loss.detach()


class FunctionalRelu(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.relu(self.fc1(x)))


class InPlaceResidual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.bn, self.relu = nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.bn(self.conv1(x)))
        y = self.conv2(x)
        y += x
        return F.relu_(y)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x)[0]


class DictOutput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)
        self.head = _DictHead()

    def forward(self, x: Tensor) -> dict[str, Any]:
        return self.head(self.inner(x))


class _DictHead(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Any]:
        return {"logits": x * 2, "nothing": None, "ids": torch.arange(3), "nested": (x[0], [x.sum()])}


@dataclass
class Result:
    hidden: Tensor
    label: str


class _DataclassHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Result:
        return Result(x * self.scale, "x")


class KeywordOnly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, *, x: Tensor) -> Tensor:
        return self.fc(input=x)


class Reused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.again = self.fc

    def forward(self, x: Tensor) -> Tensor:
        return self.again(torch.tanh(self.fc(x)))


class OneDimensional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.flat = nn.Linear(4, 1), nn.Flatten(0)

    def forward(self, x: Tensor) -> Tensor:
        return self.flat(self.fc(x))


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4, dtype=torch.complex64)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.to(torch.complex64))


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(4, 1)
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        return self.head(checkpoint(self.block, x.requires_grad_(), use_reentrant=self.reentrant))


class SharedStep(nn.Module):
    """A recurrence: the cell runs several times in one forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(len(x), 4)
        for _ in range(3):
            h = self.cell(x, h)
        return h


class SparseEmbedding(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4, sparse=True)

    def forward(self, ids: Tensor) -> Tensor:
        return self.embedding(ids).sum(1)


def _tensor(*shape: int) -> Callable[[], tuple[tuple[Any, ...], dict[str, Any]]]:
    return lambda: ((torch.randn(*shape),), {})


def _square(output: Tensor) -> Tensor:
    return output.abs().pow(2).mean()


def _frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
    model[0].requires_grad_(False)
    return model


def _tied() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh(), nn.Linear(4, 4, bias=False))
    model[2].weight = model[0].weight
    return model


def _encoder() -> nn.Module:
    return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)


def _scripted() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 4), torch.jit.trace(nn.Tanh(), torch.zeros(1, 4)), nn.Linear(4, 1))


ZOO: dict[str, Animal] = {
    "single": Animal(lambda: nn.Linear(4, 2), _tensor(6, 4), _square),
    "mlp_dropout": Animal(
        lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1)), _tensor(6, 4), _square
    ),
    "functional_relu": Animal(FunctionalRelu, _tensor(6, 4), _square),
    "in_place": Animal(InPlaceResidual, _tensor(3, 1, 5, 5), _square),
    "lstm": Animal(lambda: nn.LSTM(4, 3, 2), _tensor(5, 2, 4), lambda out: _square(out[0])),
    "attention": Animal(Attention, _tensor(2, 3, 8), _square),
    "encoder": Animal(_encoder, _tensor(2, 3, 8), _square),
    "dict": Animal(DictOutput, _tensor(6, 4), lambda out: _square(out["logits"])),
    "dataclass": Animal(
        lambda: nn.Sequential(nn.Linear(4, 4), _DataclassHead()), _tensor(6, 4), lambda out: _square(out.hidden)
    ),
    "keyword_only": Animal(KeywordOnly, lambda: ((), {"x": torch.randn(6, 4)}), _square),
    "reused": Animal(Reused, _tensor(6, 4), _square),
    "one_dimensional": Animal(OneDimensional, _tensor(6, 4), _square),
    "complex": Animal(Complex, _tensor(6, 4), _square),
    "checkpoint": Animal(lambda: Checkpointed(False), _tensor(6, 4), _square),
    "checkpoint_reentrant": Animal(lambda: Checkpointed(True), _tensor(6, 4), _square),
    "recurrence": Animal(SharedStep, _tensor(6, 4), _square),
    "sparse_gradient": Animal(SparseEmbedding, lambda: ((torch.randint(0, 10, (6, 2)),), {}), _square),
    "frozen": Animal(_frozen, _tensor(6, 4), _square),
    "tied": Animal(_tied, _tensor(6, 4), _square),
    "lazy": Animal(lambda: nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(1)), _tensor(6, 3), _square),
    "weight_norm": Animal(
        lambda: nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 1)), _tensor(6, 4), _square
    ),
    "traced_part": Animal(_scripted, _tensor(6, 4), _square),
    "bfloat16": Animal(
        lambda: nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1)).to(torch.bfloat16),
        lambda: ((torch.randn(6, 4).to(torch.bfloat16),), {}),
        _square,
    ),
}
