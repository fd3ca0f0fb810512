"""Which modules and parameters are watched, and under which names, as the documentation says it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

NONLINEAR = (
    *(nn.CELU, nn.ELU, nn.GELU, nn.GLU, nn.Hardshrink, nn.Hardsigmoid, nn.Hardswish, nn.Hardtanh, nn.LeakyReLU),
    *(nn.LogSigmoid, nn.LogSoftmax, nn.Mish, nn.PReLU, nn.ReLU, nn.ReLU6, nn.RReLU, nn.SELU, nn.Sigmoid, nn.SiLU),
    *(nn.Softmax, nn.Softmax2d, nn.Softmin, nn.Softplus, nn.Softshrink, nn.Softsign, nn.Tanh, nn.Tanhshrink),
    nn.Threshold,
)


@dataclass(frozen=True)
class Place:
    """A module by its name; outputs are read of leaves."""

    name: str
    module: nn.Module
    leaf: bool

    @property
    def activation(self) -> bool:
        """Whether its output gradient is left out."""
        return isinstance(self.module, NONLINEAR)


def places(model: nn.Module) -> list[Place]:
    """The watched modules in model order, each under its first name; the model itself by its class name."""
    found: dict[int, Place] = {}
    for place in _walk(model, "", type(model).__name__, inside=False):
        found.setdefault(id(place.module), place)
    return list(found.values())


def _walk(module: nn.Module, path: str, name: str, inside: bool) -> Iterator[Place]:
    """`inside` a module that counts as a leaf though it has submodules, which nobody calls but itself."""
    scripted = not _python(module)
    children = {} if scripted else {key: child for key, child in module._modules.items() if child is not None}
    computed = children.pop("parametrizations", None) is not None  # weights are computed by modules within the layer
    whole = computed or isinstance(module, nn.MultiheadAttention)
    yield Place(name, module, leaf=not scripted and not inside and (whole or not children))
    for key, child in children.items():
        below = f"{path}.{key}" if path else key
        inner = child._modules.get("_orig_mod", child) if _python(child) else child  # compiled by torch.compile
        yield from _walk(inner, below, below, inside or whole)


def _python(module: nn.Module) -> bool:
    """Whether a module is not compiled by torch.jit, which takes no hooks."""
    return not isinstance(module, torch.jit.ScriptModule)


def parameters_of(found_places: list[Place], kinds: tuple[str, ...]) -> list[tuple[tuple[str, str], nn.Parameter]]:
    """Kind and series of each parameter, each once, under its first name."""
    found: dict[int, tuple[tuple[str, str], nn.Parameter]] = {}
    for place in found_places:
        for path, parameter in _own(place.module):
            kind = _kind(path, kinds)
            if kind and not isinstance(parameter, nn.UninitializedParameter):
                series = place.name if path == kind else f"{place.name}.{path}"
                found.setdefault(id(parameter), ((kind, series), parameter))
    return list(found.values())


def _own(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Parameters of a module by name, those too from which its parametrized tensors are computed."""
    yield from ((name, parameter) for name, parameter in module._parameters.items() if parameter is not None)
    computing = module._modules.get("parametrizations") if _python(module) else None
    if computing is not None:
        yield from computing.named_parameters(prefix="parametrizations")


def _kind(path: str, kinds: tuple[str, ...]) -> str:
    """The one kind of a parameter: its name, or a part of it; ``weight`` is for all the rest but biases."""
    parts = path.split(".")
    own = [parts[-1], parts[1]] if parts[0] == "parametrizations" else [parts[-1]]
    exact = [kind for kind in kinds if kind in own]
    partly = [kind for kind in kinds if kind != "weight" and any(kind in name.split("_") for name in own)]
    bias = any("bias" in name.split("_") for name in own)
    return next(iter([*exact, *partly, *(["weight"] if "weight" in kinds and not bias else [])]), "")
