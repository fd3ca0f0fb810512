"""Follow the Trainer of transformers. Imported only by who asks for it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from torch import nn

from monitorch_widgets.inspector import PyTorchInspector
from monitorch_widgets.inspector.arguments import checked_switch
from monitorch_widgets.inspector.defaults import default_lenses
from monitorch_widgets.inspector.wrappers import unwrapped
from monitorch_widgets.lens import AbstractLens, LossMetrics, OutputActivation

from .notebook import display
from .step_loss import StepLoss
from .trainer_arguments import batch_in_words, hyperparameters
from .trainer_inspector import check_arguments, in_rank

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
except ImportError as error:
    raise ImportError(
        f"transformers cannot be imported: {error}. Install it: pip install 'monitorch_widgets[transformers]'"
    ) from error

# Ends of names: what is no learning, and the mean of all training losses at the end, which is no loss of an epoch.
_NOT_SHOWN = ("_runtime", "_per_second", "total_flos", "epoch", "_preparation_time", "train_loss")
Event = Callable[..., None]


def _safely(event: Event) -> Any:
    """Let nothing of ours stop the Trainer, unless the inspector is strict; the control comes back as it is."""

    @functools.wraps(event)
    def safe(
        self: InspectorTrainerCallback,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **others: Any,
    ) -> TrainerControl:
        with self.inspector._faults.border(None):
            event(self, args, state, control, **others)
        return control

    return safe


class InspectorTrainerCallback(TrainerCallback):
    """Watches what a ``transformers.Trainer`` trains, for ``Trainer(callbacks=[...])``.

    It attaches when training begins and detaches when it ends. Steps, epochs and evaluations are those of the Trainer,
    also where it resumes from a checkpoint; what it logs becomes curves under the Trainer's names, without any
    ``report_to``; checkpoints are marks on the axis. The stop button of the panel ends the training as the Trainer
    itself would. An inspector that watches the model already stays attached afterwards.

    The Trainer tells a callback nothing of an error or an interrupt: what it leaves attached is detached when the next
    training begins, or the callback is gone, and in a notebook it rests once the cell has ended.

    Parameters
    ----------
    lenses : list of AbstractLens, optional
        What to look at; by default what :class:`~monitorch_widgets.PyTorchInspector` looks at, with the loss that the
        model returns at every step, and neurons in the last dimension of outputs, (batch, position, neuron).
    inspector : PyTorchInspector, optional
        One that is there already, instead of lenses and arguments.
    show : bool
        Show the dashboard when training begins, in a notebook that does not show it yet.
    **arguments
        Further arguments of :class:`~monitorch_widgets.PyTorchInspector`.

    Attributes
    ----------
    inspector : PyTorchInspector
        The inspector; it is there before training begins.

    Raises
    ------
    ArgumentError
        For an inspector together with lenses or arguments, for a `module`, and what the inspector raises.

    Examples
    --------
    >>> callback = InspectorTrainerCallback(visualizer="dummy", max_overhead=0.02)
    >>> callback.inspector.max_overhead
    0.02
    >>> # Trainer(model, arguments, train_dataset=..., callbacks=[callback]).train()
    """

    def __init__(
        self,
        lenses: list[AbstractLens] | None = None,
        *,
        inspector: PyTorchInspector | None = None,
        show: bool = True,
        **arguments: Any,
    ) -> None:
        check_arguments(lenses, inspector, arguments)
        self._losses = StepLoss()
        if lenses is None:
            lenses = _own_lenses(self._losses)
        self.inspector = PyTorchInspector(lenses, **arguments) if inspector is None else inspector
        self._show = checked_switch("show", show)
        self._ours = self._training = self._in_epoch = False
        self._stopped_at = -1

    # ------------------------------------------------------------------ training

    @_safely
    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, *, model: nn.Module, **others: Any
    ) -> None:
        """Attach to the model."""
        self._leave()  # what an error has left
        inspector = self.inspector = in_rank(self.inspector, first=state.is_world_process_zero)
        inspector.phase = None
        if state.global_step and not inspector.state.buffer.step:
            inspector.continue_from(state.global_step, int(state.epoch or 0) + 1)
        self._ours = inspector._watch.model is not unwrapped(model) or not inspector.state.attached
        if self._ours:
            inspector.attach(model)
        self._training, self._stopped_at = True, -1
        inspector._control.ends_itself += 1
        if state.max_steps > 0:
            inspector.expect(inspector.state.buffer.step + state.max_steps - state.global_step)
        inspector.log_hyperparams(hyperparameters(args, model))
        inspector.show_item("batch", batch_in_words(args))
        self._watch_loss(model)
        if self._show and state.is_world_process_zero:
            display(inspector)

    @_safely
    def on_epoch_begin(self, *told: Any, **others: Any) -> None:
        """End the epoch before, whose evaluation belongs to it."""
        self._tick()
        self._in_epoch = True
        self._wait()

    def _wait(self) -> None:
        """All that is told between steps is through, so far: what comes is the next batch."""
        if self._training:
            self.inspector._timing.parts.asks_for_batch()

    @_safely
    def on_step_begin(self, *told: Any, model: nn.Module, **others: Any) -> None:
        """Begin a step anew."""
        self.inspector._timing.parts.has_batch()
        self._losses.forget()
        if self._training:
            self._watch_loss(model)

    @_safely
    def on_pre_optimizer_step(self, *told: Any, **others: Any) -> None:
        """Read the loss of the step."""
        self._losses.step()

    @_safely
    def on_substep_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Stop if the panel asks for it."""
        if self._training and self.inspector._control.stopping:
            control.should_training_stop = True
            self._stopped_at = state.global_step

    @_safely
    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Stop if the panel asks for it; the next batch is waited for."""
        self.on_substep_end(args, state, control)
        self._wait()

    @_safely
    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any
    ) -> None:
        """Detach."""
        if control.should_training_stop and self._stopped_at < 0 and state.global_step < state.max_steps:
            words = f"The training was stopped by a callback at step {state.global_step} of {state.max_steps}."
            self.inspector.mark("early stop", words)
        self._tick()
        self._leave()

    def _tick(self) -> None:
        if self._in_epoch:
            self._in_epoch = False
            self.inspector.tick_epoch()

    def _leave(self) -> None:
        """End what was begun, once."""
        if not self._training:
            return
        self._training = self._in_epoch = False
        inspector = self.inspector
        inspector._control.ends_itself = max(inspector._control.ends_itself - 1, 0)
        self._losses.forget()
        if self._ours:
            inspector.detach()
        else:
            inspector._control.loop_over()

    def _watch_loss(self, model: nn.Module) -> None:
        if any(
            isinstance(lens, LossMetrics) and lens.loss_fn is self._losses.loss_fn for lens in self.inspector.lenses
        ):
            self._losses.watch(self.inspector.state.hooks, unwrapped(model))

    # ------------------------------------------------------------------ evaluation

    @_safely
    def on_prediction_step(self, *told: Any, **others: Any) -> None:
        """Note that an evaluation is under way."""
        if self.inspector.phase != "val":
            self.inspector._timing.parts.mark("evaluation")
            self.inspector.phase = "val"

    @_safely
    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        metrics: Mapping[str, float],
        **others: Any,
    ) -> None:
        """End an evaluation; its numbers came by :meth:`on_log`."""
        self._evaluated("val")

    @_safely
    def on_predict(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        metrics: Mapping[str, float],
        **others: Any,
    ) -> None:
        """Take the metrics of a prediction, which the Trainer does not log."""
        if state.is_world_process_zero:
            self._record(metrics, epoch_value=True)
        self._evaluated("test")

    def _evaluated(self, phase: str) -> None:
        self.inspector._logbook.end_phase(phase)
        self.inspector.phase = None
        if not self._training:
            self.inspector.visualizer.finish()

    # ------------------------------------------------------------------ what the Trainer tells

    @_safely
    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        logs: Mapping[str, float] | None = None,
        **others: Any,
    ) -> None:
        """Take what the Trainer logs."""
        logs = logs or {}
        if not state.is_world_process_zero:
            return
        self._record(logs, epoch_value=any(name.startswith("eval_") for name in logs))
        self._push_losses(logs)
        self._wait()

    def _record(self, logs: Mapping[str, Any], *, epoch_value: bool) -> None:
        step = max(self.inspector.state.buffer.step - 1, 0)
        for name, value in logs.items():
            if isinstance(value, Real) and not name.endswith(_NOT_SHOWN):
                self.inspector._logbook.record(name, float(value), step=step, epoch_value=epoch_value)

    def _push_losses(self, logs: Mapping[str, Any]) -> None:
        """Give the loss panel what the Trainer says, where nothing better is there."""
        takers = [lens for lens in self.inspector.lenses if isinstance(lens, LossMetrics) and lens.loss_fn is None]
        unseen = not self._losses.seen and any(isinstance(lens, LossMetrics) for lens in self.inspector.lenses)
        for name, train in (("loss", True), ("eval_loss", False)):
            value = logs.get(name, math.nan)
            if (takers or unseen) and isinstance(value, Real) and math.isfinite(value):
                self.inspector.push_loss(float(value), train=train)

    @_safely
    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:
        """Mark a checkpoint."""
        folder = Path(args.output_dir or ".").name
        words = f"Checkpoint {folder}/checkpoint-{state.global_step}."
        best_step = getattr(state, "best_global_step", None)  # newer than the oldest transformers that is supported
        if best_step == state.global_step and state.best_metric is not None:
            words = f"{words[:-1]}, the best so far: {args.metric_for_best_model} {state.best_metric:.4g}."
        self.inspector.mark("checkpoint", words)
        self._wait()


def _own_lenses(losses: StepLoss) -> list[AbstractLens]:
    """The default lenses, as they fit these models."""
    ours = {LossMetrics: LossMetrics(loss_fn=losses.loss_fn), OutputActivation: OutputActivation(channel_last=True)}
    return [ours.get(type(lens), lens) for lens in default_lenses()]
