"""Mixed and other precision, and gradients that are changed between backward and step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .base import Scene, animal, batch, iterated, mlp, momentum, square, usual

Make = Callable[[nn.Module], Optimizer]


def scaled(make: Make = momentum, huge: Callable[[int], bool] = lambda i: False, clip: bool = False) -> Scene:
    """Scene with float16 autocast and a gradient scaler; where `huge`, the loss makes gradients infinite."""
    model = mlp()

    def begin(model: nn.Module) -> tuple[Any, ...]:
        return make(model), torch.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=10)

    def iterate(made: tuple[Any, ...], i: int) -> Tensor:
        optimizer, scaler = made
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.float16):
            loss = square(model(torch.randn(6, 4)).float())
        scaler.scale(loss * 1e38 if huge(i) else loss).backward()
        if clip:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(model.parameters(), 0.1)
        scaler.step(optimizer)
        scaler.update()
        return loss

    return iterated(model, iterate, begin)


@animal
def grad_scaler() -> Scene:
    """Float16 autocast, and gradients that are scaled by a factor which grows."""
    return scaled()


@animal
def grad_scaler_skip() -> Scene:
    """Every seventh gradient is infinite, and the scaler skips the step."""
    return scaled(huge=lambda i: i % 7 == 3)


@animal
def grad_scaler_clip() -> Scene:
    """Gradients are unscaled by hand, and clipped, before the scaler steps; some are infinite."""
    return scaled(huge=lambda i: i % 7 == 3, clip=True)


@animal
def grad_scaler_fused() -> Scene:
    """The fused optimizer unscales by itself, and is called for steps that it then does not make."""
    make = lambda model: torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)  # noqa: E731
    return scaled(make, huge=lambda i: i % 7 == 3)


@animal
def grad_scaler_accumulation() -> Scene:
    """Scaled gradients of three micro-batches add up before the step."""
    model = mlp()

    def begin(model: nn.Module) -> tuple[Any, ...]:
        return momentum(model), torch.amp.GradScaler("cpu", init_scale=1024.0)

    def iterate(made: tuple[Any, ...], i: int) -> Tensor:
        optimizer, scaler = made
        optimizer.zero_grad()
        for _ in range(3):
            with torch.autocast("cpu", torch.float16):
                loss = square(model(torch.randn(6, 4)).float()) / 3
            scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        return loss

    return iterated(model, iterate, begin)


@animal
def autocast() -> Scene:
    """Bfloat16 autocast around forward and loss."""
    model = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 1))

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = square(model(torch.randn(6, 4)))
        loss.backward()
        optimizer.step()
        return loss

    return iterated(model, iterate)


class PartlyCast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cast, self.full = nn.Linear(4, 8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            h = self.cast(x).relu()
        with torch.autocast("cpu", enabled=False):
            return self.full(h.float())


@animal
def autocast_inside() -> Scene:
    """Autocast begins and ends within the forward pass, around one layer."""
    return usual(PartlyCast(), batch(6, 4))


@animal
def bfloat16() -> Scene:
    """Parameters, outputs and gradients are bfloat16 throughout."""
    return usual(mlp().to(torch.bfloat16), lambda: torch.randn(6, 4).to(torch.bfloat16))


@animal
def float16() -> Scene:
    """Parameters, outputs and gradients are float16 throughout, and large: their squares overflow."""
    return usual(mlp().to(torch.float16), lambda: 200 * torch.randn(6, 4).half(), lambda out: square(out.float() / 200))


@animal
def float64() -> Scene:
    """Everything is float64."""
    return usual(mlp().double(), lambda: torch.randn(6, 4).double())


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.low, self.high = nn.Linear(4, 8).to(torch.bfloat16), nn.Linear(8, 1).double()

    def forward(self, x: Tensor) -> Tensor:
        return self.high(self.low(x.to(torch.bfloat16)).double())


@animal
def mixed_types() -> Scene:
    """One layer is bfloat16, the other float64."""
    return usual(Mixed(), batch(6, 4))


def clipped(clip: Callable[[Any], Any]) -> Scene:
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        loss = square(model(torch.randn(6, 4)))
        loss.backward()
        clip(model.parameters())
        optimizer.step()
        return loss

    return iterated(model, iterate)


@animal
def clipped_norm() -> Scene:
    """Gradients are clipped by their norm between backward and step."""
    return clipped(lambda parameters: nn.utils.clip_grad_norm_(parameters, 0.05))


@animal
def clipped_value() -> Scene:
    """Gradients are clipped by value between backward and step."""
    return clipped(lambda parameters: nn.utils.clip_grad_value_(parameters, 0.01))


@animal
def nan_once() -> Scene:
    """In one iteration gradients are NaN, and the loop drops them by hand."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        loss = square(model(torch.randn(6, 4))) * (float("nan") if i == 5 else 1.0)
        loss.backward()
        for parameter in model.parameters():
            parameter.grad.nan_to_num_(0.0)
        optimizer.step()
        return loss

    return iterated(model, iterate)


@animal
def nan_forever() -> Scene:
    """From the thirtieth iteration on everything is NaN."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        loss = square(model(torch.randn(6, 4))) * (float("inf") if i == 30 else 1.0)
        loss.backward()
        optimizer.step()
        return loss

    return iterated(model, iterate)
