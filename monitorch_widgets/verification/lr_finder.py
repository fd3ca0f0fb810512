"""The learning-rate finder: how the loss goes while the learning rate grows, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, checked_count

from .lr_curve import smoothed, steepest
from .lr_sweep import MODES, Divergence, checked_rate, checked_threshold, rates
from .lr_target import Attributes, Groups, check_no_closure, check_of_model, checked_optimizer, shown
from .state import kept
from .training import LossFn, Step, check_trains, checked_loader, endless, has_graph, made_step, number_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class LRFinder:
    """Trains for some steps with a learning rate that grows, and suggests one; then all is as it was before.

    Model, optimizer, scheduler, scaler, random generators and the loader's position are put back, also after an error
    and after Ctrl-C; what was measured until then stays. Inspectors that watch the model do not see these steps.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    optimizer : torch.optim.Optimizer
        Its optimizer, one. Groups keep the ratios of their learning rates.
    loss_fn : callable, optional
        ``loss_fn(output, target)``, for batches ``(inputs..., target)``.
    step : callable, optional
        ``step(model, batch)`` for loops of another form. If it returns a loss with a graph, the finder makes the
        backward pass and the step; if it returns a number, it has made them itself.
    scaler : torch.amp.GradScaler, optional
        Scales the loss.
    scheduler : object, optional
        Of the optimizer: put back, and :meth:`apply` changes what it starts from.
    accumulate : int
        Batches of which each step accumulates the gradients.
    keep : iterable of object
        What else the steps change and is to be put back, like a running mean of the model.

    Attributes
    ----------
    results : dict of str to list of float
        ``"lr"`` and ``"loss"`` of each step.
    state : str
        ``"ready"``, ``"running"``, ``"finished"``, ``"stopped"`` by an interrupt, or ``"failed"``.
    words : str
        What came of it.
    on_point : callable
        Called as ``on_point(finder)`` after each step.

    Examples
    --------
    >>> model = nn.Linear(4, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> batches = [(torch.ones(8, 4), torch.ones(8, 1))]
    >>> finder = LRFinder(model, optimizer, nn.MSELoss()).run(batches, num_training=60)
    >>> sorted(finder.results), finder.state, optimizer.param_groups[0]["lr"]
    (['loss', 'lr'], 'finished', 0.1)
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        loss_fn: LossFn | None = None,
        *,
        step: Step | None = None,
        scaler: Any = None,
        scheduler: Any = None,
        accumulate: int = 1,
        keep: Iterable[Any] = (),
    ) -> None:
        self.model = _checked_model(model)
        self.optimizer = checked_optimizer(optimizer)
        check_of_model(self.optimizer, self.model)
        self._step, self._computes_loss = made_step(loss_fn, step), step is None
        if self._computes_loss:
            check_no_closure(self.optimizer)
        self._scaler, self._scheduler = scaler, scheduler
        self._others = [scaler, scheduler, loss_fn, *keep]
        self._accumulate = checked_count("accumulate", accumulate, "Use 1 for a step with each batch.")
        self.mode, self.num_training, self._attr_name = MODES[0], 0, ""
        self.results: dict[str, list[float]] = {"lr": [], "loss": []}
        self.state, self.words = "ready", ""
        self.on_point: Callable[[LRFinder], None] = _nothing

    # ------------------------------------------------------------------ the run

    def run(
        self,
        loader: Iterable[Any],
        min_lr: float = 1e-8,
        max_lr: float = 1,
        num_training: int = 100,
        mode: str = "exponential",
        early_stop_threshold: float | None = 4.0,
        update_attr: bool = False,
        attr_name: str = "",
    ) -> LRFinder:
        """Measure the loss at growing learning rates.

        Parameters
        ----------
        loader : iterable
            Of batches; it is begun anew when it is through. An iterator, which can't be rewound, is refused.
        min_lr, max_lr : float
            The first and the last learning rate.
        num_training : int
            Steps between them.
        mode : str
            ``"exponential"`` or ``"linear"``.
        early_stop_threshold : float, optional
            Stop when the running mean of the loss is above this many times its best; None for never.
        update_attr : bool
            Apply the suggestion at the end: to the optimizer, and to the model's attribute, which has to be there.
        attr_name : str
            Attribute of the model or its ``hparams`` that holds the learning rate; ``lr`` or ``learning_rate``
            without.

        Returns
        -------
        LRFinder
            Itself.
        """
        lrs = list(rates(min_lr, max_lr, checked_count("num_training", num_training, "100 is a good number."), mode))
        threshold = checked_threshold(early_stop_threshold)
        batches = checked_loader(loader)
        Attributes(self.model, attr_name, needed=update_attr)
        self.mode, self.num_training, self._attr_name = mode, num_training, attr_name
        self.results, self.state, self.words = {"lr": [], "loss": []}, "running", "measuring"
        try:
            self._measure(lrs, batches, threshold)
        except BaseException as error:
            self.state = "failed" if isinstance(error, Exception) else "stopped"
            self.words = self._ended_by(error)
            raise
        if update_attr and self.suggestion() is not None:
            self.apply()
        return self

    def _measure(self, lrs: list[float], loader: Iterable[Any], threshold: float) -> None:
        with kept(self.model, self.optimizer, *self._others, loaders=[loader]):
            self.model.train()
            torch.set_grad_enabled(True)
            self.optimizer.zero_grad()
            groups, watch, batches = Groups(self.optimizer), Divergence(threshold), endless(loader)
            for lr in lrs:
                groups.set(lr)
                loss = self._train(batches)
                self.results["lr"].append(lr)
                self.results["loss"].append(loss)
                why = watch.why(loss)
                if why:
                    break
                self.on_point(self)
        self.state = "finished"
        self.words = self._told(f"Stopped after {len(self.results['lr'])} of {len(lrs)} steps: {why}. " if why else "")

    def _train(self, batches: Iterator[Any]) -> float:
        """One step, made of some batches; their mean loss."""
        losses = []
        for _ in range(self._accumulate):
            loss = self._step(self.model, next(batches))
            losses.append(number_of(loss))
            if self._computes_loss:
                check_trains(loss)
            if has_graph(loss):
                self._backward(loss / self._accumulate)
        if has_graph(loss):
            self._make_step()
        return sum(losses) / len(losses)

    def _backward(self, loss: Tensor) -> None:
        if self._scaler is not None:
            loss = self._scaler.scale(loss)
        loss.backward()  # type: ignore[no-untyped-call]

    def _make_step(self) -> None:
        if self._scaler is None:
            self.optimizer.step()
        else:
            self._scaler.step(self.optimizer)
            self._scaler.update()
        self.optimizer.zero_grad()

    # ------------------------------------------------------------------ what came out

    def suggestion(self, skip_begin: int = 10, skip_end: int = 1) -> float | None:
        """The learning rate where the loss falls fastest, not where it is lowest; None if there is no such place.

        Noise moves it little: it is read off a smooth curve through the points, see
        :func:`~monitorch_widgets.verification.lr_curve.steepest`.

        Parameters
        ----------
        skip_begin, skip_end : int
            Steps to leave out at both ends.
        """
        index = self.suggestion_index(skip_begin, skip_end)
        return None if index is None else self.results["lr"][index]

    def suggestion_index(self, skip_begin: int = 10, skip_end: int = 1) -> int | None:
        """Place of :meth:`suggestion` in :attr:`results`."""
        return steepest(self.results["loss"], skip_begin, skip_end).index

    @property
    def smoothed(self) -> list[float | None]:
        """The smooth curve through the losses."""
        return smoothed(self.results["loss"])

    @property
    def target(self) -> str:
        """What :meth:`apply` writes to, in words."""
        there = "model" if len(Attributes(self.model, self._attr_name)) else ""
        return " and ".join(filter(None, [type(self.optimizer).__name__, there]))

    def apply(self, lr: float | None = None, attr_name: str = "") -> str:
        """Take a learning rate, by default the suggested one; what was done is told in words.

        It is written to the groups of the optimizer, and to ``lr``, ``learning_rate`` or the named attribute where the
        model or its ``hparams`` has one.

        Raises
        ------
        ArgumentError
            For a rate that is no positive number, without a suggestion, and for an attribute that is not there.
        """
        lr = self.suggestion() if lr is None else lr
        if lr is None:
            why = steepest(self.results["loss"]).words or "nothing was measured"
            raise ArgumentError(f"expected a learning rate, since there is no suggestion: {why}")
        rate = checked_rate("lr", lr)
        attributes = Attributes(self.model, attr_name or self._attr_name)
        told = [Groups(self.optimizer).settle(rate, self._scheduler), attributes.set(rate)]
        return f"learning rate {shown(rate)} set in {' and '.join(filter(None, told))}"

    def plot(self, suggest: bool = True, show: bool = False, ax: Axes | None = None) -> Figure:
        """Draw the losses, the smooth curve, and a red point at the suggestion; needs matplotlib."""
        from .lr_plot import drawn  # needs a library that not everybody has

        figure: Figure = drawn(self, suggest=suggest, show=show, ax=ax)
        return figure

    def _told(self, begin: str = "") -> str:
        place = steepest(self.results["loss"])
        if place.index is None:
            return f"{begin}{place.words[:1].upper()}{place.words[1:]}."
        return f"{begin}Suggested: {shown(self.results['lr'][place.index])}, where the loss falls fastest."

    def _ended_by(self, error: BaseException) -> str:
        done = f"after {len(self.results['lr'])} of {self.num_training} steps"
        if isinstance(error, Exception):
            return f"Failed {done}: {type(error).__name__}: {error}"[:400]
        return f"Interrupted {done}; everything is as it was. " + self._told()

    def __repr__(self) -> str:
        return f"LRFinder({self.state}, {len(self.results['lr'])} points). {self.words}"


def lr_find(
    model: nn.Module,
    optimizer: Optimizer,
    loader: Iterable[Any],
    loss_fn: LossFn | None = None,
    *,
    step: Step | None = None,
    scaler: Any = None,
    scheduler: Any = None,
    accumulate: int = 1,
    keep: Iterable[Any] = (),
    **how: Any,
) -> LRFinder:
    """Run a :class:`LRFinder` and return it; `how` are the arguments of :meth:`LRFinder.run`.

    Examples
    --------
    >>> model = nn.Linear(4, 1)
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> finder = lr_find(model, optimizer, [(torch.ones(8, 4), torch.ones(8, 1))], nn.MSELoss(), num_training=20)
    >>> len(finder.results["lr"])
    20
    """
    others: dict[str, Any] = {
        "step": step,
        "scaler": scaler,
        "scheduler": scheduler,
        "accumulate": accumulate,
        "keep": keep,
    }
    return LRFinder(model, optimizer, loss_fn, **others).run(loader, **how)


def _checked_model(model: nn.Module) -> nn.Module:
    if not isinstance(model, nn.Module):
        raise ArgumentTypeError(f"expected a torch.nn.Module; received {type(model).__name__}")
    return model


def _nothing(finder: LRFinder) -> None:
    """Nothing."""
