"""What watching does to a step, counted rather than timed: operations of torch, and calls of our functions."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import monitorch_widgets
from benchmarks.models import Training, mlp
from benchmarks.variants import all_lenses
from monitorch_widgets import PyTorchInspector, lens

CPU = torch.device("cpu")
PACKAGE = str(Path(monitorch_widgets.__file__).parent)
HOST_READS = ("aten._local_scalar_dense.default", "aten.item.default", "aten.is_nonzero.default")


class Operations(TorchDispatchMode):
    """Counts the operations that torch is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[str(func)] += 1
        return func(*args, **(kwargs or {}))


def operations(step: Callable[[], object]) -> Counter[str]:
    with Operations() as mode:
        step()
    return mode.counts


def calls(step: Callable[[], object]) -> int:
    """How many functions of the package are called."""
    count = 0

    def seen(frame: FrameType, event: str, _: object) -> None:
        nonlocal count
        count += event == "call" and frame.f_code.co_filename.startswith(PACKAGE)

    former = sys.getprofile()
    sys.setprofile(seen)
    try:
        step()
    finally:
        sys.setprofile(former)
    return count


@contextmanager
def watched(training: Training, lenses: list[Any], **arguments: Any) -> Iterator[Training]:
    """A training under an inspector that has made its first steps, after which nothing is prepared any more."""
    with PyTorchInspector(lenses, module=training.model, visualizer="dummy", strict=True, **arguments):
        for _ in range(3):
            training.step()
        yield training


def chain(layers: int) -> Training:
    return mlp(layers, 16, CPU, batch=8)


def bare_operations(layers: int) -> Counter[str]:
    """What torch is asked for in a step that nobody watches, the first ones left out."""
    training = chain(layers)
    return [operations(training.step) for _ in range(3)][-1]


def never(epoch: int) -> bool:
    return False


def test_paused_inspector_asks_torch_for_nothing() -> None:
    training, bare = chain(4), bare_operations(4)
    with watched(training, all_lenses(lens, training), is_active_fn=never):
        assert operations(training.step) == bare


def test_paused_inspector_is_called_as_often_on_a_deep_model_as_on_a_flat_one() -> None:
    least = {}
    for layers in (2, 12):
        training = chain(layers)
        with watched(training, all_lenses(lens, training), is_active_fn=never, every=1):
            least[layers] = min(calls(training.step) for _ in range(5))
    assert abs(least[12] - least[2]) < 5  # and not one for each of the ten layers more


def test_a_step_at_full_rate_reads_no_number_on_the_host() -> None:
    training = chain(4)
    with watched(training, all_lenses(lens, training), every=1):
        for _ in range(5):
            counts = operations(training.step)
            read = {name: counts[name] for name in HOST_READS if counts[name]}
            assert read == {"aten._local_scalar_dense.default": 1}  # the loss, which is on the host already


def test_steps_that_are_skipped_ask_torch_for_nothing_but_the_loss() -> None:
    training, bare = chain(4), bare_operations(4)
    without_loss = all_lenses(lens, training)[1:]
    with watched(training, without_loss, every=9):  # listens to 0 and 1, then to 9 and 10
        assert [operations(training.step) == bare for _ in range(8)] == [True] * 6 + [False] * 2


def test_each_layer_adds_the_same_operations() -> None:
    usual = []
    for layers in (2, 4, 6):
        training, bare = chain(layers), bare_operations(layers)
        with watched(training, all_lenses(lens, training), every=1):
            counts = [operations(training.step).total() - bare.total() for _ in range(6)]
        usual.append(min(counts))  # now and then a step brings what many have read
    assert usual[2] - usual[1] == usual[1] - usual[0]
