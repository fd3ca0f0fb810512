"""Optimizers of every make, and what loops do with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .base import Scene, animal, batch, iterated, mlp, momentum, square, usual


@animal
def plain() -> Scene:
    """SGD one parameter at a time."""
    return usual(mlp(), batch(6, 4), make=lambda model: torch.optim.SGD(model.parameters(), lr=0.05, foreach=False))


@animal
def foreach() -> Scene:
    """SGD on lists of parameters."""
    make = lambda model: torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, foreach=True)  # noqa: E731
    return usual(mlp(), batch(6, 4), make=make)


@animal
def fused() -> Scene:
    """Adam in one kernel."""
    return usual(mlp(), batch(6, 4), make=lambda model: torch.optim.Adam(model.parameters(), lr=0.01, fused=True))


@animal
def adamw() -> Scene:
    """AdamW with two groups, one without weight decay."""

    def make(model: nn.Module) -> Optimizer:
        kinds = [[p for p in model.parameters() if (p.ndim > 1) == matrix] for matrix in (True, False)]
        return torch.optim.AdamW([{"params": kinds[0]}, {"params": kinds[1], "weight_decay": 0.0}], lr=0.01)

    return usual(mlp(), batch(6, 4), make=make)


@animal
def maximize() -> Scene:
    """The optimizer climbs, and Nesterov's momentum changes gradients."""

    def make(model: nn.Module) -> Optimizer:
        return torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True, maximize=True)

    return usual(mlp(), batch(6, 4), lambda out: -square(out), make)


def _closed(model: nn.Module, make: Callable[[nn.Module], Optimizer]) -> Scene:
    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        x = torch.randn(6, 4)

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = square(model(x))
            loss.backward()
            return loss

        return torch.as_tensor(optimizer.step(closure))

    return iterated(model, iterate, make)


@animal
def lbfgs() -> Scene:
    """The step calls a closure several times."""
    return _closed(mlp(), lambda model: torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3))


@animal
def sgd_closure() -> Scene:
    """Forward and backward are within the step of a usual optimizer, as some frameworks have it."""
    return _closed(mlp(), momentum)


@animal
def sparse_gradient() -> Scene:
    """The gradient of an embedding is sparse."""
    return usual(
        Embedded(),
        lambda: torch.randint(0, 10, (6, 2)),
        make=lambda model: torch.optim.SGD(model.parameters(), lr=0.05),
    )


class Embedded(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4, sparse=True)

    def forward(self, ids: Tensor) -> Tensor:
        return self.embedding(ids).sum(1)


@animal
def sparse_adam() -> Scene:
    """SparseAdam takes the sparse gradients, SGD the dense ones."""
    model = nn.Sequential(Embedded(), nn.Linear(4, 1))

    def make(model: nn.Module) -> tuple[Optimizer, Optimizer]:
        return torch.optim.SparseAdam(model[0].parameters(), lr=0.01), momentum(model[1])

    def iterate(both: tuple[Optimizer, Optimizer], i: int) -> Tensor:
        model.zero_grad()
        loss = square(model(torch.randint(0, 10, (6, 2))))
        loss.backward()
        for optimizer in both:
            optimizer.step()
        return loss

    return iterated(model, iterate, make)


@animal
def zeroed_gradients() -> Scene:
    """Gradients are zeroed rather than dropped: the tensors stay the same."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad(set_to_none=False)
        loss = square(model(torch.randn(6, 4)))
        loss.backward()
        optimizer.step()
        return loss

    return iterated(model, iterate)


@animal
def shared_parameters() -> Scene:
    """Two optimizers step the same parameters, one after the other."""
    model = mlp()

    def make(model: nn.Module) -> tuple[Optimizer, Optimizer]:
        return momentum(model), torch.optim.Adam(model.parameters(), lr=0.01)

    def iterate(both: tuple[Optimizer, Optimizer], i: int) -> Tensor:
        both[i % 2].zero_grad()
        loss = square(model(torch.randn(6, 4)))
        loss.backward()
        both[i % 2].step()
        if i % 5 == 0:
            both[1 - i % 2].step()
        return loss

    return iterated(model, iterate, make)


@animal
def group_added() -> Scene:
    """The optimizer begins with the head alone; the rest joins later as a group."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        if i == 10:
            optimizer.add_param_group({"params": model[0].parameters(), "lr": 0.01})
        model.zero_grad()
        loss = square(model(torch.randn(6, 4)))
        loss.backward()
        optimizer.step()
        return loss

    return iterated(model, iterate, lambda model: momentum(model[2]))


@animal
def scheduled() -> Scene:
    """A scheduler wraps the optimizer's step."""
    model = mlp()

    def make(model: nn.Module) -> list[Any]:
        optimizer = momentum(model)
        return [optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=200)]

    def iterate(made: list[Any], i: int) -> Tensor:
        made[0].zero_grad()
        loss = square(model(torch.randn(6, 4)))
        loss.backward()
        made[0].step()
        made[1].step()
        return loss

    return iterated(model, iterate, make)


@animal
def step_in_backward() -> Scene:
    """Each parameter has an optimizer of its own, which steps during the backward pass."""
    model = mlp()

    def make(model: nn.Module) -> tuple[Optimizer, ...]:
        made = {parameter: torch.optim.SGD([parameter], lr=0.05, momentum=0.9) for parameter in model.parameters()}

        def step(parameter: Tensor) -> None:
            made[parameter].step()
            made[parameter].zero_grad()

        for parameter in made:
            parameter.register_post_accumulate_grad_hook(step)
        return tuple(made.values())

    def iterate(made: tuple[Optimizer, ...], i: int) -> Tensor:
        loss = square(model(torch.randn(6, 4)))
        loss.backward()
        return loss

    return iterated(model, iterate, make)


class Signs(Optimizer):
    """An optimizer of one's own."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.001})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.add_(parameter.grad.sign(), alpha=-group["lr"])
                self.state[parameter]["sign"] = parameter.grad.sign_()


@animal
def own_optimizer() -> Scene:
    """An optimizer of one's own overwrites gradients while it steps."""
    return usual(mlp(), batch(6, 4), make=lambda model: Signs(model.parameters()))
