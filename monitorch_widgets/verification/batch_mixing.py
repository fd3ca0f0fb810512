"""What the check of a batch has found, and how it is said."""

from __future__ import annotations

from dataclasses import dataclass

from monitorch_widgets.errors import MonitorchWarning

MIXING = (
    "Your model is mixing data across the batch dimension."
    " This can lead to wrong gradient updates in the optimizer."
    " Check the operations that reshape and permute tensor dimensions in your model."
)
TOO_SMALL = "Batch size must be greater than 1 to run verification."


class MixingWarning(MonitorchWarning):
    """A model mixes the samples of a batch."""


@dataclass(frozen=True, slots=True)
class BatchMixing:
    """What the check of a batch has found.

    Attributes
    ----------
    valid : bool
        Whether the output of the sample depends on its own input, and on no other.
    sample_idx : int
        The sample whose output was looked at; where only another one than was asked for shows the mixing, that one.
    mixed : tuple of int
        Other samples that it depends on.
    gradients : tuple of float
        For each sample, the sum of the magnitudes of the gradients of that output.
    module : str or None
        The innermost module that mixes, the first one of the forward pass; the model's class where none of its
        modules does by itself, so that its own ``forward`` does. None where nothing is mixed.
    words : str
        The same in words.
    unchecked : tuple of str
        Inputs that could not be checked.
    """

    valid: bool
    sample_idx: int
    mixed: tuple[int, ...]
    gradients: tuple[float, ...]
    module: str | None
    words: str
    unchecked: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.valid


def told(
    sample: int, size: int, mixed: tuple[int, ...], module: str | None, model: str, *, silent: bool, dead: bool
) -> str:
    """What was found, in words.

    Parameters
    ----------
    sample, size : int
        The sample that was looked at, and how many there are.
    mixed : tuple of int
        Other samples that it depends on.
    module, model : str
        The module that mixes, and the class of the model.
    silent : bool
        Whether an input of the sample got no gradient.
    dead : bool
        Whether no input got any.
    """
    if mixed:
        which = f"{'samples' if len(mixed) > 1 else 'sample'} {_enumerated(mixed)}"
        where = f"the forward of {module} itself" if module == model else f"module {module!r}"
        return f"{MIXING} The output of sample {sample} depends on {which}: {where} mixes them."
    if dead:
        return (
            f"The output of sample {sample} depends on no input: no gradient comes back. Look for detach(), "
            ".data, torch.no_grad(), rounding or argmax between input and output, or an activation that is dead."
        )
    if silent:
        return f"The output of sample {sample} does not depend on one of its inputs: no gradient reaches it."
    return f"The output of sample {sample} depends on its own input alone, of {size} samples."


def _enumerated(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers[:8])) + (f" and {len(numbers) - 8} more" if len(numbers) > 8 else "")
