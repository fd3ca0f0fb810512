"""Layers that torch itself ships, with inputs and outputs of their own kind."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence
from torch.optim import Optimizer

from .base import Scene, animal, batch, iterated, square, usual


@animal
def single() -> Scene:
    """The root is the only module."""
    return usual(nn.Linear(4, 2), batch(6, 4))


@animal
def mlp_dropout() -> Scene:
    """Dropout draws random numbers."""
    return usual(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 1)), batch(6, 4))


class FunctionalRelu(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.relu(self.fc1(x)))


@animal
def functional_relu() -> Scene:
    """No activation is a module."""
    return usual(FunctionalRelu(), batch(6, 4))


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


@animal
def in_place() -> Scene:
    """In-place activation, residual and functional relu overwrite outputs; batch norm has buffers."""
    return usual(InPlaceResidual(), batch(3, 1, 5, 5))


class OverwritesInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.head = nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.fc(x)
        h[:, 0] = 0
        h.mul_(2)
        return self.head(h)


@animal
def overwritten_slice() -> Scene:
    """An output is overwritten in part, and scaled in place, after its module returned it."""
    return usual(OverwritesInput(), batch(6, 4))


@animal
def lstm() -> Scene:
    """A tuple within a tuple, and parameters called weight_ih_l0."""
    return usual(nn.LSTM(4, 3, 2), batch(5, 2, 4), lambda out: square(out[0]))


class Packed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(4, 3, bidirectional=True, batch_first=True), nn.Linear(6, 1)

    def forward(self, x: PackedSequence) -> Tensor:
        out, _ = self.rnn(x)
        return self.head(out.data)


@animal
def packed_sequence() -> Scene:
    """The input and the output of an LSTM are packed sequences."""
    lengths = torch.tensor([5, 3, 2])
    return usual(Packed(), lambda: (pack_padded_sequence(torch.randn(3, 5, 4), lengths, batch_first=True),))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x)[0]


@animal
def attention() -> Scene:
    """The submodule of attention is never called, and parameters are called in_proj_weight."""
    return usual(Attention(), batch(2, 3, 8))


def encoder_layer() -> nn.TransformerEncoderLayer:
    return nn.TransformerEncoderLayer(8, 2, 16, dropout=0.1, batch_first=True)


@animal
def encoder() -> Scene:
    """An encoder layer, whose activation is a function."""
    return usual(encoder_layer(), batch(2, 3, 8))


@animal
def encoder_evaluated() -> Scene:
    """An encoder layer that is evaluated between steps: torch then takes a fast path without its submodules."""
    model = encoder_layer()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        loss = square(model.train()(torch.randn(2, 3, 8)))
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            model.eval()(torch.randn(2, 3, 8))
        return loss

    return iterated(model, iterate)


@animal
def batch_norm() -> Scene:
    """A forward pass changes buffers, one of which is an integer."""
    return usual(nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1)), batch(6, 4))


class Clip(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * (x.abs() <= 1)


class Clipped(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Clip.apply(x)


@animal
def custom_function() -> Scene:
    """An activation with a backward of its own."""
    return usual(nn.Sequential(nn.Linear(4, 8), Clipped(), nn.Linear(8, 1)), batch(6, 4))


class Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad.neg_()


class Reversed(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return Reversal.apply(x)


@animal
def gradient_in_place() -> Scene:
    """A backward that overwrites the gradient it gets: who kept that gradient sees another."""
    return usual(nn.Sequential(nn.Linear(4, 8), Reversed(), nn.Tanh(), nn.Linear(8, 1)), batch(6, 4))


class KeywordOnly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 1)

    def forward(self, *, x: Tensor) -> Tensor:
        return self.fc(input=x)


@animal
def keyword_only() -> Scene:
    """Inputs are given by keyword, at the root and within."""
    return usual(KeywordOnly(), lambda: {"x": torch.randn(6, 4)})


class NoInput(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table, self.fc = nn.Parameter(torch.randn(3, 4)), nn.Linear(4, 1)

    def forward(self) -> Tensor:
        return self.fc(self.table)


@animal
def no_input() -> Scene:
    """The model is called without an input."""
    return usual(NoInput(), lambda: ())
