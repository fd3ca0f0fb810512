"""Parameters: frozen, tied, lazy, unused, empty, of odd names, or not where one looks for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .base import Scene, animal, batch, iterated, mlp, momentum, square, usual


@animal
def frozen() -> Scene:
    """The first layer takes no gradient."""
    model = mlp()
    model[0].requires_grad_(False)
    return usual(model, batch(6, 4))


@animal
def tied() -> Scene:
    """Two layers share a weight, with a bias of their own each."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    return usual(model, batch(6, 4))


@animal
def lazy() -> Scene:
    """Parameters have no shape before the first forward pass."""
    model = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(1))

    def make(model: nn.Module) -> Optimizer:
        with torch.no_grad():
            model(torch.randn(6, 3))
        return momentum(model)

    return usual(model, batch(6, 3), make=make)


class Vision(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls_token, self.scale = nn.Parameter(torch.zeros(1, 1, 4)), nn.Parameter(torch.tensor(0.5))
        self.pos_embed, self.head = nn.Parameter(torch.randn(1, 4, 4)), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        return self.head(x.mean(1)) * self.scale


@animal
def odd_names() -> Scene:
    """Parameters of the root itself: cls_token, pos_embed, and scale, which has no dimension."""
    return usual(Vision(), batch(6, 3, 4))


class Lists(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.ParameterList(torch.randn(4, 4) / 2 for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        for step in self.steps:
            x = torch.tanh(x @ step)
        return x


@animal
def parameter_list() -> Scene:
    """Parameters stand in a ParameterList, whose forward is never called."""
    return usual(Lists(), batch(6, 4))


class Dictionary(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ParameterDict({"left": torch.randn(4, 2), "right": torch.randn(4, 2)})

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.experts["left"] + x @ self.experts["right"]


@animal
def parameter_dict() -> Scene:
    """Parameters stand in a ParameterDict."""
    return usual(Dictionary(), batch(6, 4))


class HasUnused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused, self.other = nn.Linear(4, 1), nn.Linear(4, 3), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        self.other(x)
        return self.used(x)


@animal
def unused() -> Scene:
    """One layer is never called, another's output is thrown away: their gradients are None."""
    return usual(HasUnused(), batch(6, 4))


class HasEmpty(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.nothing = nn.Linear(4, 1), nn.Parameter(torch.empty(0, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) + (x @ self.nothing.T).sum()


@animal
def zero_size() -> Scene:
    """A parameter has no element, and a gradient of no element."""
    return usual(HasEmpty(), batch(6, 4))


@animal
def no_parameters_inside() -> Scene:
    """Most modules have no parameter: pooling, flattening, identity, an empty container."""
    model = nn.Sequential(nn.Identity(), nn.Sequential(), nn.AvgPool1d(2), nn.Flatten(), nn.Linear(4, 1))
    return usual(model, batch(6, 2, 4))


@animal
def one_element() -> Scene:
    """Layers of one element: no deviation, no direction, a condition number of one."""
    return usual(nn.Sequential(nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 1)), batch(1, 1))


@animal
def transposed() -> Scene:
    """A weight is not contiguous, and neither is its gradient."""
    model = mlp()
    model[0].weight = nn.Parameter(torch.randn(4, 8).T)
    return usual(model, batch(6, 4))


@animal
def views_of_one() -> Scene:
    """All parameters are views of one flat tensor, as some trainers keep them."""
    model = mlp()
    flat, begin = torch.cat([p.detach().flatten() for p in model.parameters()]), 0
    for parameter in model.parameters():
        parameter.data = flat[begin : begin + parameter.numel()].view_as(parameter)
        begin += parameter.numel()
    return usual(model, batch(6, 4))


@animal
def swapped_data() -> Scene:
    """The loop gives a parameter other data, and another parameter another object, in the middle of training."""
    model = mlp()

    def iterate(made: list[Any], i: int) -> Tensor:
        if i == 10:
            model[0].weight.data = model[0].weight.data.clone() * 0.9
        if i == 20:
            model[2].weight = nn.Parameter(model[2].weight.detach() * 0.9)
        if i in (0, 20):
            made[:] = [momentum(model)]
        made[0].zero_grad()
        loss = square(model(torch.randn(6, 4)))
        loss.backward()
        made[0].step()
        return loss

    return iterated(model, iterate, lambda model: [])


class Quantile(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("mean", torch.zeros(4), persistent=False)
        self.register_buffer("nothing", None)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        self.count += 1
        self.mean = 0.9 * self.mean + 0.1 * x.detach().mean(0)
        return x - self.mean


@animal
def buffers() -> Scene:
    """A forward pass counts in an integer buffer and replaces another; one buffer is None."""
    return usual(Quantile(), batch(6, 4))
