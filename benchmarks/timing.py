"""Times of steps: variants take turns in blocks of steps, in a new order every round."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import torch

from .variants import Variant
from .worlds import synchronize

WARM = 1  # first steps of a block that are not counted: they bring the variant's data back into the caches


@dataclass(frozen=True)
class Plan:
    """How long to measure: rounds of `block` steps each, `steps` in all, no more rounds after `seconds`."""

    block: int
    steps: int
    seconds: float = float("inf")
    least_rounds: int = 8

    def goes_on(self, rounds: int, elapsed: float) -> bool:
        """Whether another round is made."""
        if rounds * self.block >= self.steps:
            return False
        return rounds < self.least_rounds or elapsed < self.seconds


@dataclass
class Times:
    """Seconds of one variant: of each step, and per block the seconds a step by wall clock and of processor time.

    On CUDA a step has no time of its own, since nothing waits for the device in between: it gets that of its block.
    """

    steps: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median time of a step."""
        return statistics.median(self.steps)

    @property
    def mean(self) -> float:
        """Mean time of a step."""
        return statistics.fmean(self.wall)

    @property
    def mean_cpu(self) -> float:
        """Mean processor time of a step, all threads together: what others do on the machine hardly shows in it."""
        return statistics.fmean(self.cpu)

    @property
    def quartiles(self) -> tuple[float, float]:
        """First and third quartile of the time of a step."""
        if len(self.steps) < 2:
            return self.median, self.median
        low, _, high = statistics.quantiles(self.steps, n=4, method="inclusive")
        return low, high


def take_turns(variants: Mapping[str, Variant], plan: Plan, device: torch.device, seed: int = 0) -> dict[str, Times]:
    """Times of all variants."""
    times = {name: Times() for name in variants}
    order, draw = list(variants), random.Random(seed)
    started, rounds = time.perf_counter(), 0
    gc.collect()
    gc.freeze()  # what was made up to here is not gone through again and again
    try:
        while plan.goes_on(rounds, time.perf_counter() - started):
            draw.shuffle(order)
            for name in order:
                _measure_block(variants[name], plan.block, device, times[name])
            rounds += 1
    finally:
        gc.unfreeze()
    return times


def warm_up(variants: Mapping[str, Variant], steps: int, device: torch.device) -> None:
    """Let the variants make their first steps: what they prepare once is not what a step costs."""
    for variant in variants.values():
        with variant.world.entered():
            for _ in range(steps):
                variant.step()
        synchronize(device)


def _measure_block(variant: Variant, steps: int, device: torch.device, times: Times) -> None:
    gc.collect()  # else the garbage of one variant is collected in the time of the next
    with variant.world.entered():
        for _ in range(WARM):
            variant.step()
        synchronize(device)
        cpu, marks = time.process_time(), [time.perf_counter()]
        for _ in range(steps):
            variant.step()
            marks.append(time.perf_counter())
        synchronize(device)
        marks[-1] = time.perf_counter()
        times.cpu.append((time.process_time() - cpu) / steps)
    mean = (marks[-1] - marks[0]) / steps
    times.wall.append(mean)
    apart = device.type == "cpu"
    times.steps += [b - a for a, b in pairwise(marks)] if apart else [mean] * steps
