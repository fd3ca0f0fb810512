"""The button that ends a run, in a Trainer: it ends as an early stop does, after the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitorch_widgets import PyTorchInspector


class StopByHand:
    """Ends the loop of a Trainer by ``should_stop``, so that its callbacks, checkpoints and loggers end well.

    Parameters
    ----------
    inspector : PyTorchInspector
        Who is asked to stop.
    trainer : lightning.pytorch.Trainer
        What is stopped. All ranks stop together: they ask each other every ``log_every_n_steps`` batches.
    """

    def __init__(self, inspector: PyTorchInspector, trainer: Any) -> None:
        self._control, self._trainer = inspector._control, trainer
        self._follows, self._min_steps = False, trainer.fit_loop.epoch_loop.min_steps

    def begin(self) -> None:
        """The loop ends itself from now on; nothing is raised in it."""
        self._follows = True
        self._control.ends_itself += 1

    def look(self) -> None:
        """End the loop if that is asked for; what it should have done at least does not count."""
        self._control.between()
        if self._agreed():
            loop = self._trainer.fit_loop
            loop.min_epochs = loop.epoch_loop.min_steps = None
            self._trainer.should_stop = True

    def end(self) -> None:
        """The loop is over."""
        if self._follows:
            self._follows = False
            self._control.ends_itself = max(self._control.ends_itself - 1, 0)
            self._trainer.fit_loop.epoch_loop.min_steps = self._min_steps

    def _agreed(self) -> bool:
        trainer = self._trainer
        if trainer.world_size == 1:
            return self._control.stopping
        if (trainer.fit_loop.batch_idx + 1) % max(trainer.log_every_n_steps, 1):
            return False
        return bool(trainer.strategy.reduce_boolean_decision(self._control.stopping, all=False))
