"""Which hooks may log, and what ``on_step`` and ``on_epoch`` are there when nobody says.

The table is that of Lightning's documentation and of its library, for modules and for callbacks; hooks of tests are
as those of validation.
"""

from __future__ import annotations

from dataclasses import dataclass

from monitorch_widgets.errors import ArgumentError, nearest


@dataclass(frozen=True, slots=True)
class HookDefaults:
    """What a hook allows.

    Attributes
    ----------
    on_step, on_epoch : bool
        What they are when they are not given.
    epoch_only : bool
        Whether the hook runs once an epoch, so that it has no steps.
    in_step : bool
        Whether a number that is logged there belongs to the step that is being made.
    """

    on_step: bool
    on_epoch: bool
    epoch_only: bool = False
    in_step: bool = False


_TRAIN = HookDefaults(True, False, in_step=True)
_AFTER = HookDefaults(True, False)
_EVALUATION = HookDefaults(False, True)
_ONCE = HookDefaults(False, True, epoch_only=True)

_MODULE = (
    *("training_step", "on_before_backward", "backward", "on_after_backward", "on_before_optimizer_step"),
    *("optimizer_step", "configure_gradient_clipping", "clip_gradients", "on_before_zero_grad", "optimizer_zero_grad"),
    "on_train_batch_start",
)
HOOKS: dict[str, HookDefaults] = {
    **dict.fromkeys(_MODULE, _TRAIN),
    "on_train_batch_end": _AFTER,
    **{f"{phase}_step": _EVALUATION for phase in ("validation", "test")},
    **{f"on_{phase}_batch_{end}": _EVALUATION for phase in ("validation", "test") for end in ("start", "end")},
    **{f"on_{phase}_start": _ONCE for phase in ("train", "validation", "test")},
    **{f"on_{phase}_epoch_{end}": _ONCE for phase in ("train", "validation", "test") for end in ("start", "end")},
}
"""Hooks in which numbers can be logged."""

PHASES: dict[str, HookDefaults] = {
    "train": HookDefaults(True, False),
    **dict.fromkeys(("val", "test"), _EVALUATION),
    **dict.fromkeys(("predict", "sanity"), _EVALUATION),
}
"""The same for a loop of one's own, which has no hooks: by phase."""


def levels_of(hook: str, phase: str, on_step: bool | None, on_epoch: bool | None) -> tuple[bool, bool]:
    """Whether a number is kept step by step, and whether it is reduced at the epoch's end.

    Parameters
    ----------
    hook : str
        Name of the hook that runs; empty in a loop without hooks.
    phase : str
        Phase of the loop, which decides there.
    on_step, on_epoch : bool or None
        As they were asked for.

    Raises
    ------
    ArgumentError
        For a hook that can't log, steps in one that runs once an epoch, and two times False.

    Examples
    --------
    >>> levels_of("training_step", "train", None, None), levels_of("", "val", None, None)
    ((True, False), (False, True))
    >>> levels_of("on_fit_start", "train", None, None)
    Traceback (most recent call last):
        ...
    monitorch_widgets.errors.ArgumentError: expected a hook that can log; received a call in 'on_fit_start', which \
runs outside of the epochs of training, validation and test. Log in training_step or the like; if this blocks you, \
please open an issue with a clear description of why. Did you mean 'on_test_start'?
    """
    known = HOOKS.get(hook) if hook else PHASES[phase]
    if known is None:
        raise ArgumentError(
            f"expected a hook that can log; received a call in {hook!r}, which runs outside of the epochs of "
            "training, validation and test. Log in training_step or the like; if this blocks you, please open an "
            f"issue with a clear description of why.{nearest(hook, HOOKS)}"
        )
    by_step = known.on_step if on_step is None else on_step
    by_epoch = known.on_epoch if on_epoch is None else on_epoch
    _check(hook, known, by_step, by_epoch)
    return by_step, by_epoch


def _check(hook: str, known: HookDefaults, on_step: bool, on_epoch: bool) -> None:
    if known.epoch_only and (on_step or not on_epoch):
        raise ArgumentError(
            f"expected on_step=False and on_epoch=True in {hook!r}, which runs once an epoch; received "
            f"on_step={on_step}, on_epoch={on_epoch}. Leave both out."
        )
    if not (on_step or on_epoch):
        raise ArgumentError(
            "expected on_step or on_epoch to be True; received False for both, so that nothing would be kept. "
            "Leave one of them out."
        )
