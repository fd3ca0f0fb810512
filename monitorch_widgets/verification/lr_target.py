"""Where a learning rate is written to: the groups of an optimizer, and the attribute that a model has for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from inspect import signature
from numbers import Real
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, nearest

NAMES = ("lr", "learning_rate")  # that are looked for, the first that is there is taken


class Groups:
    """The learning rates of an optimizer's groups, which keep their ratios.

    The rate that is asked for is that of the first group whose rate is not 0.

    Examples
    --------
    >>> import torch
    >>> a, b = torch.nn.Parameter(torch.ones(1)), torch.nn.Parameter(torch.ones(1))
    >>> optimizer = torch.optim.SGD([{"params": [a], "lr": 0.2}, {"params": [b], "lr": 0.1}])
    >>> Groups(optimizer).set(1.0)
    >>> [group["lr"] for group in optimizer.param_groups]
    [1.0, 0.5]
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = checked_optimizer(optimizer)
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        first = next((rate for rate in rates if rate), 0.0)
        self.ratios = [rate / first if first else 1.0 for rate in rates]

    def set(self, lr: float) -> None:
        """Give each group its part."""
        for group, ratio in zip(self.optimizer.param_groups, self.ratios, strict=True):
            _write(group, "lr", lr * ratio)

    def settle(self, lr: float, scheduler: Any = None) -> str:
        """The same for good: what a scheduler starts from changes too. What was done is told in words."""
        self.set(lr)
        scheduled = False
        for group, ratio in zip(self.optimizer.param_groups, self.ratios, strict=True):
            if "initial_lr" in group:
                scheduled = True
                _write(group, "initial_lr", lr * ratio)
        if hasattr(scheduler, "base_lrs"):
            scheduler.base_lrs = [lr * ratio for ratio in self.ratios]
        groups = f", {len(self.ratios)} groups in their ratios" if len(set(self.ratios)) > 1 else ""
        told = f"{type(self.optimizer).__name__}{groups}"
        if scheduled and (scheduler is None or any("max_lr" in group for group in self.optimizer.param_groups)):
            told += " (make its scheduler anew: it keeps the rate that it began with)"
        return told


def checked_optimizer(optimizer: Any) -> Optimizer:
    """Return `optimizer` if it is one whose groups have a learning rate."""
    if not isinstance(optimizer, Optimizer):
        optimizer = getattr(optimizer, "optimizer", optimizer)  # wrapped by Accelerate or Fabric
    if not isinstance(optimizer, Optimizer):
        hint = " One optimizer at a time: pass one of them." if isinstance(optimizer, tuple | list) else ""
        raise ArgumentTypeError(
            f"expected a torch.optim.Optimizer; received {type(optimizer).__name__}.{hint} The order is model (or "
            "loader), optimizer, loss_fn."
        )
    if not all("lr" in group for group in optimizer.param_groups):
        raise ArgumentError(f"expected an optimizer with a learning rate; {type(optimizer).__name__} has none")
    return optimizer


def check_of_model(optimizer: Optimizer, model: nn.Module) -> None:
    """Raise for an optimizer that steps nothing of a model, such as one that was made of the model before.

    >>> import torch
    >>> model, other = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    >>> check_of_model(torch.optim.SGD(other.parameters(), lr=0.1), model)
    Traceback (most recent call last):
        ...
    monitorch_widgets.errors.ArgumentError: expected an optimizer of the parameters of this Linear; received SGD with \
none of them. Make it after the model: torch.optim.SGD(model.parameters(), lr=...).
    """
    own = {id(parameter) for parameter in model.parameters()}
    stepped = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if own and not own & stepped:
        name = type(optimizer).__name__
        raise ArgumentError(
            f"expected an optimizer of the parameters of this {type(model).__name__}; received {name} with none of "
            f"them. Make it after the model: torch.optim.{name}(model.parameters(), lr=...)."
        )


def check_no_closure(optimizer: Optimizer) -> None:
    """Raise for an optimizer which has to be told how the loss is computed, such as LBFGS.

    >>> import torch
    >>> check_no_closure(torch.optim.SGD([torch.zeros(1)], lr=0.1))
    """
    closure = signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is closure.empty:
        name = type(optimizer).__name__
        raise ArgumentError(
            f"expected an optimizer that steps without a closure; {name} needs one. Pass step=lambda model, batch: "
            "optimizer.step(closure).detach() with a closure of your own, which makes the backward pass too."
        )


class Attributes:
    """The attributes of a model that hold its learning rate.

    Parameters
    ----------
    model : object
        With ``lr`` or ``learning_rate``, in itself or in its ``hparams``, or with the attribute that is named.
    attr_name : str
        Name of the attribute, also dotted, like ``"hparams.lr"``; of the model or its ``hparams``.
    needed : bool
        Raise where there is none.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Linear(1, 1)
    >>> model.lr = model.learning_rate = 0.1
    >>> attributes = Attributes(model)
    >>> attributes.set(0.5), model.lr, model.learning_rate
    ('model.lr (model.learning_rate stays: name it by attr_name)', 0.5, 0.1)
    """

    def __init__(self, model: object, attr_name: str = "", *, needed: bool = False) -> None:
        if not isinstance(attr_name, str):
            raise ArgumentTypeError(f"expected attr_name to be a name like 'lr'; received {attr_name!r}")
        found = {name: _places(model, name) for name in ((attr_name,) if attr_name else NAMES)}
        found = {name: places for name, places in found.items() if places}
        if not found and (attr_name or needed):
            raise ArgumentError(_missing(model, attr_name))
        self._places = next(iter(found.values()), [])
        self._others = [path for places in list(found.values())[1:] for path, _, _ in places]

    def set(self, lr: float) -> str:
        """Write the rate; where, is told in words, empty for nowhere."""
        for _, holder, key in self._places:
            _write(holder, key, lr)
        told = ", ".join(path for path, _, _ in self._places)
        stay = f" ({', '.join(self._others)} stays: name it by attr_name)" if self._others else ""
        return told + stay

    def __len__(self) -> int:
        return len(self._places)


Place = tuple[str, Any, str]


def _places(model: object, name: str) -> list[Place]:
    """Where a name is found: in the model and in its hyper-parameters, which both may have it."""
    paths = [name, f"hparams.{name}"]
    places = [(f"model.{path}", *place) for path in paths if (place := _place(model, path)) is not None]
    return [known for i, known in enumerate(places) if all(known[1] is not other[1] for other in places[:i])]


def _place(model: object, path: str) -> tuple[Any, str] | None:
    *parents, key = path.split(".")
    holder: Any = model
    for parent in parents:
        holder = _read(holder, parent)
    value = _read(holder, key)
    is_rate = value is not None and not callable(value) and (isinstance(value, Real | Tensor))
    return (holder, key) if is_rate and _writable(holder, key) else None


def _read(holder: Any, key: str) -> Any:
    return holder.get(key) if isinstance(holder, Mapping) else getattr(holder, key, None)


def _writable(holder: Any, key: str) -> bool:
    known = getattr(type(holder), key, None)
    return isinstance(holder, MutableMapping) or not isinstance(known, property) or known.fset is not None


def _write(holder: Any, key: str, lr: float) -> None:
    now = _read(holder, key)
    if isinstance(now, Tensor):
        now.data.fill_(lr)
    elif isinstance(holder, MutableMapping):
        holder[key] = lr
    else:
        setattr(holder, key, lr)


def _missing(model: object, attr_name: str) -> str:
    hparams = getattr(model, "hparams", None)
    names = [str(name) for name in (hparams if isinstance(hparams, Mapping) else vars(hparams) if hparams else ())]
    numbers = [name for name, value in vars(model).items() if isinstance(value, Real) and not isinstance(value, bool)]
    known = [*numbers, *(f"hparams.{name}" for name in names)]
    asked = f"an attribute {attr_name!r}" if attr_name else "an attribute 'lr' or 'learning_rate'"
    there = f" It has {', '.join(known[:8])}." if known else ""
    hint = nearest(attr_name, known) if attr_name else " Name another one by attr_name=."
    return f"expected {type(model).__name__} to have {asked} that is a number, in itself or its hparams.{there}{hint}"


def shown(lr: float) -> str:
    """A learning rate in few digits.

    >>> shown(0.00316227766), shown(3.1622e-05), shown(0.5)
    ('0.00316', '3.16e-5', '0.5')
    """
    return re.sub(r"e([+-])0?", lambda sign: "e-" if sign[1] == "-" else "e", f"{lr:.3g}")
