"""The small frozen records that cross the borders between rooms."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

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
        ``"numerical"``, ``"probability"`` (0..1), ``"correlation"`` (-1..1), ``"loss"`` or ``"metrics"``.
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
        ``"skipped"`` (gradients that no step was made of) or ``"model"`` (modules were added or replaced).
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
class Status:
    """Where the run stands.

    Attributes
    ----------
    state : str
        ``"waiting"``, ``"live"``, ``"finished"``, ``"detached"`` or ``"fault"``.
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
