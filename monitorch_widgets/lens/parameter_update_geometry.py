"""How far each optimizer step moves each parameter, and whether the steps keep their direction."""

from __future__ import annotations

from collections.abc import Iterable

from torch.optim import Optimizer

from monitorch_widgets.errors import ArgumentTypeError
from monitorch_widgets.gatherer import InspectorState, ParameterStepsGatherer
from monitorch_widgets.preprocessor import ParameterDifferenceGeometry, TensorPreprocessor
from monitorch_widgets.values import About

from .parameter_geometry import ParameterGeometryLens, Wording
from .reading_lens import Aggregation

_WORDS = Wording(
    "Update",
    "update as the optimizer applied it: the parameter after the step minus before",
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
    "No optimizer step yet. Loops without an optimizer call inspector.tick_batch().",
)


class ParameterUpdateGeometry(ParameterGeometryLens):
    """Norm of parameter updates at every optimizer step, and the correlation of consecutive ones.

    Keeps one copy of each parameter, and with `compute_correlation` one of each update.

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
        Names of the parameters; each has its own panel. ``"weight"`` stands for ``weight_ih_l0`` and the like too.
    line_aggregation, range_aggregation : str or iterable of str
        Lines and bands of the epoch figures, shown first.

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
    ) -> None:
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            raise ArgumentTypeError(
                f"expected optimizer to be a torch.optim.Optimizer or None; received {type(optimizer).__name__}. "
                "Leave it out to follow every optimizer."
            )
        super().__init__(Aggregation.of(line_aggregation, range_aggregation), log_scale, parameters)
        self.optimizer = optimizer
        self._build(
            {p: ParameterDifferenceGeometry(compute_correlation, normalize_by_size, inplace) for p in self._parameters},
            _WORDS,
            "RMS" if normalize_by_size else "L2",
            compute_correlation,
        )

    def _gatherer(self, preprocessor: TensorPreprocessor, inspector_state: InspectorState) -> ParameterStepsGatherer:
        return ParameterStepsGatherer([preprocessor], inspector_state, self.optimizer)

    def inspect_update(self) -> None:
        """Measure the change of the parameters since the last measurement, for loops whose steps cannot be seen.

        The first call only remembers them. ``inspector.tick_batch()`` does this for all lenses.
        """
        for gatherer in self._gatherers:
            gatherer(None)
