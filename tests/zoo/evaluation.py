"""Passes that do not train stand between those that do; steps that are thought better of; models that change."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .base import Scene, animal, batch, iterated, mlp, momentum, square


def dropped() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 1))


def stepped(model: nn.Module, optimizer: Optimizer, rows: int = 6) -> Tensor:
    """One usual step."""
    optimizer.zero_grad()
    loss = square(model(torch.randn(rows, 4)))
    loss.backward()
    optimizer.step()
    return loss


@animal
def evaluation_inside() -> Scene:
    """Every fifth step is followed by an evaluation on batches of another size."""
    model = dropped()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        loss = stepped(model.train(), optimizer)
        if i % 5 == 4:
            with torch.no_grad():
                model.eval()
                return sum(square(model(torch.randn(9, 4))) for _ in range(3))
        return loss

    return iterated(model, iterate)


@animal
def eval_with_gradients() -> Scene:
    """The model is in evaluation mode all the time, and trains."""
    model = dropped().eval()
    return iterated(model, lambda optimizer, i: stepped(model, optimizer))


@animal
def inference_between() -> Scene:
    """Between forward and backward the model predicts in inference mode."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        loss = square(model(torch.randn(6, 4)))
        with torch.inference_mode():
            model(torch.randn(3, 4))
        loss.backward()
        optimizer.step()
        return loss

    return iterated(model, iterate)


class Distilled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.student = mlp()
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            target = self.teacher(x)
        return self.student(x) - target


@animal
def teacher() -> Scene:
    """Within the model a frozen teacher runs without gradients, and becomes the mean of the students."""
    model = Distilled()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        loss = stepped(model, optimizer)
        with torch.no_grad():
            for mean, new in zip(model.teacher.parameters(), model.student.parameters(), strict=True):
                mean.lerp_(new, 0.1)
        return loss

    return iterated(model, iterate, lambda model: momentum(model.student))


@animal
def discarded() -> Scene:
    """Every fourth batch is thought better of: gradients are thrown away without a step."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        loss = square(model(torch.randn(6, 4)))
        loss.backward()
        if i % 4 != 3:
            optimizer.step()
        return loss

    return iterated(model, iterate)


@animal
def replaced_module() -> Scene:
    """The head is replaced by a wider one during training, with a new optimizer."""
    model = mlp()

    def iterate(made: list[Optimizer], i: int) -> Tensor:
        if i == 25:
            model[2] = nn.Linear(8, 2)
        if i in (0, 25):
            made[:] = [momentum(model)]
        return stepped(model, made[0])

    return iterated(model, iterate, lambda model: [])


@animal
def added_module() -> Scene:
    """A layer is appended during training, and its parameters join the optimizer as a group."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        if i == 20:
            model.append(nn.Linear(1, 1))
            optimizer.add_param_group({"params": model[-1].parameters(), "lr": 0.01})
        return stepped(model, optimizer)

    return iterated(model, iterate)


@animal
def removed_module() -> Scene:
    """A layer is taken out during training; the optimizer still holds it."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1))

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        if i == 20:
            del model[1]
        return stepped(model, optimizer)

    return iterated(model, iterate)


@animal
def unfrozen() -> Scene:
    """Layers are frozen at first, and set free one after another."""
    model = mlp().requires_grad_(False)

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        if i in (0, 20):
            model[2 if i == 0 else 0].requires_grad_(True)
        return stepped(model, optimizer)

    return iterated(model, iterate)


@animal
def weights_restored() -> Scene:
    """Weights go back to an earlier state in between, by load_state_dict."""
    model = dropped()
    kept: dict[str, Any] = {}

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        if i % 10 == 3:
            kept.update(copy.deepcopy(model.state_dict()))
        if i % 10 == 8:
            model.load_state_dict(kept)
        return stepped(model, optimizer)

    return iterated(model, iterate)


@animal
def hard_samples() -> Scene:
    """The batch is chosen by a forward pass without gradients in training mode."""
    model = dropped()
    draw = batch(12, 4)

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        x = draw()
        with torch.no_grad():
            worst = model(x).flatten().topk(6).indices
        optimizer.zero_grad()
        loss = square(model(x[worst]))
        loss.backward()
        optimizer.step()
        return loss

    return iterated(model, iterate)
