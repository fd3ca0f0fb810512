"""The logbook: numbers that a loop, or another library, logs by name."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, NotWatched
from monitorch_widgets.gatherer.compiled import not_compiled
from monitorch_widgets.values import ChartSpec

from .batch_size import BatchSize, checked_size
from .entry import Entry, Key, Options
from .exchange import Meeting, distributed, gathered, in_order
from .figures import Figures
from .hooks_table import HOOKS
from .hyperparameters import hparams_card
from .logged import Logged
from .logged_value import checked_name, checked_number, computes, own_copy
from .panels import Panels
from .reductions import Number
from .table import losses_of

if TYPE_CHECKING:
    from monitorch_widgets.inspector import PyTorchInspector

_EVALUATIONS = ("val", "test")
_MOST_NAMES = 1000


class Logbook:
    """Takes numbers by name, keeps them step by step or reduces them over an epoch, and knows the newest of each.

    Parameters
    ----------
    inspector : PyTorchInspector
        Whose history and visualizer get them.

    Attributes
    ----------
    hook : str
        Name of the hook that runs now, which decides what ``on_step`` and ``on_epoch`` are by default; empty in a
        loop without hooks, where the phase does.
    sizes : BatchSize
        Knows the size of the current batch.
    """

    def __init__(self, inspector: PyTorchInspector) -> None:
        self._inspector = inspector
        self.hook = ""
        self.sizes = BatchSize()
        self.figures = Figures()
        self._entries: dict[Key, Entry] = {}
        self._takers: dict[str, Logged] = {}
        self._panels = Panels(inspector)
        self._origins: dict[str, tuple[str, str]] = {}  # by series: the name and the phase that it was first asked for
        self._told: set[str] = set()

    # ------------------------------------------------------------------ what the loop logs

    @not_compiled
    def log(self, name: str, value: Any, options: Options, batch_size: int | None) -> None:
        """Take a number, or an object that computes one; see :meth:`~.logs.Logs.log`."""
        try:
            self._take(name, value, options, batch_size)
        except (ArgumentError, ArgumentTypeError):
            raise  # a mistake of the caller, who is told at once
        except Exception as error:
            self._inspector._faults.report(None, "", error)

    def _take(self, name: str, value: Any, options: Options, batch_size: int | None) -> None:
        inspector, phase = self._inspector, self._inspector._phases.now
        if inspector._phases.quiet:
            self._not_read(name, phase)
            return
        name = checked_name(name)
        number = None if computes(value) else checked_number(name, value)
        batch_size = None if batch_size is None else checked_size(batch_size)
        key = Key(phase, self.hook, name, options.loader if options.add_dataloader_idx else None)
        entry, made = self._entries.get(key), inspector.state.buffer.step
        if entry is not None and phase in _EVALUATIONS and entry.made != made:
            self.close_evaluations()  # steps were made since: that was another evaluation
            entry = self._entries.get(key)
        if entry is None:
            entry = self._entry(key, options)
            if entry is None:
                return
        elif entry.options != options:
            raise ArgumentError(
                f"expected {name!r} to be logged with the same options each time in {_place(key)}; received "
                f"{_differing(entry.options, options)}. Give each its own name."
            )
        evaluation = self._belongs_before(phase)
        entry.step, entry.made = max(made - evaluation, 0), made
        if number is None:
            self._take_metric(entry, value, evaluation)
        elif entry.metric is None:
            self._take_number(entry, number, batch_size, evaluation)
        else:
            raise ArgumentError(f"expected {name!r} to be the metric that it was before; received a number.")

    def _entry(self, key: Key, options: Options) -> Entry | None:
        """A new entry; None where there are too many names already."""
        entry = Entry(key, options)
        if not self._has_room(entry.step_name):
            return None
        self._mind_sharing(entry)
        inspector = self._inspector
        if key.phase == "train":
            self.close_evaluations()
        inspector._schedule.sees_push()
        self.sizes.follow(inspector._watch.model if inspector.state.attached else None, inspector.state.hooks)
        for name in dict.fromkeys((entry.step_name, entry.epoch_name)):
            self.figures.know(name, entry.name, shown=options.prog_bar)
        if options.logger:
            self._panels.open(entry.name)
        self._entries[key] = entry
        return entry

    def _has_room(self, name: str) -> bool:
        """Whether numbers of this name are kept: a program that makes up names must not fill the memory."""
        if self.figures.knows(name) or self.figures.names < _MOST_NAMES:
            return True
        self._tell_once(
            "names",
            f"{_MOST_NAMES} names are logged already, so {name!r} and other new ones are not kept. Log under fewer "
            "names; what differs from step to step, like a number, belongs into the value.",
        )
        return False

    def _mind_sharing(self, entry: Entry) -> None:
        """Tell once of a series that two different things are logged to."""
        for asked, name in ((entry.on_step, entry.step_name), (entry.on_epoch, entry.epoch_name)):
            origin = self._origins.setdefault(name, (entry.name, entry.key.phase)) if asked else None
            if origin is not None and origin != (entry.name, entry.key.phase):
                self._tell_once(
                    "shared",
                    f"{name!r} is one curve of {origin[0]!r} in phase {origin[1]!r} and of {entry.name!r} in phase "
                    f"{entry.key.phase!r}. Give each a name of its own, e.g. {f'{entry.key.phase}_{entry.name}'!r}.",
                )

    def _belongs_before(self, phase: str) -> bool:
        """Whether a number of now belongs to the step that was made last."""
        if phase in _EVALUATIONS:
            return True
        known = HOOKS.get(self.hook)
        return not self._inspector.state.step_begun if known is None else not known.in_step

    def _take_number(self, entry: Entry, value: Number, batch_size: int | None, evaluation: bool) -> None:
        if entry.on_step:
            self._push(value, self._taker(entry), entry.step_name, evaluation)
            if entry.options.sync_dist and entry.syncs and distributed():
                entry.keep_step(own_copy(value) if isinstance(value, Tensor) else value)
        if entry.on_epoch:
            entry.add(value, self._size(entry) if batch_size is None and entry.weighs else batch_size)

    def _size(self, entry: Entry) -> int | None:
        size = self.sizes.now
        if size is None and self.sizes.has_batch and self._inspector.strict:
            raise ArgumentError(
                f"expected a batch with a tensor, whose size is the weight of {entry.name!r} in the mean of the epoch; "
                f"received one without. Say it: log({entry.name!r}, ..., batch_size=10)."
            )
        return size

    def _take_metric(self, entry: Entry, metric: Any, evaluation: bool) -> None:
        if entry.metric not in (None, metric):
            raise ArgumentError(
                f"expected {entry.key.name!r} to be the same metric each time; received another. Give each a name."
            )
        entry.metric = metric
        of_batch = getattr(metric, "_forward_cache", None)
        if entry.on_step and of_batch is not None:
            self._push(checked_number(entry.key.name, of_batch), self._taker(entry), entry.step_name, evaluation)
        elif entry.on_step and entry.options.on_epoch is None:
            entry.on_epoch = True  # only update() was called, so it has no number of its batch

    def _push(self, value: Number, taker: Logged, name: str, evaluation: bool) -> None:
        buffer = self._inspector.state.buffer
        material = value if isinstance(value, float) else own_copy(value)
        buffer.ear = self._inspector.state.hooks.own
        buffer.push(material, taker, (name,), evaluation=evaluation)

    def _taker(self, entry: Entry) -> Logged:
        tag = self._panels.of(entry.name) if entry.options.logger else ""
        if tag not in self._takers:
            self._takers[tag] = Logged(self._inspector._arrivals, self.figures, tag)
        return self._takers[tag]

    # ------------------------------------------------------------------ what another library has finished

    def record(
        self,
        name: str,
        value: Any,
        *,
        step: int | None = None,
        epoch_value: bool = False,
        base: str = "",
        logger: bool = True,
        prog_bar: bool = False,
    ) -> None:
        """Take a number that another library has reduced already.

        Parameters
        ----------
        name : str
            Its name; nothing is added to it.
        value : number or torch.Tensor of one element
            What it is.
        step : int, optional
            Step that it belongs to; by default the last one that was made.
        epoch_value : bool
            Whether it stands for an epoch, so that it comes into the table of epochs.
        base : str
            The name that was logged, where this one is that of its steps or epochs.
        logger, prog_bar : bool
            Show it as a curve, and in the strip.
        """
        name = checked_name(name)
        inspector, number = self._inspector, checked_number(name, value)
        if not self._has_room(name):
            return
        self.figures.know(name, base or name, shown=prog_bar)
        tag = self._panels.open(name) if logger else ""
        step = max(inspector.state.buffer.step - 1, 0) if step is None else step
        taker = Logged(inspector._arrivals, self.figures, tag, step=step, epoch=epoch_value)
        if isinstance(number, float):
            taker.take([name], np.array([[number]]), [step])
        else:
            self._push(number, taker, name, True)

    # ------------------------------------------------------------------ the end of a phase

    def end_phase(self, phase: str) -> None:
        """Compute what the epoch of a phase has brought; under ``torch.distributed`` every rank has to call it."""
        self._close([phase], meeting=True)

    def end_epoch(self) -> None:
        """Compute what is left of all phases."""
        self._close(("train", *_EVALUATIONS), meeting=True)

    def break_off(self) -> None:
        """Compute what an epoch has brought that was left before its end, so that the next one begins anew.

        Other ranks may not be here, so what ranks reduce together waits for them. Nothing is raised, also in strict
        mode: it may be an error that has ended the loop.
        """
        with suppress(Exception), self._inspector._faults.border(None):
            self._close(("train", *_EVALUATIONS), meeting=False)

    def close_evaluations(self) -> None:
        """Compute what evaluations have brought: training goes on. What the ranks reduce together waits."""
        if any(key.phase in _EVALUATIONS for key in self._entries):
            self._close(_EVALUATIONS, meeting=False)

    def _close(self, phases: Iterable[str], *, meeting: bool) -> None:
        ending = in_order(entry for key, entry in self._entries.items() if key.phase in phases)
        met = gathered(ending) if meeting else Meeting.alone()
        if met.brought:
            self._inspector._settle()  # numbers of this rank first, then those of all
        for entry in ending:
            if met.takes(entry):
                del self._entries[entry.key]
                with self._inspector._faults.border(None):
                    self._finish(entry, met)

    def _finish(self, entry: Entry, met: Meeting) -> None:
        taker = self._taker(entry)
        for step, (both, reading) in met.of_steps(entry).items():
            taker.join(entry.step_name, step, both, reading)
        try:
            if entry.on_epoch:
                self._mind_size(entry)
                number = checked_number(entry.name, met.result(entry))
                self._push(number, taker.of_epoch(entry.step), entry.epoch_name, True)
        finally:
            if entry.metric is not None:
                entry.metric.reset()

    def _mind_size(self, entry: Entry) -> None:
        if entry.guesses > 1:
            self._tell_once(
                "size",
                f"no batch size is known, so the mean of {entry.name!r} gives each batch the same weight. Say it by "
                "log(..., batch_size=...), or iterate over inspector.iter(loader).",
            )

    def show_epoch(self, epoch: int) -> None:
        """Hand the newest numbers to the visualizer and to the table of epochs; the next epoch begins."""
        inspector, of_epoch = self._inspector, self.figures.of_epoch
        by_tag = self.figures.take_epoch()
        if not inspector.is_main_process:
            return
        with inspector._faults.border(None):
            for tag, numbers in by_tag.items():
                inspector._record.plot_numerical_values(
                    epoch, tag, OrderedDict([(tag, numbers)]), OrderedDict([(tag, {})])
                )
            losses = losses_of(inspector.lenses, inspector._call_preprocessor) if inspector.state.is_active else {}
            row = {**losses, **of_epoch}
            if row:
                inspector.cards.put(inspector._epoch_rows.add({**row, "epoch": epoch}))
            if self.figures.compared:
                inspector.cards.put(hparams_card(inspector._history.hyperparams, self.figures.compared))

    # ------------------------------------------------------------------ what came out

    @property
    def specs(self) -> list[ChartSpec]:
        """Panels of what was logged, in the order that they came."""
        return self._panels.all

    def _not_read(self, name: str, phase: str) -> None:
        if phase != "sanity":
            self._tell_once(phase, f"log({name!r}) in phase {phase!r}: nothing is recorded there.")

    def _tell_once(self, what: str, words: str) -> None:
        if what not in self._told:
            self._told.add(what)
            warnings.warn(words, NotWatched, stacklevel=4)


def _place(key: Key) -> str:
    return f"{key.hook or 'phase ' + repr(key.phase)}"


def _differing(first: Options, second: Options) -> str:
    pairs = zip(Options._fields, first, second, strict=True)
    return "; ".join(f"{name}={now!r} after {before!r}" for name, before, now in pairs if now != before)
