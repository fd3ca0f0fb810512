"""A million steps through the history: ``python -m benchmarks.history``.

It records readings of 60 modules under 8 tags and says, after a thousand steps, ten thousand and so on, what a step
took, how long the longest stall was, how much memory the process has grown by, and how large the page's payload is:
all of it, as a page that was reloaded gets it, and the news of the newest steps. Then how far the quartiles of the
bins are from exact ones.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import time
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monitorch_widgets.history import History
from monitorch_widgets.panel.feed import Feed
from monitorch_widgets.panel.payload import snapshot_content
from monitorch_widgets.values import Status

from .quartiles import errors
from .signals import Signals
from .tables import command, number, table

SECONDS_PER_STEP = 0.01
MB = 1e6


@dataclass(frozen=True)
class Mark:
    """What was measured up to a number of steps; times are of the steps since the mark before."""

    steps: int
    step_us: float
    worst_ms: float
    worst_cpu_ms: float
    grown_mb: float
    whole_mb: float
    whole_ms: float
    news_kb: float
    news_ms: float


HEAD = ["steps", "us/step", "worst ms", "of CPU", "grown MB", "whole MB", "in ms", "news kB", "in ms"]


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description="A run through the history.")
    parser.add_argument("steps", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--modules", type=int, default=60)
    parser.add_argument("--tags", type=int, default=8)
    parser.add_argument("--block", type=int, default=8, help="steps that are recorded together")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Record, and print."""
    options = arguments(given)
    print(command("benchmarks.history", given))
    print(f"{options.modules} modules x {options.tags} tags, {options.block} steps at a time\n", flush=True)
    run = Run(Signals(options.modules, options.tags), options.block)
    print(_line(HEAD), flush=True)
    marks = []
    for mark in run.marks(options.steps):  # each as soon as it is there: a million steps take minutes
        marks.append(mark)
        print(_line(_row(mark)), flush=True)
    held = held_bytes(run.history) / MB
    print(f"\nthe history holds {held:.1f} MB")
    found = run.quartile_errors()
    print("\nerrors of the quartiles of bins, in rank, and in value over the distance of the exact quartiles")
    print(table(["readings", "median", "95 %", "worst", "value: median", "95 %"], [[k, *e] for k, e in found.items()]))
    if options.json:
        record = {"marks": [asdict(mark) for mark in marks], "held_mb": held, "quartiles": found}
        options.json.write_text(json.dumps(record, indent=1))


class Run:
    """A history that is filled block by block, and watched while it is."""

    def __init__(self, signals: Signals, block: int) -> None:
        self.signals, self.block = signals, block
        self.history = History()
        self._series = [self.history.declare(tag, signals.names) for tag in signals.tags]
        self._names = signals.names * block
        self._memory = resident_bytes()
        self._step = 0
        self._times: list[tuple[float, float]] = []

    def marks(self, steps: int) -> Iterator[Mark]:
        """Record `steps` steps; a mark at a thousand, ten thousand and so on, and at the end."""
        for upto in [*(10**power for power in range(3, int(math.log10(steps)) + 1) if 10**power < steps), steps]:
            self._times.clear()
            started = self._step
            self._record_until(upto - self.block)
            feed = Feed(self.history, self.signals.tags)
            feed.seen(Status())
            self._record_until(upto)
            yield self._mark(started, feed)

    def _record_until(self, step: int) -> None:
        while self._step < step:
            self._record_block(min(self.block, step - self._step))

    def _record_block(self, count: int) -> None:
        first = self._step
        steps = np.repeat(np.arange(first, first + count), len(self.signals.names))
        names, seconds = self._names[: len(steps)], SECONDS_PER_STEP * steps.astype(float)
        values = [self.signals.readings(tag, first, count).ravel() for tag in range(len(self._series))]
        wall, cpu = time.perf_counter(), time.thread_time()
        for series, its_values in zip(self._series, values, strict=True):
            series.record_readings(names, steps, seconds, its_values)
        self._times.append((time.perf_counter() - wall, time.thread_time() - cpu))
        self._step += count

    def _mark(self, started: int, feed: Feed) -> Mark:
        wall, cpu = (np.array(times) for times in zip(*self._times, strict=True))
        grown = resident_bytes() - self._memory
        whole, whole_s = _timed(lambda: snapshot_content(self.history, self.signals.tags))
        news, news_s = _timed(lambda: feed.delta(Status("live", step=self._step)))
        news_size = sum(map(len, news.buffers)) + len(json.dumps(news.content)) if news is not None else 0
        times = (1e6 * wall.sum() / (self._step - started), 1e3 * wall.max(), 1e3 * cpu.max())
        return Mark(self._step, *times, grown / MB, size(whole) / MB, 1e3 * whole_s, news_size / 1e3, 1e3 * news_s)

    def quartile_errors(self, modules: int = 2) -> dict[str, list[str]]:
        """By kind of readings: median, 95th percentile and worst error in rank, then in value, as texts."""
        by_kind: dict[str, list[Any]] = {}
        for tag, series in enumerate(self._series):
            for module in range(min(modules, len(self.signals.names))):
                by_kind.setdefault(self.signals.kind(tag), []).append(errors(series, self.signals, tag, module))
        found = {}
        for kind, pairs in by_kind.items():
            ranks, values = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
            points = [*np.quantile(ranks, [0.5, 0.95, 1]), *np.quantile(values, [0.5, 0.95])] if len(ranks) else []
            found[kind] = [number(float(point), 4) for point in points] or ["-"] * 5
        return found


def _timed(what: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    return what(), time.perf_counter() - started


def size(content: Any) -> int:
    """Bytes of all buffers in a message, and about those of the rest."""
    if isinstance(content, bytes | memoryview):
        return len(content)
    if isinstance(content, dict):
        return sum(len(key) + size(value) for key, value in content.items())
    return sum(map(size, content)) if isinstance(content, list | tuple) else len(str(content))


def resident_bytes() -> float:
    """Memory of the process; NaN where the system does not tell it the way Linux does."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return math.nan


def held_bytes(what: Any) -> int:
    """Memory that a copy of `what` takes."""
    tracemalloc.start()
    try:
        copied = copy.deepcopy(what)
        found = tracemalloc.get_traced_memory()[0]
        del copied
    finally:
        tracemalloc.stop()
    return found


def _line(cells: Sequence[str]) -> str:
    return "  ".join(cell.rjust(8) for cell in cells)


def _row(mark: Mark) -> list[str]:
    steps, *others = asdict(mark).values()
    return [str(steps), *(number(other, 2) for other in others)]


if __name__ == "__main__":
    main()
