"""Outputs that are stranger still: objects, endless lists, subclasses of tensors, views."""

from __future__ import annotations

import os
from collections import UserDict
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .base import Scene, animal, batch, square, usual
from .outputs import Returning


class Grumpy(UserDict):
    def items(self) -> Any:
        raise RuntimeError("no one shall know")

    keys = values = __iter__ = items


class GrumpyHead(nn.Module):
    def forward(self, x: Tensor) -> Grumpy:
        out = Grumpy()
        out.data["logits"] = x
        return out


@animal
def hostile_mapping() -> Scene:
    """A mapping that raises in items()."""
    return usual(Returning(GrumpyHead()), batch(6, 4), lambda out: square(out.data["logits"]))


class Box:
    """Holds a tensor, and has no way of being looked through."""

    def __init__(self, value: Tensor) -> None:
        self.value = value

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name} here")

    def __iter__(self) -> Iterator[Any]:
        raise RuntimeError("closed")


class BoxHead(nn.Module):
    def forward(self, x: Tensor) -> Box:
        return Box(x)


@animal
def custom_object() -> Scene:
    """An object of one's own, which raises RuntimeError for attributes that it lacks."""
    return usual(Returning(BoxHead()), batch(6, 4), lambda out: square(out.value))


class EndlessHead(nn.Module):
    def forward(self, x: Tensor) -> list[Any]:
        out: list[Any] = [x]
        out.append(out)
        return out


@animal
def endless_list() -> Scene:
    """A list that contains itself."""
    return usual(Returning(EndlessHead()), batch(6, 4), lambda out: square(out[1][1][0]))


class Named(Tensor):
    """A subclass of a tensor, as libraries for images have it."""


class NamedHead(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.as_subclass(Named)


@animal
def tensor_subclass() -> Scene:
    """The output is of a subclass of Tensor, and so is the loss."""
    return usual(Returning(NamedHead()), batch(6, 4), lambda out: square(out).as_subclass(Tensor))


class ExpandHead(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :1].expand(-1, 50)


@animal
def expanded_output() -> Scene:
    """The output is an expanded view: its elements share memory."""
    return usual(Returning(ExpandHead()), batch(6, 4))


class SameTwice(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


@animal
def same_twice() -> Scene:
    """One tensor stands twice in the output, and is the module's input as well."""
    return usual(Returning(SameTwice()), batch(6, 4), lambda out: square(out[0]) + square(out[1] * 2))


class ChunksHead(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return x.chunk(2, 1)


def _chunks(out: tuple[Tensor, ...]) -> Tensor:
    return (out[0].relu() * out[1]).sub(1).pow(2).mean()


@animal
def multi_view_output() -> Scene:
    """Views made by one call, which torch forbids to modify in place once a hook has looked at them wrongly."""
    return usual(Returning(ChunksHead()), batch(6, 4), _chunks)


class Outer(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {f"part {i}": x[:, i % 4] for i in range(40)}


@animal
def many_outputs() -> Scene:
    """Forty tensors in one output."""
    return usual(Returning(Outer()), batch(6, 4), lambda out: square(torch.stack(list(out.values()))))


@animal
def model_output() -> Scene:
    """GPT2 of transformers, tiny and untrained: a ModelOutput with a cache, keyword inputs, tied embeddings."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from transformers import GPT2Config, GPT2LMHeadModel  # late: it takes seconds

    sizes = {"vocab_size": 11, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2}
    model = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0))
    model.loss_type = "ForCausalLM"  # else a logger says that it chose it

    def words() -> dict[str, Tensor]:
        ids = torch.randint(0, 11, (2, 5))
        return {"input_ids": ids, "labels": ids}

    return usual(model, words, lambda out: out.loss)
