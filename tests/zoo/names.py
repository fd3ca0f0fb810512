"""Modules of odd names and odd manners: attributes that raise, truth, equality, length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from .base import Scene, animal, batch, mlp, usual


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        keys = ["a#2", "layer[0]", "schön", "two words", "层", "<b>&", "", "%s{x}"]
        self.parts = nn.ModuleDict({key or "_": nn.Linear(4, 4) for key in keys})
        self._modules["with.a.dot"] = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts.values():
            x = part(x).tanh()
        return self._modules["with.a.dot"](x)


@animal(unfit={"double": "torch does not load what stands behind a name with a dot"})
def strange_names() -> Scene:
    """Names of modules with #, brackets, spaces, markup, other scripts, and a dot that separates nothing."""
    return usual(Named(), batch(6, 4))


class Clashing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)
        self.add_module("layer#2", nn.Linear(4, 4))
        self.add_module("layer[1]", nn.Linear(4, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(self.layer(x).tanh())
        return self._modules["layer[1]"](self._modules["layer#2"](x))


@animal
def clashing_names() -> Scene:
    """A layer runs twice, and others are called as its second call and second output would be."""
    return usual(Clashing(), batch(6, 4))


class Slotted(nn.Module):
    __slots__ = ("kept",)

    def __init__(self) -> None:
        super().__init__()
        self.kept, self.fc = 3, nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x) * self.kept


@animal(unfit={"copy": "torch leaves slots out of copies"})
def slots() -> Scene:
    """A module with __slots__ besides its dictionary."""
    return usual(nn.Sequential(Slotted(), nn.Linear(4, 1)), batch(6, 4))


class Proud(nn.Module):
    """Whoever looks at each attribute meets these."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    @property
    def weight(self) -> Tensor:
        raise RuntimeError("not before training")

    @property
    def bias(self) -> Tensor:
        raise ValueError("never")

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


@animal
def properties() -> Scene:
    """Properties called weight and bias that raise."""
    return usual(nn.Sequential(Proud(), nn.Linear(4, 1)), batch(6, 4))


class Delegating(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("inner"), name)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) * 2


@animal
def delegating() -> Scene:
    """A wrapper answers for every attribute of what it wraps: weight is not its own."""
    return usual(nn.Sequential(Delegating(nn.Linear(4, 4)), nn.Linear(4, 1)), batch(6, 4))


class Generous(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("__"):
                raise
            return lambda *args, **kwargs: None

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


@animal
def generous() -> Scene:
    """A module has every attribute that one asks for, each a function."""
    return usual(nn.Sequential(Generous(), nn.Linear(4, 1)), batch(6, 4))


class Empty(nn.Module):
    """False, without length, equal to nothing, not hashable by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def __len__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("incomparable")

    def __hash__(self) -> int:
        return 7

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = Empty(), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.first(x))


@animal
def falsy() -> Scene:
    """A module is false, and raises when it is compared."""
    return usual(Both(), batch(6, 4))


class Locked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)
        self.__dict__["locked"] = True

    def __setattr__(self, name: str, value: Any) -> None:
        if "locked" in self.__dict__ and name != "training":
            raise AttributeError(f"{name} can't be set")
        super().__setattr__(name, value)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x)


@animal
def locked() -> Scene:
    """A module lets no attribute be set once it is made."""
    return usual(nn.Sequential(Locked(), nn.Linear(4, 1)), batch(6, 4))


class Hidden(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.hidden = nn.Linear(4, 4), [nn.Linear(4, 1)]

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        yield from super().parameters(recurse)
        yield from self.hidden[0].parameters()

    def forward(self, x: Tensor) -> Tensor:
        return self.hidden[0](self.fc(x))


@animal
def hidden_layer() -> Scene:
    """A layer stands in a plain list: no submodule, but parameters() names its parameters."""
    return usual(Hidden(), batch(6, 4))


class Cyclic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = mlp()
        self.__dict__["me"] = self
        self.inner.__dict__["parent"] = self

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


@animal
def cyclic() -> Scene:
    """Modules refer to their parent and to themselves, so that only the garbage collector frees them."""
    return usual(Cyclic(), batch(6, 4))


class Direct(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.head = nn.Linear(4, 4), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(self.fc.forward(x).relu(), self.head.weight, self.head.bias)


@animal
def called_directly() -> Scene:
    """Layers are not called: one's forward is, of the other only weight and bias are used."""
    return usual(Direct(), batch(6, 4))
