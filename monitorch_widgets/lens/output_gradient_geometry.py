"""How strong the gradients are that reach each module's output, and whether they keep their direction."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from monitorch_widgets.gatherer import BackwardGatherer, InspectorState
from monitorch_widgets.preprocessor import OutputGradientGeometry as OutputGradientGeometryPreprocessor
from monitorch_widgets.values import About, ChartSpec

from .abstract_lens import Stride, checked_lens_stride
from .module_distinction import isactivation
from .reading_lens import Aggregation, Chart, GeometryLens

_STAGE = "micro-batch: each backward pass, scaled where a gradient scaler scales the loss"
_EMPTY = "No backward pass has reached a watched output yet."
_NORM = About(
    "How strong the learning signal is where it reaches each layer's output.",
    "Within one or two decades over the depth of the model.",
    "Fading towards the input: normalise, use residual paths or another initialisation. "
    "Exploding: clip, or lower the learning rate.",
)
_CORRELATION = About(
    "Whether the gradient of a batch points where the one before did.",
    "Around or above 0: noise, or steady progress.",
    "Below 0 for long: the updates oscillate; lower the learning rate or raise the batch size.",
)


class OutputGradientGeometry(GeometryLens):
    """Norm of the gradients with respect to module outputs, at every backward pass, and their correlation.

    The correlation is the cosine between the gradients of two consecutive backward passes, in -1..1. It has no value
    for the first one and where the batch size changed, and it carries over epochs. It keeps one copy of each gradient.

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
    skip_activation : bool
        Leave out activation modules.
    line_aggregation : str or iterable of str
        Lines of the epoch figures, shown first: ``"mean"``, ``"median"``, ``"min"``, ``"max"``, ``"Q1"``, ``"Q3"``,
        ``"std"``, ``"IQR"``.
    range_aggregation : str or iterable of str, optional
        Bands: ``"std"``, ``"Q1-Q3"``, ``"min-max"``.
    every : int or "auto", optional
        Listen to every n-th step, or as the budget allows; by default as the inspector does. With correlations, to that
        step and the one after it.

    Raises
    ------
    ArgumentError
        For an unknown aggregation.

    Examples
    --------
    >>> import torch
    >>> from monitorch_widgets import PyTorchInspector
    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    >>> optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    >>> inspector = PyTorchInspector([OutputGradientGeometry()], module=net, visualizer="dummy", every=1)
    >>> for _ in range(3):
    ...     optimizer.zero_grad()
    ...     net(torch.ones(2, 4)).sum().backward()
    ...     optimizer.step()
    >>> inspector.history["Output Gradient Norm"].values.shape
    (3, 2)
    """

    _SMALL_NORM_TAG_NAME = "Output Gradient Norm"
    _SMALL_PROD_TAG_NAME = "Output Gradient Correlation"

    def __init__(
        self,
        inplace: bool = True,
        normalize_by_size: bool = False,
        log_scale: bool = False,
        compute_correlation: bool = True,
        skip_activation: bool = True,
        line_aggregation: str | Iterable[str] = "mean",
        range_aggregation: str | Iterable[str] | None = ("std", "min-max"),
        every: Stride = None,
    ) -> None:
        super().__init__(Aggregation.of(line_aggregation, range_aggregation), log_scale)
        self.every = checked_lens_stride(every)
        self._skip_activation = skip_activation
        self._preprocessor = OutputGradientGeometryPreprocessor(
            inplace=inplace, normalize=normalize_by_size, correlation=compute_correlation
        )
        self.charts = self._charts("RMS" if normalize_by_size else "L2", compute_correlation)

    def _charts(self, unit: str, correlation: bool) -> list[Chart]:
        shown = self._aggregation.shown
        norm = ChartSpec(
            self._SMALL_NORM_TAG_NAME,
            "Output gradient norm",
            unit,
            log=self._log_scale,
            moment="backward",
            stage=_STAGE,
            about=_NORM,
            empty=_EMPTY,
            **shown,
        )
        cosine = ChartSpec(
            self._SMALL_PROD_TAG_NAME,
            "Output gradient correlation",
            "cosine",
            "correlation",
            moment="backward",
            stage=_STAGE,
            about=_CORRELATION,
            empty="Correlations need two backward passes.",
            **shown,
        )
        return [Chart(norm, self._preprocessor)] + [Chart(cosine, self._preprocessor, 1)] * correlation

    def register_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Watch the module's output gradient, unless it is an activation and these are skipped."""
        if self._skip_activation and isactivation(module):
            return
        self._gatherers.append(BackwardGatherer(module, [self._preprocessor], module_name, inspector_state))
        self._note_series(self._preprocessor, module_name)
