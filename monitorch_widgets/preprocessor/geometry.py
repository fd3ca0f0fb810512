"""Norms and correlations of gradients and updates, step after step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from monitorch_widgets.numerical import ConsecutiveTensors, aside

from .abstract import AbstractBackwardPreprocessor, DeferredPreprocessor, by_device
from .difference import DifferencePreprocessor, Moved
from .kinds import KindsPreprocessor


class _Geometry(DeferredPreprocessor):
    """Norm, and correlation with the tensor before, of named tensors."""

    def __init__(self, correlation: bool, normalize: bool, inplace: bool, eps: float = 1e-8) -> None:
        super().__init__(2 if correlation else 1, inplace)
        self._tensors = ConsecutiveTensors(normalize, correlation, eps)

    @property
    def memory_bytes(self) -> int:
        """Memory that the kept copies take, in bytes: one copy of each tensor with `correlation`."""
        return self.memory_under("")

    def memory_under(self, prefix: str) -> int:
        """Memory that the kept copies of the tensors take whose names begin so, in bytes."""
        return self._tensors.memory_under(prefix)

    def forget(self) -> None:
        """Drop the kept copies: the next correlations have no value."""
        self._tensors.forget()

    def steps_left_out(self) -> None:
        """Compare what comes with nothing."""
        super().steps_left_out()
        self._tensors.interrupt()

    def finish(self, names: list[Sequence[str]], materials: list[Any]) -> Tensor:
        """Make norms and correlations of the tensors of all steps at once."""
        return self._tensors.numbers_of(materials)

    def _measure(
        self, names: Sequence[str], tensors: Sequence[Tensor], lengths: Sequence[Tensor] | None = None
    ) -> None:
        with aside():
            for group in by_device(tensors):
                chosen, known = [names[i] for i in group], lengths and [lengths[i] for i in group]
                self._push(chosen, self._tensors.look_at(chosen, [tensors[i] for i in group], known))


class GradientGeometry(_Geometry, KindsPreprocessor):
    """Norm of parameter gradients, and whether they keep their direction.

    A norm that vanishes or explodes over depth tells where learning stops or breaks; a correlation that stays below
    0 tells of oscillation, often of a learning rate that is too large.

    The first gradient of all has no correlation (monitorch gives 0), and the first one of a later epoch is compared
    with the last one of the epoch before.

    Parameters
    ----------
    correlation : bool
        Compute correlations, in -1..1; keeps one copy of each gradient.
    normalize : bool
        Root mean square rather than L2 norm.
    inplace : bool
        Keep running statistics rather than lists.
    eps : float
        Length up to which a gradient has no direction.
    """

    def process_tensor(self, name: str, grad: Tensor) -> None:
        """Measure one gradient of any shape and dtype, in float32 or wider."""
        self._measure([name], [grad])

    def process_tensors(self, names: Sequence[str], tensors: Sequence[Tensor]) -> None:
        """Measure the gradients of a whole step at once."""
        self._measure(names, tensors)


class OutputGradientGeometry(_Geometry, AbstractBackwardPreprocessor):
    """Norm of the gradients that reach a module's output, and whether they keep their direction.

    Read at the output tensor, so it is the gradient as backward brings it: per micro-batch, scaled if the loss is.

    Parameters
    ----------
    correlation : bool
        Compute correlations, in -1..1; keeps one copy of each gradient. No value for the first, and where the
        batch size changed.
    normalize : bool
        Root mean square rather than L2 norm.
    inplace : bool
        Keep running statistics rather than lists.
    eps : float
        Length up to which a gradient has no direction.
    """

    def process_bw(self, name: str, module: nn.Module, grad_input: Any, grad_output: Any) -> None:
        """Measure the gradient with respect to one output tensor; `module` and `grad_input` are not looked at."""
        grad = grad_output[0] if isinstance(grad_output, tuple | list) else grad_output
        if grad is not None:
            self._push([name], self._tensors.look(name, grad))

    def finish(self, names: list[Sequence[str]], materials: list[Any]) -> Tensor:
        """Make norms and correlations of all gradients at once."""
        return self._tensors.numbers(materials)


class ParameterDifferenceGeometry(DifferencePreprocessor, _Geometry):
    """Norm of parameter updates, and whether they keep their direction.

    By itself (:meth:`process_tensor`), the update is the parameter now minus the parameter at the call before, of
    which one copy is kept; with `correlation` another one of each update is.

    Parameters
    ----------
    correlation : bool
        Compute correlations of consecutive updates, in -1..1.
    normalize : bool
        Root mean square rather than L2 norm.
    inplace : bool
        Keep running statistics rather than lists.
    eps : float
        Length up to which an update has no direction.
    """

    def __init__(self, correlation: bool, normalize: bool, inplace: bool, eps: float = 1e-8) -> None:
        super().__init__(correlation, normalize, inplace, eps)

    def memory_under(self, prefix: str) -> int:
        """Memory that the kept copies take, of parameters and of updates whose names begin so, in bytes."""
        return super().memory_under(prefix) + self._tensors.memory_under(prefix)

    def process_changes(self, moved: Moved) -> None:
        """Measure changes that were computed elsewhere; the sizes of parameters are not looked at."""
        self._measure(moved.names, moved.changes, moved.lengths)
