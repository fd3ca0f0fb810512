"""One run of three epochs, as lenses would hand it to a visualizer; every test of a visualizer is fed with it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from monitorch_widgets.visualizer import AbstractVisualizer, TagAttributes, TagType

NAN, INF = float("nan"), float("inf")
MODULES = ["features.conv1", "features.conv2", "<img src=x onerror=alert(1)>"]
EPOCHS = [1, 2, 3]

LOSS = TagAttributes(logy=False, big_plot=True, annotate=True, type=TagType.NUMERICAL)
NORM = TagAttributes(logy=True, big_plot=False, annotate=True, type=TagType.NUMERICAL)
CORRELATION = TagAttributes(logy=False, big_plot=False, annotate=True, type=TagType.NUMERICAL, ylim=(1, -1))
RATES = TagAttributes(logy=False, big_plot=False, annotate=True, type=TagType.PROBABILITY)
SHARES = TagAttributes(logy=False, big_plot=True, annotate=False, type=TagType.RELATIONS)


def calls() -> list[tuple[str, tuple[Any, ...]]]:
    """Every call with its positional arguments, in order."""
    made: list[tuple[str, tuple[Any, ...]]] = [
        ("register_tags", ("Loss", LOSS)),
        ("register_tags", ("Gradient Norm", NORM)),
        ("register_tags", ("Gradient Correlation", CORRELATION)),
        ("register_tags", ("Output Activation", RATES)),
        ("register_tags", ("Norm Comparison", SHARES)),
    ]
    for epoch in EPOCHS:
        made += _epoch(epoch)
    return made


def _epoch(epoch: int) -> list[tuple[str, tuple[Any, ...]]]:
    loss = OrderedDict([("Loss", {"train_loss mean": 1.0 / epoch, "val_loss mean": 2.0 / epoch})])
    band = OrderedDict([("Loss", {("train_loss -σ", "train_loss +σ"): (0.5 / epoch, 1.5 / epoch)})])
    means = [10.0**-epoch, INF if epoch == 3 else 2.0, NAN if epoch == 2 else 0.25]
    norm = OrderedDict((name, {"mean": mean, "median": 1.0}) for name, mean in zip(MODULES, means, strict=True))
    extremes = OrderedDict((name, {("min", "max"): (0.0, 3.0 * epoch)}) for name in MODULES)
    correlation = OrderedDict((name, {"mean": -0.5 + 0.25 * epoch}) for name in MODULES)
    rates = OrderedDict((name, {"activation_rate": 0.75, "death_rate": 0.125 * epoch}) for name in MODULES[:2])
    shares = OrderedDict([("Norm Comparison", dict(zip(MODULES, [0.5, 0.25, 0.25], strict=True)))])
    return [
        ("plot_numerical_values", (epoch, "Loss", loss, band)),
        ("plot_numerical_values", (epoch, "Gradient Norm", norm, extremes)),
        ("plot_numerical_values", (epoch, "Gradient Correlation", correlation, None)),
        ("plot_probabilities", (epoch, "Output Activation", rates)),
        ("plot_relations", (epoch, "Norm Comparison", shares)),
    ]


def feed(visualizer: AbstractVisualizer) -> AbstractVisualizer:
    """Make every call on `visualizer`, and give it back."""
    for method, arguments in calls():
        getattr(visualizer, method)(*arguments)
    return visualizer


class Listener(AbstractVisualizer):
    """Keeps the calls that come."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.finished = 0

    def register_tags(self, *arguments: Any) -> None:
        self.calls.append(("register_tags", arguments))

    def plot_numerical_values(self, *arguments: Any) -> None:
        self.calls.append(("plot_numerical_values", arguments))

    def plot_probabilities(self, *arguments: Any) -> None:
        self.calls.append(("plot_probabilities", arguments))

    def plot_relations(self, *arguments: Any) -> None:
        self.calls.append(("plot_relations", arguments))

    def finish(self) -> None:
        self.finished += 1
