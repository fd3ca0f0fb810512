"""The check of batch mixing as a callback of Lightning."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor, nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, MonitorchWarning
from monitorch_widgets.inspector.check_cards import mixing_card
from monitorch_widgets.verification import BatchGradientVerification, BatchMixing, MixingWarning
from monitorch_widgets.verification.batch_gradient import InputMapping, OutputMapping
from monitorch_widgets.verification.batch_mixing import MIXING

from .lightning.library import Callback, rank_zero_only

if TYPE_CHECKING:
    from lightning.pytorch import LightningModule, Trainer


class BatchGradientVerificationCallback(Callback):
    """Checks, before training begins, that the model keeps the samples of a batch apart.

    It looks at the module's ``example_input_array`` if that has two samples, and otherwise at the first training
    batch. The module is then exactly as before, and its ``training_step`` is not run.

    Parameters
    ----------
    input_mapping : callable, optional
        Takes the input and returns a list of its tensors, each with the batch first.
    output_mapping : callable, optional
        Takes the output and returns one tensor with the batch first.
    sample_idx : int
        The sample whose output is looked at.
    warn : bool
        Warn if samples are mixed, on rank 0.
    error : bool
        Raise a ``RuntimeError`` if samples are mixed.
    inspector : PyTorchInspector, optional
        Shows the answer in a card; by default that of another callback of the trainer which has one.

    Attributes
    ----------
    result : BatchMixing or None
        What was found.
    """

    def __init__(
        self,
        input_mapping: InputMapping | None = None,
        output_mapping: OutputMapping | None = None,
        sample_idx: int = 0,
        warn: bool = True,
        error: bool = False,
        inspector: PyTorchInspector | None = None,
    ) -> None:
        for name, mapping in (("input_mapping", input_mapping), ("output_mapping", output_mapping)):
            if mapping is not None and not callable(mapping):
                raise ArgumentTypeError(f"expected {name} to be a function or None; received {mapping!r}.")
        if not isinstance(sample_idx, int) or sample_idx < 0:
            raise ArgumentError(f"expected sample_idx to be 0 or more; received {sample_idx!r}. 0 is the first sample.")
        self._mappings = input_mapping, output_mapping
        self._sample_idx = sample_idx
        self._warn, self._error = warn, error
        self.inspector = inspector
        self.result: BatchMixing | None = None
        self._waits = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check the example input, if there is one."""
        example = pl_module.example_input_array
        self._waits = example is None or _samples(example) < 2
        if not self._waits:
            self._check(trainer, pl_module, example)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Check the first batch, if there was no example."""
        if self._waits:
            self._waits = False
            self._check(trainer, pl_module, _inputs(pl_module, batch))

    def _check(self, trainer: Trainer, pl_module: LightningModule, data: Any) -> None:
        verification = BatchGradientVerification(pl_module)
        try:
            with trainer.precision_plugin.forward_context():
                verification.check(data, *self._mappings, self._sample_idx)
        except Exception as error:
            _warn(_unchecked(error), MonitorchWarning)
            return
        self.result = cast(BatchMixing, verification.result)
        self._show(trainer, self.result)
        if not self.result.valid:
            self._complain(self.result)

    def _complain(self, result: BatchMixing) -> None:
        words = MIXING if result.mixed else result.words
        if self._error:
            raise RuntimeError(words)
        if self._warn:
            _warn(words, MixingWarning)

    def _show(self, trainer: Trainer, result: BatchMixing) -> None:
        callbacks: list[Callback] = getattr(trainer, "callbacks", [])
        inspector = self.inspector or next(filter(None, (_inspector_of(callback) for callback in callbacks)), None)
        if inspector is not None:
            inspector._put(mixing_card(result), check=inspector._catch_batch)


@rank_zero_only
def _warn(words: str, category: type[Warning]) -> None:
    warnings.warn(words, category, stacklevel=3)


def _inspector_of(callback: Callback) -> PyTorchInspector | None:
    found = getattr(callback, "inspector", None)
    return found if isinstance(found, PyTorchInspector) else None


def _samples(data: Any) -> int:
    parts = list(data.values()) if isinstance(data, Mapping) else data if isinstance(data, tuple | list) else [data]
    return next((len(part) for part in parts if isinstance(part, Tensor) and part.ndim), 0)


def _inputs(module: nn.Module, batch: Any) -> Any:
    """What of a batch goes to ``forward``: as many parts as it asks for, or those that it knows by name."""
    asked = inspect.signature(module.forward).parameters.values()
    if isinstance(batch, Mapping):
        names = [parameter.name for parameter in asked if parameter.name in batch]
        return {name: batch[name] for name in names} if names else (batch,)
    if not isinstance(batch, tuple | list):
        return batch
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in asked if p.kind in positional and p.default is p.empty]
    return tuple(batch[: max(len(needed), 1)])


def _unchecked(error: Exception) -> str:
    return (
        f"Whether the model mixes the samples of a batch could not be checked: {type(error).__name__}: {error}. "
        "Set example_input_array in the LightningModule to a batch of two, or pass input_mapping and output_mapping."
    )[:800]
