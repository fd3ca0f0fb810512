"""Checks of the model and the loop, and the learning-rate finder: what the inspector offers, with a card for each."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable, Iterator
from inspect import signature
from time import monotonic
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn
from torch.optim import Optimizer

from monitorch_widgets.errors import NotAttachedError
from monitorch_widgets.values import Card
from monitorch_widgets.verification import (
    BatchGradientVerification,
    BatchMixing,
    DryRun,
    DryRunReport,
    LRFinder,
    OverfitCheck,
    OverfitReport,
)
from monitorch_widgets.verification.batch_gradient import InputMapping, OutputMapping
from monitorch_widgets.verification.overfit import MakeOptimizer
from monitorch_widgets.verification.training import LossFn, Step

from . import check_aside as _check_aside  # noqa: F401  # lets all checks know how to step aside
from . import check_cards as cards_of
from .found_rates import FoundRates
from .next_batch import NextBatch

if TYPE_CHECKING:
    from .inspector import PyTorchInspector

_SHOW_S = 0.1  # between two pictures of something that is under way
_READY = "Are the samples of a batch kept apart? Press the button: the next training batch is looked at."
_WAITS = "Waiting for the next training batch."


class Checks:
    """Checks of the model and the loop, and the learning-rate finder.

    Each leaves model, optimizer and random state exactly as before, and the inspector neither reads nor counts what
    runs in it. What came out is returned, and shown in a card.
    """

    # ------------------------------------------------------------------ the learning-rate finder

    def lr_find(
        self,
        loader: Iterable[Any],
        optimizer: Optimizer,
        loss_fn: LossFn | None = None,
        *,
        step: Step | None = None,
        scaler: Any = None,
        scheduler: Any = None,
        accumulate: int = 1,
        keep: Iterable[Any] = (),
        min_lr: float = 1e-8,
        max_lr: float = 1,
        num_training: int = 100,
        mode: str = "exponential",
        early_stop_threshold: float | None = 4.0,
        update_attr: bool = False,
        attr_name: str = "",
    ) -> LRFinder:
        """Find a learning rate; the curve grows in the panel while it runs, and a click there applies a rate.

        Parameters
        ----------
        loader : iterable
            Of training batches.
        optimizer, loss_fn, step, scaler, scheduler, accumulate, keep
            See :class:`~monitorch_widgets.verification.LRFinder`.
        min_lr, max_lr, num_training, mode, early_stop_threshold, update_attr, attr_name
            See :meth:`~monitorch_widgets.verification.LRFinder.run`.

        Raises
        ------
        NotAttachedError
            If no model is watched.

        Examples
        --------
        >>> import torch
        >>> from monitorch_widgets import PyTorchInspector
        >>> model = torch.nn.Linear(4, 1)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> inspector = PyTorchInspector(module=model, visualizer="dummy")
        >>> batches = [(torch.ones(8, 4), torch.ones(8, 1))]
        >>> finder = inspector.lr_find(batches, optimizer, torch.nn.MSELoss(), num_training=20)
        >>> inspector.cards["lr_finder"].content["state"], inspector.status().step
        ('finished', 0)
        """
        model = self._checked("lr_find")
        others: dict[str, Any] = {"scaler": scaler, "scheduler": scheduler, "accumulate": accumulate, "keep": keep}
        finder = LRFinder(model, optimizer, loss_fn, step=step, **others)
        pace = _Pace(lambda: self._show_finder(finder))
        finder.on_point = lambda _: pace.go()
        try:
            return finder.run(loader, min_lr, max_lr, num_training, mode, early_stop_threshold, update_attr, attr_name)
        finally:
            if finder.state != "ready":
                self._show_finder(finder)

    def _show_finder(self, finder: LRFinder) -> None:
        self._show_rates(FoundRates.of(finder))

    def show_lr_finder(self, results: Any, model: Any = None, optimizer: Any = None) -> None:
        """Show what another learning-rate finder has found, such as Lightning's.

        Parameters
        ----------
        results : object or dict
            With ``results`` and ``suggestion()``, as ``trainer.tuner.lr_find(...)`` returns; an
            :class:`~monitorch_widgets.verification.LRFinder`; or a dict with ``"lr"`` and ``"loss"``.
        model, optimizer : object, optional
            What a click applies the rate to; without a model the watched one, if it has an attribute for it.
        """
        model = self._inspector._watch.model if model is None else model
        self._show_rates(FoundRates.read(results, model, optimizer))

    def _show_rates(self, found: FoundRates) -> None:
        def apply(lr: float) -> str:
            words = found.apply(lr)
            self._put(found.card(f"{words[:1].upper()}{words[1:]}."), apply=apply)
            return words

        self._put(found.card(), **({"apply": apply} if found.can_apply else {}))

    # ------------------------------------------------------------------ batch mixing

    def check_batches(
        self,
        inputs: Any = None,
        input_mapping: InputMapping | None = None,
        output_mapping: OutputMapping | None = None,
        sample_idx: int = 0,
    ) -> BatchMixing | None:
        """Check that the model keeps the samples of a batch apart.

        Parameters
        ----------
        inputs : tensor, tuple or dict, optional
            An example batch; by default the model's ``example_input_array``, and without one the next training
            batch: None is returned then, and the answer comes in the panel.
        input_mapping, output_mapping, sample_idx
            See :meth:`~monitorch_widgets.verification.BatchGradientVerification.check`.
        """
        model = self._checked("check_batches")
        if inputs is None and getattr(model, "example_input_array", None) is None:
            self._catch_batch()
            return None
        verification = BatchGradientVerification(model)
        with self._failing(cards_of.MIXING):
            verification.check(inputs, input_mapping, output_mapping, sample_idx)
        result = cast(BatchMixing, verification.result)
        self._put(cards_of.mixing_card(result), check=self._catch_batch)
        return result

    def _offer_checks(self) -> None:
        """Show, once a model is watched, that there is something to press."""
        self._inspector.cards.put(cards_of.mixing_asked("ready", _READY), check=self._catch_batch)

    def _catch_batch(self) -> str:
        model, hooks = self._checked("check_batches"), self._inspector.state.hooks
        me = weakref.ref(self)

        def caught(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            alive = me()
            if alive is not None:
                alive._check_caught(args, kwargs)

        if not NextBatch.catch(hooks, model, caught):
            words = "This model takes no hooks, so its batches can't be caught: use check_batches(inputs)."
            self._put(cards_of.mixing_asked("refused", words), check=self._catch_batch)
            return words
        self._put(cards_of.mixing_asked("running", _WAITS))
        return "waiting for the next training batch"

    def _check_caught(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Check with an input that was caught; whatever goes wrong is told in the card, and the run goes on."""
        inspector = self._inspector
        model = inspector._watch.model
        if model is None:
            return
        with inspector._faults.border(None):
            verification = BatchGradientVerification(model)
            try:
                verification.check(_as_input(model, args, kwargs))
                card = cards_of.mixing_card(cast(BatchMixing, verification.result))
            except Exception as error:
                card = cards_of.mixing_asked("refused", f"Could not be checked. {_said(error)}")
            self._put(card, check=self._catch_batch)

    # ------------------------------------------------------------------ dry run and overfitting

    def dry_run(
        self,
        train_loader: Iterable[Any],
        val_loader: Iterable[Any] | None = None,
        batches: int | bool = 1,
        *,
        loss_fn: LossFn | None = None,
        optimizer: Optimizer | None = None,
        step: Step | None = None,
        validation_step: Step | None = None,
    ) -> DryRunReport:
        """Run some batches of training and validation, and say which modules the loop reaches.

        See :class:`~monitorch_widgets.verification.DryRun` for the arguments.
        """
        model = self._checked("dry_run")
        run = DryRun(model, loss_fn, optimizer, step=step, validation_step=validation_step)
        with self._failing(cards_of.DRY_RUN):
            found = run.run(train_loader, val_loader, batches)
        self._put(cards_of.dry_run_card(found))
        return found

    def overfit_check(
        self,
        inputs: Any,
        targets: Tensor,
        loss_fn: LossFn,
        optimizer: float | MakeOptimizer = 3e-3,
        *,
        per_class: int = 2,
        steps: int = 300,
        threshold: float = 0.02,
    ) -> OverfitReport:
        """Learn two samples of each class by heart; the loss falls in the panel while it runs.

        See :class:`~monitorch_widgets.verification.OverfitCheck` for the arguments.
        """
        check = OverfitCheck(self._checked("overfit_check"), loss_fn, optimizer)
        pace = _Pace(lambda: self._put(cards_of.overfit_card("running", "Learning.", check.losses)))
        check.on_point = lambda _: pace.go()
        with self._failing(cards_of.OVERFIT):
            found = check.run(inputs, targets, per_class, steps, threshold)
        self._put(cards_of.overfitted_card(found))
        return found

    # ------------------------------------------------------------------ inside

    @property
    def _inspector(self) -> PyTorchInspector:
        return cast("PyTorchInspector", self)

    def _checked(self, name: str) -> nn.Module:
        attached = self._inspector.state.attached
        model = self._inspector._watch.model if attached else None
        if model is None:
            remedy = "the one that was given is gone: keep it in a variable" if attached else "call attach(model) first"
            raise NotAttachedError(f"{name}() needs a watched model; {remedy}")
        return model

    def _put(self, card: Card, **actions: Callable[..., str]) -> None:
        """Show a card now; nobody's run is stopped by what goes wrong here."""
        inspector = self._inspector
        with inspector._faults.border(None):
            inspector.cards.put(card, **actions)
            inspector.visualizer.refresh(force=True)

    @contextlib.contextmanager
    def _failing(self, key: str) -> Iterator[None]:
        """Say in the card what has ended a check."""
        try:
            yield
        except BaseException as error:
            self._put(cards_of.report(key, "refused", f"Not finished. {_said(error)}"))
            raise


class _Pace:
    """Does something at most ten times a second."""

    def __init__(self, action: Callable[[], None]) -> None:
        self._action = action
        self._due = 0.0

    def go(self) -> None:
        if monotonic() >= self._due:
            self._action()
            self._due = monotonic() + _SHOW_S


def _as_input(model: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A tuple of positional inputs, or all by keywords."""
    if not kwargs:
        return args
    return dict(signature(model.forward).bind(*args, **kwargs).arguments) if args else kwargs


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")[:400]
