"""The rows that a history must hold, written from tensors by the definitions, and the comparison with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import definitions as right
from .definitions import EPS, Array

RTOL = 1e-5
COSINE_ATOL = 2e-6  # a cosine near 0 is a difference of large numbers, here in float32
CONDITION_RTOL = 3e-7  # the smallest singular value is known to the precision of the largest one, here float32
Rows = dict[int, dict[str, list[float]]]


@dataclass
class Book:
    """Readings wait for the step that follows them; a row is the mean over the passes of its step.

    Attributes
    ----------
    record_eval : bool
        Whether outputs count that are made in evaluation; they belong to the last finished step.
    from_grad : bool
        Whether gradients tell training from evaluation, where a recorder has noted them.
    rms : bool
        Root mean squares in place of L2 norms.
    window : int
        Passes or steps in a row that a neuron has to be dead for the lasting death rates.
    rows : dict
        Tag to step to series to the readings of the passes.
    epoch : dict
        Tag and series to every reading since the epoch began.
    """

    record_eval: bool = False
    from_grad: bool = False
    rms: bool = False
    window: int = 3
    step: int = 0
    rows: dict[str, Rows] = field(default_factory=lambda: defaultdict(dict))
    epoch: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))
    _waiting: list[tuple[str, str, float]] = field(default_factory=list)
    _mark: int = 0
    _previous: dict[tuple[str, str], Array] = field(default_factory=dict)
    _alive: dict[tuple[str, str], list[Any]] = field(default_factory=dict)

    def output(
        self, series: str, values: Array, training: bool, threshold: float = EPS, by_grad: bool | None = None
    ) -> None:
        """One output tensor of one call; whether it trains, by the module's switch and by gradients."""
        if self.from_grad and by_grad is not None:
            training = by_grad
        if not (training or self.record_eval):
            return
        active = right.activation_rate(values, batch=True, threshold=threshold)
        dead = right.death_rate(values, batch=True, threshold=threshold)
        self._note("Output Norm", series, right.sample_norm(values, rms=self.rms), training)
        self._note("Output Activations", series, active, training)
        self._note("Output Death Rate", series, dead, training)
        if training:  # evaluation leaves the window alone
            self._lasting("Output", series, values, right.alive(values, batch=True, threshold=threshold))

    def output_gradient(self, series: str, values: Array) -> None:
        """The gradient of one output tensor."""
        self._geometry("Output Gradient", series, values)

    def loss(self, value: float, training: bool = True) -> None:
        """What the loss module returned."""
        self._note("Loss", "train_loss" if training else "val_loss", value, training)

    def gradient(self, kind: str, series: str, values: Array) -> None:
        """The gradient of a parameter, as the optimizer uses it."""
        self._geometry(f"{kind} Gradient", series, values)
        self._note(f"{kind} Gradient Activation", series, right.activation_rate(values, batch=False))
        self._note(f"{kind} Gradient Death Rate", series, right.death_rate(values, batch=False))
        self._lasting(f"{kind} Gradient", series, values, right.alive(values, batch=False))

    def change(self, kind: str, series: str, before: Array | None, after: Array) -> None:
        """A parameter before and after the step; None where nobody saw it before."""
        if before is not None:
            self._geometry(f"{kind} Update", series, after - before)
            self._note(f"{kind} Update Ratio", series, right.ratio(before, after))
        self._note(f"{kind} Norm", series, right.norm(after, rms=self.rms))
        self._note(f"{kind} Condition Number", series, right.condition(after))

    def finish_step(self) -> None:
        """The step is made: what waits is its row."""
        for tag, series, value in self._waiting:
            self._write(tag, self.step, series, value)
        self._waiting.clear()
        self._mark = 0
        self.step += 1

    def mark(self) -> None:
        """An attempt ends here; :meth:`drop` takes it back."""
        self._mark = len(self._waiting)

    def drop(self) -> None:
        """The attempt up to the mark became no step: it is in no row, and in no figure of the epoch."""
        for tag, series, value in self._waiting[: self._mark]:
            self.epoch[tag, series].remove(value)
        del self._waiting[: self._mark]
        self._mark = 0

    def begin_epoch(self) -> None:
        """Epoch figures begin anew; what correlations compare with stays."""
        self.epoch.clear()

    def _geometry(self, what: str, series: str, values: Array) -> None:
        before = self._previous.get((what, series))
        self._previous[what, series] = values.copy()
        self._note(f"{what} Norm", series, right.norm(values, rms=self.rms))
        self._note(f"{what} Correlation", series, right.cosine(values, before))

    def _lasting(self, what: str, series: str, values: Array, alive: Any) -> None:
        if not values.size or not np.isfinite(values).all():
            return  # passed over: no value, and the window goes on
        passes = self._alive.setdefault((what, series), [])
        if passes and passes[-1].shape != alive.shape:
            passes.clear()
        passes.append(alive)
        del passes[: -self.window]
        value = right.lasting_death_rate(passes) if len(passes) == self.window else right.NAN
        self._note(f"{what} Lasting Death Rate", series, value)

    def _note(self, tag: str, series: str, value: float, training: bool = True) -> None:
        tag = tag.title()
        self.epoch[tag, series].append(value)
        if training:
            self._waiting.append((tag, series, value))
        else:
            self._write(tag, max(self.step - 1, 0), series, value)

    def _write(self, tag: str, step: int, series: str, value: float) -> None:
        self.rows[tag].setdefault(step, {}).setdefault(series, []).append(value)

    def table(self, tag: str) -> dict[tuple[int, str], float]:
        """Step and series to the row's value, gaps left out."""
        cells = {(step, name): [*v] for step, row in self.rows[tag].items() for name, v in row.items()}
        for waiting, name, value in self._waiting:  # of the step that has begun
            if waiting == tag:
                cells.setdefault((self.step, name), []).append(value)
        means = {cell: right.mean(values) for cell, values in cells.items()}
        return {cell: value for cell, value in means.items() if np.isfinite(value)}


def shown(series: Any) -> dict[tuple[int, str], float]:
    """Step and series name to value of one series of a history, gaps left out."""
    cells = zip(series.steps.tolist(), series.values, strict=True)
    return {(s, m): v for s, row in cells for m, v in zip(series.modules, row.tolist(), strict=True) if v == v}


def differences(
    history: Any,
    book: Book,
    tags: Iterable[str],
    rtol: float = RTOL,
    cosine_atol: float = COSINE_ATOL,
    tolerances: Mapping[str, float] | None = None,
) -> list[str]:
    """What is missing, too many, or wrong, one line each."""
    found = []
    for tag in tags:
        expected = book.table(tag)
        got = shown(history[tag]) if tag in history else {}
        found += [f"{tag}: {key} is missing, expected {expected[key]:.6g}" for key in expected.keys() - got.keys()]
        found += [f"{tag}: {key} is too many, shows {got[key]:.6g}" for key in got.keys() - expected.keys()]
        found += [
            f"{tag}: {key} shows {got[key]:.8g}, expected {expected[key]:.8g}"
            for key in expected.keys() & got.keys()
            if not _close(tag, got[key], expected[key], (tolerances or {}).get(tag, rtol), cosine_atol)
        ]
    return sorted(found)


def agree(history: Any, book: Book, tags: Iterable[str], **tolerance: Any) -> None:
    """Fail with the differences, if there are any."""
    found = differences(history, book, tags, **tolerance)
    assert not found, f"{len(found)} differences:\n" + "\n".join(found[:30])


def _close(tag: str, got: float, expected: float, rtol: float, cosine_atol: float) -> bool:
    if tag.endswith("Condition Number"):
        rtol = max(rtol, min(rtol, CONDITION_RTOL) * expected)
    return bool(np.isclose(got, expected, rtol=rtol, atol=cosine_atol if tag.endswith("Correlation") else 1e-12))
