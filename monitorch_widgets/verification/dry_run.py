"""A dry run: some batches of training and validation, to find mistakes of the loop before an epoch is over."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, cast

import torch
from torch import nn
from torch.optim import Optimizer

from monitorch_widgets.errors import ArgumentTypeError, checked_count

from .coverage import Coverage, ModuleCoverage
from .lr_target import check_no_closure, check_of_model, checked_optimizer
from .state import kept
from .training import LossFn, Step, checked_loader, has_graph, made_step, number_of

_NAMED = 6  # modules in a sentence


@dataclass(frozen=True, slots=True)
class DryRunReport:
    """What a dry run has seen.

    Attributes
    ----------
    valid : bool
        Whether every module with parameters was called, every parameter that is trained got a gradient, and all
        losses are finite.
    modules : tuple of ModuleCoverage
        Each module, in model order.
    losses, validation_losses : tuple of float
        Of each batch; of the validation only where its step returns one.
    words : str
        What is wrong, or that nothing is.
    """

    valid: bool
    modules: tuple[ModuleCoverage, ...]
    losses: tuple[float, ...]
    validation_losses: tuple[float, ...]
    words: str

    @property
    def never_called(self) -> tuple[str, ...]:
        """Names of modules that the loop never comes to."""
        return tuple(module.name for module in self.modules if module.skipped)

    @property
    def without_gradient(self) -> tuple[str, ...]:
        """Names of modules with parameters that are trained and got no gradient."""
        return tuple(module.name for module in self.modules if module.reached < module.trained)

    def __bool__(self) -> bool:
        return self.valid

    def __str__(self) -> str:
        width = max(len(module.name) for module in self.modules)
        lines = [
            f"{row.name:{width}}  called {row.called:3}  gradient {'yes' if row.gradient else 'no ':3}  "
            f"parameters {row.reached}/{row.trained}  {row.shape} {row.dtype}".rstrip()
            for row in self.modules
        ]
        return "\n".join([*lines, self.words])


class DryRun:
    """Runs some batches through the loop and says which modules it reaches; then all is as it was before.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    loss_fn : callable, optional
        ``loss_fn(output, target)``, for batches ``(inputs..., target)``.
    optimizer : torch.optim.Optimizer, optional
        Makes a step after each batch; without, gradients alone are looked at.
    step, validation_step : callable, optional
        ``step(model, batch)`` for loops of another form; the second one for validation, by default the same. What
        they return is the loss, with a graph where the backward pass is to be made here.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 1))
    >>> report = DryRun(model, nn.MSELoss()).run([(torch.ones(8, 4), torch.ones(8, 1))])
    >>> report.valid, [row.called for row in report.modules]
    (True, [1, 1, 1, 1])
    """

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFn | None = None,
        optimizer: Optimizer | None = None,
        *,
        step: Step | None = None,
        validation_step: Step | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise ArgumentTypeError(f"expected a torch.nn.Module; received {type(model).__name__}")
        self.model = cast(nn.Module, getattr(model, "_orig_mod", model))  # what torch.compile runs takes no hooks
        self._optimizer = None if optimizer is None else checked_optimizer(optimizer)
        if self._optimizer is not None:
            check_of_model(self._optimizer, self.model)
            if step is None:
                check_no_closure(self._optimizer)
        self._step, self._loss_fn = made_step(loss_fn, step), loss_fn
        self._validation_step = self._step if validation_step is None else made_step(None, validation_step)

    def run(
        self, train_loader: Iterable[Any], val_loader: Iterable[Any] | None = None, batches: int | bool = 1
    ) -> DryRunReport:
        """Run `batches` of training, and as many of validation; True means 1.

        What the loop raises comes out of here, and everything is as before all the same.
        """
        count = 1 if batches is True else checked_count("batches", batches, "Use 1 to see every line run once.")
        loaders = [checked_loader(loader) for loader in (train_loader, val_loader) if loader is not None]
        with kept(self.model, self._optimizer, self._loss_fn, loaders=loaders):
            with Coverage(self.model) as coverage:
                torch.set_grad_enabled(True)
                self.model.train()
                losses = [self._train(batch) for batch in islice(loaders[0], count)]
            rows = coverage.rows
            validation = self._validate(loaders[1], count) if val_loader is not None else ()
        return _report(rows, tuple(losses), tuple(validation))

    def _train(self, batch: Any) -> float:
        if self._optimizer is not None:
            self._optimizer.zero_grad()
        loss = self._step(self.model, batch)
        if has_graph(loss):
            loss.backward()
            if self._optimizer is not None:
                self._optimizer.step()
        return number_of(loss)

    def _validate(self, loader: Iterable[Any], count: int) -> list[float]:
        self.model.eval()
        with torch.no_grad():
            found = [self._validation_step(self.model, batch) for batch in islice(loader, count)]
        return [number_of(loss) for loss in found if loss is not None]


def _report(rows: tuple[ModuleCoverage, ...], losses: tuple[float, ...], validation: tuple[float, ...]) -> DryRunReport:
    found = DryRunReport(True, rows, losses, validation, "")
    wrong = list(filter(None, _complaints(found)))
    said = wrong or [f"Every parameter that is trained got a gradient, in {_many(len(losses))}."]
    idle = [row.name for row in rows if row.skipped and not row.parameters]
    said += [f"Never called, but without parameters: {_listed(idle)}."] if idle else []
    return DryRunReport(not wrong, rows, losses, validation, " ".join(said))


def _complaints(report: DryRunReport) -> list[str]:
    """What is wrong, one sentence each; empty ones for what is right."""
    skipped = [row.name for row in report.modules if row.skipped and row.parameters]
    dead = [name for name in report.without_gradient if name not in skipped]
    bad = [loss for loss in (*report.losses, *report.validation_losses) if not math.isfinite(loss)]
    return [
        "" if report.losses else "The training loader has no batch.",
        f"Never called: {_listed(skipped)}." if skipped else "",
        f"No gradient reaches all parameters of {_listed(dead)}." if dead else "",
        f"A loss is {bad[0]}." if bad else "",
    ]


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return ", ".join(known[:_NAMED]) + more


def _many(count: int) -> str:
    return f"{count} batches" if count > 1 else "one batch"
