"""From times to what is printed: one record per variant, and one row of the table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan

from .tables import number
from .timing import Times

BARE, RIVAL = "none", "monitorch"
HEAD = ["variant", "median ms", "Q1", "Q3", "added", "x bare", "mean x", "cpu x", "/ rival", "mean /", "cpu /"]
EXPLAINED = """\
median, Q1, Q3: of the times of steps, in ms; added: to the median of the bare model that took turns with it.
x bare: ratio of medians to the bare model; mean x: of means; cpu x: of means of processor time, all threads together,
in which other programs on the machine hardly show. / rival: what is added over what monitorch adds, from medians;
mean /: from means; cpu /: from means of processor time."""


@dataclass
class Record:
    """The figures of one variant; `bare` are those of the bare model in the same phase, seconds everywhere."""

    name: str
    label: str
    says: str
    steps: int
    median: float
    quartiles: tuple[float, float]
    mean: float
    cpu: float
    ratio: float
    mean_ratio: float
    cpu_ratio: float
    added: float
    added_mean: float
    added_cpu: float
    share: float = nan
    mean_share: float = nan
    cpu_share: float = nan

    @staticmethod
    def of(name: str, label: str, says: str, its: Times, bare: Times) -> Record:
        """The record of a variant, beside the bare model."""
        own, others = (its.median, its.mean, its.mean_cpu), (bare.median, bare.mean, bare.mean_cpu)
        ratios = [a / b for a, b in zip(own, others, strict=True)]
        added = [a - b for a, b in zip(own, others, strict=True)]
        return Record(name, label, says, len(its.steps), own[0], its.quartiles, own[1], own[2], *ratios, *added)

    @property
    def row(self) -> list[str]:
        """Cells of the table."""
        times = [number(1e3 * seconds, 3) for seconds in (self.median, *self.quartiles, self.added)]
        ratios = [number(ratio, 3) for ratio in (self.ratio, self.mean_ratio, self.cpu_ratio)]
        return [self.label, *times, *ratios, *map(number, (self.share, self.mean_share, self.cpu_share))]


def add_shares(records: Sequence[Record]) -> None:
    """Write what each variant adds over what the rival adds, where the rival was measured."""
    rival = next((record for record in records if record.name == RIVAL), None)
    for record in records:
        if rival is not None and record.name != BARE:
            record.share = _over(record.added, rival.added)
            record.mean_share = _over(record.added_mean, rival.added_mean)
            record.cpu_share = _over(record.added_cpu, rival.added_cpu)


def _over(added: float, rivals: float) -> float:
    return added / rivals if rivals > 0 else nan


def said(records: Iterable[Record]) -> list[str]:
    """What the variants say of themselves."""
    return [f"{record.label}: {record.says}" for record in records if record.says]


SUMMARY = [
    ("every=1 / rival", "full", "share"),
    ("mean", "full", "mean_share"),
    ("cpu", "full", "cpu_share"),
    ("auto x bare", "auto", "ratio"),
    ("mean", "auto", "mean_ratio"),
    ("cpu", "auto", "cpu_ratio"),
    ("paused x bare", "paused", "ratio"),
    ("mean", "paused", "mean_ratio"),
    ("cpu", "paused", "cpu_ratio"),
]


def summary(by_model: Mapping[str, Sequence[Record]]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the last table: one row per model, with what it comes down to."""
    rows = [[model, *(_cell(records, *which) for _, *which in SUMMARY)] for model, records in by_model.items()]
    return ["model", *(head for head, *_ in SUMMARY)], rows


def _cell(records: Sequence[Record], name: str, what: str) -> str:
    found = next((record for record in records if record.name == name), None)
    return number(nan if found is None else getattr(found, what), 3)
