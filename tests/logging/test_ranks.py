"""What ranks log is reduced together where they meet, and nobody waits for what another never logs."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

Found = dict[str, Any]


def _on_rank(rank: int, port: int, out: str) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    try:
        torch.save(_logged(rank), Path(out) / f"{rank}.pt")
    finally:
        dist.destroy_process_group()


def _logged(rank: int) -> Found:
    import torchmetrics

    from monitorch_widgets import PyTorchInspector

    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inspector = PyTorchInspector(lenses=[], module=model, visualizer="dummy", strict=True)
    mean, alone = torchmetrics.MeanMetric(), torchmetrics.MeanMetric()
    groups = [dist.new_group([0]), dist.new_group([1])]
    for i in range(2):
        optimizer.zero_grad()
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        value = 10.0 * rank + i
        size = 3 if rank == 0 else 1
        for reduce_fx in ("mean", "min", "max", "sum", "median"):
            inspector.log(
                reduce_fx,
                torch.tensor(value),
                on_step=True,
                on_epoch=True,
                reduce_fx=reduce_fx,
                sync_dist=True,
                batch_size=size,
            )
        both = {"on_epoch": True, "on_step": False, "batch_size": 1}
        inspector.log("own", value, **both)
        inspector.log("rank_zero", value, sync_dist=True, rank_zero_only=True, **both)
        inspector.log("group", value, sync_dist=True, sync_dist_group=groups[rank], **both)
        inspector.log(f"only_{rank}", value, sync_dist=True, **both)
        mean.update(value)
        inspector.log("metric", mean, on_step=False, on_epoch=True)
        if rank == 0:
            alone.update(7.0)
            inspector.log("metric_alone", alone, on_step=False, on_epoch=True)
    inspector.tick_epoch()
    if rank == 1:  # an evaluation on one rank, and a step after it
        inspector.phase = "val"
        inspector.log("val", 1.0, sync_dist=True, batch_size=1)
        inspector.phase = "train"
    inspector.tick_epoch()
    history = inspector.history["Logged"]
    steps = {name: history.values[:, history.modules.index(name)].tolist() for name in ("mean_step", "sum_step")}
    return {**inspector.metrics, "steps": steps}


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[Found]:
    out = tmp_path_factory.mktemp("ranks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = mp.spawn(_on_rank, args=(port, str(out)), nprocs=2, join=False)
    while not context.join(timeout=120):
        pass
    return [torch.load(out / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_B13_N13_sync_dist_reduces_over_the_ranks_with_their_weights(ranks: list[Found]) -> None:
    values = [(0.0, 3), (1.0, 3), (10.0, 1), (11.0, 1)]
    expected = {
        "mean_epoch": sum(value * size for value, size in values) / 8,
        "min_epoch": 0.0,
        "max_epoch": 11.0,
        "sum_epoch": 22.0,
        "median_epoch": 1.0,
    }
    for found in ranks:
        assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_B13_numbers_of_steps_are_reduced_where_the_ranks_meet(ranks: list[Found]) -> None:
    for found in ranks:
        assert found["steps"]["mean_step"] == pytest.approx([5.0, 6.0])
        assert found["steps"]["sum_step"] == pytest.approx([10.0, 12.0])
        assert found["max_step"] == 11.0 and found["min_step"] == 1.0


def test_B13_without_it_each_rank_has_its_own(ranks: list[Found]) -> None:
    assert [found["own"] for found in ranks] == [0.5, 10.5]


def test_B11_rank_zero_only_takes_no_part_in_it(ranks: list[Found]) -> None:
    assert [found["rank_zero"] for found in ranks] == [0.5, 10.5]


def test_B14_a_group_reduces_among_its_ranks(ranks: list[Found]) -> None:
    assert [found["group"] for found in ranks] == [0.5, 10.5]


def test_B13_ranks_that_log_different_names_wait_for_nobody(ranks: list[Found]) -> None:
    assert [found.get(f"only_{rank}") for rank, found in enumerate(ranks)] == [0.5, 10.5]
    assert "only_1" not in ranks[0] and "only_0" not in ranks[1]
    assert "val" not in ranks[0] and ranks[1]["val"] == 1.0


def test_B15_metrics_meet_by_themselves_where_all_ranks_have_them(ranks: list[Found]) -> None:
    assert [found["metric"] for found in ranks] == pytest.approx([5.5, 5.5])
    assert ranks[0]["metric_alone"] == 7.0 and "metric_alone" not in ranks[1]
