"""How far each optimizer step moves each parameter, against how large the parameter is."""

from __future__ import annotations

from collections.abc import Iterable

from torch.optim import Optimizer

from monitorch_widgets.preprocessor import ParameterUpdateRatio as ParameterUpdateRatioPreprocessor
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
        "How far a step moves each parameter, against how large the parameter is: norm over norm.",
        "About 0.001, of one order of magnitude over the depth; more while warming up, less as training settles.",
        "Above 0.01 for long: lower the learning rate or warm up. Below 0.00001: the layer hardly learns; raise the "
        "learning rate, or give the layer one of its own. Biases that begin at 0 are large at first.",
    ),
    About(),
    UPDATE_EMPTY,
    "Ratio",
)


class ParameterUpdateRatio(UpdateLens):
    r"""L2 norm of each optimizer step's update over the L2 norm of the parameter before that step.

    It tells whether the learning rate suits each layer, which the norm of an update alone does not: about 0.001 is
    healthy for most models, far more forgets what was learned, far less learns nothing.

    The ratio is :math:`\lVert w_{t+1} - w_t \rVert_2 / \lVert w_t \rVert_2`, a number without unit in 0..inf, of
    parameters of any shape; half types are widened to float32 before the subtraction, complex values count by their
    magnitude. A parameter that was zero throughout, or has no elements, has no value (a gap), nor has one with NaN or
    infinity in it. What the loop itself does to parameters between steps counts for no step.

    One copy of each parameter is kept; :class:`ParameterUpdateGeometry` in the same inspector shares it.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer, optional
        Follow only this optimizer. Steps are found by themselves, so None (the default) follows every one.
    inplace : bool
        Keep running statistics of the epoch rather than every value.
    log_scale : bool
        Start with a logarithmic axis.
    parameters : str or iterable of str
        Names of the parameters; each has its own panel. ``"weight"`` stands for all that no other name takes and that
        are no biases, like ``weight_ih_l0`` or ``cls_token``; ``"bias"`` for ``bias_ih_l0`` and the like too.
    line_aggregation, range_aggregation : str or iterable of str
        Lines and bands of the epoch figures, shown first.
    every : int or "auto", optional
        Listen to every n-th step, or as the budget allows; by default as the inspector does.

    Raises
    ------
    ArgumentTypeError
        If `optimizer` is no optimizer.
    ArgumentError
        For an unknown aggregation, or without parameters.

    Notes
    -----
    As in A. Karpathy's notes for Stanford's CS231n, "Ratio of weights:updates".

    Examples
    --------
    >>> import torch
    >>> from monitorch_widgets import PyTorchInspector
    >>> net = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.constant_(net.weight, 2.0)
    >>> lens = ParameterUpdateRatio(parameters="weight", every=1)
    >>> inspector = PyTorchInspector([lens], module=net, visualizer="dummy")
    >>> optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    >>> for _ in range(2):
    ...     optimizer.zero_grad()
    ...     net(torch.ones(1, 1)).sum().backward()  # each step takes 0.5 away
    ...     optimizer.step()
    >>> [round(ratio, 4) for ratio in inspector.history["Weight Update Ratio"].values[:, 0].tolist()]
    [0.25, 0.3333]
    """

    def __init__(
        self,
        optimizer: Optimizer | None = None,
        inplace: bool = True,
        log_scale: bool = True,
        parameters: str | Iterable[str] = ("weight", "bias"),
        line_aggregation: str | Iterable[str] = "mean",
        range_aggregation: str | Iterable[str] | None = ("std", "min-max"),
        every: Stride = None,
    ) -> None:
        super().__init__(optimizer, Aggregation.of(line_aggregation, range_aggregation), log_scale, parameters)
        self.every = checked_lens_stride(every)
        self._build(
            lambda: ParameterUpdateRatioPreprocessor(inplace),
            _WORDS,
            "update / parameter",
            correlation=False,
        )
