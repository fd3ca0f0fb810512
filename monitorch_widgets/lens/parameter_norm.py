"""How large each parameter is."""

from __future__ import annotations

from collections.abc import Iterable

from monitorch_widgets.preprocessor import ParameterNorm as ParameterNormPreprocessor
from monitorch_widgets.values import About, ChartSpec

from .abstract_lens import Stride
from .parameter_numbers import ParameterNumbersLens

_ABOUT = About(
    "How large each parameter is as a whole.",
    "Steady, or growing slowly.",
    "Growing without end: add weight decay or lower the learning rate. Shrinking to 0: less weight decay.",
)


class ParameterNorm(ParameterNumbersLens):
    """L2 norm of parameters after every optimizer step; the figure of an epoch is the norm at its end.

    Parameters
    ----------
    inplace : bool
        Keep running statistics rather than every value.
    parameters : str or iterable of str
        Names of the parameters; each has its own panel. ``"weight"`` stands for all that no other name takes and that
        are no biases, like ``weight_ih_l0`` or ``cls_token``; ``"bias"`` for ``bias_ih_l0`` and the like too.
    normalize_by_size : bool
        Root mean square rather than L2 norm.
    log_scale : bool
        Start with a logarithmic axis.
    comparison_plot : bool
        Add each module's share of the sum to the epoch figures.
    aggregation_method : str
        Aggregation over the measurements of an epoch.
    every : int or "auto", optional
        Listen to every n-th step, or as the budget allows; by default as the inspector does.

    Raises
    ------
    ArgumentError
        For an unknown aggregation, or without parameters.
    """

    def __init__(
        self,
        inplace: bool = True,
        parameters: str | Iterable[str] = ("weight", "bias"),
        normalize_by_size: bool = False,
        log_scale: bool = False,
        comparison_plot: bool = True,
        aggregation_method: str = "mean",
        every: Stride = None,
    ) -> None:
        self._unit = "RMS" if normalize_by_size else "L2"
        super().__init__(
            lambda: ParameterNormPreprocessor([], normalize_by_size, inplace),
            parameters,
            aggregation_method,
            log_scale,
            comparison_plot,
            every=every,
        )

    def _spec(self, parameter: str) -> ChartSpec:
        return ChartSpec(
            f"{parameter} Norm".title(),
            f"{parameter.capitalize()} norm",
            self._unit,
            log=self._log_scale,
            bands=("min-max",),
            moment="update",
            stage="as applied: the parameter after the optimizer step",
            about=_ABOUT,
            empty="No optimizer step yet.",
        )
