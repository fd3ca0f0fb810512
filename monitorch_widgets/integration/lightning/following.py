"""One call of a Trainer, as an inspector follows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.optim import Optimizer

from .events import CallbackEvents, is_finder
from .library import MisconfigurationException
from .logged import Logged
from .stop import StopByHand

if TYPE_CHECKING:
    from monitorch_widgets import PyTorchInspector

_OFF = "sanity"  # the phase in which nothing is read, and no step counts
_LOSS = "loss"
_DATA = "from the end of a batch to the next one: data, other callbacks and loggers"  # which a Trainer tells no better


class Following:
    """Tells an inspector where a Trainer stands, and brings it what ``self.log`` has logged.

    Parameters
    ----------
    inspector : PyTorchInspector
        Who is told.
    trainer : lightning.pytorch.Trainer
        Who is followed.
    """

    def __init__(self, inspector: PyTorchInspector, trainer: Any) -> None:
        self.inspector, self._trainer = inspector, trainer
        self._logged = Logged()
        self._bases: dict[str, str] = {}
        self._events = CallbackEvents(trainer.callbacks)
        self._stop = StopByHand(inspector, trainer)
        self._attached: bool | None = None  # by us, or by somebody else; None while nothing is fitted
        self._epoch_over = self._evaluation_over = False
        self._resumed: Mapping[str, int] = {}
        self._steps: int | None = None  # that were made when the batch began
        self._loss: Tensor | None = None
        self._loader: int | None = None
        self._logs_loss = False

    # ------------------------------------------------------------------ fit

    def begin(self, module: Any) -> None:
        """Watch the module; the loop has not begun."""
        self.attach(module)
        self._stop.begin()
        self._enter("train")
        self._leave_out_trials()

    def _leave_out_trials(self) -> None:
        """Bring nothing that trial steps of a finder have logged."""
        if self.look():
            self._logged.new({**self._trainer.callback_metrics, **self._trainer.logged_metrics})

    def attach(self, module: Any) -> None:
        """Watch the module, unless somebody else has begun to."""
        inspector = self.inspector
        self._attached = not (inspector.state.attached and inspector._watch.model is module)
        if self._attached:
            inspector.attach(module)

    def resume(self, state: Mapping[str, int]) -> None:
        """Go on as a checkpoint says; see :meth:`state`."""
        self._resumed = state

    @property
    def state(self) -> dict[str, int]:
        """Where the axis stands; an epoch that is over counts, though its end was not told yet."""
        state = self.inspector.state
        return {"step": state.buffer.step, "epoch": state.counter + self._epoch_over}

    def training_begins(self) -> None:
        """Let the axis go on where a checkpoint has left it, and tell how long it will be."""
        inspector, trainer = self.inspector, self._trainer
        if trainer.global_step and not inspector.state.buffer.step:
            step, epoch = self._resumed.get("step"), self._resumed.get("epoch")
            inspector.continue_from(step or trainer.global_step, epoch or trainer.current_epoch + 1)
        steps = self._steps_in_all()
        self._rest()
        inspector.expect(None if steps is None else inspector.state.buffer.step + steps - trainer.global_step)

    def _steps_in_all(self) -> int | None:
        if not self._trainer.lightning_module.automatic_optimization:
            return None  # how many steps a batch has is the module's own affair
        try:
            steps = self._trainer.estimated_stepping_batches
        except MisconfigurationException:  # the number of batches of a step changes
            return None
        return int(steps) if 0 < steps < float("inf") else None

    def _rest(self) -> None:
        """Read nothing between epochs where a finder may run the loop for itself, with callbacks of its own."""
        self._enter(_OFF if any(map(is_finder, self._trainer.callbacks)) else "train")

    def _enter(self, phase: str | None) -> None:
        """Tell the phase; steps that are made while nothing is read don't count."""
        inspector = self.inspector
        if inspector.phase == phase:
            return
        inspector.phase, hooks = phase, inspector.state.hooks
        hooks.accepts = _none if phase == _OFF else inspector._clock.steps_model
        hooks.skip(0, None, until=0.0)

    def epoch_begins(self) -> None:
        """End the epoch before: all that was logged at its end is there now."""
        self._leave_out_trials()
        self._end_epoch()
        self._enter("train")
        self.inspector._timing.parts.asks_for_batch(_DATA)

    def batch_begins(self, batch: Any) -> None:
        """Bring what the batch before has logged, and take this one."""
        self.inspector._timing.parts.has_batch()
        self._end_batch()
        self.look()
        self._enter("train")  # a run that goes on within an epoch begins here
        self.inspector._logbook.sizes.take(batch)
        self._steps = self.inspector.state.buffer.step

    def batch_ends(self, outputs: Any) -> None:
        """Keep the loss, and end the loop if somebody has asked for it."""
        loss = outputs.get(_LOSS) if isinstance(outputs, Mapping) else outputs
        self._loss = loss.detach() if isinstance(loss, Tensor) and loss.numel() == 1 else None
        stepped = self._steps is not None and self.inspector.state.buffer.step > self._steps
        if stepped or self._trainer.accumulate_grad_batches == 1:
            self._stop.look()
        self.inspector._timing.parts.asks_for_batch(_DATA)

    def epoch_ends(self) -> None:
        """Bring what the last batch has logged; what is logged of the epoch comes later."""
        self._end_batch()
        self._epoch_over = True
        self._rest()

    def training_ends(self) -> None:
        """End the last epoch."""
        self._end_epoch()
        self.look()

    def end(self, error: BaseException | None = None) -> None:
        """The call is over, maybe by an error; a second time does nothing."""
        self.look()
        self._stop.end()
        self.inspector._logbook.break_off()
        self.inspector._logbook.sizes.forget()
        self._enter(None)
        self.inspector.dataloader_idx = None
        if self._attached is not None:
            self.inspector._cell_ended(error)
        if self._attached:
            self.inspector.detach()
        self._attached = None

    # ------------------------------------------------------------------ evaluation

    def evaluation_begins(self, phase: str) -> None:
        """Validation, a test or a prediction begins; the sanity check reads nothing."""
        self.inspector._timing.parts.mark("evaluation")
        self._end_batch()
        self._loader = None
        if phase == "predict" and phase not in self.inspector.unread_phases and self._attached is None:
            self.attach(self._trainer.lightning_module)  # somebody has asked for it
        self._enter(_OFF if self._trainer.sanity_checking else phase)

    def evaluation_batch_begins(self, batch: Any, loader: int | None) -> None:
        """Take a batch, of a loader that has a number if there are several."""
        if loader != self._loader:
            self.bring(of_epoch=True)
        self._loader = self.inspector.dataloader_idx = loader
        self.inspector._logbook.sizes.take(batch)

    def evaluation_ends(self, phase: str) -> None:
        """Bring what evaluation has found; training goes on, if there is any."""
        self._evaluation_over = False
        if not self._trainer.sanity_checking:
            self.bring(of_epoch=True)
            self.inspector._logbook.end_phase(phase)
            self.look()
        self.inspector.dataloader_idx = None
        self._enter("train" if self._trainer.state.fn == "fit" else None)

    def evaluation_is_over(self) -> None:
        """The batches are through: what is logged from now on stands for all of them."""
        self._evaluation_over = True

    # ------------------------------------------------------------------ what is logged

    def bring(self, *, of_epoch: bool | None = None) -> set[str]:
        """Bring what was logged since the last time, and tell which names Lightning knows."""
        if self._trainer.sanity_checking:
            return set()
        metrics = self._trainer.logged_metrics
        over = self._epoch_over or self._evaluation_over if of_epoch is None else of_epoch
        for name, value in self._logged.new({**self._unlogged(metrics), **metrics}).items():
            shown = name in metrics
            self._logs_loss |= shown and not over and _LOSS in name.lower()
            self.inspector._logbook.record(
                name,
                value,
                step=None if over else self._step,
                epoch_value=over,
                prog_bar=self._is_for_strip(name),
                base=self._base_of(name),
                logger=shown,
            )
        return set(metrics)

    def _unlogged(self, logged: Mapping[str, Any]) -> dict[str, Any]:
        """What no logger gets, ``logger=False``: it is known, but no curve."""
        metrics = self._trainer.callback_metrics
        return {name: value for name, value in metrics.items() if name not in logged and not _forks(name, metrics)}

    def _is_for_strip(self, name: str) -> bool:
        """Whether a new name was logged with ``prog_bar=True``; an own progress bar says itself what it shows."""
        known = name in self._bases or hasattr(self._trainer.progress_bar_callback, "inspector")
        return not known and name in self._trainer.progress_bar_metrics

    def _base_of(self, name: str) -> str:
        """What was logged, where Lightning makes two names of it: loggers get those, `callback_metrics` all three."""
        if name not in self._bases:
            head, loader, number = name.partition("/dataloader_idx_")
            short = head.removesuffix("_step").removesuffix("_epoch") + loader + number
            forked = short != name and short in self._trainer.callback_metrics
            self._bases[name] = short if forked and short not in self._trainer.logged_metrics else name
        return self._bases[name]

    @property
    def _step(self) -> int | None:
        """The step that the running batch is a part of, maybe one that gradients are still gathered for."""
        made = self.inspector.state.buffer.step
        return None if self._steps is None else made - (made > self._steps)

    def look(self) -> bool:
        """See what Lightning's own callbacks have done; whether a finder has made steps of its own."""
        return self._events.look(self._trainer.callbacks, self.inspector.mark, self._show_lr_finder)

    def _show_lr_finder(self, found: Any) -> None:
        if found is not None and found.results.get("lr"):  # at a later epoch Lightning's finder makes no step at all
            self.inspector.show_lr_finder(found)

    def _end_batch(self) -> None:
        self.bring()
        loss, self._loss = self._loss, None
        if loss is not None and not self._logs_loss:  # a run without any loss would show nothing
            self.inspector._logbook.record(_LOSS, loss * self._parts, step=self._step)
        self._steps = None

    @property
    def _parts(self) -> int:
        """By what Lightning has divided the loss."""
        automatic = self._trainer.lightning_module.automatic_optimization
        return int(self._trainer.accumulate_grad_batches) if automatic else 1

    def _end_epoch(self) -> None:
        if self._epoch_over:
            self.bring()
            self._epoch_over = False
            self.inspector.tick_epoch()


def _forks(name: str, metrics: Mapping[str, Any]) -> bool:
    """Whether this is the short name of a number that is there by its step's or epoch's name too.

    >>> import torch
    >>> numbers = {"loss": torch.tensor(0.5), "other": torch.tensor(0.5)}
    >>> _forks("loss", {**numbers, "loss_step": numbers["loss"]}), _forks("other", numbers)
    (True, False)
    """
    head, loader, number = name.partition("/dataloader_idx_")
    longer = (metrics.get(f"{head}_{end}{loader}{number}") for end in ("step", "epoch"))
    value = metrics[name]
    return any(isinstance(it, Tensor) and it.data_ptr() == value.data_ptr() for it in longer)


def _none(optimizer: Optimizer) -> bool:
    """No optimizer's steps count."""
    return False
