"""Which share of outputs and gradients is not zero, and how many neurons are dead."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from monitorch_widgets.numerical import activation_and_death

from .abstract import AbstractForwardPreprocessor, DeferredPreprocessor, TensorPreprocessor, is_training


class GradientActivation(TensorPreprocessor):
    """Share of gradient values that are not zero, and share of neurons whose gradient is zero throughout.

    A neuron (the first dimension of the parameter) without gradient learns nothing from this batch.

    Parameters
    ----------
    death : bool
        Report the death rate too.
    inplace : bool
        Keep running statistics rather than lists.
    eps : float
        Magnitude up to which a value counts as zero.
    """

    def __init__(self, death: bool, inplace: bool, eps: float = 1e-8) -> None:
        super().__init__(2 if death else 1, inplace)
        self._eps = eps

    def process_tensor(self, name: str, grad: Tensor) -> None:
        """Measure one gradient (C, ...): both rates in 0..1, NaN where NaN or infinity is among the values."""
        with torch.no_grad():
            rates = activation_and_death(grad, self._eps, batch=False)
        self._push([name], rates[: self._channels])


class OutputActivation(DeferredPreprocessor, AbstractForwardPreprocessor):
    """Share of output values that are not zero, and share of neurons that are zero for the whole batch.

    A neuron or channel that is dead for every sample passes nothing on; behind a ReLU it gets no gradient either.

    Parameters
    ----------
    death : bool
        Report the death rate too.
    inplace : bool
        Keep running statistics rather than lists.
    record_eval : bool
        Measure during evaluation as well.
    evaluation_from_grad : bool
        Tell evaluation by grad mode rather than by ``module.training``.
    eps : float
        Magnitude up to which a value counts as zero.
    channel_last : bool
        Neurons in the last dimension, (B, T, ..., C), rather than the second, (B, C, ...).
    """

    def __init__(
        self,
        death: bool,
        inplace: bool,
        record_eval: bool,
        evaluation_from_grad: bool,
        eps: float = 1e-8,
        channel_last: bool = False,
    ) -> None:
        super().__init__(2 if death else 1, inplace)
        self._record_eval = record_eval
        self._evaluation_from_grad = evaluation_from_grad
        self._eps = eps
        self._channel_last = channel_last

    def process_fw(self, name: str, module: nn.Module, layer_input: Any, layer_output: Any) -> None:
        """Measure one output; both rates in 0..1, NaN where NaN or infinity is among the values."""
        training = is_training(module, self._evaluation_from_grad)
        if not (training or self._record_eval):
            return
        with torch.no_grad():
            rates = activation_and_death(layer_output, self._eps, batch=True, channel_last=self._channel_last)
        self._push([name], rates[: self._channels], evaluation=not training)
