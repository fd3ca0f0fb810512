"""Loops: accumulation, several models or backward passes, evaluation in between, steps without an optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .base import Scene, Tick, animal, iterated, mlp, momentum, square


def accumulated(micro_batches: Callable[[int], int], divide: bool) -> Scene:
    """Scene that accumulates over as many micro-batches as `micro_batches` says of an iteration."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        total, k = torch.zeros(()), micro_batches(i)
        for _ in range(k):
            loss = square(model(torch.randn(6, 4))) / (k if divide else 1)
            loss.backward()
            total += loss.detach()
        optimizer.step()
        return total

    return iterated(model, iterate)


@animal
def accumulation() -> Scene:
    """Four micro-batches a step, each loss divided by four."""
    return accumulated(lambda i: 4, divide=True)


@animal
def accumulation_sum() -> Scene:
    """Four micro-batches a step, whose losses are added up."""
    return accumulated(lambda i: 4, divide=False)


@animal
def accumulation_shorter() -> Scene:
    """Micro-batches in groups of four; every third group, the epoch's last, has only two."""
    return accumulated(lambda i: 2 if i % 3 == 2 else 4, divide=True)


@animal
def several_backwards() -> Scene:
    """Two losses of two forward passes have a backward pass each, then comes the step."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        first, second = square(model(torch.randn(6, 4))), square(model(torch.randn(3, 4)))
        second.backward()
        first.backward()
        optimizer.step()
        return first + second

    return iterated(model, iterate)


@animal
def retain_graph() -> Scene:
    """Two backward passes go through the graph of one forward pass."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        out = model(torch.randn(6, 4))
        first, second = square(out), out.abs().mean()
        first.backward(retain_graph=True)
        second.backward()
        optimizer.step()
        return first + second

    return iterated(model, iterate)


@animal
def gradient_penalty() -> Scene:
    """The gradient of the output is part of the loss: a backward pass through a backward pass."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        x = torch.randn(6, 4, requires_grad=True)
        out = model(x)
        (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
        loss = square(out) + 0.1 * (slope.norm(dim=1) - 1).pow(2).mean()
        loss.backward()
        optimizer.step()
        return loss

    return iterated(model, iterate)


@animal
def no_optimizer() -> Scene:
    """The loop takes its steps by itself, and says so with a tick."""
    model = mlp()

    def loop(tick: Tick) -> Iterator[Tensor]:
        while True:
            loss = square(model(torch.randn(6, 4)))
            loss.backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= 0.05 * parameter.grad
                    parameter.grad = None
            tick()
            yield loss.detach()

    return Scene(model, loop)


@animal
def gradients_by_hand() -> Scene:
    """Gradients come from torch.autograd.grad and are written into grad."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        loss = square(model(torch.randn(6, 4)))
        parameters = list(model.parameters())
        for parameter, grad in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
            parameter.grad = grad * 0.5
        optimizer.step()
        return loss

    return iterated(model, iterate)


class Gan(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 4))
        self.critic = nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.1), nn.Linear(8, 1))


def _two(model: Gan) -> tuple[Optimizer, Optimizer]:
    return torch.optim.Adam(model.critic.parameters(), lr=0.01), torch.optim.SGD(model.generator.parameters(), lr=0.01)


@animal
def gan() -> Scene:
    """Two optimizers of disjoint parameters take turns, and the critic is called on real and false samples."""
    model = Gan()

    def iterate(both: tuple[Optimizer, Optimizer], i: int) -> Tensor:
        of_critic, of_generator = both
        fake = model.generator(torch.randn(6, 2))
        of_critic.zero_grad()
        loss = model.critic(fake.detach()).mean() - model.critic(torch.randn(6, 4)).mean()
        loss.backward()
        of_critic.step()
        of_generator.zero_grad()
        (-model.critic(fake).mean()).backward()
        of_generator.step()
        return loss

    return iterated(model, iterate, _two)


@animal
def two_losses_first() -> Scene:
    """Two optimizers of disjoint parameters step right after each other, after one backward pass."""
    model = Gan()

    def iterate(both: tuple[Optimizer, Optimizer], i: int) -> Tensor:
        model.zero_grad()
        loss = square(model.critic(model.generator(torch.randn(6, 2))))
        loss.backward()
        for optimizer in both:
            optimizer.step()
        return loss

    return iterated(model, iterate, _two)


@animal
def two_models() -> Scene:
    """One optimizer steps this model and another one that nobody watches."""
    model, other = mlp(), nn.Linear(1, 1)

    def make(model: nn.Module) -> Optimizer:
        return torch.optim.SGD([*other.parameters(), *model.parameters()], lr=0.05, momentum=0.9)

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        loss = square(other(model(torch.randn(6, 4))))
        loss.backward()
        optimizer.step()
        return loss

    return iterated(model, iterate, make)


@animal(unfit={"exception": "it ends the thread, not the loop"})
def in_a_thread() -> Scene:
    """Each iteration runs in a thread of its own."""
    model = mlp()

    def train(optimizer: Any, losses: list[Tensor]) -> None:
        optimizer.zero_grad()
        losses.append(square(model(torch.randn(6, 4))))
        losses[0].backward()
        optimizer.step()

    def iterate(optimizer: Any, i: int) -> Tensor:
        losses: list[Tensor] = []
        thread = Thread(target=train, args=(optimizer, losses))
        thread.start()
        thread.join()
        return losses[0]

    return iterated(model, iterate, momentum)
