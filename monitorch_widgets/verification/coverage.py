"""Which modules a loop reaches: how often each is called, what it returns, where gradients come back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from monitorch_widgets.gatherer.module_hooks import hookable
from monitorch_widgets.gatherer.outputs import named_tensors


@dataclass(frozen=True, slots=True)
class ModuleCoverage:
    """What a dry run has seen of one module.

    Attributes
    ----------
    name : str
        Its name; the model's class for the model itself.
    called : int
        Forward passes.
    gradient : bool
        Whether a gradient came back to its output.
    parameters, trained, reached : int
        Its own parameters, those of them that require gradients, and those that got one.
    shape, dtype : str
        Of its newest output; empty without one.
    """

    name: str
    called: int
    gradient: bool
    parameters: int
    trained: int
    reached: int
    shape: str
    dtype: str

    @property
    def skipped(self) -> bool:
        """Whether the loop never comes here: it is not called, and its parameters get no gradients elsewhere."""
        return not self.called and not self.reached


class Coverage:
    """Follows all modules of a model while it is entered.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    """

    def __init__(self, model: nn.Module) -> None:
        self._seen = {name or type(model).__name__: _Seen(module) for name, module in model.named_modules()}
        self._handles: list[Any] = []

    def __enter__(self) -> Coverage:
        self._handles = [handle for seen in self._seen.values() for handle in seen.put_on()]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    @property
    def rows(self) -> tuple[ModuleCoverage, ...]:
        """One row for each module that does something: not for a mere list of others that is never called."""
        return tuple(seen.row(name) for name, seen in self._seen.items() if not seen.is_holder)


class _Seen:
    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._own = list(module.parameters(recurse=False))
        self._called, self._gradient = 0, False
        self._shape = self._dtype = ""
        self._reached: set[int] = set()

    def put_on(self) -> list[Any]:
        """Hooks on the module, and on its own parameters."""
        handles: list[Any] = []
        for i, parameter in self._trained:
            handles.append(parameter.register_hook(self._reaches(i)))  # type: ignore[no-untyped-call]
        if hookable(self._module):
            handles.append(self._module.register_forward_hook(self._saw))
        return handles

    @property
    def _trained(self) -> list[tuple[int, nn.Parameter]]:
        return [(i, parameter) for i, parameter in enumerate(self._own) if parameter.requires_grad]

    @property
    def is_holder(self) -> bool:
        return not self._called and not self._own and next(self._module.children(), None) is not None

    def row(self, name: str) -> ModuleCoverage:
        counts = len(self._own), len(self._trained), len(self._reached)
        return ModuleCoverage(name, self._called, self._gradient, *counts, self._shape, self._dtype)

    def _saw(self, module: nn.Module, args: Any, output: Any) -> None:
        self._called += 1
        tensors = [tensor for _, tensor in named_tensors(output, "")]
        self._shape = ", ".join(str(list(tensor.shape)) for tensor in tensors[:3])
        self._dtype = ", ".join(dict.fromkeys(str(tensor.dtype).removeprefix("torch.") for tensor in tensors))
        for tensor in tensors:
            if tensor.requires_grad:
                tensor.register_hook(self._saw_gradient)  # type: ignore[no-untyped-call]

    def _saw_gradient(self, gradient: Tensor) -> None:
        self._gradient = True

    def _reaches(self, place: int) -> Any:
        def reached(gradient: Tensor) -> None:
            self._reached.add(place)

        return reached
