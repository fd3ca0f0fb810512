"""What a learning-rate finder has found, ours or Lightning's, and where a chosen rate goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from monitorch_widgets.errors import ArgumentTypeError, CommandRefused
from monitorch_widgets.values import Card
from monitorch_widgets.verification import LRFinder
from monitorch_widgets.verification.lr_curve import smoothed, steepest
from monitorch_widgets.verification.lr_sweep import MODES, checked_rate
from monitorch_widgets.verification.lr_target import Attributes, Groups, shown

from .check_cards import lr_card


@dataclass(frozen=True)
class FoundRates:
    """A measured curve, the suggestion as an index into it, and what takes a chosen rate; see :func:`lr_card`."""

    state: str
    words: str
    mode: str
    num_training: int
    results: dict[str, list[float]]
    suggestion: int | None
    target: str
    take: Callable[[float], str] | None

    @classmethod
    def of(cls, finder: LRFinder) -> FoundRates:
        """What our own finder has so far; a rate can be chosen when all is put back."""
        done = finder.state != "running"
        results = {key: list(values) for key, values in finder.results.items()}
        take = finder.apply if done else None
        index = finder.suggestion_index()
        return cls(finder.state, finder.words, finder.mode, finder.num_training, results, index, finder.target, take)

    @classmethod
    def read(cls, found: Any, model: Any, optimizer: Any) -> FoundRates:
        """What another finder has found: an object with ``results`` and ``suggestion()``, or a dict."""
        if isinstance(found, LRFinder):
            return cls.of(found)
        results = _results(found)
        rate = found.suggestion() if callable(getattr(found, "suggestion", None)) else _own_suggestion(results)
        index = results["lr"].index(rate) if rate in results["lr"] else None
        words = "There is no suggestion." if rate is None else f"Suggested: {shown(float(rate))}."
        mode = getattr(found, "mode", MODES[0])
        count = int(getattr(found, "num_training", len(results["lr"])))
        target, take = _target(model, optimizer)
        return cls("finished", words, mode, count, results, index, target, take)

    @property
    def can_apply(self) -> bool:
        """Whether a rate can be chosen."""
        return self.take is not None

    def apply(self, lr: float) -> str:
        """Take a rate; what was done is told in words."""
        if self.take is None:
            raise CommandRefused("there is nothing that a learning rate could be set in")
        return self.take(checked_rate("lr", lr))

    def card(self, words: str = "") -> Card:
        """How it looks."""
        return lr_card(
            self.state,
            words or self.words,
            mode=self.mode,
            num_training=self.num_training,
            results=self.results,
            smoothed=smoothed(self.results["loss"]),
            suggestion=self.suggestion,
            target=self.target,
            can_apply=self.can_apply,
        )


def _results(found: Any) -> dict[str, list[float]]:
    results = found if isinstance(found, Mapping) else getattr(found, "results", None)
    if not isinstance(results, Mapping) or not {"lr", "loss"} <= set(results):
        raise ArgumentTypeError(
            'expected a learning-rate finder, or its results, a dict with "lr" and "loss"; '
            f"received {type(found).__name__}"
        )
    return {key: [float(value) for value in results[key]] for key in ("lr", "loss")}


def _own_suggestion(results: dict[str, list[float]]) -> float | None:
    index = steepest(results["loss"]).index
    return None if index is None else results["lr"][index]


def _target(model: Any, optimizer: Any) -> tuple[str, Callable[[float], str] | None]:
    """What a rate can be written to, in words, and the function that does."""
    attributes = None if model is None else Attributes(model)
    groups = None if optimizer is None else Groups(optimizer)
    if groups is None and not attributes:
        return "", None

    def take(lr: float) -> str:
        told = [groups.settle(lr) if groups is not None else "", attributes.set(lr) if attributes else ""]
        return f"learning rate {shown(lr)} set in {' and '.join(filter(None, told))}"

    names = [type(groups.optimizer).__name__ if groups is not None else "", "model" if attributes else ""]
    return " and ".join(filter(None, names)), take
