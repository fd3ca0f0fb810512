"""The stage of readings in words, as the step that they belong to really went."""

from __future__ import annotations

from dataclasses import dataclass

from monitorch_widgets.values import ChartSpec


@dataclass(frozen=True, slots=True)
class StepTaken:
    """How a step went.

    Attributes
    ----------
    passes : int
        Backward passes since the step before.
    touched : bool
        Whether gradients were changed between backward and the step.
    optimizer : bool
        Whether an optimizer made it.
    closure : bool
        Whether the optimizer computed the gradients itself, more than once, with a closure.
    forwards : int
        Forward passes since the step before.
    """

    passes: int = 1
    touched: bool = False
    optimizer: bool = True
    closure: bool = False
    forwards: int = 1


def stage_of(spec: ChartSpec, step: StepTaken) -> str:
    """Stage of the readings of a panel at one step.

    Examples
    --------
    >>> spec = ChartSpec("Weight Gradient Norm", "Weight gradient norm", moment="gradient")
    >>> stage_of(spec, StepTaken(passes=4, touched=True))
    'as the optimizer used it: accumulated over 4 backward passes, then unscaled or clipped'
    """
    if spec.moment == "gradient":
        return _gradient(step)
    count = {"forward": step.forwards, "backward": step.passes}.get(spec.moment, 1)
    if count > 1:
        return f"{spec.stage}, mean of {count} a step"
    if spec.moment == "update" and not step.optimizer:
        return "as applied: the change since the call of tick_batch() before"
    return spec.stage


def _gradient(step: StepTaken) -> str:
    if step.closure:
        return "as the optimizer used it: left by the last evaluation of its closure"
    words = "as the optimizer used it" if step.optimizer else "as backward left it: no optimizer was seen"
    notes = []
    if step.passes > 1:
        notes.append(f"accumulated over {step.passes} backward passes")
    if step.touched:
        notes.append("then unscaled or clipped" if notes else "unscaled or clipped after backward")
    return ": ".join([words, ", ".join(notes)] if notes else [words])
