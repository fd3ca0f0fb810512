"""How evenly each weight matrix treats the directions of its input."""

from __future__ import annotations

from collections.abc import Iterable

from monitorch_widgets.preprocessor import ParameterCond as ParameterCondPreprocessor
from monitorch_widgets.values import About, ChartSpec

from .abstract_lens import Stride
from .parameter_numbers import ParameterNumbersLens

_ABOUT = About(
    "Largest over smallest singular value of each weight matrix.",
    "Up to some hundreds, and steady.",
    "Growing without end: the layer loses directions of its input; use orthogonal initialisation or normalisation.",
)


class ParameterCond(ParameterNumbersLens):
    """Condition number of weight matrices, at the end of each epoch and after some optimizer steps.

    A parameter (C, ...) is taken as the matrix (C, rest); one with fewer than two dimensions has no value.

    Parameters
    ----------
    inplace : bool
        Keep running statistics rather than every value.
    parameters : str or iterable of str
        Names of the parameters.
    log_scale : bool
        Start with a logarithmic axis.
    aggregation_method : str
        Aggregation over the measurements of an epoch.
    every : int or "auto", optional
        Steps from one measurement to the next; by default 50, or more if the inspector's budget says so, since singular
        values take time. A number is kept whatever it costs, and ``"auto"`` is as often as the budget allows.

    Raises
    ------
    ArgumentError
        For an unknown aggregation, without parameters, or for `every` below 1.
    """

    least_stride = 50

    def __init__(
        self,
        inplace: bool = True,
        parameters: str | Iterable[str] = "weight",
        log_scale: bool = True,
        aggregation_method: str = "mean",
        every: Stride = None,
    ) -> None:
        super().__init__(
            lambda: ParameterCondPreprocessor([], inplace),
            parameters,
            aggregation_method,
            log_scale,
            comparison_plot=False,
            every=every,
        )

    def _spec(self, parameter: str) -> ChartSpec:
        return ChartSpec(
            f"{parameter} Condition Number".title(),
            f"{parameter.capitalize()} condition number",
            "σ max / σ min",
            log=self._log_scale,
            bands=(),
            moment="update",
            stage="as applied: the parameter after the optimizer step",
            about=_ABOUT,
            empty="No optimizer step yet.",
        )
