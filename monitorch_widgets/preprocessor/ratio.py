"""How far a step moves a parameter, against how large the parameter is."""

from __future__ import annotations

import torch

from monitorch_widgets.numerical import aside

from .abstract import by_device
from .difference import DifferencePreprocessor, Moved


class ParameterUpdateRatio(DifferencePreprocessor):
    r"""Norm of a parameter's update over the norm of the parameter before it.

    About 0.001 is healthy for most models: at 0.1 a few steps replace what was learned, at 0.00001 nothing is learned.

    The ratio is :math:`\lVert w_{t+1} - w_t \rVert_2 / \lVert w_t \rVert_2`, a number without unit in 0..inf. It has no
    value (NaN) for a parameter that was zero throughout or has no elements, and none that is finite where NaN or
    infinity is among the values.

    Parameters
    ----------
    inplace : bool
        Keep running statistics rather than lists.

    Notes
    -----
    As in A. Karpathy's notes for Stanford's CS231n, "Ratio of weights:updates", and in Y. You et al., "Large Batch
    Training of Convolutional Networks" (2017), where it is the inverse of what LARS keeps steady.

    Examples
    --------
    >>> ratios = ParameterUpdateRatio(inplace=False)
    >>> for value in (2.0, 2.5, 2.0):
    ...     ratios.process_tensor("w", torch.tensor([value]))
    >>> [round(ratio, 4) for ratio in ratios.value["w"]]
    [0.25, 0.2]
    """

    needs_sizes = True

    def __init__(self, inplace: bool) -> None:
        super().__init__(1, inplace)

    def process_changes(self, moved: Moved) -> None:
        """Measure ratios of tensors of any shape and dtype, in float32 or wider."""
        with aside():
            for group in by_device(moved.changes):
                length, before = (torch.stack([found[i] for i in group]) for found in (moved.lengths, moved.sizes))
                self._push([moved.names[i] for i in group], torch.where(before > 0, length / before, torch.nan))
