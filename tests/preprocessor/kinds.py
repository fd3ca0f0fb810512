"""Every built-in preprocessor behind one call, and what it should make of a tensor."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from monitorch_widgets.preprocessor import (
    DeferredPreprocessor,
    GradientActivation,
    GradientGeometry,
    LossModule,
    OutputActivation,
    OutputGradientGeometry,
    OutputNorm,
    ParameterCond,
    ParameterDifferenceGeometry,
    ParameterNorm,
    ParameterUpdateRatio,
)

from ..numerical.reference import Array, cosine, mean_sample_norm, norm, rates

Expected = Callable[[list[Array]], list[list[float]]]


class Holder(nn.Module):
    """A module that only has a weight."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)


@dataclass(frozen=True)
class Kind:
    """A way to use a preprocessor.

    `expected` gives, for the tensors of one name in the order of their coming, the readings of each channel.
    """

    name: str
    make: Callable[[bool], DeferredPreprocessor]
    feed: Callable[[Any, str, Tensor], None]
    expected: Expected

    def __str__(self) -> str:
        return self.name


def forward(preprocessor: Any, name: str, tensor: Tensor) -> None:
    preprocessor.process_fw(name, nn.Identity(), None, tensor)


def backward(preprocessor: Any, name: str, tensor: Tensor) -> None:
    preprocessor.process_bw(name, nn.Identity(), (None,), (tensor,))


def tensor(preprocessor: Any, name: str, tensor: Tensor) -> None:
    preprocessor.process_tensor(name, tensor)


def module(preprocessor: Any, name: str, tensor: Tensor) -> None:
    preprocessor.process_module(name, Holder(tensor))


def at_once(preprocessor: Any, name: str, tensor: Tensor) -> None:
    preprocessor.process_tensors([name], [tensor])


def each(number: Callable[[Array], float]) -> Expected:
    return lambda arrays: [[number(array) for array in arrays]]


def both_rates(**how: Any) -> Expected:
    return lambda arrays: [list(column) for column in zip(*(rates(a, **how) for a in arrays), strict=True)]


def geometry(normalize: bool) -> Expected:
    def expected(arrays: list[Array]) -> list[list[float]]:
        products = [cosine(a, b) for a, b in itertools.pairwise(arrays)]
        return [[norm(array, normalize) for array in arrays], [math.nan, *products][: len(arrays)]]

    return expected


def update_geometry(normalize: bool) -> Expected:
    return lambda arrays: geometry(normalize)(list(np.diff(np.stack(arrays), axis=0)))


def update_ratio(arrays: list[Array]) -> list[list[float]]:
    return [[norm(after - before) / norm(before) for before, after in itertools.pairwise(arrays)]]


def condition(array: Array) -> float:
    if array.ndim < 2 or not np.isfinite(array).all():
        return math.nan
    singular = np.linalg.svd(array.reshape(len(array), -1), compute_uv=False)
    return float(singular[0] / singular[-1])


KINDS = [
    Kind("GradientActivation", lambda i: GradientActivation(True, i), tensor, both_rates(batch=False)),
    Kind(
        "OutputActivation",
        lambda i: OutputActivation(True, i, record_eval=False, evaluation_from_grad=False),
        forward,
        both_rates(batch=True),
    ),
    Kind(
        "OutputActivation channel last",
        lambda i: OutputActivation(True, i, record_eval=False, evaluation_from_grad=False, channel_last=True),
        forward,
        both_rates(batch=True, channel_last=True),
    ),
    Kind("OutputNorm", lambda i: OutputNorm(False, i, False, False), forward, each(mean_sample_norm)),
    Kind(
        "OutputNorm RMS",
        lambda i: OutputNorm(True, i, False, False, channel_last=True),
        forward,
        each(lambda array: mean_sample_norm(array, True)),
    ),
    Kind("GradientGeometry", lambda i: GradientGeometry(True, False, i), tensor, geometry(False)),
    Kind("GradientGeometry RMS", lambda i: GradientGeometry(True, True, i), at_once, geometry(True)),
    Kind("OutputGradientGeometry", lambda i: OutputGradientGeometry(True, False, i), backward, geometry(False)),
    Kind("OutputGradientGeometry RMS", lambda i: OutputGradientGeometry(True, True, i), backward, geometry(True)),
    Kind(
        "ParameterDifferenceGeometry",
        lambda i: ParameterDifferenceGeometry(True, False, i),
        tensor,
        update_geometry(False),
    ),
    Kind(
        "ParameterDifferenceGeometry RMS",
        lambda i: ParameterDifferenceGeometry(True, True, i),
        at_once,
        update_geometry(True),
    ),
    Kind("ParameterUpdateRatio", lambda i: ParameterUpdateRatio(i), at_once, update_ratio),
    Kind("ParameterNorm", lambda i: ParameterNorm(["weight"], False, i), module, each(norm)),
    Kind("ParameterNorm RMS", lambda i: ParameterNorm([], True, i), at_once, each(lambda array: norm(array, True))),
    Kind("ParameterCond", lambda i: ParameterCond(["weight"], i), module, each(condition)),
]


def loss_module(inplace: bool) -> LossModule:
    made = LossModule(inplace, evaluation_from_grad=True)
    made.set_loss_strs("train_loss", "val_loss")
    return made


def channels(value: Any) -> list[Any]:
    """The accumulators that a preprocessor keeps under one name."""
    if isinstance(value, dict):
        (value,) = value.values()  # of a module: by parameter name
    return list(value) if isinstance(value, tuple) else [value]


def tensors_of(dtype: torch.dtype, shape: tuple[int, ...], count: int) -> list[Tensor]:
    from ..numerical.reference import tensor as drawn

    return [drawn(shape, dtype, seed, zeros=0.3) for seed in range(count)]
