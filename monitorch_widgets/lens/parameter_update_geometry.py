"""How far each optimizer step moves each parameter, and whether the steps keep their direction."""

from __future__ import annotations

from collections.abc import Iterable

from torch.optim import Optimizer

from monitorch_widgets.preprocessor import ParameterDifferenceGeometry
from monitorch_widgets.values import About

from .abstract_lens import Stride, checked_lens_stride
from .parameter_geometry import Wording
from .reading_lens import Aggregation
from .update_lens import UPDATE_EMPTY, UPDATE_STAGE, UpdateLens

_WORDS = Wording(
    "Update",
    "update",
    UPDATE_STAGE,
    About(
        "How far a step moves each parameter.",
        "Around a thousandth of the parameter's norm, shrinking as training settles.",
        "Much larger: lower the learning rate or warm up. Much smaller: the layer hardly learns.",
    ),
    About(
        "Whether a step goes where the one before went.",
        "Above 0, with momentum clearly so.",
        "Below 0 for long: steps undo each other; lower the learning rate.",
    ),
    UPDATE_EMPTY,
)


class ParameterUpdateGeometry(UpdateLens):
    """Norm of parameter updates at every optimizer step, and the correlation of consecutive ones.

    The update of a step is the parameter right after it minus right before it, whatever else the loop does to the
    parameter. One copy of each parameter is kept, which all lenses of updates of an inspector share, and with
    `compute_correlation` one of each update. A parameter whose shape, dtype or device changes within a step has no
    value for it.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer, optional
        Follow only this optimizer. Steps are found by themselves, so None (the default) follows every one.
    inplace : bool
        Keep running statistics of the epoch rather than every value.
    normalize_by_size : bool
        Root mean square rather than L2 norm.
    log_scale : bool
        Start with a logarithmic axis.
    compute_correlation : bool
        Show correlations too.
    parameters : str or iterable of str
        Names of the parameters; each has its own panel. ``"weight"`` stands for all that no other name takes and that
        are no biases, like ``weight_ih_l0`` or ``cls_token``; ``"bias"`` for ``bias_ih_l0`` and the like too.
    line_aggregation, range_aggregation : str or iterable of str
        Lines and bands of the epoch figures, shown first.
    every : int or "auto", optional
        Listen to every n-th step, or as the budget allows; by default as the inspector does. With correlations, to that
        step and the one after it.

    Raises
    ------
    ArgumentTypeError
        If `optimizer` is no optimizer.
    ArgumentError
        For an unknown aggregation, or without parameters.
    """

    def __init__(
        self,
        optimizer: Optimizer | None = None,
        inplace: bool = True,
        normalize_by_size: bool = False,
        log_scale: bool = False,
        compute_correlation: bool = True,
        parameters: str | Iterable[str] = ("weight", "bias"),
        line_aggregation: str | Iterable[str] = "mean",
        range_aggregation: str | Iterable[str] | None = ("std", "min-max"),
        every: Stride = None,
    ) -> None:
        super().__init__(optimizer, Aggregation.of(line_aggregation, range_aggregation), log_scale, parameters)
        self.every = checked_lens_stride(every)
        self._build(
            lambda: ParameterDifferenceGeometry(compute_correlation, normalize_by_size, inplace),
            _WORDS,
            "RMS" if normalize_by_size else "L2",
            compute_correlation,
        )
