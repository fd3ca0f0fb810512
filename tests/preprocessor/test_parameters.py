"""Preprocessors of parameters: whatever a parameter is, there is a number or a gap, and nobody waits for the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from monitorch_widgets.preprocessor import (
    GradientActivation,
    GradientGeometry,
    ParameterCond,
    ParameterDifferenceGeometry,
    ParameterNorm,
    ParameterUpdateRatio,
    TensorPreprocessor,
)
from monitorch_widgets.preprocessor.difference import Moved

from ..numerical.reference import exact, norm
from ..numerical.reference import tensor as drawn
from .kinds import channels

MAKE: dict[str, Callable[[], TensorPreprocessor]] = {
    "GradientActivation": lambda: GradientActivation(True, False, window=2),
    "GradientGeometry": lambda: GradientGeometry(True, False, False),
    "ParameterCond": lambda: ParameterCond([], False),
    "ParameterDifferenceGeometry": lambda: ParameterDifferenceGeometry(True, False, False),
    "ParameterNorm": lambda: ParameterNorm([], False, False),
    "ParameterUpdateRatio": lambda: ParameterUpdateRatio(False),
}
SPARSE = torch.sparse_coo_tensor(torch.tensor([[1, 1, 3]]), torch.ones(3, 2), (5, 2), check_invariants=True)
ODD = {
    "sparse": SPARSE,
    "0-d": torch.tensor(2.0),
    "no rows": torch.zeros(0, 3),
    "no columns": torch.zeros(3, 0),
    "complex": drawn((3, 2), torch.complex64),
    "half": drawn((3, 2), torch.float16),
    "integers": torch.arange(6).reshape(3, 2),
    "bool": torch.tensor([True, False]),
    "nan": torch.full((3, 2), math.nan),
    "infinite": torch.tensor([[math.inf, 1.0], [0.0, 1.0]]),
    "zero": torch.zeros(3, 2),
    "conjugated": drawn((3, 2), torch.complex64).conj(),
    "not contiguous": drawn((4, 6), torch.float32).t()[::2],
}


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
@pytest.mark.parametrize("tensor", ODD.values(), ids=ODD)
def test_whatever_comes_has_a_number_or_none(make: Callable[[], TensorPreprocessor], tensor: Tensor) -> None:
    preprocessor = make()
    for _ in range(3):
        preprocessor.process_tensor("w", tensor.clone())
    value = preprocessor.value["w"]
    assert all(math.isfinite(number) for channel in channels(value) for number in channel)


@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_nobody_waits_for_the_device(make: Callable[[], TensorPreprocessor], monkeypatch: pytest.MonkeyPatch) -> None:
    preprocessor = make()

    def waits(*args: Any) -> Any:
        raise AssertionError("this waits for the device")

    tensors = [drawn((4, 3), torch.float32, seed) for seed in range(3)]
    with monkeypatch.context() as patched:
        for name in ("item", "tolist", "__bool__", "__float__", "__int__", "cpu", "numpy", "nonzero"):
            patched.setattr(Tensor, name, waits)
        for each in tensors:
            preprocessor.process_tensors(["a", "b"], [each, each * 2])
    assert set(preprocessor.value) == {"a", "b"}


# ---------------------------------------------------------------- condition numbers


def test_a_matrix_with_nan_or_infinity_has_no_condition_number() -> None:
    conditions = ParameterCond([], inplace=True)
    bad = torch.eye(3)
    for poison in (math.nan, math.inf, -math.inf, 1.0):
        bad[0, 1] = poison
        conditions.process_tensor("w", bad.clone())
    kept = conditions.value["w"]
    assert (kept.count, kept.nonfinite) == (1, 3)


def test_condition_numbers_of_extreme_matrices() -> None:
    conditions = ParameterCond([], inplace=False)
    for scale in (1e-30, 1.0, 1e30):
        conditions.process_tensor("w", torch.diag(torch.tensor([3.0, 1.0])) * scale)
    assert conditions.value["w"] == [pytest.approx(3, rel=1e-5)] * 3


# ---------------------------------------------------------------- ratios


def test_ratios_of_half_types_are_not_rounded_again() -> None:
    before = torch.full((64,), 256.0, dtype=torch.bfloat16)
    after = torch.full((64,), 0.1, dtype=torch.bfloat16)
    ratios = ParameterUpdateRatio(inplace=False)
    ratios.process_tensors(["w"], [before])
    ratios.process_tensors(["w"], [after])
    expected = norm(exact(after) - exact(before)) / norm(exact(before))
    assert ratios.value["w"] == [pytest.approx(expected, rel=1e-6)]


def test_a_parameter_that_was_zero_has_no_ratio() -> None:
    ratios = ParameterUpdateRatio(inplace=True)
    for value in (0.0, 1.0, 3.0):
        ratios.process_tensor("w", torch.tensor([value, 0.0]))
    kept = ratios.value["w"]
    assert (kept.count, kept.nonfinite, kept.mean) == (1, 1, 2)


def test_ratios_keep_one_copy_until_they_forget() -> None:
    ratios = ParameterUpdateRatio(inplace=True)
    ratios.process_tensor("w", torch.ones(8))
    assert ratios.memory_bytes == 32
    ratios.reset()
    ratios.process_tensor("w", torch.ones(8) * 2)
    assert ratios.value["w"].mean == 1  # the copy outlives the epoch
    ratios.forget()
    assert ratios.memory_bytes == 0


def test_changes_may_come_from_elsewhere() -> None:
    ratios, updates = ParameterUpdateRatio(False), ParameterDifferenceGeometry(True, False, False)
    change, before = torch.tensor([3.0, 4.0]), torch.tensor(10.0)
    for preprocessor in (ratios, updates):
        for _ in range(2):
            preprocessor.process_changes(Moved(["w"], [change], [before], [change.norm()]))
    assert ratios.value["w"] == [0.5, 0.5]
    assert updates.value["w"] == ([5, 5], [pytest.approx(1)])


# ---------------------------------------------------------------- modules


def test_a_parametrized_tensor_is_not_computed() -> None:
    layer = parametrizations.spectral_norm(nn.Linear(3, 3)).train()
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    for preprocessor in (ParameterNorm(["weight", "bias"], False, False), ParameterCond(["weight", "bias"], False)):
        preprocessor.process_module("fc", layer)
        assert list(preprocessor.value.get("fc", {})) == ["bias"]
    for name, value in layer.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


def test_buffers_and_plain_tensors_of_a_module_are_measured_too() -> None:
    layer = nn.BatchNorm1d(4)
    layer.plain = torch.ones(4)  # as the weight is under the old weight_norm
    norms = ParameterNorm(["weight", "running_var", "plain", "eps", "nothing"], False, inplace=False)
    norms.process_module("bn", layer)
    assert {name: values[0] for name, values in norms.value["bn"].items()} == dict.fromkeys(
        ("weight", "running_var", "plain"), 2.0
    )
