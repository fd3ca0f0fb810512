"""Runs a function in two processes of one gloo group, as `torchrun` would."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

_PATIENCE = timedelta(seconds=60)  # after it a rank that waits for the other one raises


def on_two_ranks(worker: Callable[[int], Any], folder: Path) -> list[Any]:
    """What ``worker(rank)`` returns on each rank; an exception on one of them is raised here.

    The ranks meet over a file in `folder`, so no port has to be free.
    """
    mp.spawn(_run, args=(worker, folder), nprocs=2)
    return [pickle.loads((folder / f"{rank}.pickle").read_bytes()) for rank in range(2)]


def _run(rank: int, worker: Callable[[int], Any], folder: Path) -> None:
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=(folder / "meeting").as_uri(), rank=rank, world_size=2, timeout=_PATIENCE
    )
    try:
        result = worker(rank)
        dist.barrier()
    finally:
        dist.destroy_process_group()
    (folder / f"{rank}.pickle").write_bytes(pickle.dumps(result))
