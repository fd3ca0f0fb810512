"""Modules that run several times in a step, not at all, or again during backward."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.checkpoint import checkpoint

from .base import Scene, animal, batch, iterated, mlp, square, usual


class Reused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.again = self.fc

    def forward(self, x: Tensor) -> Tensor:
        return self.again(torch.tanh(self.fc(x)))


@animal
def reused() -> Scene:
    """One module has two names and runs twice in a forward pass."""
    return usual(Reused(), batch(6, 4))


class SharedStep(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        h = torch.zeros(len(x), 4, dtype=x.dtype)
        for _ in range(3):
            h = self.cell(x, h)
        return h


@animal
def recurrence() -> Scene:
    """A cell runs three times in one forward pass."""
    return usual(SharedStep(), batch(6, 4))


class ManyCalls(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(20):
            x = x + self.fc(x).tanh()
        return x


@animal
def many_calls() -> Scene:
    """A layer runs twenty times in one forward pass."""
    return usual(ManyCalls(), batch(3, 4))


class Ragged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(int(torch.randint(1, 5, ()))):
            x = self.fc(x).tanh()
        return x


@animal
def ragged_calls() -> Scene:
    """A layer runs one to four times, by chance."""
    return usual(Ragged(), batch(3, 4))


@animal
def siamese() -> Scene:
    """The root runs twice before one backward pass: both outputs make the loss."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        loss = square(model(torch.randn(6, 4)) - model(torch.randn(6, 4)))
        loss.backward()
        optimizer.step()
        return loss

    return iterated(model, iterate)


class Tree(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor, depth: int = 2) -> Tensor:
        x = self.fc(x).tanh()
        return x if depth == 0 else self(x[:, :], depth - 1) + self(x * 2, depth - 1)


@animal
def recursion() -> Scene:
    """The root calls itself, twice at each depth."""
    return usual(Tree(), batch(6, 4))


class Parts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = nn.Linear(4, 3), nn.Linear(3, 4)


@animal
def parts_only() -> Scene:
    """The root is never called, only its parts, one of them twice."""
    model = Parts()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        x = torch.randn(6, 4)
        optimizer.zero_grad()
        loss = square(model.decoder(model.encoder(model.decoder(model.encoder(x)))))
        loss.backward()
        optimizer.step()
        return loss

    return iterated(model, iterate)


class Stochastic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            if torch.rand(()) < 0.6:
                x = x + block(x).tanh()
        return x + self.blocks[0](x)


@animal
def stochastic_depth() -> Scene:
    """Blocks are skipped by chance, and have no gradient then."""
    return usual(Stochastic(), batch(6, 4))


@animal
def forward_alone() -> Scene:
    """A forward pass in training mode without a backward pass stands between the steps."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.2), nn.Linear(4, 1))

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        model(torch.randn(6, 4))
        loss = square(model(torch.randn(6, 4)))
        loss.backward()
        optimizer.step()
        model(torch.randn(6, 4))
        return loss

    return iterated(model, iterate)


class Checkpointed(nn.Module):
    def __init__(self, reentrant: bool) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Dropout(0.3))
        self.head = nn.Linear(4, 1)
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        return self.head(checkpoint(self.block, x.requires_grad_(), use_reentrant=self.reentrant))


@animal
def checkpoint_() -> Scene:
    """A block with dropout runs again during the backward pass."""
    return usual(Checkpointed(False), batch(6, 4))


@animal
def checkpoint_reentrant() -> Scene:
    """A block first runs without gradients, and again during backward, in a backward pass of its own."""
    return usual(Checkpointed(True), batch(6, 4))


class CheckpointedShared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = checkpoint(self.fc, self.fc(x), use_reentrant=False)
        return checkpoint(lambda h: self.fc(h).tanh(), x, use_reentrant=False)


@animal
def checkpoint_shared() -> Scene:
    """A layer runs once outside of checkpoints and in two of them."""
    return usual(CheckpointedShared(), batch(6, 4))


class CheckpointedTwice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self._outer, x, use_reentrant=False)

    def _outer(self, x: Tensor) -> Tensor:
        return checkpoint(self.inner, self.outer(x).tanh(), use_reentrant=False)


@animal
def checkpoint_nested() -> Scene:
    """A checkpoint within a checkpoint."""
    return usual(CheckpointedTwice(), batch(6, 4))
