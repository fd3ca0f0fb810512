"""The inspector as a callback of a Trainer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentTypeError
from monitorch_widgets.lens import AbstractLens

from ..notebook import display
from ..trainer_inspector import in_rank
from .following import Following
from .library import Callback
from .logger import WidgetLogger
from .sharing import Recipe, first_of_all, shared


class InspectorCallback(Callback):
    """Watches the module that a Trainer fits, batch by batch, and shows it while it trains.

    It attaches at the start of ``fit`` and detaches at its end, also when that is an error. Steps are optimizer steps
    as ``trainer.global_step`` counts them, epochs end behind their validation; sanity checks, and trial steps of
    Lightning's finders, are not read. What ``self.log`` logs is shown at every batch, whatever ``log_every_n_steps`` is
    for other loggers; where no loss is logged, the loss of the training step is. Checkpoints and early stops are marked
    on the axis. The stop button ends the run as :class:`~lightning.pytorch.callbacks.EarlyStopping` does: the epoch
    ends, with its validation. Modules are read in ``fit`` only, and in ``predict`` where ``inspector.unread_phases``
    says so; of ``validate`` and ``test`` the logged numbers are shown.

    A :class:`WidgetLogger` of the same Trainer shares the inspector. Where a strategy starts processes of its own, each
    makes an inspector like this one; they show nothing in the notebook.

    Parameters
    ----------
    lenses : list of AbstractLens, optional
        What to look at; by default outputs, output gradients, weight gradients and weight updates.
    inspector : PyTorchInspector, optional
        One that is there already; it has its lenses and arguments.
    show : bool
        Display the panel when ``fit`` starts in a notebook, if it is not shown yet.
    **arguments
        Others of :class:`~monitorch_widgets.PyTorchInspector`, like ``every`` and ``max_overhead``.

    Raises
    ------
    ArgumentError
        For arguments beside an inspector, and for those that an inspector doesn't have.
    ArgumentTypeError
        For an inspector that is none.

    Examples
    --------
    >>> callback = InspectorCallback(every=1, visualizer="dummy")
    >>> callback.inspector.state.attached
    False

    Then ``Trainer(callbacks=[callback])``; ``callback.inspector`` as the last value of a cell shows the panel there.
    """

    def __init__(
        self,
        lenses: list[AbstractLens] | None = None,
        *,
        inspector: PyTorchInspector | None = None,
        show: bool = True,
        **arguments: Any,
    ) -> None:
        super().__init__()
        if not isinstance(show, bool):
            raise ArgumentTypeError(f"expected show to be True or False; received {show!r}.")
        self._show = show
        self._recipe = Recipe(lenses, inspector, arguments)
        self._inspector: PyTorchInspector | None = inspector or self._recipe.made()
        self._following: Following | None = None

    @property
    def inspector(self) -> PyTorchInspector:
        """The inspector; a copy of the callback in another process has one of its own."""
        if self._inspector is None:
            self._inspector = self._recipe.made()
        return self._inspector

    # ------------------------------------------------------------------ begin and end

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Find loggers to share the inspector with; be the first callback, so that nothing is missed."""
        loggers = [logger for logger in trainer.loggers if isinstance(logger, WidgetLogger)]
        self._inspector = in_rank(shared(self.inspector, self._recipe, loggers), first=trainer.is_global_zero)
        trainer.callbacks = first_of_all(self, trainer.callbacks)
        self._following = Following(self._inspector, trainer)
        for logger in loggers:
            logger.follow(self._inspector, self._bring)

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Attach, and show the panel."""
        self._at("on_fit_start")
        if self._following is not None:
            self._following.begin(pl_module)
            self._display()

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Detach."""
        self._end("on_fit_end")

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Say what ended the run, and detach."""
        self._do("on_exception", lambda following: following.end(exception))

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """End what has not ended yet: a Tuner leaves ``fit`` before it has begun."""
        cards = len(self.inspector.cards)
        self._end("teardown")
        if len(self.inspector.cards) > cards:
            self._display()
        self._following = None
        self.inspector._logbook.hook = ""

    def _end(self, hook: str) -> None:
        self._do(hook, lambda following: following.end())

    def _display(self) -> None:
        if self._show:
            display(self.inspector)

    # ------------------------------------------------------------------ training

    def on_sanity_check_start(self, trainer: Any, pl_module: Any) -> None:
        """Read nothing of it."""
        self._at("on_sanity_check_start")

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Find where the axis begins, and how long it is."""
        self._do("on_train_start", lambda following: following.training_begins())

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin an epoch."""
        self._do("on_train_epoch_start", lambda following: following.epoch_begins())

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Begin a batch."""
        self._do("training_step", lambda following: following.batch_begins(batch))

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """End a batch."""
        self._do("on_train_batch_end", lambda following: following.batch_ends(outputs))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """End an epoch."""
        self._do("on_train_epoch_end", lambda following: following.epoch_ends())

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """End training."""
        self._do("on_train_end", lambda following: following.training_ends())

    # ------------------------------------------------------------------ evaluation

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin validation."""
        self._do("on_validation_start", lambda following: following.evaluation_begins("val"))

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int | None = None
    ) -> None:
        """Begin a batch of validation."""
        self._do("validation_step", lambda following: following.evaluation_batch_begins(batch, dataloader_idx))

    def on_validation_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Bring what its step has logged."""
        self._do("on_validation_batch_end", lambda following: following.bring())

    def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """All batches are through."""
        self._do("on_validation_epoch_end", lambda following: following.evaluation_is_over())

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """End validation."""
        self._do("on_validation_end", lambda following: following.evaluation_ends("val"))

    def on_test_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin a test."""
        self._do("on_test_start", lambda following: following.evaluation_begins("test"))

    def on_test_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int | None = None
    ) -> None:
        """Begin a batch of a test."""
        self._do("test_step", lambda following: following.evaluation_batch_begins(batch, dataloader_idx))

    def on_test_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Bring what its step has logged."""
        self._do("on_test_batch_end", lambda following: following.bring())

    def on_test_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """All batches are through."""
        self._do("on_test_epoch_end", lambda following: following.evaluation_is_over())

    def on_test_end(self, trainer: Any, pl_module: Any) -> None:
        """End a test."""
        self._do("on_test_end", lambda following: following.evaluation_ends("test"))

    def on_predict_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin a prediction, of which nothing is read."""
        self._do("on_predict_start", lambda following: following.evaluation_begins("predict"))

    # ------------------------------------------------------------------ state

    def state_dict(self) -> dict[str, Any]:
        """Where the axis stands; a checkpoint holds it."""
        return {} if self._following is None else dict(self._following.state)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the axis go on there."""
        if self._following is not None:
            self._following.resume(state_dict)

    def __getstate__(self) -> dict[str, Any]:
        """All but the inspector, which hangs on a model: a copy makes one like it."""
        return {**self.__dict__, "_inspector": None, "_following": None}

    # ------------------------------------------------------------------ inside

    def _at(self, hook: str) -> None:
        """Let `inspector.log` know which hook it is called in."""
        self.inspector._logbook.hook = hook

    def _do(self, hook: str, action: Callable[[Following], object]) -> None:
        """Tell whoever follows the Trainer; a fault of ours does not end a run."""
        self._at(hook)
        if self._following is not None:
            with self.inspector._faults.border(None):
                action(self._following)

    def _bring(self) -> set[str]:
        """Bring what `self.log` has logged before a logger gets it; the names that came this way."""
        return set() if self._following is None else self._following.bring()
