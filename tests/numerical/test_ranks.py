"""Two ranks with uneven data, one of them idle: merged is one pass over everything."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from monitorch_widgets.numerical import (
    Accumulator,
    GeometryComputation,
    RunningMeanVar,
    finish_sync_rmv_or_error,
    gathered_states,
    merged_states,
    start_sync_rmv_or_error,
)

from .two_ranks import on_two_ranks

# Readings of rank 0 and of rank 1.
STREAMS = {
    "uneven": (np.random.RandomState(0).standard_normal(300), np.random.RandomState(1).uniform(5, 6, 11)),
    "idle": (np.arange(7.0), np.empty(0)),
    "idle master": (np.empty(0), np.arange(7.0)),
    "gaps": (np.array([1.0, np.nan, 2.0]), np.array([np.inf, 6.0])),
    "nothing": (np.empty(0), np.empty(0)),
}


def filled(values: np.ndarray, accumulator: Accumulator) -> Accumulator:
    for value in values.tolist():
        accumulator.append(value)
    return accumulator


def synced(accumulator: Accumulator) -> Accumulator:
    start_sync_rmv_or_error(accumulator, dst_rank=0)
    finish_sync_rmv_or_error(accumulator)
    return accumulator


def geometry(rank: int, inplace: bool) -> GeometryComputation:
    computed = GeometryComputation(inplace=inplace, normalize=False, correlation=True, eps=1e-8)
    for scale in (1.0, 2.0, -4.0) if rank == 0 else (8.0,):
        computed.update(torch.tensor([0.6, 0.8]) * scale)
    return computed


def named(rank: int) -> dict[str, tuple[Accumulator, ...]]:
    """Rank 0 has seen `a` and `both`; rank 1 `both` and `b`."""
    names = ("a", "both") if rank == 0 else ("both", "b")
    return {name: (filled(np.array([rank, 2.0]), RunningMeanVar()), [float(rank)]) for name in names}


def work(rank: int) -> dict[str, object]:
    done: dict[str, object] = {}
    for kind, streams in STREAMS.items():
        done[f"{kind}, running"] = synced(filled(streams[rank], RunningMeanVar()))
        done[f"{kind}, list"] = synced(filled(streams[rank], []))
    for inplace in (True, False):
        computed = geometry(rank, inplace)
        computed.start_sync(dst_rank=0)
        computed.finish_sync()
        done[f"geometry, {inplace}"] = computed.value
    done["named"] = merged_states(gathered_states(named(rank)))
    mixed: Accumulator = [1.0, 2.0] if rank == 0 else filled(np.array([6.0]), RunningMeanVar())
    done["mixed"] = merged_states(gathered_states({"metric": (mixed,)}))
    return done


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, object]]:
    return on_two_ranks(work, tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("kind", STREAMS)
def test_running_statistics(both: list[dict[str, object]], kind: str) -> None:
    union = filled(np.concatenate(STREAMS[kind]), RunningMeanVar())
    assert isinstance(union, RunningMeanVar)
    for done in both:
        merged = done[f"{kind}, running"]
        assert isinstance(merged, RunningMeanVar)
        exact = ("count", "nonfinite", "min_", "max_")
        assert [getattr(merged, name) for name in exact] == [getattr(union, name) for name in exact]
        assert (merged.mean, merged.var) == pytest.approx((union.mean, union.var), rel=1e-12)
        assert merged.sketch.quantile(0.5) == pytest.approx(union.sketch.quantile(0.5), nan_ok=True)


@pytest.mark.parametrize("kind", STREAMS)
def test_lists(both: list[dict[str, object]], kind: str) -> None:
    for done in both:
        np.testing.assert_array_equal(done[f"{kind}, list"], np.concatenate(STREAMS[kind]))


def test_geometry(both: list[dict[str, object]]) -> None:
    for done in both:
        norms, products = done["geometry, False"]
        assert norms == pytest.approx([1, 2, 4, 8])
        assert products == pytest.approx([1, -1])
        norms, products = done["geometry, True"]
        assert (norms.count, norms.mean, norms.var) == (4, pytest.approx(15 / 4), pytest.approx(np.var([1, 2, 4, 8])))
        assert (products.count, products.mean) == (2, pytest.approx(0))


def test_names_that_one_rank_alone_has_seen(both: list[dict[str, object]]) -> None:
    for done in both:
        merged = done["named"]
        assert list(merged) == ["a", "both", "b"]
        assert {name: (running.count, running.mean) for name, (running, _) in merged.items()} == {
            "a": (2, 1.0),
            "both": (4, 1.25),
            "b": (2, 1.5),
        }
        assert [values for _, values in merged.values()] == [[0.0], [0.0, 1.0], [1.0]]


def test_a_list_on_one_rank_and_statistics_on_the_other(both: list[dict[str, object]]) -> None:
    for done in both:
        (merged,) = done["mixed"]["metric"]
        assert (merged.count, merged.mean, merged.max_) == (3, 3, 6)


def test_without_a_process_group_nothing_happens() -> None:
    values = [1.0, 2.0]
    assert synced(values) == [1, 2]
    assert synced(filled(np.array(values), RunningMeanVar())).mean == 1.5
    assert gathered_states({"x": ([1.0],)}) == []
