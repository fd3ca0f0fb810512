"""Which share of outputs and gradients is not zero, and how many neurons are dead."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from monitorch_widgets.numerical import Streaks, active_and_dead, neuron_rates

from .abstract import AbstractForwardPreprocessor, DeferredPreprocessor, TensorPreprocessor, is_training

SMOOTH: tuple[type[nn.Module], ...] = (nn.GELU, nn.SiLU, nn.Mish, nn.GLU, nn.Sigmoid, nn.LogSigmoid, nn.Softplus)
"""Activations that tend to 0 without reaching it.

Those with a linear part are shut by a gate that tends to 0 (GELU, SiLU, Mish, GLU); the others tend to 0 on one side
(Sigmoid, Softplus for negative inputs, LogSigmoid for positive ones). Not among them: Hardswish and the like, which
reach 0; ELU, SELU, CELU, Tanh, Softsign, which tend to other values; softmaxes, whose values are small because there
are many.
"""


class _Rates(DeferredPreprocessor):
    """Activation rate; death rate if asked for; share of neurons dead for a whole window, if asked for."""

    def __init__(self, death: bool, inplace: bool, eps: float, window: int | None) -> None:
        super().__init__(1 + death + (window is not None), inplace)
        self._eps = eps
        self._streaks = None if window is None else Streaks(window)

    def forget(self) -> None:
        """Drop the streaks: the next window begins anew."""
        if self._streaks is not None:
            self._streaks.forget()

    def _measured(self, name: str, rates: Tensor, *, training: bool = True) -> Tensor:
        dead = rates == 0
        numbers = active_and_dead(rates, dead)
        if self._streaks is None:
            return numbers[: self._channels]
        lasting = self._streaks.update(name, rates, dead) if training else numbers.new_full((), torch.nan)
        lasting = lasting + numbers[0] * 0  # NaN where the rates are
        return torch.cat([numbers[: self._channels - 1], lasting[None]])


class GradientActivation(_Rates, TensorPreprocessor):
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
    window : int, optional
        Report, as the last number, the share of neurons without gradient in each of so many tensors in a row.
    """

    def __init__(self, death: bool, inplace: bool, eps: float = 1e-8, window: int | None = None) -> None:
        super().__init__(death, inplace, eps, window)

    def process_tensor(self, name: str, grad: Tensor) -> None:
        """Measure one gradient (C, ...): rates in 0..1, NaN where NaN or infinity is among the values."""
        with torch.no_grad():
            numbers = self._measured(name, neuron_rates(grad, self._eps, batch=False))
        self._push([name], numbers)


class OutputActivation(_Rates, AbstractForwardPreprocessor):
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
    smooth_eps : float, optional
        The same as `eps`, for activations that tend to 0 without reaching it (:data:`SMOOTH`); by default `eps`.
    window : int, optional
        Report, as the last number, the share of neurons that were dead in each of so many training passes in a row.
    """

    def __init__(
        self,
        death: bool,
        inplace: bool,
        record_eval: bool,
        evaluation_from_grad: bool,
        eps: float = 1e-8,
        channel_last: bool = False,
        smooth_eps: float | None = None,
        window: int | None = None,
    ) -> None:
        super().__init__(death, inplace, eps, window)
        self._smooth_eps = eps if smooth_eps is None else smooth_eps
        self._record_eval = record_eval
        self._evaluation_from_grad = evaluation_from_grad
        self._channel_last = channel_last

    def process_fw(self, name: str, module: nn.Module, layer_input: Any, layer_output: Any) -> None:
        """Measure one output; rates in 0..1, NaN where NaN or infinity is among the values."""
        training = is_training(module, self._evaluation_from_grad, self.buffer.grad_outside)
        if not (training or self._record_eval):
            return
        eps = self._smooth_eps if isinstance(module, SMOOTH) else self._eps
        with torch.no_grad():
            rates = neuron_rates(layer_output, eps, batch=True, channel_last=self._channel_last)
            numbers = self._measured(name, rates, training=training)
        self._push([name], numbers, evaluation=not training)
