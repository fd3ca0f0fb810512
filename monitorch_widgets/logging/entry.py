"""One logged name: how it was asked for, under which names it is shown, and what the epoch has brought."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from monitorch_widgets.errors import ArgumentError

from .hooks_table import levels_of
from .reductions import Number, reduction_of, weighs

_STEPS = 4096
_LOADER = "/dataloader_idx_"
OTHERS = "Logged"
"""Panel of what has no group."""

ReduceFx = str | Callable[..., Any]


class Options(NamedTuple):
    """The options of ``log`` that must be the same each time that a name is logged in one place."""

    prog_bar: bool
    logger: bool
    on_step: bool | None
    on_epoch: bool | None
    reduce_fx: ReduceFx
    enable_graph: bool
    sync_dist: bool
    sync_dist_group: Any
    add_dataloader_idx: bool
    metric_attribute: str | None
    rank_zero_only: bool
    loader: int | None


class Key(NamedTuple):
    """Where a name is logged."""

    phase: str
    hook: str
    name: str
    loader: int | None


class Entry:
    """A name in one phase and one hook.

    Parameters
    ----------
    key : Key
        Where it is logged.
    options : Options
        How.

    Attributes
    ----------
    on_step, on_epoch : bool
        Whether its numbers are kept step by step, and whether they are reduced at the epoch's end.
    name, step_name, epoch_name : str
        The name with that of the data loader; the names of the two series, which have endings where there are both.
    metric : object or None
        What computes the number of the epoch, where that is logged.
    guesses : int
        Numbers of the epoch whose batch size was not known, while no other was.
    step : int
        The step that the newest number belongs to.
    made : int
        How many steps were made when it came.
    """

    def __init__(self, key: Key, options: Options) -> None:
        self.key, self.options = key, options
        self.on_step, self.on_epoch = levels_of(key.hook, key.phase, options.on_step, options.on_epoch)
        self.reduction = reduction_of(options.reduce_fx)
        self.weighs = weighs(self.reduction)
        self.metric: Any = None
        self.step = self.made = 0
        self.guesses = 0
        self._unweighed: Number | None = None  # until a batch size is known
        self._steps: deque[tuple[int, Number]] = deque(maxlen=_STEPS)
        base, loader = _parts(key, options)
        both = self.on_step and self.on_epoch
        self.name = base + loader
        self.step_name = f"{base}_step{loader}" if both else self.name
        self.epoch_name = f"{base}_epoch{loader}" if both else self.name

    @property
    def syncs(self) -> bool:
        """Whether it is reduced over the ranks; ``rank_zero_only`` keeps it out of that."""
        return self.options.sync_dist and not self.options.rank_zero_only

    def add(self, value: Number, size: int | None) -> None:
        """Take a number into the epoch's; one whose batch size is not known yet has that of the next."""
        if self.weighs and size is None:
            self.weigh(1)
            self.guesses += 1
            self._unweighed = value.clone() if isinstance(value, Tensor) else value
            return
        weight = 1 if size is None else size
        self.guesses = 0
        self.weigh(weight)
        self.reduction.add(value, weight)

    def keep_step(self, value: Number) -> None:
        """Keep a number of a step for the ranks to reduce together, the newest 4096 of them."""
        self._steps.append((self.step, value))

    def own_steps(self) -> dict[int, tuple[int, float]]:
        """By step: how many numbers were kept, and their mean; waits for the device."""
        found: dict[int, tuple[int, float]] = {}
        for step, value in self._steps:
            count, mean = found.get(step, (0, 0.0))
            number = float(value)
            if math.isfinite(number):
                found[step] = (count + 1, mean + (number - mean) / (count + 1))
        return found

    def weigh(self, weight: int) -> None:
        """Give a number whose batch size was not known this one."""
        if self._unweighed is not None:
            value, self._unweighed = self._unweighed, None
            self.reduction.add(value, weight)


def _parts(key: Key, options: Options) -> tuple[str, str]:
    if not options.add_dataloader_idx:
        return key.name, ""
    if _LOADER in key.name:
        raise ArgumentError(
            f"expected a name without {_LOADER!r}, which is added where there are several data loaders; received "
            f"{key.name!r}. Leave it out, or say add_dataloader_idx=False."
        )
    return key.name, "" if options.loader is None else f"{_LOADER}{options.loader}"


def tag_of(name: str) -> str:
    """Panel of a logged number: the first part of its name; ``"Logged"`` for a name of one part.

    Numbers of several data loaders share a panel, with those of the steps.

    Examples
    --------
    >>> tag_of("loss"), tag_of("hp/metric_1"), tag_of("acc_epoch/dataloader_idx_0")
    ('Logged', 'hp', 'acc')
    """
    head, slash, rest = name.partition("/")
    if not slash or not head:
        return OTHERS
    if f"/{rest}".startswith(_LOADER):
        return head.removesuffix("_step").removesuffix("_epoch")
    return head
