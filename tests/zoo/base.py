"""What an animal is: a model and the loop that trains it; and the parts that most of them share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Tick = Callable[[], None]
Loop = Callable[[Tick], Iterator[Tensor]]
Make = Callable[[nn.Module], Optimizer]
Iterate = Callable[[Any, int], Tensor]
Loss = Callable[[Any], Tensor]


@dataclass
class Scene:
    """A model, and the loop that trains it.

    Attributes
    ----------
    model : torch.nn.Module
        What is watched.
    loop : callable
        ``loop(tick)`` is an endless generator: each ``next()`` trains one iteration, of one or more optimizer steps,
        and yields the detached loss. Optimizers are made when it begins. It calls `tick` after steps that torch can't
        see. It can be begun anew.
    optimizers : list of torch.optim.Optimizer
        The loop appends what it makes.
    """

    model: nn.Module
    loop: Loop
    optimizers: list[Optimizer] = field(default_factory=list)


@dataclass(frozen=True)
class Animal:
    """A scene that can be built anew, with a line on what is awkward about it.

    Attributes
    ----------
    name : str
        Name of the function that builds it.
    awkward : str
        First line of its docstring.
    build : callable
        Makes a scene; it draws from torch's global generator.
    unfit : mapping
        Kind of test to the reason why it makes no sense here: ``"bfloat16"`` (the whole loop under autocast),
        ``"double"`` (``model.to(torch.float64)``, and loading a state), ``"exception"`` (one in the loop), ``"copy"``.
    """

    name: str
    awkward: str
    build: Callable[[], Scene]
    unfit: Mapping[str, str] = field(default_factory=dict)

    def fits(self, kind: str) -> bool:
        """Whether a kind of test makes sense."""
        return kind not in self.unfit


ZOO: dict[str, Animal] = {}


@overload
def animal(build: Callable[[], Scene]) -> Callable[[], Scene]: ...
@overload
def animal(*, unfit: Mapping[str, str]) -> Callable[[Callable[[], Scene]], Callable[[], Scene]]: ...
def animal(build: Callable[[], Scene] | None = None, *, unfit: Mapping[str, str] = MappingProxyType({})) -> Any:
    """Enter a function into the zoo, under its name without a final underscore."""

    def enter(build: Callable[[], Scene]) -> Callable[[], Scene]:
        name = build.__name__.removesuffix("_")
        if name in ZOO:
            raise ValueError(f"two animals are called {name!r}")
        ZOO[name] = Animal(name, (build.__doc__ or "").splitlines()[0], build, MappingProxyType(dict(unfit)))
        return build

    return enter if build is None else enter(build)


def momentum(model: nn.Module) -> Optimizer:
    """SGD with momentum, so that there is state to compare."""
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def iterated(
    model: nn.Module, iterate: Callable[[Any, int], Tensor], make: Callable[[nn.Module], Any] = momentum
) -> Scene:
    """Scene whose i-th iteration is ``iterate(optimizer, i)``, which returns the loss.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    iterate : callable
        One iteration: zero_grad, forward, backward, step, in whatever order.
    make : callable
        Makes the optimizer, or a tuple of optimizers, or something without any, which `iterate` is handed.
    """
    scene = Scene(model, lambda tick: _loop(scene, iterate, make))
    return scene


def _loop(scene: Scene, iterate: Iterate, make: Callable[[nn.Module], Any]) -> Iterator[Tensor]:
    made = make(scene.model)
    scene.optimizers += [each for each in (made if isinstance(made, tuple) else (made,)) if isinstance(each, Optimizer)]
    i = 0
    while True:
        yield iterate(made, i).detach()
        i += 1


def usual(
    model: nn.Module, batch: Callable[[], Any], loss: Callable[[Any], Tensor] | None = None, make: Make = momentum
) -> Scene:
    """Scene of the usual loop: zero_grad, forward, loss, backward, step.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    batch : callable
        What the model is called with: a tensor, or a tuple of positional, or a dict of keyword arguments.
    loss : callable, optional
        Loss of the output; by default its mean square.
    make : callable
        Makes the optimizer.
    """

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        value = (loss or square)(called(model, batch()))
        value.backward()
        optimizer.step()
        return value

    return iterated(model, iterate, make)


def called(model: nn.Module, inputs: Any) -> Any:
    """``model(...)`` of a tensor, of a tuple of positional, or of a dict of keyword arguments."""
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def square(output: Tensor) -> Tensor:
    """Mean square of the output's distance from one."""
    return (output - 1).abs().pow(2).mean()


def batch(*shape: int) -> Callable[[], Tensor]:
    """Draws normal batches."""
    return lambda: torch.randn(*shape)


def mlp() -> nn.Sequential:
    """Linear, ReLU, Linear: 4 inputs, 1 output."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
