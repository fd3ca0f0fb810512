"""Statistics by name, merged over the ranks of a distributed run.

One exchange carries all names at once, so ranks that have seen different names, or nothing at all, still meet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.distributed as dist

from .running import Accumulator, RunningMeanVar

States = dict[str, list[Any]]


def gathered_states(kept: Mapping[str, Sequence[Accumulator]]) -> list[States]:
    """What every rank keeps, by name, in the order of the ranks; nothing without an initialised process group.

    Every rank must call it, also one that keeps nothing.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return []
    gathered: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(gathered, {name: [_state(entry) for entry in entries] for name, entries in kept.items()})
    return gathered


def merged_states(gathered: Sequence[States]) -> dict[str, tuple[Accumulator, ...]]:
    """Statistics as if one rank had seen everything; names in the order in which the ranks bring them.

    Running statistics merge by their own rule, lists are joined; where one rank has a list and another running
    statistics, the result is running statistics.
    """
    names = dict.fromkeys(name for states in gathered for name in states)
    brought = {name: [states[name] for states in gathered if name in states] for name in names}
    return {name: tuple(map(_merged, zip(*parts, strict=True))) for name, parts in brought.items()}


def _state(entry: Accumulator) -> Any:
    return entry.state() if isinstance(entry, RunningMeanVar) else list(entry)


def _merged(parts: Sequence[Any]) -> Accumulator:
    if all(isinstance(part, list) for part in parts):
        return [value for part in parts for value in part]
    merged = RunningMeanVar()
    for part in parts:
        merged.merge(_running(part) if isinstance(part, list) else RunningMeanVar.from_state(part))
    return merged


def _running(values: list[float]) -> RunningMeanVar:
    running = RunningMeanVar()
    running.extend(values)
    return running
