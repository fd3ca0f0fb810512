"""Where the ranks of a distributed run meet, to reduce together what each has logged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch.distributed as dist

from .entry import Entry
from .reductions import Number

Place = tuple[str, ...]  # phase, hook and name


@dataclass(frozen=True)
class Share:
    """What one rank brings of an entry.

    Attributes
    ----------
    state : Any
        Of the reduction over the epoch; None for a metric, which meets the others by itself.
    steps : dict of int to (int, float)
        By step: how many numbers there were, and their mean.
    """

    state: Any = None
    steps: dict[int, tuple[int, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Meeting:
    """What the ranks have brought; nothing where one rank is alone.

    Attributes
    ----------
    waits : bool
        Whether entries that the ranks reduce together are left for the next meeting.
    brought : list of dict
        By rank: the shares by place.
    """

    waits: bool = False
    brought: Sequence[dict[Place, Share]] = field(default=())

    @staticmethod
    def alone() -> Meeting:
        """No meeting: the loop of this rank comes to a place where the others may never come."""
        return Meeting(waits=distributed())

    def takes(self, entry: Entry) -> bool:
        """Whether an entry can be finished now."""
        return not self.waits or not (entry.syncs or (entry.metric is not None and entry.on_epoch))

    def result(self, entry: Entry) -> Number:
        """Number of the epoch."""
        if entry.metric is not None:
            everywhere = all(_place(entry) in shares for shares in self.brought)
            with _in_company(entry.metric, everywhere):
                return entry.metric.compute()  # type: ignore[no-any-return]
        entry.weigh(1)
        states = [share.state for share in self._shares(entry)]
        return entry.reduction.merged(states) if states else entry.reduction.result()

    def of_steps(self, entry: Entry) -> dict[int, tuple[float, float]]:
        """By step the number that all ranks together have, and the reading that makes the row of this rank that one.

        A row is the mean of its readings, and those of this rank are in it already.
        """
        found, shares = {}, self._shares(entry)
        for step, (count, own) in entry.own_steps().items() if shares else ():
            both = entry.reduction.over_ranks([share.steps[step][1] for share in shares if step in share.steps])
            found[step] = (both, (count + 1) * both - count * own)
        return found

    def _shares(self, entry: Entry) -> list[Share]:
        if not (self.brought and entry.syncs):
            return []
        group = entry.options.sync_dist_group
        ranks = range(len(self.brought)) if group is None else dist.get_process_group_ranks(group)
        return [self.brought[rank][_place(entry)] for rank in ranks if _place(entry) in self.brought[rank]]


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """The entries, metrics first and by name: they meet other ranks one by one, each in the same order."""
    found = list(entries)
    metrics = sorted((entry for entry in found if entry.metric is not None), key=_place)
    return [*metrics, *(entry for entry in found if entry.metric is None)]


def gathered(entries: Iterable[Entry]) -> Meeting:
    """Bring what this rank has, and get what the others have: one exchange, whatever each of them has logged."""
    if not distributed():
        return Meeting()
    own = {_place(entry): _share(entry) for entry in entries if entry.syncs or entry.metric is not None}
    brought: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(brought, own)
    return Meeting(brought=brought)


def _share(entry: Entry) -> Share:
    if entry.metric is not None:
        return Share()
    entry.weigh(1)
    return Share(entry.reduction.state() if entry.on_epoch else None, entry.own_steps())


def distributed() -> bool:
    """Whether there are other ranks."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _place(entry: Entry) -> Place:
    return (entry.key.phase, entry.key.hook, entry.name)


@contextmanager
def _in_company(metric: Any, company: bool) -> Iterator[None]:
    """Keep a metric of torchmetrics from waiting for ranks that never compute it."""
    asks = getattr(metric, "distributed_available_fn", None)
    if company or asks is None:
        yield
        return
    metric.distributed_available_fn = _nobody
    try:
        yield
    finally:
        metric.distributed_available_fn = asks


def _nobody() -> bool:
    """Whether there are other ranks: there are none."""
    return False
