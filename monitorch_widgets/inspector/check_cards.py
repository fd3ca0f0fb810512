"""What checks and the learning-rate finder look like: cards, in plain values."""

from __future__ import annotations

import math
from typing import Any

from monitorch_widgets.values import Card
from monitorch_widgets.verification import BatchMixing, DryRunReport, ModuleCoverage, OverfitReport

MIXING, DRY_RUN, OVERFIT, LR = "checks/batch_mixing", "checks/dry_run", "checks/overfit", "lr_finder"
_TITLES = {MIXING: "Batch mixing", DRY_RUN: "Dry run", OVERFIT: "Overfit on purpose"}
_MOST = 256  # bars, or rows of a table
_CHECK = {"action": "check", "label": "check the next batch", "arguments": {}}


def report(key: str, state: str, words: str, **content: Any) -> Card:
    """A card of the tab "Checks".

    >>> report(MIXING, "ready", "Not checked yet.").content
    {'state': 'ready', 'words': 'Not checked yet.'}
    """
    return Card(key, "Checks", "report", _TITLES[key], {"state": state, "words": words, **content})


def mixing_asked(state: str, words: str) -> Card:
    """Batch mixing, before there is an answer; a button where it can be asked for."""
    return report(MIXING, state, words, **({} if state == "running" else {"actions": [_CHECK]}))


def mixing_card(result: BatchMixing) -> Card:
    """Batch mixing: the gradient that came back to each sample."""
    facts = [["sample", str(result.sample_idx)], ["batch size", str(len(result.gradients))]]
    facts += [["module", result.module]] if result.module else []
    shown = result.gradients[:_MOST]
    bars = {
        "labels": [str(i) for i in range(len(shown))],
        "values": [plain(value) for value in shown],
        "lit": [i for i in result.mixed if i < len(shown)],
        "unit": "sum of |gradient|",
    }
    state = "passed" if result.valid else "failed"
    return report(MIXING, state, result.words, facts=facts, bars=bars, actions=[_CHECK])


def dry_run_card(found: DryRunReport) -> Card:
    """A dry run: what was seen of each module."""
    facts = [[name, ", ".join(f"{loss:.4g}" for loss in losses[:8])] for name, losses in _losses(found) if losses]
    columns = ["module", "called", "gradient", "parameters with gradient", "output", "dtype"]
    rows = [
        [row.name, row.called, "yes" if row.gradient else "no", _reached(row), row.shape, row.dtype]
        for row in found.modules[:_MOST]
    ]
    state = "passed" if found.valid else "failed"
    return report(DRY_RUN, state, found.words, facts=facts, table={"columns": columns, "rows": rows})


def _reached(row: ModuleCoverage) -> str | None:
    return f"{row.reached} of {row.trained}" if row.trained else None


def _losses(found: DryRunReport) -> tuple[tuple[str, tuple[float, ...]], ...]:
    return ("training loss", found.losses), ("validation loss", found.validation_losses)


def overfit_card(state: str, words: str, losses: list[float] | tuple[float, ...]) -> Card:
    """Overfitting on purpose: the loss, step by step."""
    positive = all(loss > 0 for loss in losses if math.isfinite(loss))
    curve = {
        "x": list(range(len(losses))),
        "y": [plain(loss) for loss in losses],
        "x_label": "step",
        "y_label": "loss",
        "log": positive,
    }
    return report(OVERFIT, state, words, curve=curve)


def overfitted_card(found: OverfitReport) -> Card:
    """The same when it is over."""
    return overfit_card("passed" if found.passed else "failed", found.words, found.losses)


def lr_card(
    state: str,
    words: str,
    *,
    mode: str,
    num_training: int,
    results: dict[str, list[float]],
    smoothed: list[float | None],
    suggestion: int | None,
    target: str,
    can_apply: bool,
) -> Card:
    """The learning-rate finder: the loss over the learning rate."""
    content = {
        "state": state,
        "words": words,
        "mode": mode,
        "num_training": num_training,
        "lrs": [plain(rate) for rate in results["lr"]],
        "losses": [plain(loss) for loss in results["loss"]],
        "smoothed": [None if value is None else plain(value) for value in smoothed],
        "suggestion": suggestion,
        "target": target,
        "can_apply": can_apply,
    }
    return Card(LR, "LR finder", "lr", "Learning-rate finder", content)


def plain(value: float) -> float | None:
    """A number as JSON has it: none for NaN and infinity.

    >>> plain(0.5), plain(float("nan"))
    (0.5, None)
    """
    return float(value) if math.isfinite(value) else None
