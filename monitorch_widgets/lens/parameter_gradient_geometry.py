"""How strong each parameter's gradient is when the optimizer uses it, and whether it keeps its direction."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from monitorch_widgets.gatherer import InspectorState, ParameterGradientsGatherer
from monitorch_widgets.preprocessor import GradientGeometry
from monitorch_widgets.preprocessor.kinds import KindsPreprocessor
from monitorch_widgets.values import About

from .abstract_lens import Stride, checked_lens_stride
from .parameter_geometry import ParameterGeometryLens, Wording
from .parameter_lens import GRADIENT_EMPTY, GRADIENT_STAGE
from .reading_lens import Aggregation

_WORDS = Wording(
    "Gradient",
    "gradient",
    GRADIENT_STAGE,
    About(
        "How strong the learning signal is for each parameter.",
        "Within one or two decades over the depth of the model, falling slowly.",
        "Near 0: the layer does not learn; check initialisation and dead neurons. Spikes: clip, or warm up.",
    ),
    About(
        "Whether a step's gradient points where the one before did.",
        "Around or above 0.",
        "Below 0 for long: the loss bounces between walls; lower the learning rate or raise the batch size.",
    ),
    GRADIENT_EMPTY,
)


class ParameterGradientGeometry(ParameterGeometryLens):
    """Norm of parameter gradients at every optimizer step, and the correlation of consecutive ones.

    Gradients are read in the optimizer's step, right before it uses them, so that accumulation, loss scaling and
    clipping are over (monitorch reads partial sums and scaled values). The correlation has no value for the first
    step and carries over epochs; it keeps one copy of each gradient.

    Parameters
    ----------
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
    ArgumentError
        For an unknown aggregation, or without parameters.
    """

    def __init__(
        self,
        inplace: bool = True,
        normalize_by_size: bool = False,
        log_scale: bool = False,
        compute_correlation: bool = True,
        parameters: str | Iterable[str] = ("weight", "bias"),
        line_aggregation: str | Iterable[str] = "mean",
        range_aggregation: str | Iterable[str] | None = ("std", "min-max"),
        every: Stride = None,
    ) -> None:
        super().__init__(Aggregation.of(line_aggregation, range_aggregation), log_scale, parameters)
        self.every = checked_lens_stride(every)
        self._build(
            lambda: GradientGeometry(compute_correlation, normalize_by_size, inplace),
            _WORDS,
            "RMS" if normalize_by_size else "L2",
            compute_correlation,
        )

    def _gatherer(self, preprocessor: KindsPreprocessor, inspector_state: InspectorState) -> ParameterGradientsGatherer:
        return ParameterGradientsGatherer([preprocessor], inspector_state)

    def _announces(self, parameter: nn.Parameter) -> bool:
        return parameter.requires_grad
