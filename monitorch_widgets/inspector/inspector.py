"""What the user holds: the inspector."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from numbers import Integral
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim import Optimizer

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, NotAttachedError
from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.history import History
from monitorch_widgets.lens import AbstractLens, LossMetrics
from monitorch_widgets.lens.parameter_lens import ParameterLens, warn_of_unknown
from monitorch_widgets.preprocessor import ExplicitCall
from monitorch_widgets.values import ChartSpec, ModuleInfo, Status

from .clock import Clock, stride
from .defaults import default_lenses
from .faults import Faults
from .modules import Place, places
from .record import EpochRecord

if TYPE_CHECKING:
    from typing_extensions import Self

    from monitorch_widgets.visualizer import AbstractVisualizer

T = TypeVar("T")


class PyTorchInspector:
    """Attaches to a model, reads it batch by batch, and shows it while it trains.

    Nothing in the training loop changes: steps are found by themselves. As the last value of a cell the inspector
    shows its dashboard; :meth:`show` shows it again in any other cell.

    Parameters
    ----------
    lenses : list of AbstractLens, optional
        What to look at; by default losses, outputs, output gradients, weight gradients and weight updates.
    visualizer : str or AbstractVisualizer
        ``"widgets"``, ``"matplotlib"``, ``"tensorboard"``, ``"print"``, ``"dummy"``, or an object of your own.
    module : torch.nn.Module, optional
        Model to attach to at once.
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
    every : "auto" or int
        Listen to every n-th step; ``"auto"`` means every step. With a number above 1, correlations compare with the
        step that was listened to before.
    max_overhead : float
        Fraction of the training time that watching may take; kept for ``every="auto"``, not enforced yet.
    strict : bool
        Raise when a lens faults, rather than mute it and warn.

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

    Raises
    ------
    ArgumentTypeError
        For a lens that is none, a module that is none, a visualizer that is none.
    ArgumentError
        For an unknown visualizer, ``every=0`` and the like.

    Examples
    --------
    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> with PyTorchInspector(module=model, visualizer="dummy") as inspector:
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
        every: Literal["auto"] | int = "auto",
        max_overhead: float = 0.05,
        strict: bool = False,
    ) -> None:
        self.lenses = _checked_lenses(lenses)
        self.depth = _checked_depth(depth)
        self.module_name_prefix = _checked_text("module_name_prefix", module_name_prefix, ".")
        self.master_rank = master_rank
        self.max_overhead = _checked_overhead(max_overhead)
        self.is_main_process = _rank() == master_rank
        self.state = InspectorState(is_active_fn)
        self._clock = Clock(self.state, stride(every))
        self.strict = strict
        self._faults = Faults(self.state, strict)
        self._history = History()
        self._arrived: dict[tuple[str, int], tuple[list[str], list[float]]] = {}
        self._places: list[Place] = []
        self._infos: list[ModuleInfo] = []
        self._call_preprocessor = ExplicitCall(
            _checked_text("train_loss_str", train_loss_str, "train_loss"),
            _checked_text("non_train_loss_str", non_train_loss_str, "val_loss"),
        )
        self._call_preprocessor.listener = self._pushed
        self.visualizer = _visualizer(visualizer if self.is_main_process else "dummy")
        self._record = cast("AbstractVisualizer", EpochRecord(self._history, self.visualizer))
        for lens in self.lenses:
            lens.register_foreign_preprocessor(self._call_preprocessor, self.state)
            lens.introduce_tags(self._record)
        self._declare()
        self._columns_shown = self._history.columns
        self.visualizer.bind(self)
        if module is not None:
            self.attach(module)

    # ------------------------------------------------------------------ attach and detach

    def attach(self, module: nn.Module) -> Self:
        """Watch `module`, after leaving the one that was watched before.

        Parameters
        ----------
        module : torch.nn.Module
            The model; wrappers of ``torch.compile``, ``DistributedDataParallel`` and ``DataParallel`` are taken off.

        Raises
        ------
        ArgumentTypeError
            If it is no module.
        """
        if not isinstance(module, nn.Module):
            raise ArgumentTypeError(
                f"expected a torch.nn.Module to attach to; received {type(module).__name__}. "
                "Pass the model itself, e.g. PyTorchInspector(module=model)."
            )
        if isinstance(module, torch.jit.ScriptModule):
            raise ArgumentTypeError(
                f"expected a model written in Python; received {type(module).__name__}, compiled by torch.jit, which "
                "takes no hooks. Pass the module it was made of."
            )
        if self.state.attached:
            self.detach()
        model = _unwrapped(module)
        self._faults.clear()
        try:
            self._register(model)
        except BaseException:
            self._unregister()
            raise
        self.state.attached = True
        self._show_layout()
        return self

    def _register(self, model: nn.Module) -> None:
        hooks = self.state.hooks
        hooks.listening = True
        self._title = type(model).__name__
        self._places = places(model, self.depth, self.module_name_prefix)
        self._infos = [place.info for place in self._places]
        self._clock.watch(model)
        for lens in self.lenses:
            with hooks.owned_by(lens), self._faults.border(lens):
                lens.prepare(self.state, self._emit)
                for place in self._places:
                    register = lens.register_leaf_module if place.leaf else lens.register_non_leaf_module
                    register(place.module, place.name, self.state)
                if isinstance(lens, ParameterLens):
                    warn_of_unknown(lens, model)
        hooks.forward(model, self._infos[0].name, self._saw_forward)
        hooks.always_after_step(self._after_step)
        self._declare()

    def detach(self) -> Self:
        """Stop watching and take back every hook; a second call does nothing. The history stays."""
        if self.state.attached:
            self._settle()
            self._unregister()
            self._clock.stop("detached")
            self.visualizer.finish()
        return self

    def _unregister(self) -> None:
        self.state.hooks.remove()
        for lens in self.lenses:
            with self._faults.border(lens):
                lens.detach_from_module()
        self.state.buffer.drop()
        self._arrived.clear()
        self._call_preprocessor.reset()
        self._places = []
        self.state.attached = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.detach()

    # ------------------------------------------------------------------ steps

    def _saw_forward(self, name: str, module: nn.Module, layer_input: Any, output: Any) -> None:
        self._clock.saw_forward(module.training and torch.is_grad_enabled())

    def _after_step(self, optimizer: Optimizer | None) -> None:
        listened = self.state.hooks.listening
        self._clock.finish_step()
        if listened:
            self._settle(wait=False)
        self.visualizer.refresh()

    def tick_batch(self) -> None:
        """Say that a step was made, in a loop whose steps cannot be seen: one without an optimizer.

        Call it after backward and the change of the parameters, before gradients are set to zero. Gradients are read
        as they are then; updates are the change since the call before.
        """
        if not self.state.attached:
            raise NotAttachedError("tick_batch() needs a model; call attach(model) first")
        self.state.hooks.run_before_step(None)
        self.state.hooks.run_after_step(None)

    def _emit(self, tag: str, modules: Sequence[str], values: Sequence[float], step: int) -> None:
        names, numbers = self._arrived.setdefault((tag, step), ([], []))
        names.extend(modules)
        numbers.extend(values)

    def _settle(self, *, wait: bool = True) -> None:
        """Bring what waits on the device to the history."""
        self.state.buffer.flush(wait=wait)
        if not self._arrived:
            return
        arrived, self._arrived = self._arrived, {}
        second = self._clock.seconds
        for (tag, step), (names, numbers) in arrived.items():
            self._history.declare(tag).record(step, second, names, numbers)
        if self._history.columns != self._columns_shown:
            self._show_layout()

    # ------------------------------------------------------------------ numbers from the loop

    def push_metric(self, name: str, value: float, *, running: bool = True) -> None:
        """Record a metric.

        Parameters
        ----------
        name : str
            Name of the metric.
        value : float
            Its value now; NaN and infinity leave a gap.
        running : bool
            Keep running statistics of the epoch rather than every value.
        """
        push = self._call_preprocessor.push_running if running else self._call_preprocessor.push_memory
        push(name, value)

    def push_loss(self, value: float, *, train: bool, running: bool = True) -> None:
        """Record a loss, for loops whose loss is not a module given to :class:`LossMetrics`.

        Parameters
        ----------
        value : float
            The loss; NaN and infinity leave a gap.
        train : bool
            Training loss rather than validation or test loss.
        running : bool
            Keep running statistics of the epoch rather than every value.
        """
        self._call_preprocessor.push_loss(value, train=train, running=running)

    def _pushed(self, name: str, value: float) -> None:
        step = self.state.buffer.step if self.state.in_step else max(self.state.buffer.step - 1, 0)
        for lens in self.lenses:
            if isinstance(lens, LossMetrics):
                self._emit(lens.note_metric(name), [name], [value], step)

    # ------------------------------------------------------------------ epochs

    def tick_epoch(self, epoch: int | None = None) -> None:
        """End an epoch: aggregate it, show its figures, begin the next.

        Parameters
        ----------
        epoch : int, optional
            Number of the epoch that begins; by default the next one.
        """
        if epoch is not None and not isinstance(epoch, Integral):
            raise ArgumentTypeError(
                f"expected epoch to be an integer, the number of the epoch that begins; received {epoch!r}. "
                "Call tick_epoch() to count by one."
            )
        self._settle()
        if self.state.is_active:
            self._finish_epoch()
        self._clock.finish_epoch()
        self._call_preprocessor.reset()
        if epoch is None:
            self.state.tick()
        else:
            self.state.counter = int(epoch)
        self.visualizer.refresh(force=True)

    tick = tick_epoch

    def _finish_epoch(self) -> None:
        each, lenses = self._faults.each, self.lenses
        for lens in lenses:  # a muted one too: its peers on other ranks wait for it
            with self._faults.border(lens):
                lens.start_sync(self.master_rank)
                lens.finish_sync()
        each(lenses, lambda lens: lens.finalize_epoch())
        if self.is_main_process:
            each(lenses, lambda lens: lens.vizualize(self._record, self.state.counter))
        each(lenses, lambda lens: lens.reset_epoch())

    def iter(self, iterable: Iterable[T]) -> Iterator[T]:
        """Iterate over epochs: each one ends with :meth:`tick_epoch`.

        Examples
        --------
        >>> inspector = PyTorchInspector(visualizer="dummy")
        >>> list(inspector.iter("ab")), inspector.state.counter
        (['a', 'b'], 3)
        """
        for item in iterable:
            yield item
            self.tick_epoch()
        self._cell_ended()

    def range(self, *args: int) -> Iterator[int]:
        """Iterate over ``range(...)``, one epoch a number; see :meth:`iter`."""
        return self.iter(range(*args))

    # ------------------------------------------------------------------ what was read, and where it is shown

    @property
    def history(self) -> History:
        """What was read so far; see :class:`~monitorch_widgets.history.History`."""
        self._settle()
        return self._history

    @property
    def title(self) -> str:
        """Class name of the model."""
        return self._title if self._places else getattr(self, "_title", "no model")

    @property
    def specs(self) -> list[ChartSpec]:
        """What each panel shows first, in the order of the lenses."""
        return [spec for lens in self.lenses for spec in lens.specs]

    @property
    def modules(self) -> list[ModuleInfo]:
        """The modules in model order, and the names of series that are not modules of their own."""
        known = {info.name: info for info in self._infos}
        rank = {name: i for i, name in enumerate(known)}
        named = dict.fromkeys(name for spec in self.specs for name in self._series_names(spec))
        owners = {name: name if name in known else _owner(name, known) for name in named}
        ours = [name for name in named if owners[name]]  # the history may hold names of a model before this one
        ours.sort(key=lambda name: (rank[owners[name]], name != owners[name]))
        return [known.get(name) or replace(known[owners[name]], name=name, activation=False) for name in ours]

    def _series_names(self, spec: ChartSpec) -> list[str]:
        if spec.kind in ("loss", "metrics") or spec.tag not in self._history:
            return []
        return self._history[spec.tag].modules

    def status(self) -> Status:
        """Where the run stands: state, epoch, step, phase, rate, elapsed time, faults."""
        return self._clock.status(self._faults.all)

    def show(self) -> Any:
        """Show the dashboard, or the static figure of another visualizer, as the value of a cell."""
        return self.visualizer.show()

    def __repr__(self) -> str:
        watched = f"{self.title}, {len(self.modules)} modules" if self.state.attached else "no model"
        tags = ", ".join(spec.title for spec in self.specs)
        return f"PyTorchInspector watching {watched}: {tags or 'no lens'}; {self.visualizer.where}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None, **kwargs: Any) -> Any:
        bundle = self.visualizer.mimebundle(include=include, exclude=exclude, **kwargs)
        return {"text/plain": repr(self)} if bundle is None else bundle

    def _cell_ended(self) -> None:
        """The cell that trained has ended: bring everything to the page once."""
        if self.state.attached and self._clock.state == "live":
            self._settle()
            self._clock.stop("finished")
            self.visualizer.finish()

    def _declare(self) -> None:
        for lens in self.lenses:
            for spec in lens.specs:
                self._history.declare(spec.tag, lens.series_of(spec.tag))

    def _show_layout(self) -> None:
        """Tell the visualizer which panels and series there are."""
        self._columns_shown = self._history.columns
        self.visualizer.attached()


def _unwrapped(module: nn.Module) -> nn.Module:
    """The model inside wrappers for several devices and for compilation."""
    while True:
        if isinstance(module, DistributedDataParallel | DataParallel):
            module = module.module
        elif isinstance(module._modules.get("_orig_mod"), nn.Module):  # torch.compile's, whose class is slow to import
            module = cast(nn.Module, module._modules["_orig_mod"])
        else:
            return module


def _owner(name: str, known: Iterable[str]) -> str:
    """Module that a series belongs to whose name is longer, like one output of several; empty for none."""
    return max((owner for owner in known if name.startswith((f"{owner}.", f"{owner}["))), key=len, default="")


def _rank() -> int:
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def _visualizer(visualizer: str | AbstractVisualizer) -> AbstractVisualizer:
    from monitorch_widgets.visualizer import make_visualizer  # late: it may bring the widget libraries

    return make_visualizer(visualizer)


def _checked_lenses(lenses: object) -> list[AbstractLens]:
    if lenses is None:
        return default_lenses()
    if isinstance(lenses, AbstractLens) or not isinstance(lenses, Iterable):
        raise ArgumentTypeError(f"expected a list of lenses; received {lenses!r}. Put it in a list: [OutputNorm()].")
    found: list[AbstractLens] = []
    for lens in lenses:
        if not isinstance(lens, AbstractLens):
            hint = f" Call it: {lens.__name__}()." if isinstance(lens, type) else ""
            raise ArgumentTypeError(f"expected a lens, e.g. lens.OutputNorm(); received {lens!r}.{hint}")
        found.append(lens)
    return found


def _checked_depth(depth: object) -> int:
    if isinstance(depth, int) and depth >= -1:
        return depth
    raise ArgumentError(f"expected depth to be an integer of at least 0, or -1 for all; received {depth!r}")


def _checked_text(argument: str, text: object, usual: str) -> str:
    if isinstance(text, str):
        return text
    raise ArgumentTypeError(f"expected {argument} to be a string; received {text!r}. Use {usual!r}.")


def _checked_overhead(fraction: object) -> float:
    if isinstance(fraction, int | float) and 0 < fraction <= 1:
        return float(fraction)
    raise ArgumentError(f"expected max_overhead to be a fraction in (0, 1]; received {fraction!r}. Use 0.05 for 5 %.")
