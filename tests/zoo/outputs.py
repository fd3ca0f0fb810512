"""Modules that return something else than one floating-point tensor of several dimensions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .base import Scene, animal, batch, iterated, mlp, square, usual


class Returning(nn.Module):
    """A linear layer, something that wraps its output, and a loss of what is inside."""

    def __init__(self, wrap: nn.Module) -> None:
        super().__init__()
        self.fc, self.wrap = nn.Linear(4, 4), wrap

    def forward(self, x: Tensor) -> Any:
        return self.wrap(self.fc(x))


class TupleHead(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.tanh(), x * 2


@animal
def tuple_output() -> Scene:
    """A module returns a tuple, the root too, and only its second part is used."""
    return usual(Returning(TupleHead()), batch(6, 4), lambda out: square(out[1]))


class ListHead(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        return [x[:, :2], x[:, 2:]]


@animal
def list_output() -> Scene:
    """A module returns a list of views."""
    return usual(Returning(ListHead()), batch(6, 4), lambda out: square(out[0]) + square(out[1]))


class DictHead(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Any]:
        return {"logits": x * 2, "nothing": None, "ids": torch.arange(3), "nested": (x[0], [x.sum()])}


@animal
def dict_() -> Scene:
    """A dictionary with None, integers, and nested tensors of fewer dimensions."""
    return usual(Returning(DictHead()), batch(6, 4), lambda out: square(out["logits"]))


class Pair(NamedTuple):
    mean: Tensor
    deviation: Tensor


class PairHead(nn.Module):
    def forward(self, x: Tensor) -> Pair:
        return Pair(x, x.exp())


@animal
def namedtuple() -> Scene:
    """A named tuple, as variational models return it."""
    return usual(Returning(PairHead()), batch(6, 4), lambda out: square(out.mean) + square(out.deviation))


@dataclass
class Result:
    hidden: Tensor
    label: str


class DataclassHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Result:
        return Result(x * self.scale, "x")


@animal
def dataclass_() -> Scene:
    """A dataclass with a string, from a module whose parameter is called scale."""
    return usual(nn.Sequential(nn.Linear(4, 4), DataclassHead()), batch(6, 4), lambda out: square(out.hidden))


class NestedHead(nn.Module):
    def forward(self, x: Tensor) -> Any:
        return {"a": [(x, None), {"b": (x * 2, [x[0], 3, "word"])}], 5: x.sum(1)}


@animal
def nested() -> Scene:
    """Tuples in lists in dictionaries, and a key that is a number."""
    return usual(Returning(NestedHead()), batch(6, 4), lambda out: square(out["a"][1]["b"][0]) + square(out[5]))


class Silent(nn.Module):
    """A module that only looks."""

    def forward(self, x: Tensor) -> None:
        self.seen = len(x)


class Looked(nn.Module):
    def __init__(self, look: nn.Module) -> None:
        super().__init__()
        self.fc, self.look, self.head = nn.Linear(4, 4), look, nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        self.look(x)
        return self.head(x)


@animal
def none_output() -> Scene:
    """A module returns None."""
    return usual(Looked(Silent()), batch(6, 4))


class Argmax(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.argmax(1)


@animal
def integer_output() -> Scene:
    """A module returns integers."""
    return usual(Looked(Argmax()), batch(6, 4))


class Positive(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x > 0


@animal
def boolean_output() -> Scene:
    """A module returns a mask."""
    return usual(Looked(Positive()), batch(6, 4))


class Words(nn.Module):
    def forward(self, x: Tensor) -> str:
        return "a word"


@animal
def text_output() -> Scene:
    """A module returns a string, which is a sequence of strings of itself."""
    return usual(Looked(Words()), batch(6, 4))


class Stream(nn.Module):
    def forward(self, x: Tensor) -> Iterator[Tensor]:
        return iter(x)


@animal
def iterator_output() -> Scene:
    """A module returns an iterator, of which nothing is left if someone else looks through it."""
    return usual(Returning(Stream()), batch(6, 4), lambda out: square(torch.stack(list(out))))


class SparseHead(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.relu().to_sparse()


@animal
def sparse_output() -> Scene:
    """A module returns a sparse tensor, whose gradient may be sparse too."""
    return usual(Returning(SparseHead()), batch(6, 4), lambda out: square(out.to_dense()))


@animal
def empty_batch() -> Scene:
    """Every third batch has no sample."""
    model = mlp()

    def iterate(optimizer: Any, i: int) -> Tensor:
        optimizer.zero_grad()
        loss = (model(torch.randn(0 if i % 3 == 2 else 6, 4)) - 1).pow(2).sum() / 6
        loss.backward()
        optimizer.step()
        return loss

    return iterated(model, iterate)


class OwnLoss(nn.Module):
    """The way of some libraries: the model computes its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.loss = nn.Linear(4, 1), nn.MSELoss()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.loss(self.fc(x), y)


@animal
def zero_dimensional() -> Scene:
    """The root returns its loss, a tensor without dimensions."""
    return usual(OwnLoss(), lambda: (torch.randn(6, 4), torch.randn(6, 1)), lambda out: out)


class OneDimensional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.flat = nn.Linear(4, 1), nn.Flatten(0)

    def forward(self, x: Tensor) -> Tensor:
        return self.flat(self.fc(x))


@animal
def one_dimensional() -> Scene:
    """The output has one dimension, that of the batch."""
    return usual(OneDimensional(), batch(6, 4))


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4, dtype=torch.complex64)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.to(torch.complex64))


@animal(unfit={"double": "a complex layer takes no real weights"})
def complex_() -> Scene:
    """Complex parameters, outputs and gradients."""
    return usual(Complex(), batch(6, 4))
