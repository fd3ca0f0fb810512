"""Who takes the histograms of a Trainer's data: the inspector, TensorBoard, Weights & Biases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens.histogram_cards import HistogramCards
from monitorch_widgets.numerical import Histogram
from monitorch_widgets.preprocessor import Seen

SUPPORTED = ("TensorBoardLogger", "WandbLogger", "WidgetLogger")
"""Loggers that take histograms, by the names of their classes, and what is derived from them."""

Sink = Callable[[Seen, Histogram, int], None]


def sinks_of(trainer: Any, inspector: PyTorchInspector | None) -> list[Sink]:
    """All who take histograms in a Trainer: one inspector, and the loggers that can."""
    inspector = inspector or next(_inspectors(trainer), None)
    return [*_panel(inspector), *_loggers(trainer.loggers)]


def _inspectors(trainer: Any) -> Iterator[PyTorchInspector]:
    for part in (*trainer.callbacks, *trainer.loggers):
        found = getattr(part, "inspector", None)
        if isinstance(found, PyTorchInspector):
            yield found


def _panel(inspector: PyTorchInspector | None) -> Iterator[Sink]:
    if inspector is not None:
        yield partial(HistogramCards(remedy="name the submodules that matter").show, inspector.cards)


def _loggers(loggers: list[Any]) -> Iterator[Sink]:
    for logger in loggers:
        kinds = {kind.__name__ for kind in type(logger).__mro__}
        if "TensorBoardLogger" in kinds:
            yield partial(_to_tensorboard, logger)
        elif "WandbLogger" in kinds:
            yield partial(_to_wandb, logger)


def _to_tensorboard(logger: Any, seen: Seen, histogram: Histogram, step: int) -> None:
    """Write the counts as they are: unlike the values, they have room for NaN and infinity."""
    logger.experiment.add_histogram_raw(tag_of(seen), global_step=step, **histogram.raw())


def _to_wandb(logger: Any, seen: Seen, histogram: Histogram, step: int) -> None:
    import wandb  # type: ignore[import-not-found, unused-ignore]

    drawn = histogram.with_width()
    counted = wandb.Histogram(np_histogram=(np.rint(drawn.counts).astype(int), drawn.edges))
    logger.experiment.log({tag_of(seen): counted}, commit=False)


def tag_of(seen: Seen) -> str:
    """Name of a histogram for loggers, with the shape at its end.

    Examples
    --------
    >>> tag_of(Seen("training_step", "0", "[64, 1, 28, 28]", "float32"))
    'training_step/0/[64, 1, 28, 28]'
    """
    return "/".join(part for part in (seen.group, seen.name, seen.shape) if part)
