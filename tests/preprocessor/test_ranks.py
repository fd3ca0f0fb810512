"""Two ranks: whatever each has seen, both end up with one pass over everything, and neither waits for ever."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from monitorch_widgets.numerical import RunningMeanVar
from monitorch_widgets.preprocessor import ExplicitCall

from ..numerical.reference import tensor as drawn
from ..numerical.two_ranks import on_two_ranks
from .kinds import KINDS, channels, loss_module

# Which modules a rank sees, and how often: other names on each, uneven counts, one rank that is idle.
SEEN = {
    "uneven": ({"a": 5, "b": 2}, {"b": 4, "a": 2}),
    "other names": ({"a": 3, "both": 3}, {"both": 2, "b": 4}),
    "idle": ({"a": 3}, {}),
    "idle master": ({}, {"b": 3, "a": 2}),
    "nothing": ({}, {}),
}


def fed(kind: Any, rank: int, seen: str, inplace: bool) -> Any:
    preprocessor = kind.make(inplace)
    for name, count in SEEN[seen][rank].items():
        for batch in range(count):
            kind.feed(preprocessor, name, drawn((4, 3), torch.float32, seed=100 * rank + batch, zeros=0.2))
    return preprocessor


def synced(preprocessor: Any) -> Any:
    preprocessor.start_sync(dst_rank=0)
    preprocessor.finish_sync()
    return {name: channels(kept) for name, kept in preprocessor.value.items()}


def losses(rank: int) -> dict[str, Any]:
    made = loss_module(inplace=True)
    if rank == 0:
        for value in (1.0, 2.0, 6.0):
            made.process_fw("loss", nn.MSELoss(), None, torch.tensor(value))
    return {name: (kept.count, kept.mean) for name, (kept,) in synced(made).items()}


def pushed(rank: int) -> ExplicitCall:
    made = ExplicitCall("train_loss", "val_loss")
    for value in (1.0, 3.0) if rank == 0 else (8.0,):
        made.push_loss(value, train=True)
        made.push_memory(f"only {rank}", value)
        (made.push_running if rank else made.push_memory)("mixed", value)
    return made


def described(call: ExplicitCall) -> dict[str, Any]:
    return {n: (v.count, v.mean, v.max_) if isinstance(v, RunningMeanVar) else v for n, v in call.value.items()}


def pushed_and_synced(rank: int) -> dict[str, Any]:
    made = pushed(rank)
    made.start_sync()
    made.finish_sync()
    return described(made)


def shared_by_two_lenses(rank: int) -> dict[str, Any]:
    """Each of two lenses begins and finishes, as they do with the pushed numbers that they share."""
    made = pushed(rank)
    made.start_sync()
    made.start_sync()
    made.finish_sync()
    made.finish_sync()
    return described(made)


def two_epochs(rank: int) -> list[Any]:
    """After a reset nothing of the other rank is left."""
    preprocessor = fed(KINDS[3], rank, "uneven", inplace=False)
    first = synced(preprocessor)
    preprocessor.reset()
    KINDS[3].feed(preprocessor, "a", torch.full((2, 4), float(rank + 1)))
    return [first, synced(preprocessor)]


def work(rank: int) -> dict[str, Any]:
    done: dict[str, Any] = {
        f"{kind}, {seen}, {inplace}": synced(fed(kind, rank, seen, inplace))
        for kind in KINDS
        for seen in SEEN
        for inplace in (False, True)
    }
    done["losses"] = losses(rank)
    done["pushed"] = pushed_and_synced(rank)
    done["shared"] = shared_by_two_lenses(rank)
    done["epochs"] = two_epochs(rank)
    return done


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return on_two_ranks(work, tmp_path_factory.mktemp("ranks"))


def union(kind: Any, seen: str) -> dict[str, list[list[float]]]:
    """The readings of both ranks, kept in lists by two preprocessors that know nothing of each other."""
    readings: dict[str, list[list[float]]] = {}
    for rank in range(2):
        for name, kept in fed(kind, rank, seen, inplace=False).value.items():
            parts = channels(kept)
            before = readings.setdefault(name, [[] for _ in parts])
            readings[name] = [old + new for old, new in zip(before, parts, strict=True)]
    return readings


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_synced_lists_are_the_readings_of_both(both: list[dict[str, Any]], kind: Any, seen: str) -> None:
    for done in both:
        assert done[f"{kind}, {seen}, False"] == union(kind, seen)


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_synced_statistics_are_one_pass_over_both(both: list[dict[str, Any]], kind: Any, seen: str) -> None:
    expected = union(kind, seen)
    for done in both:
        merged = done[f"{kind}, {seen}, True"]
        assert list(merged) == list(expected)
        for name, readings in expected.items():
            for running, values in zip(merged[name], readings, strict=True):
                assert running.count == len(values)
                if not values:  # one update has no other to be compared with
                    continue
                assert running.mean == pytest.approx(np.mean(values), rel=1e-9, abs=1e-12)
                assert running.var == pytest.approx(np.var(values), rel=1e-9, abs=1e-12)
                assert (running.min_, running.max_) == (min(values), max(values))
                assert running.sketch.quantile(0.5) == np.quantile(values, 0.5, method="closest_observation")


def test_losses_of_a_rank_alone(both: list[dict[str, Any]]) -> None:
    assert both[0]["losses"] == both[1]["losses"] == {"train_loss": (3, 3), "val_loss": (0, 0)}


@pytest.mark.parametrize("way", ["pushed", "shared"])
def test_pushed_numbers(both: list[dict[str, Any]], way: str) -> None:
    expected = {"train_loss": (3, 4, 8), "only 0": [1, 3], "mixed": (3, 4, 8), "only 1": [8]}
    assert both[0][way] == both[1][way] == expected


def test_the_next_epoch_starts_from_nothing(both: list[dict[str, Any]]) -> None:
    for done in both:
        assert done["epochs"][1] == {"a": [[2, 4]]}
