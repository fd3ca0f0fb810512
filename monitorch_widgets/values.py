"""The small frozen records that cross the borders between rooms."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

Moment = Literal["forward", "backward", "gradient", "update", ""]
"""Where in a step a number is taken."""


class TagType(Enum):
    """How a tag is drawn by a static visualizer."""

    NUMERICAL = 0
    """Lines and bands on an axis without limits."""
    PROBABILITY = 1
    """Lines on an axis from 0 to 1."""
    RELATIONS = 2
    """Shares of a whole, stacked."""


@dataclass
class TagAttributes:
    """What a static visualizer is told about a tag.

    Attributes
    ----------
    logy : bool
        Logarithmic y axis.
    big_plot : bool
        One wide plot rather than one small plot per module.
    annotate : bool
        Draw a legend.
    type : TagType
        Kind of the values.
    ylim : tuple of float, optional
        Fixed limits of the y axis.
    """

    logy: bool
    big_plot: bool
    annotate: bool
    type: TagType
    ylim: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One number of one module at one step.

    Attributes
    ----------
    tag : str
        What was measured, e.g. ``"Output Norm"``.
    module : str
        Name of the module (or of the metric).
    step : int
        Optimizer step, from 0.
    value : float
        The number; NaN where the tensor held NaN or infinity.
    stage : str
        Where in the step it was taken, in words, e.g. ``"as the optimizer used it, accumulated over 4 backward
        passes"``; empty where nobody said.
    """

    tag: str
    module: str
    step: int
    value: float
    stage: str = ""


@dataclass(frozen=True, slots=True)
class ModuleInfo:
    """One module as the picker shows it.

    Attributes
    ----------
    name : str
        Dotted path from the root.
    type : str
        Class name.
    kind : str
        ``"linear"``, ``"conv"``, ``"norm"``, ``"activation"`` or ``"other"``.
    activation : bool
        Whether the output comes straight from a nonlinearity.
    note : str
        Why the module is not watched; empty where it is.
    """

    name: str
    type: str
    kind: str
    activation: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True)
class About:
    """Two lines for the person who trains: what the number tells, what is healthy, what to do if it is not."""

    tells: str = ""
    healthy: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class ChartSpec:
    """What a panel shows first, decided without widgets.

    Attributes
    ----------
    tag : str
        Name of the series in the history.
    title, unit : str
        Heading of the panel, and the unit beside it.
    kind : str
        ``"numerical"``, ``"probability"`` (0..1), ``"correlation"`` (-1..1), ``"loss"``, ``"metrics"`` or
        ``"logged"``.
    log : bool
        Start with a logarithmic axis.
    lines, bands : tuple of str
        Aggregations over a window of steps that are on at first.
    stage : str
        Where in the step the number was taken, in words.
    moment : str
        The same for programs: ``"forward"``, ``"backward"``, ``"gradient"`` (right before the step) or ``"update"``
        (after it); empty for what has no place in the step.
    about : About
        Explanation behind the panel's menu.
    empty : str
        Why nothing may be there, shown until the first reading.
    """

    tag: str
    title: str
    unit: str = ""
    kind: str = "numerical"
    log: bool = False
    lines: tuple[str, ...] = ("mean",)
    bands: tuple[str, ...] = ("std", "min-max")
    stage: str = ""
    moment: Moment = ""
    about: About = field(default_factory=About)
    empty: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened between two readings, like a step that was skipped.

    Events of one kind that follow each other step by step are one.

    Attributes
    ----------
    kind : str
        ``"skipped"`` (gradients that no step was made of), ``"model"`` (modules were added or replaced),
        ``"command"`` (something was asked for and done, in the panel or from Python) or ``"error"`` (an error or an
        interrupt ended the run).
    step : int
        Number of finished optimizer steps when it first happened.
    last_step : int
        The same, for the last time.
    count : int
        How often it happened.
    words : str
        What happened, in a sentence.
    """

    kind: str
    step: int
    last_step: int
    count: int
    words: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A lens that raised while training."""

    lens: str
    tag: str
    module: str
    step: int
    words: str
    traceback: str


@dataclass(frozen=True, slots=True)
class Cost:
    """What one lens costs, or one thing that all lenses share.

    Attributes
    ----------
    name : str
        Class name of the lens, e.g. ``"OutputNorm"``; for what is shared ``"hooks"``, ``"transfer and history"`` or
        ``"page"``.
    tags : tuple of str
        Panels of the lens; none for what is shared.
    every_steps : int
        The lens listens to every n-th step; 0 for what is shared, and for a lens that does not listen.
    pairs : bool
        Whether it listens to two steps in a row each time, for correlations.
    once_s : float
        Seconds that it adds to a step that it listens to; NaN before it was measured.
    fraction : float
        Share of the training time that it takes, over the steps that :class:`Overhead` looks at.
    """

    name: str
    tags: tuple[str, ...] = ()
    every_steps: int = 0
    pairs: bool = False
    once_s: float = math.nan
    fraction: float = math.nan


@dataclass(frozen=True, slots=True, repr=False)
class Overhead:
    """What watching costs, as measured over the newest steps.

    Attributes
    ----------
    fraction : float
        Time that watching adds, as a fraction of the time that the steps would take without; NaN before the first ones.
    max_fraction : float or None
        The budget; None where every lens has a fixed stride.
    every_steps : tuple of (int, int)
        Smallest and largest stride of the lenses, as `every` says it: without losses, and lenses with a stride of
        their own, where there are others. (0, 0) while none listens.
    costs : tuple of Cost
        One for each lens, in their order, then what they share.
    """

    fraction: float = math.nan
    max_fraction: float | None = None
    every_steps: tuple[int, int] = (0, 0)
    costs: tuple[Cost, ...] = ()

    def __repr__(self) -> str:
        """The same as a table."""
        kept = "" if self.max_fraction is None else f", budget {self.max_fraction:.1%}"
        cells = [("", "listens", "ms each", "of training"), *map(_cells, self.costs)]
        widths = [max(map(len, column)) + 2 for column in zip(*cells, strict=True)]
        rows = [first.ljust(widths[0]) + "".join(map(str.rjust, others, widths[1:])) for first, *others in cells]
        known = not math.isnan(self.fraction)
        words = f"costs {self.fraction:.1%} of the training time{kept}" if known else f"costs not measured yet{kept}"
        return "\n".join([words, *rows])


def _cells(cost: Cost) -> tuple[str, str, str, str]:
    often = {0: "", 1: "every step"}.get(cost.every_steps, f"every {cost.every_steps} steps")
    listens = f"{often}, in pairs" if cost.pairs else often
    once = "" if math.isnan(cost.once_s) else f"{cost.once_s * 1e3:.3f}"
    share = "" if math.isnan(cost.fraction) else f"{cost.fraction:.1%}"
    return cost.name, listens, once, share


@dataclass(frozen=True, slots=True)
class Card:
    """Something that is shown beside the curves: a histogram, pictures, what a check found, hyper-parameters.

    Attributes
    ----------
    key : str
        A newer card with the same key takes its place.
    tab : str
        Where it stands: ``"Data"``, ``"Gallery"``, ``"Checks"``, ``"LR finder"``, ``"Run"`` or
        ``"Performance"``.
    kind : str
        How it is drawn: ``"report"``, ``"histogram"``, ``"gallery"`` or ``"lr"``.
    title : str
        Heading.
    content : dict
        What it says, in plain values as JSON has them.
    buffers : tuple of bytes
        Arrays and pictures; `content` names them by their place.
    """

    key: str
    tab: str
    kind: str
    title: str
    content: dict[str, Any]
    buffers: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """Something that was asked of a run, and what came of it.

    Attributes
    ----------
    name : str
        What was asked for, e.g. ``"pause"`` or ``"add"``.
    origin : str
        ``"python"`` or ``"page"``.
    step : int
        Number of finished optimizer steps when it was done or refused.
    words : str
        What was done, or why it was refused.
    refused : bool
        Whether it was not done.
    """

    name: str
    origin: str
    step: int
    words: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class LearningRate:
    """Learning rate of one parameter group.

    Attributes
    ----------
    optimizer : int
        Place of the optimizer among those that were seen stepping the model, from 0.
    kind : str
        Class name of the optimizer.
    group : int
        Place of the group in the optimizer.
    value : float
        The learning rate now; NaN where it is a tensor on a device, which is not waited for.
    """

    optimizer: int
    kind: str
    group: int
    value: float


@dataclass(frozen=True, slots=True)
class Setting:
    """One argument of a lens, as the page offers it.

    Attributes
    ----------
    name : str
        Name of the argument.
    kind : str
        ``"switch"``, ``"number"``, ``"text"`` or ``"types"`` (names of module classes); empty for what only Python
        can set.
    value : bool, int, float, str, list of str or None
        What it is now.
    """

    name: str
    kind: str
    value: bool | int | float | str | list[str] | None


@dataclass(frozen=True, slots=True)
class LensInfo:
    """A lens of the inspector, or one that could be added.

    Attributes
    ----------
    name : str
        Class name.
    tags : tuple of str
        Its panels.
    settings : tuple of Setting
        Its arguments.
    """

    name: str
    tags: tuple[str, ...]
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is collected, and how, as it can be changed while training goes on.

    Attributes
    ----------
    lenses : tuple of LensInfo
        The lenses in use.
    offered : tuple of LensInfo
        Lenses that can be added from the page.
    expressions : tuple of str
        Names of registered functions that can be watched.
    types : tuple of str
        Class names of the modules of the model.
    collected : tuple of str or None
        Patterns of the modules that are read; None for all.
    depth : int
        Depth of submodules that count as leaves; -1 for those without submodules.
    every : int or str
        How often lenses listen that have no stride of their own; ``"auto"`` as the budget allows.
    max_overhead : float
        The budget.
    log_every_n_steps : int
        Histograms, and what else is heavy, are made at every n-th step.
    refresh_rate : float
        How often a second the page is told what is new, at most.
    text : bool
        Whether text typed in the page may be run as Python.
    nudges : bool
        Whether the page may change learning rates.
    """

    lenses: tuple[LensInfo, ...] = ()
    offered: tuple[LensInfo, ...] = ()
    expressions: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    collected: tuple[str, ...] | None = None
    depth: int = -1
    every: int | str = "auto"
    max_overhead: float = 0.05
    log_every_n_steps: int = 50
    refresh_rate: float = 10.0
    text: bool = False
    nudges: bool = False


@dataclass(frozen=True, slots=True)
class Writer:
    """Something that writes the run down beside the page: a journal, event files.

    Attributes
    ----------
    name : str
        What it is called.
    waiting : int or None
        How much waits to be written; None where nobody knows.
    max_queue : int
        How much may wait before it is written.
    flush_secs : float
        Seconds after which what waits is written anyway.
    """

    name: str
    waiting: int | None
    max_queue: int
    flush_secs: float


@dataclass(frozen=True, slots=True)
class Status:
    """Where the run stands.

    Attributes
    ----------
    state : str
        ``"waiting"``, ``"live"``, ``"paused"``, ``"finished"``, ``"detached"`` or ``"fault"``.
    epoch : int
        Current epoch, from 1.
    step : int
        Number of finished optimizer steps.
    phase : str
        ``"train"`` or ``"eval"``.
    steps_per_s : float
        Recent rate; 0 before the second step.
    elapsed_s : float
        Seconds since the first forward pass.
    epoch_marks : tuple of (int, int)
        Epoch number and count of finished steps at its end, the newest ones.
    faults : tuple of Fault
        Lenses that were muted, and why.
    events : tuple of Event
        What happened between readings, the newest ones.
    stages : tuple of (str, str)
        Tag, and the stage of its newest readings in words; a tag without is at the stage of its ``ChartSpec``.
    memory_bytes : tuple of (str, int)
        Tag, and the memory that copies of tensors take for it; tags without copies are left out.
    unwatched : tuple of ModuleInfo
        What is not watched, each with the reason in its ``note``.
    overhead : Overhead
        What watching costs.
    asked : str
        What was asked of the loop and comes at the next boundary: ``"pause"``, ``"stop"``, or nothing.
    reach : str
        When what is done in the page reaches the run: ``"live control"``, ``"at the next step"``, ``"when the cell
        ends"``; empty where there is no notebook.
    learning_rates : tuple of LearningRate
        Of every parameter group that steps the model.
    instrument : Instrument
        What is collected, and how.
    items : tuple of (str, str)
        Names and values that stand in the strip beside the losses: metrics with ``prog_bar=True``, the run's version.
    eta_s : float
        Seconds until the run ends, where its length is known; NaN where not.
    writers : tuple of Writer
        What writes the run down beside the page.
    """

    state: str = "waiting"
    epoch: int = 1
    step: int = 0
    phase: str = "train"
    steps_per_s: float = 0.0
    elapsed_s: float = 0.0
    epoch_marks: tuple[tuple[int, int], ...] = ()
    faults: tuple[Fault, ...] = ()
    events: tuple[Event, ...] = ()
    stages: tuple[tuple[str, str], ...] = ()
    memory_bytes: tuple[tuple[str, int], ...] = ()
    unwatched: tuple[ModuleInfo, ...] = ()
    overhead: Overhead = field(default_factory=Overhead)
    asked: str = ""
    reach: str = ""
    learning_rates: tuple[LearningRate, ...] = ()
    instrument: Instrument = field(default_factory=Instrument)
    items: tuple[tuple[str, str], ...] = ()
    eta_s: float = math.nan
    writers: tuple[Writer, ...] = ()
