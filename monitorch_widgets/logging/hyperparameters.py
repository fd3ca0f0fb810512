"""Hyper-parameters: made flat, shown in a card, and read from checkpoints."""

from __future__ import annotations

import dataclasses
import math
from argparse import Namespace
from collections.abc import Iterator, Mapping
from numbers import Real
from os import PathLike, fspath
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.values import Card

Plain = str | int | float | bool | None

_MOST, _DEEP, _LONG = 500, 16, 300  # parameters, levels of nesting, characters of one


def plain_params(params: Any) -> dict[str, Plain]:
    """Hyper-parameters by names with ``/`` for nested ones; what is neither number nor text is told as text.

    Raises
    ------
    ArgumentTypeError
        For what has no names.

    Examples
    --------
    >>> plain_params({"lr": 0.1, "net": {"width": 8, "act": torch.nn.ReLU}, "betas": (0.9, 0.99)})
    {'lr': 0.1, 'net/width': 8, 'net/act': 'torch.nn.modules.activation.ReLU', 'betas/0': 0.9, 'betas/1': 0.99}
    """
    if params is None or _fields(params) is None:
        raise ArgumentTypeError(
            f"expected hyper-parameters as a dict, a namespace or a dataclass; received {type(params).__name__}. "
            'Use e.g. {"lr": 0.1}.'
        )
    found: dict[str, Plain] = {}
    for name, value in _flat(params, "", _DEEP):
        if len(found) >= _MOST:
            break
        found[name] = _plain(value)
    return found


def keep_params(kept: dict[str, Plain], more: Mapping[str, Plain]) -> None:
    """Add hyper-parameters to those that are kept, 500 in all; the newest value of a name stands.

    Examples
    --------
    >>> kept = {"lr": 0.1}
    >>> keep_params(kept, {"lr": 0.2, "width": 8})
    >>> kept
    {'lr': 0.2, 'width': 8}
    """
    for name, value in more.items():
        if name in kept or len(kept) < _MOST:
            kept[name] = value


def _fields(params: Any) -> Mapping[Any, Any] | None:
    if isinstance(params, Mapping):
        return params
    if isinstance(params, Namespace | SimpleNamespace):
        return vars(params)
    if dataclasses.is_dataclass(params) and not isinstance(params, type):
        return {field.name: getattr(params, field.name) for field in dataclasses.fields(params)}
    return None


def _flat(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    inner = _fields(value)
    if inner is None and isinstance(value, list | tuple):
        inner = dict(enumerate(value))
    if not inner or not depth:
        if name:
            yield name, value
        return
    for key, part in inner.items():
        yield from _flat(part, f"{name}/{key}" if name else str(key), depth - 1)


def _plain(value: Any) -> Plain:
    if value is None or isinstance(value, bool | int | float | str):
        return value if not isinstance(value, str) else _short(value)
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value.detach())
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return _short(f"{value.__module__}.{value.__qualname__}")
    return _short(str(value))


def _short(text: str) -> str:
    return text if len(text) <= _LONG else text[:_LONG] + "…"


def initial_metrics(metrics: Any) -> dict[str, float]:
    """First values of the metrics that runs are compared by; a number alone is that of ``hp_metric``.

    Examples
    --------
    >>> initial_metrics({"hp/metric_1": 0}), initial_metrics(-1), initial_metrics(None)
    ({'hp/metric_1': 0.0}, {'hp_metric': -1.0}, {})
    """
    if metrics is None:
        return {}
    given = metrics if isinstance(metrics, Mapping) else {"hp_metric": metrics}
    for name, value in given.items():
        one = isinstance(value, Tensor) and value.numel() == 1
        if not isinstance(name, str) or isinstance(value, bool) or not (one or isinstance(value, Real)):
            raise ArgumentTypeError(
                f'expected metrics as numbers by name, e.g. {{"hp/metric_1": 0}}; received {name!r}: {value!r}.'
            )
    return {name: float(value) for name, value in given.items()}


def hparams_card(params: Mapping[str, Plain], metrics: Mapping[str, float]) -> Card:
    """The card of a run's hyper-parameters, with its metrics.

    Examples
    --------
    >>> hparams_card({"lr": 0.1}, {"hp/accuracy": 0.5}).content
    {'facts': [['lr', '0.1']], 'table': {'columns': ['metric', 'value'], 'rows': [['hp/accuracy', 0.5]]}}
    """
    content: dict[str, Any] = {"facts": [[name, str(value)] for name, value in params.items()]}
    if metrics:
        rows = [[name, value if math.isfinite(value) else None] for name, value in metrics.items()]
        content["table"] = {"columns": ["metric", "value"], "rows": rows}
    return Card("hparams", "Run", "report", "Hyper-parameters", content)


def hyperparameters_of(checkpoint_path: str | PathLike[str]) -> dict[str, Any]:
    """Hyper-parameters that a checkpoint of Lightning was saved with.

    Nothing in the file is run: it is read with ``weights_only=True``, on the host.

    Parameters
    ----------
    checkpoint_path : str or path
        A ``.ckpt`` file.

    Returns
    -------
    dict
        What ``save_hyperparameters()`` had kept, as it was.

    Raises
    ------
    ArgumentError
        If the file has none, or holds objects that only running code could make.
    """
    path = fspath(checkpoint_path)
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except Exception as error:
        raise ArgumentError(
            f"expected a checkpoint of tensors and plain values; received {path!r}: {str(error).splitlines()[0]} "
            "If you trust it, allow its classes by torch.serialization.add_safe_globals([...])."
        ) from error
    found = checkpoint.get("hyper_parameters") if isinstance(checkpoint, Mapping) else None
    if not isinstance(found, Mapping):
        raise ArgumentError(
            f"expected a checkpoint with hyper-parameters; received {path!r} without. Call "
            "self.save_hyperparameters() in the module's __init__."
        )
    return dict(found)
