"""Which module mixes samples: the calls of a forward pass, and what each makes of the samples that it gets."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from monitorch_widgets.gatherer.module_hooks import hookable

from .batches import dummy_loss, is_float, per_sample, tensors_in


@dataclass(slots=True)
class Call:
    """One call of a module, with the calls that it makes."""

    name: str
    inputs: list[Tensor] = field(default_factory=list)
    outputs: list[Tensor] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)


@contextlib.contextmanager
def recorded_calls(model: nn.Module, batch_size: int) -> Iterator[Call]:
    """Record the calls of all modules in one forward pass, with the tensors that have one entry for each sample."""
    root = Call("")
    open_calls, handles = [root], []
    try:
        for name, module in model.named_modules():
            if hookable(module) and module is not model:
                handles += _hooks(module, name, open_calls, batch_size)
        yield root
    finally:
        for handle in handles:
            handle.remove()


def _hooks(module: nn.Module, name: str, open_calls: list[Call], batch_size: int) -> list[Any]:
    def begins(module: nn.Module, args: Any, kwargs: Any) -> None:
        call = Call(name, _batched((args, kwargs), batch_size))
        open_calls[-1].calls.append(call)
        open_calls.append(call)

    def ends(module: nn.Module, args: Any, output: Any) -> None:
        open_calls.pop().outputs = _batched(output, batch_size)

    return [module.register_forward_pre_hook(begins, with_kwargs=True), module.register_forward_hook(ends)]


def _batched(value: Any, batch_size: int) -> list[Tensor]:
    return [t for t in tensors_in(value) if t.ndim and t.shape[0] == batch_size and is_float(t) and t.requires_grad]


def first_mixing(call: Call, sample: int) -> str:
    """Name of the innermost module that mixes samples, the first one in the order of the forward pass.

    It goes down from the model, which is known to mix: where a call inside does so too, into that. A call whose
    tensors have the batch elsewhere can't be judged by itself, only the calls in it.
    """
    for inner in call.calls:
        if inner.inputs and inner.outputs:
            if _mixes(inner, sample):
                return first_mixing(inner, sample)
        else:
            found = first_mixing(Call(call.name, calls=inner.calls), sample)
            if found != call.name:
                return found
    return call.name


def _mixes(call: Call, sample: int) -> bool:
    loss = torch.stack([dummy_loss(output, sample).double() for output in call.outputs]).sum()
    gradients = torch.autograd.grad(loss, call.inputs, retain_graph=True, allow_unused=True)
    sizes = [per_sample(gradient) for gradient in gradients if gradient is not None]
    return any(bool(size[i]) for size in sizes for i in range(len(size)) if i != sample)
