"""Overfitting on purpose: a model that can't learn a handful of samples by heart has a mistake somewhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, checked_count

from .state import kept
from .training import LossFn, check_trains, device_of, mapped, moved, number_of

MakeOptimizer = Callable[[Iterable[nn.Parameter]], Optimizer]

_STILL = 0.1  # part of the loss that has to go for it to count as learning at all


@dataclass(frozen=True, slots=True)
class OverfitReport:
    """What came of learning a handful of samples by heart.

    Attributes
    ----------
    passed : bool
        Whether the loss came near zero.
    losses : tuple of float
        The loss before each step, and the last one.
    samples : tuple of int
        Which samples were learned.
    threshold : float
        The loss that had to be reached.
    words : str
        What to do.
    """

    passed: bool
    losses: tuple[float, ...]
    samples: tuple[int, ...]
    threshold: float
    words: str

    def __bool__(self) -> bool:
        return self.passed


class OverfitCheck:
    """Trains on two samples of each class until the loss is near zero; then all is as it was before.

    Dropout is off meanwhile.

    Parameters
    ----------
    model : torch.nn.Module
        The model.
    loss_fn : callable
        ``loss_fn(output, target)``.
    optimizer : float or callable
        A learning rate for Adam, or a function that makes an optimizer of parameters, like
        ``lambda parameters: torch.optim.SGD(parameters, lr=0.1)``.

    Attributes
    ----------
    losses : list of float
        The losses so far.
    on_point : callable
        Called as ``on_point(check)`` after each step.

    Examples
    --------
    >>> _ = torch.manual_seed(0)
    >>> model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    >>> report = OverfitCheck(model, nn.CrossEntropyLoss(), 0.05).run(torch.rand(30, 4), torch.arange(30) % 3)
    >>> report.passed, report.samples
    (True, (0, 1, 2, 3, 4, 5))
    """

    def __init__(self, model: nn.Module, loss_fn: LossFn, optimizer: float | MakeOptimizer = 3e-3) -> None:
        if not isinstance(model, nn.Module):
            raise ArgumentTypeError(f"expected a torch.nn.Module; received {type(model).__name__}")
        if not callable(loss_fn):
            raise ArgumentTypeError(f"expected loss_fn to be a function of (output, target); received {loss_fn!r}")
        self.model, self._loss_fn = model, loss_fn
        self._make_optimizer = _made(optimizer)
        self.losses: list[float] = []
        self.on_point: Callable[[OverfitCheck], None] = _nothing

    def run(
        self, inputs: Any, targets: Tensor, per_class: int = 2, steps: int = 300, threshold: float = 0.02
    ) -> OverfitReport:
        """Learn a few samples by heart.

        Parameters
        ----------
        inputs : tensor, tuple or dict
            Samples, in the first dimension; a tuple goes to the model as arguments, a dict by keywords.
        targets : tensor
            Their targets. Where these are no classes, the first ``2 * per_class`` samples are taken.
        per_class : int
            Samples of each class.
        steps : int
            Steps at most.
        threshold : float
            The loss that counts as near zero, as a fraction of the first one.
        """
        chosen = _chosen(targets, checked_count("per_class", per_class, "Use 2."))
        steps = checked_count("steps", steps, "300 is a good number.")
        if not isinstance(threshold, Real) or not 0 < float(threshold) < 1:
            raise ArgumentError(f"expected threshold between 0 and 1; received {threshold!r}. Use 0.02.")
        device = device_of(self.model)
        few, wanted = moved(mapped(inputs, lambda x: x[chosen.to(x.device)]), device), targets[chosen].to(device)
        self.losses = []
        with kept(self.model, self._loss_fn):
            self._learn(few, wanted, steps, float(threshold))
        return self._report(tuple(chosen.tolist()), float(threshold))

    def _learn(self, inputs: Any, targets: Tensor, steps: int, threshold: float) -> None:
        torch.set_grad_enabled(True)
        self.model.train()
        for module in self.model.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.eval()
        optimizer = self._make_optimizer([p for p in self.model.parameters() if p.requires_grad])
        for _ in range(steps + 1):
            optimizer.zero_grad()
            loss = self._loss_fn(_called(self.model, inputs), targets)
            self.losses.append(number_of(loss))
            self.on_point(self)
            if not math.isfinite(self.losses[-1]) or self.losses[-1] <= threshold * self.losses[0]:
                return
            check_trains(loss)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    def _report(self, samples: tuple[int, ...], threshold: float) -> OverfitReport:
        first, last = self.losses[0], self.losses[-1]
        limit = threshold * first
        passed = math.isfinite(last) and last <= limit
        return OverfitReport(passed, tuple(self.losses), samples, limit, _words(self.losses, limit, passed))


def _words(losses: list[float], limit: float, passed: bool) -> str:
    first, last, steps = losses[0], losses[-1], len(losses) - 1
    told = f"The loss went from {first:.3g} to {last:.3g} in {steps} steps"
    if passed:
        return f"{told}: the model can learn these samples by heart."
    if not math.isfinite(last):
        return f"{told}: lower the learning rate, and look for a division or a logarithm of zero."
    if last > (1 - _STILL) * first:
        return (
            f"{told}, and not to {limit:.3g}: it hardly moves. See that inputs and targets belong together, that the "
            "loss takes logits or probabilities as the model returns them, and that no samples are mixed; then try "
            "another learning rate."
        )
    return f"{told}, and not to {limit:.3g}: it falls, but slowly. Try more steps, another rate, or a larger model."


def _made(optimizer: float | MakeOptimizer) -> MakeOptimizer:
    if isinstance(optimizer, Optimizer):
        raise ArgumentTypeError(
            f"expected a learning rate, or a function that makes an optimizer; received {type(optimizer).__name__}, "
            "which has a state of its own. Pass lambda parameters: torch.optim.Adam(parameters, lr=0.001)."
        )
    if callable(optimizer):
        return optimizer
    if isinstance(optimizer, bool) or not isinstance(optimizer, Real) or not 0 < float(optimizer) < math.inf:
        raise ArgumentError(f"expected a positive learning rate, or a function; received {optimizer!r}")
    return lambda parameters: torch.optim.Adam(parameters, lr=float(optimizer))


def _chosen(targets: Tensor, per_class: int) -> Tensor:
    """Places of the first samples of each class."""
    if not isinstance(targets, Tensor) or not targets.ndim or not len(targets):
        raise ArgumentTypeError(f"expected targets to be a tensor with samples; received {type(targets).__name__}")
    if targets.ndim > 1 or targets.is_floating_point() or targets.is_complex():
        return torch.arange(min(2 * per_class, len(targets)))
    labels = targets.cpu()
    places = [(labels == label).nonzero().flatten()[:per_class] for label in torch.unique(labels)]
    return torch.cat(places).sort().values


def _called(model: nn.Module, inputs: Any) -> Any:
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple | list) else model(inputs)


def _nothing(check: OverfitCheck) -> None:
    """Nothing."""
