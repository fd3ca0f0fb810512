"""Size of outputs, and the loss as a module returns it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from monitorch_widgets.errors import ArgumentError
from monitorch_widgets.numerical import RunningMeanVar, in_order, sample_norms, wide

from .abstract import AbstractForwardPreprocessor, DeferredPreprocessor, is_training


class OutputNorm(DeferredPreprocessor, AbstractForwardPreprocessor):
    """L2 norm of each sample's output, mean over the batch.

    Norms that grow from layer to layer end in infinity, norms that shrink end in a signal too weak to learn from.

    Parameters
    ----------
    normalize : bool
        Root mean square rather than L2 norm.
    inplace : bool
        Keep running statistics rather than lists.
    record_eval : bool
        Measure during evaluation as well.
    evaluation_from_grad : bool
        Tell evaluation by grad mode rather than by ``module.training``.
    channel_last : bool
        Where the neurons are; without effect, since all dimensions but the batch are flattened.
    """

    def __init__(
        self,
        normalize: bool,
        inplace: bool,
        record_eval: bool,
        evaluation_from_grad: bool,
        channel_last: bool = False,
    ) -> None:
        super().__init__(1, inplace)
        self._normalize = normalize
        self._record_eval = record_eval
        self._evaluation_from_grad = evaluation_from_grad

    def process_fw(self, name: str, module: nn.Module, layer_input: Any, layer_output: Any) -> None:
        """Measure one output (B, ...) in float32 or wider; NaN for an empty one."""
        training = is_training(module, self._evaluation_from_grad, self.buffer.grad_outside)
        if not (training or self._record_eval):
            return
        self._push([name], sample_norms(layer_output, normalize=self._normalize), evaluation=not training)

    def finish(self, names: list[Sequence[str]], materials: list[Any]) -> Tensor:
        """Make means over the batch, of all batches of one size at once."""
        sizes: dict[int, list[int]] = {}
        for i, norms in enumerate(materials):
            sizes.setdefault(norms.numel(), []).append(i)
        return in_order([(group, torch.stack([materials[i] for i in group]).mean(1)) for group in sizes.values()])


class LossModule(DeferredPreprocessor, AbstractForwardPreprocessor):
    """The loss, read where a loss module returns it.

    Parameters
    ----------
    inplace : bool
        Keep running statistics rather than lists.
    evaluation_from_grad : bool
        Tell evaluation by grad mode rather than by ``module.training``, which a loss module is rarely switched with.
    """

    def __init__(self, inplace: bool, evaluation_from_grad: bool) -> None:
        super().__init__(1, inplace)
        self._evaluation_from_grad = evaluation_from_grad
        self._names = ("", "")
        self._of_training, self._of_others = [""], [""]

    def set_loss_strs(self, train_loss_str: str, non_train_loss_str: str) -> None:
        """Set the names of the training loss and of the loss of validation or test in :attr:`value`."""
        self._names = (train_loss_str, non_train_loss_str)
        self._of_training, self._of_others = [train_loss_str], [non_train_loss_str]
        self.reset()

    def reset(self) -> None:
        """Forget the numbers; both losses keep their (empty) place in :attr:`value`."""
        super().reset()
        self._kept = {name: (RunningMeanVar() if self._inplace else [],) for name in self._names if name}

    def process_fw(self, name: str, module: nn.Module, layer_input: Any, layer_output: Any) -> None:
        """Keep one loss.

        Raises
        ------
        ArgumentError
            (an ``AttributeError``) If the output does not have exactly one element.
        """
        if layer_output.numel() != 1:
            raise ArgumentError(
                f"expected a loss of one element; received shape {tuple(layer_output.shape)}. "
                "Reduce it in the loss module (reduction='mean') or push it with push_loss()."
            )
        buffer = self.buffer
        training = is_training(module, self._evaluation_from_grad, buffer.grad_outside)
        buffer.note_pass(training)
        buffer.push(
            _kept(layer_output), self, self._of_training if training else self._of_others, evaluation=not training
        )


def _kept(loss: Tensor) -> Tensor | float:
    """The number on the host, where that waits for nothing; a copy elsewhere, since the loop may go on with its own."""
    if loss.is_cpu and type(loss) is Tensor and loss.is_floating_point():
        return float(loss.item())
    return wide(loss.detach()).reshape(1).clone()
