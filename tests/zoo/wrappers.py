"""What is put around a model or a layer: compilation, functional calls, scripts, parametrizations, hooks."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, prune
from torch.optim import Optimizer

from .base import Scene, animal, batch, iterated, mlp, momentum, square, usual


class Breaking(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(4, 8), nn.Linear(8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.fc1(x)
        torch._dynamo.graph_break()
        return self.fc2(x.relu())


def quietly(compiled: Any, x: Tensor) -> Tensor:
    """``compiled(x)``; torch 2.13 warns of itself when it looks at .grad of what goes from one graph to the next."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The .grad attribute of a Tensor", UserWarning)
        return compiled(x)


def compiled_scene(model: nn.Module, call: Callable[[nn.Module], Any]) -> Scene:
    """Scene that calls what `call` makes of the model when the loop begins."""
    torch._dynamo.reset()

    def make(model: nn.Module) -> tuple[Any, ...]:
        return momentum(model), call(model)

    def iterate(made: tuple[Any, ...], i: int) -> Tensor:
        made[0].zero_grad()
        loss = square(quietly(made[1], torch.randn(6, 4)))
        loss.backward()
        made[0].step()
        return loss

    return iterated(model, iterate, make)


@animal
def compiled() -> Scene:
    """The model is compiled after it was watched."""
    return compiled_scene(mlp(), lambda model: torch.compile(model, backend="eager"))


@animal
def compiled_break() -> Scene:
    """The model is compiled after it was watched, in two graphs with Python in between."""
    return compiled_scene(Breaking(), lambda model: torch.compile(model, backend="eager"))


@animal
def compiled_first() -> Scene:
    """What is watched was compiled before."""
    return compiled_scene(torch.compile(mlp(), backend="eager"), lambda model: model)


@animal
def compiled_in_place() -> Scene:
    """The model is compiled in place, by its method, after it was watched."""
    return compiled_scene(mlp(), in_place)


def in_place(model: nn.Module) -> nn.Module:
    model.compile(backend="eager")
    return model


@animal
def functional_call() -> Scene:
    """The forward pass is a functional call with the model's own parameters."""
    model = mlp()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        loss = square(torch.func.functional_call(model, dict(model.named_parameters()), (torch.randn(6, 4),)))
        loss.backward()
        optimizer.step()
        return loss

    return iterated(model, iterate)


@animal(unfit={"copy": "what the model is called with exists only within vmap"})
def functional_gradients() -> Scene:
    """Gradients of each sample come from vmap over grad: tensors within are no tensors outside."""
    model = mlp()

    def loss_of(parameters: dict[str, Tensor], x: Tensor) -> Tensor:
        return square(torch.func.functional_call(model, parameters, (x[None],)))

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        parameters = dict(model.named_parameters())
        each = torch.func.vmap(torch.func.grad_and_value(loss_of), in_dims=(None, 0))
        grads, losses = each({name: p.detach() for name, p in parameters.items()}, torch.randn(6, 4))
        for name, parameter in parameters.items():
            parameter.grad = grads[name].mean(0)
        optimizer.step()
        return losses.mean()

    return iterated(model, iterate)


@animal
def data_parallel() -> Scene:
    """The model stands within DataParallel, which on a CPU only hands on."""
    return usual(nn.DataParallel(mlp()), batch(6, 4))


class Halved(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x) / 2


def jitted(compile_it: Callable[..., nn.Module], *args: Any) -> nn.Module:
    """A script or a trace, without torch's advice against them: people still have them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return compile_it(*args)


@animal
def traced_part() -> Scene:
    """One submodule is traced."""
    traced = jitted(torch.jit.trace, Halved(), torch.zeros(1, 4))
    return usual(nn.Sequential(nn.Linear(4, 4), traced, nn.Linear(4, 1)), batch(6, 4))


@animal
def scripted_part() -> Scene:
    """One submodule is a script with parameters."""
    scripted = jitted(torch.jit.script, nn.Linear(4, 4))
    return usual(nn.Sequential(nn.Linear(4, 4), scripted, nn.Linear(4, 1)), batch(6, 4))


@animal
def weight_norm() -> Scene:
    """The weight is computed from two parameters, by a module within the layer."""
    return usual(nn.Sequential(parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 1)), batch(6, 4))


@animal
def spectral_norm() -> Scene:
    """The weight is divided by an estimate of its norm, which each forward pass improves."""
    return usual(nn.Sequential(parametrizations.spectral_norm(nn.Linear(4, 4)), nn.Linear(4, 1)), batch(6, 4))


@animal
def spectral_norm_old() -> Scene:
    """The older spectral norm: a hook before the forward pass sets the weight, which is no parameter."""
    return usual(nn.Sequential(nn.utils.spectral_norm(nn.Linear(4, 4)), nn.Linear(4, 1)), batch(6, 4))


@animal
def pruned() -> Scene:
    """A pruned layer: weight_orig and a mask, and a hook before the forward pass."""
    model = mlp()
    prune.random_unstructured(model[0], "weight", 0.4)
    return usual(model, batch(6, 4))


def double(module: nn.Module, args: Any, output: Tensor) -> Tensor:
    return output * 2


@animal
def output_changed() -> Scene:
    """A hook of the user's changes a layer's output."""
    model = mlp()
    model[0].register_forward_hook(double)
    return usual(model, batch(6, 4))


def shift(module: nn.Module, args: Any) -> Any:
    return (args[0] + 1,)


def halve(module: nn.Module, grad_input: Any, grad_output: Any) -> Any:
    return tuple(None if grad is None else grad / 2 for grad in grad_input)


@animal
def gradient_changed() -> Scene:
    """Hooks of the user's change a layer's input and the gradient that it hands on."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    model[1].register_forward_pre_hook(shift)
    model[1].register_full_backward_hook(halve)
    return usual(model, batch(6, 4))


class Averaged(nn.Module):
    """A model with its moving average inside."""

    def __init__(self) -> None:
        super().__init__()
        self.live = mlp()
        self.mean = torch.optim.swa_utils.AveragedModel(self.live)

    def forward(self, x: Tensor) -> Tensor:
        return self.live(x)


@animal
def moving_average() -> Scene:
    """The average of the weights is a submodule, and is updated after each step."""
    model = Averaged()

    def iterate(optimizer: Optimizer, i: int) -> Tensor:
        optimizer.zero_grad()
        loss = square(model(torch.randn(6, 4)))
        loss.backward()
        optimizer.step()
        model.mean.update_parameters(model.live)
        return loss

    return iterated(model, iterate, lambda model: momentum(model.live))


def wrapped_forward(model: nn.Module) -> nn.Module:
    """The way of libraries that replace a module's forward by a function of theirs."""
    inner: Callable[..., Any] = model.forward
    model.forward = lambda *args: inner(*args) * 1.5  # type: ignore[method-assign]
    return model


@animal
def patched_forward() -> Scene:
    """The forward of a layer is replaced on the instance."""
    model = mlp()
    wrapped_forward(model[0])
    return usual(model, batch(6, 4))
