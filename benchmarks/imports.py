"""What importing the package takes beside importing torch alone: ``python -m benchmarks.imports``.

Each import happens in a fresh process, and they take turns, in a new order every round.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .tables import command, number, table

STATEMENTS = {
    "torch": "import torch",
    "monitorch_widgets": "import monitorch_widgets",
    "with its lenses": "import monitorch_widgets, monitorch_widgets.lens",
    "with the dashboard": "import monitorch_widgets, monitorch_widgets.visualizer.widgets",
}
BASE = "torch"
HEAD = ["import of", "wall s", "Q1", "Q3", "x torch", "user+sys s", "x torch"]


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.imports", description="What importing takes.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    options = arguments(given)
    print(command("benchmarks.imports", given), flush=True)
    for statement in STATEMENTS.values():  # once before it counts: files are in memory then, and compiled
        import_once(statement)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in STATEMENTS}
    order, draw = list(STATEMENTS), random.Random(0)
    for _ in range(options.rounds):
        draw.shuffle(order)
        for name in order:
            times[name].append(import_once(STATEMENTS[name]))
    print(table(HEAD, [_row(name, times) for name in STATEMENTS]))
    if options.json:
        options.json.write_text(json.dumps(times, indent=1))


def import_once(statement: str) -> tuple[float, float]:
    """Seconds by the wall clock, and of processor time, of a fresh process that runs `statement`."""
    before, started = _processor_time(), time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - started, _processor_time() - before


def _processor_time() -> float:
    used = os.times()  # of children that have ended; Windows says 0
    return used.children_user + used.children_system


def _row(name: str, times: dict[str, list[tuple[float, float]]]) -> list[str]:
    wall, cpu = (list(part) for part in zip(*times[name], strict=True))
    base_wall, base_cpu = (statistics.median(part) for part in zip(*times[BASE], strict=True))
    low, high = (wall[0], wall[0]) if len(wall) < 2 else statistics.quantiles(wall, n=4, method="inclusive")[::2]
    middle, middle_cpu = statistics.median(wall), statistics.median(cpu)
    texts = [number(seconds) for seconds in (middle, low, high)]
    cpu_ratio = middle_cpu / base_cpu if base_cpu else math.nan
    return [name, *texts, number(middle / base_wall, 3), number(middle_cpu), number(cpu_ratio, 3)]


if __name__ == "__main__":
    main()
