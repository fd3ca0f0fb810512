"""What every built-in preprocessor promises whatever it measures."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from monitorch_widgets import preprocessor as room
from monitorch_widgets.preprocessor import (
    AbstractBackwardPreprocessor,
    AbstractForwardPreprocessor,
    AbstractModulePreprocessor,
    AbstractPreprocessor,
    AbstractTensorPreprocessor,
    DeferredPreprocessor,
    GradientGeometry,
    OutputGradientGeometry,
    OutputNorm,
    StepBuffer,
)

from ..numerical.reference import tensor as drawn
from .kinds import KINDS, Kind, channels

X, Y, Z = (drawn((4, 3), torch.float32, seed) for seed in range(3))


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("kind", KINDS, ids=str)
class TestEvery:
    def test_nothing_at_first_and_nothing_after_a_reset(self, kind: Kind, inplace: bool) -> None:
        preprocessor = kind.make(inplace)
        assert preprocessor.value == {}
        for tensor in (X, Y):
            kind.feed(preprocessor, "fc", tensor)
        preprocessor.reset()
        assert preprocessor.value == {}

    def test_modules_are_kept_apart(self, kind: Kind, inplace: bool) -> None:
        together, alone = kind.make(inplace), kind.make(inplace)
        for tensor, other in ((X, Z), (Y, X), (Z, Y)):
            kind.feed(together, "a", tensor)
            kind.feed(together, "b", other)
            kind.feed(alone, "a", tensor)
        assert list(together.value) == ["a", "b"]
        assert channels(together.value["a"]) == channels(alone.value["a"])

    def test_nothing_is_copied_to_the_host_before_it_is_asked_for(self, kind: Kind, inplace: bool) -> None:
        preprocessor = kind.make(inplace)
        for tensor in (X, Y, Z):
            kind.feed(preprocessor, "fc", tensor)
        assert preprocessor.buffer.transfers == 0
        preprocessor.value  # noqa: B018 - asking is the point
        assert preprocessor.buffer.transfers == 1

    def test_a_listener_hears_every_reading_with_its_step(self, kind: Kind, inplace: bool) -> None:
        preprocessor = kind.make(inplace)
        heard: list[tuple[str, list[float], int]] = []

        def listen(names: list[str], values: npt.NDArray[np.float64], steps: list[int]) -> None:
            heard.extend(zip(names, values.tolist(), steps, strict=True))

        preprocessor.listener = listen
        for tensor in (X, Y, Z):
            kind.feed(preprocessor, "fc", tensor)
            preprocessor.buffer.step += 1
        kept = channels(preprocessor.value["fc"])
        differs = "Difference" in kind.name or "Update" in kind.name
        assert [step for *_, step in heard] == ([1, 2] if differs else [0, 1, 2])
        assert all(len(row) == len(kept) for _, row, _ in heard)
        if not inplace:
            columns = [[row[i] for _, row, _ in heard] for i in range(len(kept))]
            assert [[value for value in column if math.isfinite(value)] for column in columns] == kept

    def test_many_that_wait_give_what_each_gives_at_once(self, kind: Kind, inplace: bool) -> None:
        """Micro-batches, and steps that were not fetched: several of each name, in any order."""
        waiting, at_once = kind.make(inplace), kind.make(inplace)
        order = [("a", X), ("b", Y), ("b", X), ("a", Z), ("c", Z[:2]), ("a", Y), ("b", Z), ("c", X[:2])]
        for name, tensor in order:
            kind.feed(waiting, name, tensor)
            kind.feed(at_once, name, tensor)
            at_once.value  # noqa: B018 - asking brings in what waits
        assert waiting.buffer.transfers == 0
        assert list(waiting.value) == list(at_once.value)
        for name, value in at_once.value.items():
            for ours, theirs in zip(channels(waiting.value[name]), channels(value), strict=True):
                assert (ours.mean, ours.count) == (theirs.mean, theirs.count) if inplace else ours == theirs

    def test_what_waits_belongs_to_the_epoch_it_came_in(self, kind: Kind, inplace: bool) -> None:
        preprocessor = kind.make(inplace)
        for tensor in (X, Y):
            kind.feed(preprocessor, "fc", tensor)
        preprocessor.reset()
        kind.feed(preprocessor, "fc", Z)
        assert len(channels(preprocessor.value["fc"])[0]) == 1

    def test_no_process_group_no_sync(self, kind: Kind, inplace: bool) -> None:
        preprocessor = kind.make(inplace)
        kind.feed(preprocessor, "fc", X)
        kind.feed(preprocessor, "fc", Y)
        before = repr(preprocessor.value)
        preprocessor.start_sync()
        preprocessor.finish_sync()
        assert repr(preprocessor.value) == before


@pytest.mark.parametrize(
    ("abstract", "methods"),
    [
        (AbstractPreprocessor, {"reset", "value"}),
        (AbstractForwardPreprocessor, {"reset", "value", "process_fw"}),
        (AbstractBackwardPreprocessor, {"reset", "value", "process_bw"}),
        (AbstractModulePreprocessor, {"reset", "value", "process_module"}),
        (AbstractTensorPreprocessor, {"reset", "value", "process_tensor"}),
    ],
)
def test_what_a_preprocessor_of_ones_own_has_to_bring(abstract: type, methods: set[str]) -> None:
    assert set(abstract.__abstractmethods__) == methods
    with pytest.raises(TypeError, match="abstract"):
        abstract()


def test_a_tensor_preprocessor_of_ones_own_gets_a_step_one_by_one() -> None:
    class Largest(AbstractTensorPreprocessor):
        def __init__(self) -> None:
            self.kept: dict[str, float] = {}

        @property
        def value(self) -> dict[str, float]:
            return self.kept

        def reset(self) -> None:
            self.kept = {}

        def process_tensor(self, name: str, tensor: torch.Tensor) -> None:
            self.kept[name] = tensor.max().item()

    largest = Largest()
    largest.process_tensors(["a", "b"], [torch.tensor([1.0, 2.0]), torch.tensor([3.0])])
    largest.start_sync()
    largest.finish_sync()
    assert largest.value == {"a": 2, "b": 3}


def test_the_rooms_names_are_those_it_promises() -> None:
    assert room.__all__ == sorted(room.__all__)
    assert all(hasattr(room, name) for name in room.__all__)


def test_correlations_outlive_a_reset_but_not_forget() -> None:
    """The first batch of an epoch is compared with the last one of the epoch before."""
    gradients = GradientGeometry(correlation=True, normalize=False, inplace=False)
    gradients.process_tensor("w", X)
    gradients.reset()
    gradients.process_tensor("w", X)
    assert gradients.value["w"][1] == [pytest.approx(1)]
    assert gradients.memory_bytes == 4 * 3 * 4
    gradients.forget()
    gradients.process_tensor("w", X)
    assert len(gradients.value["w"][1]) == 1


def test_without_correlation_no_copy_is_kept() -> None:
    gradients = GradientGeometry(correlation=False, normalize=False, inplace=True)
    gradients.process_tensor("w", X)
    assert gradients.memory_bytes == 0
    assert gradients.value["w"].count == 1


def test_a_whole_step_of_gradients_is_one_piece() -> None:
    gradients = GradientGeometry(correlation=True, normalize=False, inplace=True)
    gradients.process_tensors(["a", "b", "c"], [X, Y, Z])
    assert len(gradients.buffer) == 1


@pytest.mark.parametrize("grad_output", [(X,), [X], X])
def test_a_gradient_may_come_bare_or_in_a_tuple(grad_output: object) -> None:
    """Read at the output; the gradient of the input is never looked at."""
    gradients = OutputGradientGeometry(correlation=False, normalize=False, inplace=False)
    gradients.process_bw("fc", nn.Identity(), (None,), grad_output)
    assert gradients.value["fc"] == [pytest.approx(X.norm().item())]


def test_no_gradient_is_no_reading() -> None:
    gradients = OutputGradientGeometry(correlation=False, normalize=False, inplace=False)
    gradients.process_bw("fc", nn.Identity(), (None,), (None,))
    assert gradients.value == {}


def test_a_gradient_of_another_batch_size_is_not_compared() -> None:
    gradients = OutputGradientGeometry(correlation=True, normalize=False, inplace=False)
    for grad in (X, X[:2], X[:2]):
        gradients.process_bw("fc", nn.Identity(), (None,), (grad,))
    norms, products = gradients.value["fc"]
    assert (len(norms), products) == (3, [pytest.approx(1)])


@pytest.mark.parametrize("layer_input", [None, X, (X, Y)])
@pytest.mark.parametrize("output", [torch.ones(4), torch.tensor(2.0), X], ids=["1-d", "0-d", "2-d"])
def test_any_input_and_outputs_of_any_dimension(layer_input: object, output: torch.Tensor) -> None:
    """monitorch fails for 1-d outputs and for modules that are called by keyword alone."""
    norms = OutputNorm(False, False, False, False)
    norms.process_fw("fc", nn.Identity(), layer_input, output)
    assert len(norms.value["fc"]) == 1


def test_the_shared_buffer_makes_one_copy_for_all() -> None:
    buffer = StepBuffer()
    made = [kind.make(True) for kind in KINDS]
    for preprocessor, kind in zip(made, KINDS, strict=True):
        assert isinstance(preprocessor, DeferredPreprocessor)
        preprocessor.buffer = buffer
        kind.feed(preprocessor, "fc", X)
        kind.feed(preprocessor, "fc", Y)
    buffer.flush()
    assert buffer.transfers == 1
    assert all(channels(preprocessor.value["fc"])[0].count >= 1 for preprocessor in made)
    assert buffer.transfers == 1
