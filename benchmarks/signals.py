"""Readings of a made-up run, of several kinds; every one can be made again from its step, so that none is kept."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

POOL = 2**16  # drawn numbers; runs go round in them


def _drifting(steps: Floats, noise: Floats) -> Floats:
    return 1 + np.sin(steps / 50_000) + 0.1 * noise


def _heavy_tailed(steps: Floats, noise: Floats) -> Floats:
    found: Floats = np.exp(noise)
    return found


def _with_spikes(steps: Floats, noise: Floats) -> Floats:
    return np.where(noise > 2.33, 50.0, 1 + 0.05 * noise)  # one reading in a hundred


def _with_jumps(steps: Floats, noise: Floats) -> Floats:
    return np.floor(steps / 70_001) % 5 + 0.2 * noise


KINDS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "drift and noise": _drifting,
    "heavy tails": _heavy_tailed,
    "spikes": _with_spikes,
    "jumps": _with_jumps,
}


class Signals:
    """Readings of `modules` modules under `tags` tags, whose kinds take turns."""

    def __init__(self, modules: int, tags: int, seed: int = 0) -> None:
        self.names = [f"blocks.{i // 4}.layer{i % 4}" for i in range(modules)]
        self.tags = [f"Quantity {i}" for i in range(tags)]
        self._noise = np.random.default_rng(seed).standard_normal((POOL, modules))

    def kind(self, tag: int) -> str:
        """What the readings of a tag are like."""
        return list(KINDS)[tag % len(KINDS)]

    def readings(self, tag: int, start: int, count: int) -> Floats:
        """Readings of all modules, shape (count, modules), from step `start` on."""
        steps = np.arange(start, start + count)
        noise = self._noise[(steps + 7919 * tag) % POOL]
        return KINDS[self.kind(tag)](steps[:, None].astype(float), noise)

    def column(self, tag: int, module: int, start: int, count: int) -> Floats:
        """Readings of one module."""
        steps = np.arange(start, start + count)
        noise = self._noise[(steps + 7919 * tag) % POOL, module]
        return KINDS[self.kind(tag)](steps.astype(float), noise)
