"""What a journal costs: ``python -m benchmarks.journal``.

Two inspectors with nine lenses, which listen to every step, watch a copy of an MLP of four layers each; one of them
has a journal. They take turns in one process. Then how large the file is, and how long it takes to read it.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from monitorch_widgets import Journal, PyTorchInspector, lens

from .models import mlp
from .tables import command, number, table
from .timing import Plan, Times, take_turns, warm_up
from .variants import Variant, all_lenses
from .worlds import World


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.journal", description="What a journal costs.")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--block", type=int, default=50, help="steps of one variant before it is the other's turn")
    parser.add_argument("--max-queue", type=int, default=10)
    return parser.parse_args(given)


def watched(name: str, journal: Journal | None) -> tuple[Variant, PyTorchInspector]:
    """An MLP under an inspector."""
    training, world = mlp(4, 256, torch.device("cpu")), World()
    with world.entered():
        inspector = PyTorchInspector(
            all_lenses(lens, training), module=training.model, visualizer="dummy", every=1, journal=journal
        )
    return Variant(name, training, world=world), inspector


def main(given: Sequence[str] | None = None) -> None:
    """Train, and print."""
    options = arguments(given)
    print(command("benchmarks.journal", given), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(folder, max_queue=options.max_queue)
        (without, one), (having, other) = watched("without", None), watched("with a journal", journal)
        variants = {"without": without, "with a journal": having}
        warm_up(variants, min(options.block, 100), torch.device("cpu"))
        times = take_turns(variants, Plan(options.block, options.steps), torch.device("cpu"))
        for variant, inspector in ((without, one), (having, other)):
            with variant.world.entered():
                inspector.detach()
        print(_costs(times))
        print(_size(Path(journal.path)))


def _costs(times: dict[str, Times]) -> str:
    rows = [[name, number(1e3 * of.mean, 3), number(1e3 * of.mean_cpu, 3)] for name, of in times.items()]
    having, without = times["with a journal"], times["without"]
    wall, processor = _ratio(having.wall, without.wall), _ratio(having.cpu, without.cpu)
    ratios = f"ratio of neighbouring blocks, median: {wall:.3f}; of processor time, all threads: {processor:.3f}"
    return f"{table(['', 'ms/step', 'processor ms/step'], rows)}\n{ratios}"


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def _size(path: Path) -> str:
    began = time.perf_counter()
    run = Journal.read(path)
    readings = sum(int(np.isfinite(run[tag].values).sum()) for tag in run.tags)
    took_s, size = time.perf_counter() - began, path.stat().st_size
    each = f"{size / readings:.2f} MB a million readings"
    return f"{readings} readings of {len(run.tags)} tags: {size / 1e6:.2f} MB, {each}; read in {took_s:.2f} s"


if __name__ == "__main__":
    main()
