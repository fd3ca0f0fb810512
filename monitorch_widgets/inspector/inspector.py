"""What the user holds: the inspector."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from torch import nn
from torch.optim import Optimizer

from monitorch_widgets.errors import NotAttachedError, checked_count
from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.history import History, Journal
from monitorch_widgets.history.arrivals import Arrivals
from monitorch_widgets.history.journal import checked_journal
from monitorch_widgets.lens import AbstractLens
from monitorch_widgets.logging.logbook import Logbook
from monitorch_widgets.logging.table import RunTable
from monitorch_widgets.preprocessor import ExplicitCall
from monitorch_widgets.values import ChartSpec, ModuleInfo, Overhead, Status

from .arguments import (
    checked_depth,
    checked_every,
    checked_lenses,
    checked_model,
    checked_overhead,
    checked_refresh_rate,
    checked_switch,
    checked_text,
    made_visualizer,
    rank,
)
from .attachment import Attachment
from .cards import Cards
from .checks import Checks
from .clock import Clock
from .control import Control
from .controls import Controls
from .events import Events, ended_by
from .faults import Faults
from .instrument import Changes
from .journaling import Journaling, note_writing
from .learning_rates import LearningRates
from .logs import Logs
from .loop import TrainingLoop
from .loops import Loops
from .media import Media
from .modules import told_changes
from .namesakes import Namesakes, note_attached, take_over
from .phases import Phases
from .progress import Progress
from .pushes import Pushes
from .record import EpochRecord
from .rewiring import Rewiring
from .run_facts import RunFacts
from .schedule import Every, Schedule
from .step_log import StepLog
from .timing import Timing
from .watch import Watch
from .writers import described

if TYPE_CHECKING:
    from os import PathLike

    from typing_extensions import Self

    from monitorch_widgets.visualizer import AbstractVisualizer

T = TypeVar("T")

_DUE_S = 1.0  # at most, between two times that what has arrived is brought to the history; so while nobody looks


class PyTorchInspector(Loops, Pushes, Controls, Logs, RunFacts, Media, Checks):
    """Attaches to a model, reads it batch by batch, and shows it while it trains.

    Nothing in the training loop changes: steps are found by themselves. As the last value of a cell the inspector
    shows its dashboard; :meth:`show` shows it again in any other cell. Keep it in a variable: one that nobody holds is
    gone, and watches no more.

    Parameters
    ----------
    lenses : list of AbstractLens, optional
        What to look at; by default losses, outputs, output gradients, weight gradients and weight updates.
    visualizer : str or AbstractVisualizer
        ``"widgets"``, ``"matplotlib"``, ``"tensorboard"``, ``"print"``, ``"dummy"``, or an object of your own.
    module : torch.nn.Module, optional
        Model to attach to at once. The inspector doesn't keep it alive: hold it in a variable of your own.
    depth : int
        Depth of submodules that count as leaves; -1 for those without submodules.
    module_name_prefix : str
        What stands between the parts of a module's name.
    train_loss_str, non_train_loss_str : str
        Names of the training loss and of the loss of validation or test.
    is_active_fn : int or callable
        Watch every n-th epoch, or those for which ``is_active_fn(epoch)`` is true.
    master_rank : int
        Rank that shows something, under ``torch.distributed``.
    every : "auto", int or dict of str to int
        How often lenses listen. ``"auto"``: as often as `max_overhead` allows, each lens with a stride of its own; a
        number: to every n-th step; by tag, e.g. ``{"Output Norm": 10}``: the lenses of these tags to every n-th step,
        the others as the budget allows. A lens's own argument `every` comes first. Lenses with correlations listen to
        that step and the next one. Losses are read at every step.
    max_overhead : float
        What watching may add to the time that training takes, as a fraction of it, with ``every="auto"``; see
        :attr:`overhead`.
    strict : bool
        Raise when a lens faults, rather than mute it and warn.
    control : bool
        Let learning rates be changed while the model trains, from the panel and by :meth:`scale_lr`.
    log_every_n_steps : int
        Histograms, and what else is heavy, are made at every n-th step. Losses and logged numbers are read at each.
    refresh_rate : float
        How often a second the page is told what is new, at most: 0.1 to 30. What has no page keeps to its own times.
    journal : str, os.PathLike or Journal, optional
        Write all readings to a file: in a folder, or at a URL of fsspec. Under ``torch.distributed`` only the rank
        `master_rank` writes.

    Attributes
    ----------
    lenses : list of AbstractLens
        What is looked at.
    state : InspectorState
        Epoch, hooks and the step's buffer.
    visualizer : AbstractVisualizer
        Where readings go.
    strict : bool
        Whether faults of lenses are raised.
    cards : Cards
        What is shown besides curves.
    journal : Journal or None
        Where all readings are written.

    Raises
    ------
    ArgumentTypeError
        For a lens that is none, a module that is none, a visualizer that is none, a journal that is none.
    ArgumentError
        For an unknown visualizer, ``every=0`` and the like.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> with PyTorchInspector(module=model, visualizer="dummy", every=1) as inspector:
    ...     for _ in range(3):
    ...         optimizer.zero_grad()
    ...         model(torch.ones(8, 2)).pow(2).mean().backward()
    ...         optimizer.step()
    >>> inspector.history["Output Norm"].modules
    ['0', '1', '2']
    >>> inspector.history["Output Norm"].values.shape
    (3, 3)
    """

    def __init__(
        self,
        lenses: list[AbstractLens] | None = None,
        *,
        visualizer: str | AbstractVisualizer = "widgets",
        module: nn.Module | None = None,
        depth: int = -1,
        module_name_prefix: str = ".",
        train_loss_str: str = "train_loss",
        non_train_loss_str: str = "val_loss",
        is_active_fn: int | Callable[[int], bool] = 1,
        master_rank: int = 0,
        every: Every = "auto",
        max_overhead: float = 0.05,
        strict: bool = False,
        control: bool = False,
        log_every_n_steps: int = 50,
        refresh_rate: float = 10.0,
        journal: str | PathLike[str] | Journal | None = None,
    ) -> None:
        self._namesakes = Namesakes()
        self.lenses = checked_lenses(lenses)
        self.depth = checked_depth(depth)
        self.module_name_prefix = checked_text("module_name_prefix", module_name_prefix, ".")
        self.master_rank = master_rank
        self.max_overhead = checked_overhead(max_overhead)
        self.is_main_process = rank() == master_rank
        self.state = InspectorState(is_active_fn)
        self._clock = Clock(self.state)
        self.strict = checked_switch("strict", strict)
        self._faults = Faults(self.state, strict)
        self._events = Events()
        self._history = History()
        self.cards = Cards()
        self.journal = checked_journal(journal) if self.is_main_process else None
        self._arrivals = Arrivals(self._history, self.journal)
        self._watch = Watch(self.state.hooks, self.depth, self.module_name_prefix)
        self._step_log = StepLog(self.state, self._arrivals, self._events)
        self._schedule = Schedule(self.state, self.lenses, checked_every(every, self.lenses), self.max_overhead)
        watch = self._watch
        self._timing = Timing(self.state, self._clock, self._schedule, self.cards, lambda: watch.model)
        self.control = checked_switch("control", control)
        self.log_every_n_steps = checked_count("log_every_n_steps", log_every_n_steps, "Use 1 for each step.")
        self.refresh_rate = checked_refresh_rate(refresh_rate)
        self._journaling = Journaling(self._history, self._clock, self._events, self.strict)
        self._rates = LearningRates()
        self._progress = Progress()
        self._phases, self._logbook, self._epoch_rows = Phases(self), Logbook(self), RunTable()
        self._changes = Changes(self)
        self._control = Control(self.state.hooks.gate, TrainingLoop(self))
        self.state.hooks.on_boundary = self._boundary
        self._stepped = False
        self._newest_loop: object = None
        self._last_status = Status()
        self._due_s = 0.0
        self._refreshing = False
        self._attachment = self._wired()
        self._told_of_lens = False
        self._changes_told: tuple[list[str], list[str]] = ([], [])
        self._call_preprocessor = ExplicitCall(
            checked_text("train_loss_str", train_loss_str, "train_loss"),
            checked_text("non_train_loss_str", non_train_loss_str, "val_loss"),
        )
        self._call_preprocessor.listener = self._pushed
        self.visualizer = made_visualizer(visualizer if self.is_main_process else "dummy")
        self._record = cast("AbstractVisualizer", EpochRecord(self._history, self.visualizer))
        self._logbook.figures.on_number = self._log_scalar
        self._rewiring = Rewiring(self)
        self._rewiring.introduce(self.lenses)
        self._declare()
        self._columns_shown = self._history.columns
        self.visualizer.bind(self)
        if module is not None:
            self.attach(module)

    def _wired(self) -> Attachment:
        wiring = Attachment(
            self.state, self.lenses, self._watch, self._clock, self._faults, self._schedule, self._arrivals.emit
        )
        self.state.buffer.on_full = self._step_too_long
        wiring.before_step = self._step_log.saw_step
        wiring.after_step, wiring.saw_training = self._after_step, self._saw_training
        return wiring

    # ------------------------------------------------------------------ attach and detach

    def attach(self, module: nn.Module) -> Self:
        """Watch `module`, after leaving the one that was watched before.

        Parameters
        ----------
        module : torch.nn.Module
            The model; wrappers of ``torch.compile``, ``DistributedDataParallel``, ``DataParallel`` and Fabric are taken
            off. What ``torch.compile`` made before is made anew at the next call, since hooks are not in it.

        Raises
        ------
        ArgumentTypeError
            If it is no module.
        """
        module = checked_model(module)
        self.detach()
        take_over(self.lenses, self)
        try:
            self._attachment.begin(module)
            self._declare()
            note_attached(self)
            note_writing(self)
            if rank() != self.master_rank:  # torch.distributed may have begun since
                self.journal = self._arrivals.journal = None
            self._rates.clear()
            self.state.hooks.gate.watch([self._watch.model or module, module])
            if self.visualizer.live:
                self._control.stand()
            if self.state.buffer.step:
                self._events.add("model", self.state.buffer.step, f"From here on a {self.title} is watched.")
            self._show_layout()
            self._offer_checks()
        except BaseException:
            self._leave()
            raise
        return self

    def refresh(self) -> Self:
        """Take in modules and parameters that were added to the model, or replaced, since :meth:`attach`.

        What was read stays, and correlations go on where a parameter kept its name and shape.

        Raises
        ------
        NotAttachedError
            If no model is watched, or it is gone.

        Examples
        --------
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Linear(4, 1))
        >>> inspector = PyTorchInspector(module=model, visualizer="dummy", every=1)
        >>> model.append(torch.nn.Linear(1, 1)) and None
        >>> [module.name for module in inspector.refresh().watched]
        ['Sequential', '0', '1', '2']
        """
        model = self._watch.model if self.state.attached else None
        if model is None:
            raise NotAttachedError("refresh() needs a watched model; call attach(model) first")
        came, went = self._watch.changes()
        self._attachment.renew(model)
        self._declare()
        if came or went:
            self._events.add("model", self.state.buffer.step, told_changes(came, went))
        self._show_layout()
        return self

    def detach(self) -> Self:
        """Stop watching and take back every hook; a second call does nothing. The history stays."""
        if not self.state.attached:
            return self
        try:
            self._settle()
        finally:
            self._leave()
        self._clock.stop("detached")
        self._timing.refresh(force=True)
        self.visualizer.finish()
        self._journaling.finish(self.journal)
        return self

    def _leave(self) -> None:
        if not self._control.in_background:
            self._control.reset()
        self.state.hooks.gate.open(self.state.hooks)
        self._attachment.end()
        self._arrivals.clear()
        self._step_log.clear()
        self._logbook.sizes.leave()
        self._call_preprocessor.reset()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    # ------------------------------------------------------------------ steps

    def _saw_training(self, training: bool) -> None:
        if self._clock.state == "waiting":
            self._namesakes.step_aside(self)
        self._clock.saw_forward(training)

    def _after_step(self, optimizer: Optimizer | None) -> None:
        self._step_log.made_step()
        self._clock.finish_step()
        self._rates.saw(optimizer)
        self._logbook.close_evaluations()
        idle = self._schedule.step_over(optimizer)
        if perf_counter() >= self._due_s:
            self._stepped = True
            self._bring_up_to_date()
        self._stepped = self._stepped or self.state.hooks.gate.called
        self.state.hooks.skip(idle, optimizer, until=self._due_s)

    def _boundary(self) -> None:
        """A step is over, and nothing of ours is under way any more: hear what is asked for."""
        if self._stepped:
            self._stepped = False
            self._control.boundary()

    def _bring_up_to_date(self, *, whole: bool = False) -> None:
        """Bring what has arrived to the history, and what is new there to the page; some times a second."""
        self._refreshing = True
        try:
            self._settle(wait=whole)
            began = perf_counter()
            self._timing.refresh()
            self.visualizer.refresh()
            self._schedule.meter.note_page(perf_counter() - began)
        finally:
            self._refreshing = False
        self._due_s = perf_counter() + (min(1 / self.refresh_rate, _DUE_S) if self.visualizer.live else _DUE_S)

    def tick_batch(self) -> None:
        """Say that a step was made, in a loop whose steps cannot be seen: one without an optimizer.

        Call it after backward and the change of the parameters, before gradients are set to zero. Gradients are read
        as they are then; updates are the change since the call before.
        """
        if not self.state.attached:
            raise NotAttachedError("tick_batch() needs a model; call attach(model) first")
        hooks = self.state.hooks
        self._schedule.by_hand()
        hooks.enter(perf_counter())
        hooks.run_before_step(None)
        hooks.run_after_step(None)
        hooks.leave()
        self._boundary()

    def _step_too_long(self) -> None:
        """Bring to the history what a loop without steps has read, so that it does not pile up."""
        self._settle(wait=False)
        self._step_log.step_is_long()

    def _settle(self, *, wait: bool = True) -> None:
        """Bring what waits on the device to the history."""
        began, finished_s = perf_counter(), self.state.buffer.finished_s
        self.state.buffer.flush(wait=wait)
        came = self._arrivals.settle(self._clock.second_of)
        if came:
            self._step_log.note_stages(self._history, self.specs, came)
        oldest = self.state.buffer.oldest
        self._step_log.forget(before=oldest)
        self._clock.forget_seconds(before=oldest)
        self._schedule.meter.note_history(perf_counter() - began, self.state.buffer.finished_s - finished_s)
        if self.journal is not None:
            note_writing(self)
            self._journaling.settle(self.journal)
        if self._history.columns != self._columns_shown:
            self._show_layout()

    # ------------------------------------------------------------------ what was read, and where it is shown

    @property
    def history(self) -> History:
        """What was read so far; see :class:`~monitorch_widgets.history.History`.

        Of a run in the background it has what came up to a second ago, and all while that is held.
        """
        if not self._control.is_elsewhere:
            self._settle()
        return self._history

    @property
    def title(self) -> str:
        """Class name of the model."""
        return self._watch.title

    @property
    def specs(self) -> list[ChartSpec]:
        """What each panel shows first, in the order of the lenses."""
        found = {spec.tag: spec for lens in self.lenses for spec in lens.specs}
        return [*found.values(), *(spec for spec in self._logbook.specs if spec.tag not in found)]

    @property
    def modules(self) -> list[ModuleInfo]:
        """The modules in model order, and the names of series that are not modules of their own."""
        return self._watch.with_series(name for spec in self.specs for name in self._series_names(spec))

    def _series_names(self, spec: ChartSpec) -> list[str]:
        if spec.kind in ("loss", "metrics", "logged") or spec.tag not in self._history:
            return []
        return self._history[spec.tag].modules

    def status(self) -> Status:
        """Where the run stands: state, epoch, step, phase, rate, elapsed time, faults, events, what is not watched."""
        try:
            self._last_status = self._status()
        except (IndexError, RuntimeError, ValueError):  # its own thread is changing what is collected at this moment
            if not self._control.is_elsewhere:
                raise
        return self._last_status

    def _status(self) -> Status:
        if not self._refreshing and not self.state.buffer.idle and not self._control.is_elsewhere:
            self._settle(wait=False)
        series = {spec.tag: self._history[spec.tag] for spec in self.specs if spec.tag in self._history}
        memory = ((spec.tag, lens.memory_of(spec.tag)) for lens in self.lenses for spec in lens.specs)
        return self._clock.status(
            self._faults.all,
            events=self._events.all,
            stages=tuple((tag, kept.stage) for tag, kept in series.items() if kept.stage),
            memory_bytes=tuple((tag, size) for tag, size in memory if size),
            unwatched=tuple(self._watch.unwatched),
            overhead=self.overhead,
            asked=self._control.asked,
            reach=self._control.reach,
            learning_rates=self._rates.now,
            instrument=self._changes.now,
            items=self._logbook.figures.items,
            eta_s=self._progress.left_s(self._clock.seconds, self.state.buffer.step, self._clock.steps_per_s),
            writers=described(self),
        )

    @property
    def overhead(self) -> Overhead:
        """What watching costs, over the newest steps, by lens.

        The fraction is of the time that training would take without: at 0.05 an hour becomes an hour and three minutes.

        Examples
        --------
        >>> PyTorchInspector(visualizer="dummy", max_overhead=0.02).overhead.max_fraction
        0.02
        """
        return self._schedule.overhead

    @property
    def watched(self) -> list[ModuleInfo]:
        """Every module of the model, in order, and the parameters that have no gradients.

        What is not watched has the reason in its ``note``; an empty one says that it is, or that it only holds others.

        Examples
        --------
        >>> import torch
        >>> model = torch.nn.MultiheadAttention(4, 2)
        >>> for module in PyTorchInspector(module=model, visualizer="dummy", every=1).watched:
        ...     print(module.name, "|", module.note)
        MultiheadAttention |
        out_proj | its parameters are read by the attention, which never calls it
        """
        return self._watch.all

    def show(self) -> Any:
        """Show the dashboard, or the static figure of another visualizer, as the value of a cell."""
        self._namesakes.step_aside(self)
        return self.visualizer.show()

    def __repr__(self) -> str:
        watched = f"{self.title}, {len(self.modules)} modules" if self.state.attached else "no model"
        tags = ", ".join(spec.title for spec in self.specs)
        return f"PyTorchInspector watching {watched}: {tags or 'no lens'}; {self.visualizer.where}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **kwargs: Any) -> Any:
        self._namesakes.step_aside(self)
        bundle = self.visualizer.mimebundle(include=include, exclude=exclude, **kwargs)
        return {"text/plain": repr(self)} if bundle is None else bundle

    def _cell_ended(self, error: BaseException | None = None) -> None:
        """The cell that trained has ended, maybe by an error: bring everything to the page once."""
        self._namesakes.step_aside(self)
        if self._control.running and not self._control.in_background:
            self._control.reset()
            self._control.iterates, self._control.ends_itself = False, 0
            self._settle()
            if error is not None:
                self._events.add("error", self.state.buffer.step, ended_by(error))
                self.state.hooks.rest.begin(self.state.hooks)
            self._clock.stop("finished")
            self.state.hooks.skip(0, None, until=0.0)
            self._timing.refresh(force=True)
            self.visualizer.finish()
            self._journaling.finish(self.journal)

    def _log_scalar(self, name: str, number: float, step: int) -> None:
        """Hand a logged number to the visualizer."""
        with self._faults.border(None):
            self.visualizer.log_scalar(name, number, step)

    def _declare(self) -> None:
        for lens in self.lenses:
            for spec in lens.specs:
                self._history.declare(spec.tag, lens.series_of(spec.tag))

    def _show_layout(self) -> None:
        """Tell the visualizer which panels and series there are."""
        self._columns_shown = self._history.columns
        self.visualizer.attached()
