"""How a check makes a step of training out of what the user gives: a loss function, or a step of their own."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError

LossFn = Callable[..., Tensor]
Step = Callable[[nn.Module, Any], Any]

_REMEDY = "Pass loss_fn=, or step=lambda model, batch: loss for a loop of another form."


def loss_of(model: nn.Module, batch: Any, loss_fn: LossFn | None) -> Tensor:
    """The loss of a batch in one of the usual forms.

    ``(inputs..., target)`` is ``loss_fn(model(inputs...), target)``. A mapping goes to the model by keywords, which
    returns something with a ``loss``, as the models of Transformers do.

    Examples
    --------
    >>> batch = (torch.ones(4, 2), torch.zeros(4, 1))
    >>> loss_of(nn.Linear(2, 1), batch, nn.MSELoss()).shape
    torch.Size([])
    """
    batch = moved(batch, device_of(model))
    if isinstance(batch, Mapping):
        return _own_loss(model(**batch))
    if loss_fn is None:
        raise ArgumentError(f"expected a loss function for batches of {type(batch).__name__}; received none. {_REMEDY}")
    if not isinstance(batch, tuple | list) or len(batch) < 2:
        raise ArgumentTypeError(
            f"expected batches of the form (inputs, target), or a mapping; received {type(batch).__name__}. {_REMEDY}"
        )
    return loss_fn(model(*batch[:-1]), batch[-1])


def _own_loss(output: Any) -> Tensor:
    loss = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    if not isinstance(loss, Tensor):
        raise ArgumentError(f"expected the model to return a loss for a batch that is a mapping. {_REMEDY}")
    return loss


def made_step(loss_fn: LossFn | None, step: Step | None) -> Step:
    """The step of the user, or one that computes the loss."""
    if step is not None and not callable(step):
        raise ArgumentTypeError(f"expected step to be a function of (model, batch); received {step!r}")
    if loss_fn is not None and not callable(loss_fn):
        raise ArgumentTypeError(
            f"expected loss_fn to be a function of (output, target); received {loss_fn!r}. "
            "For another form pass step=lambda model, batch: loss."
        )
    return step or (lambda model, batch: loss_of(model, batch, loss_fn))


def has_graph(loss: Any) -> bool:
    """Whether a step has returned a loss to be trained on; a bare number says that the step was made already."""
    return isinstance(loss, Tensor) and loss.requires_grad


def check_trains(loss: Tensor) -> None:
    """Raise if a loss does not depend on any parameter that is trained."""
    if not has_graph(loss):
        raise ArgumentError(
            "expected a loss that depends on parameters that are trained; this one has no gradient. Look for "
            "detach(), .data, torch.no_grad(), and parameters with requires_grad=False."
        )


def number_of(loss: Any) -> float:
    """What a step returned, as a number.

    >>> number_of(torch.tensor(0.5)), number_of({"loss": 2})
    (0.5, 2.0)
    """
    loss = loss.get("loss") if isinstance(loss, Mapping) else loss
    if isinstance(loss, Tensor) and loss.numel() == 1:
        return float(loss.detach())
    if isinstance(loss, int | float):
        return float(loss)
    shape = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else repr(loss)[:80]
    raise ArgumentTypeError(f"expected the step to return the loss, one number; received {shape}. Use loss.mean().")


def device_of(model: nn.Module) -> torch.device:
    """Where a model is: the device of its first parameter or buffer."""
    first = next((t for tensors in (model.parameters(), model.buffers()) for t in tensors), None)
    return torch.device("cpu") if first is None else first.device


def mapped(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """The same nest of tuples, lists, mappings and dataclasses with every tensor changed; other objects stay.

    >>> mapped({"x": [torch.ones(1), "name"]}, lambda tensor: tensor.item() + 1)
    {'x': [2.0, 'name']}
    """
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(item, change) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(mapped(item, change) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _mapped_fields(value, change)
    return value


def _mapped_fields(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """A copy of a dataclass, also of a frozen one, and past its ``__init__``."""
    changed = copy.copy(value)
    for name in (field.name for field in dataclasses.fields(value) if hasattr(value, field.name)):
        object.__setattr__(changed, name, mapped(getattr(value, name), change))
    return changed


def moved(value: Any, device: torch.device) -> Any:
    """The same with every tensor on a device."""
    return mapped(value, lambda tensor: tensor.to(device))


def checked_loader(loader: Any) -> Iterable[Any]:
    """Return `loader` if it can be iterated over again, so that its position is as before.

    Raises
    ------
    ArgumentTypeError
        If it is none, or an iterator, which can't be rewound.
    """
    stream = getattr(loader, "dataset", None)
    if isinstance(loader, Iterator) or isinstance(stream, Iterator):
        raise ArgumentTypeError(
            f"expected a loader or a list of batches; received {type(loader).__name__}, an iterator that can't be "
            "rewound: the batches taken from it would be lost. Pass the loader itself, or "
            "list(itertools.islice(iterator, 100))."
        )
    if not isinstance(loader, Iterable):
        raise ArgumentTypeError(f"expected an iterable of batches; received {type(loader).__name__}")
    return loader


def endless(loader: Iterable[Any]) -> Iterator[Any]:
    """Batches without end: the loader is begun anew when it is through."""
    while True:
        empty = True
        for batch in loader:
            empty = False
            yield batch
        if empty:
            raise ArgumentError("expected a loader with batches; received an empty one")
