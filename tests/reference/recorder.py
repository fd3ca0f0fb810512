"""A naive recorder: it copies every tensor of a training in float64, with plain hooks of its own, and nothing else."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import types
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from .book import Book
from .definitions import EPS, Array
from .places import Place, parameters_of, places


def wide(tensor: Tensor) -> Array:
    """A copy in float64, or complex128."""
    tensor = tensor.detach()
    dense = tensor if tensor.layout is torch.strided else tensor.to_dense()
    copied: Array = dense.to(torch.complex128 if dense.is_complex() else torch.float64).resolve_conj().numpy().copy()
    return copied


def tensors_in(value: Any, place: str = "", inside: tuple[int, ...] = ()) -> Iterator[tuple[str, Tensor]]:
    """Tensors with values to measure, and where they are; a list may hold itself."""
    if isinstance(value, Tensor):
        if (value.is_floating_point() or value.is_complex()) and not (value.is_meta or value.is_nested):
            yield place, value
        return
    parts: list[tuple[str, Any]] = []
    if isinstance(value, Mapping):
        parts = [(f".{key}", item) for key, item in value.items()]
    elif isinstance(value, tuple | list):
        parts = [(f"[{i}]", item) for i, item in enumerate(value)]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [(f".{each.name}", getattr(value, each.name, None)) for each in dataclasses.fields(value)]
    for part, item in parts if id(value) not in inside else ():
        yield from tensors_in(item, place + part, (*inside, id(value)))


def numbered(name: str, count: int) -> str:
    """``fc``, ``fc#2``, ... ``fc#15``, and one name for all calls from the 16th on."""
    return name if count == 1 else f"{name}#{min(count, 16)}{'+' if count >= 16 else ''}"


class Recorder:
    """Keeps what happens, in order; :meth:`write` makes the rows of a :class:`Book` from it.

    Parameters
    ----------
    model : torch.nn.Module
        What is watched.
    kinds : sequence of str
        Names of parameters that go into panels of their own.
    threshold : callable
        Magnitude up to which an output of a module counts as zero.
    """

    def __init__(self, model: nn.Module, kinds: tuple[str, ...], threshold: Callable[[nn.Module], float] | None = None):
        self.model = model
        self.kinds = kinds
        self.threshold = threshold or (lambda module: EPS)
        self.records: list[tuple[str, tuple[Any, ...]]] = []
        self.places: list[Place] = places(model)
        self.skipped = 0  # attempts of which no step was made
        self._calls: Counter[int] = Counter()
        self._ended: Counter[int] = Counter()  # calls of the passes that a backward pass may repeat
        self._inside = False  # the forward pass of the model
        self._grad_outside = False  # whether that pass began with gradients, which a checkpoint within it disables
        self._depth = 0  # of backward passes within each other
        self._within = False  # a step
        self._stepping = False  # a step that calls its closure, as often as it likes
        self._pieces = False  # whether parameters were stepped within the running backward pass
        self._left = False  # whether a backward pass has left gradients that no step has used
        self._last: dict[tuple[str, str], Array] = {}
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Recorder:
        for place in self.places:
            if place.leaf:
                self._hang(place.module.register_forward_hook(functools.partial(self._seen, place)))
        self._hang(self.model.register_forward_pre_hook(functools.partial(self._boundary, True)))
        self._hang(self.model.register_forward_hook(functools.partial(self._boundary, False)))
        self._patch(torch.autograd, "_engine_run_backward", self._backward)
        self._patch(Optimizer, "__init__", self._made)
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    def write(self, book: Book) -> Book:
        """Write everything into a book."""
        for what, arguments in self.records:
            getattr(book, what)(*arguments)
        return book

    def _hang(self, handle: Any) -> None:
        self._undo.callback(handle.remove)

    def _patch(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        plain = getattr(owner, name)

        @functools.wraps(plain)
        def patched(*args: Any, **kwargs: Any) -> Any:
            return around(plain, *args, **kwargs)

        setattr(owner, name, patched)
        self._undo.callback(setattr, owner, name, plain)

    def _record(self, what: str, *arguments: Any) -> None:
        self.records.append((what, arguments))

    # ------------------------------------------------------------------ outputs

    @torch.compiler.disable  # compiled code then has a break at each hook, and the hook sees tensors with values
    def _boundary(self, inside: bool, *args: Any) -> None:
        if not self._depth:
            self._inside = inside
            self._grad_outside = inside and torch.is_grad_enabled()
            self._restart()

    def _restart(self) -> None:
        self._ended = self._calls or self._ended
        self._calls = Counter()

    @torch.compiler.disable
    def _seen(self, place: Place, module: nn.Module, args: Any, output: Any) -> None:
        if torch._C._functorch.peek_interpreter_stack() is not None:
            return  # inside a transformation of torch.func, whose tensors have no values outside
        name = self._name_of_call(place)
        try:
            tensors = list(tensors_in(output))
        except Exception:  # the user's own class, which may do anything
            tensors = []
        for i, (where, tensor) in enumerate(tensors):
            series = name + where if i else name
            if not self._depth:
                by_grad = torch.is_grad_enabled() or (self._grad_outside and module.training)
                self._record("output", series, wide(tensor), module.training, self.threshold(module), by_grad)
            if tensor.requires_grad and not place.activation:
                tensor.register_hook(functools.partial(self._gradient, series))

    def _name_of_call(self, place: Place) -> str:
        if self._depth:  # a repetition for checkpointing: the last call is repeated first
            count = max(self._ended[id(place.module)], 1)
            self._ended[id(place.module)] -= 1
            return numbered(place.name, count)
        if not self._inside and not torch.is_grad_enabled():
            return place.name  # nothing would end this count
        self._calls[id(place.module)] += 1
        return numbered(place.name, self._calls[id(place.module)])

    def _gradient(self, series: str, grad: Tensor) -> None:
        self._record("output_gradient", series, wide(grad))

    # ------------------------------------------------------------------ backward passes

    def _backward(self, plain: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if torch._C._functorch.peek_interpreter_stack() is not None:
            return plain(*args, **kwargs)
        if not self._depth:
            self._restart()
            if self._left and not self._stepping and not self._any_gradient():
                self._record("drop")
                self.skipped += 1
                self._left = False
        self._depth += 1
        try:
            return plain(*args, **kwargs)
        finally:
            self._depth -= 1
            if not self._depth and self._any_gradient():
                self._left = True
                self._record("mark")
            if not self._depth and self._pieces:
                self._pieces = False
                self._end_step()

    def _any_gradient(self) -> bool:
        grads = [p.grad for p in self.model.parameters() if p.grad is not None]
        return any(bool(wide(grad).any()) for grad in grads)

    # ------------------------------------------------------------------ steps

    def _made(self, plain: Callable[..., Any], optimizer: Optimizer, *args: Any, **kwargs: Any) -> None:
        plain(optimizer, *args, **kwargs)
        step = optimizer.step.__func__

        @functools.wraps(step)
        def recorded(self_: Optimizer, *args: Any, **kwargs: Any) -> Any:
            closure = args[0] if args else kwargs.get("closure")
            return self._step(self_, functools.partial(step, self_, *args, **kwargs), closure is not None)

        optimizer.step = types.MethodType(recorded, optimizer)

    def _step(self, optimizer: Optimizer, make: Callable[[], Any], closure: bool) -> Any:
        used = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if self._within or not used & {id(p) for p in self.model.parameters()}:
            return make()  # an optimizer may call the step of another one: together they make one
        gradients, before = self._gradients(used, optimizer), self._parameters(used)
        self._within, self._stepping = True, closure
        try:
            result = make()
        finally:
            self._within = self._stepping = False
        overflow = getattr(optimizer, "found_inf", None)  # a scaler lets a fused optimizer itself leave the step out
        self.skipped += overflow is not None and bool(overflow)
        self._finish(self._gradients(used, optimizer) if closure else gradients, before, self._parameters(used))
        return result

    def tick(self) -> None:
        """A step that no optimizer makes; the update is the change since the tick before."""
        used = {id(p) for p in self.model.parameters()}
        self._finish(self._gradients(used, None), self._last, self._parameters(used))

    def _finish(self, gradients: dict[Any, Array], before: dict[Any, Array], after: dict[Any, Array]) -> None:
        for key, gradient in gradients.items():
            self._record("gradient", *key, gradient)
        for key, parameter in after.items():
            self._record("change", *key, before.get(key), parameter)
        self._last.update(after)
        self._pieces = self._depth > 0  # steps within a backward pass, parameter by parameter, are one
        if not self._pieces:
            self._end_step()

    def _end_step(self) -> None:
        self._record("finish_step")
        self._calls, self._left = Counter(), False

    def _gradients(self, used: set[int], optimizer: Optimizer | None) -> dict[tuple[str, str], Array]:
        scale = getattr(optimizer, "grad_scale", None)  # a scaler leaves it to a fused optimizer's own step
        divisor = 1.0 if scale is None else float(scale)
        found = parameters_of(self.places, self.kinds)
        return {key: wide(p.grad) / divisor for key, p in found if id(p) in used and p.grad is not None}

    def _parameters(self, used: set[int]) -> dict[tuple[str, str], Array]:
        return {key: wide(p) for key, p in parameters_of(self.places, self.kinds) if id(p) in used}
