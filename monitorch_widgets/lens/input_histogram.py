"""How the values are spread that modules get, and the batches that the model gets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from torch import Tensor, nn

from monitorch_widgets.gatherer import CallGatherer, InspectorState
from monitorch_widgets.numerical import BINS

from .abstract_lens import Stride
from .histogram_lens import HistogramLens, Modules


class InputHistogram(HistogramLens):
    """Histogram of every tensor that goes into the model and into its leaf modules, before they may change it.

    There is a card for each tensor: the newest histogram as bars, all so far as a map over the steps, NaN and infinity
    counted apart. Nested inputs have the places of their tensors in their names, ``encoder/mask`` or ``encoder/0/1``;
    the batches of the model stand under ``batch``. Integers and masks are counted too.

    Parameters
    ----------
    modules : str, re.Pattern or iterable of such
        Names of modules, patterns like ``"features.*"``, or compiled regular expressions; modules that have submodules
        can be chosen so too. By default all leaf modules.
    include, exclude : iterable of type
        Watch only these classes; leave out these.
    batch : bool
        Show what the model itself is called with.
    record_eval : bool
        Count during evaluation as well.
    evaluation_from_grad : bool
        Tell evaluation by grad mode rather than by ``module.training``.
    bins : int
        Bins of each histogram, between the smallest and the largest finite value.
    every : int or "auto", optional
        Listen to every n-th step, or as the budget allows; by default to every `log_every_n_steps`-th of the inspector.

    Raises
    ------
    ArgumentTypeError
        For modules that are neither names nor patterns, and classes that are none of modules.
    ArgumentError
        For more than 512 bins.

    Examples
    --------
    >>> import torch
    >>> from monitorch_widgets import PyTorchInspector
    >>> model = nn.Linear(2, 1)
    >>> inspector = PyTorchInspector([InputHistogram()], module=model, visualizer="dummy")
    >>> _ = model(torch.tensor([[0.0, 1.0], [3.0, float("nan")]]))
    >>> _ = inspector.history  # brings what waits
    >>> card = inspector.cards["histogram/batch/0"].content
    >>> card["shape"], card["count"], card["nan"], card["max"]
    ('[2, 2]', 3, 1, 3.0)
    """

    side = "input"

    def __init__(
        self,
        modules: Modules = (),
        include: Iterable[type[nn.Module]] = (),
        exclude: Iterable[type[nn.Module]] = (),
        batch: bool = True,
        record_eval: bool = False,
        evaluation_from_grad: bool = False,
        bins: int = BINS,
        every: Stride = None,
    ) -> None:
        super().__init__(modules, include, exclude, record_eval, evaluation_from_grad, bins, every)
        self._batch = batch

    def registered(self, model: nn.Module, inspector_state: InspectorState) -> None:
        """Watch the inputs of the whole model, and warn of names that no module has."""
        super().registered(model, inspector_state)
        if self._batch:
            self._gatherers.append(CallGatherer(model, "input", self._take_batch, "", inspector_state))

    def _take_batch(self, name: str, module: nn.Module, value: Any) -> None:
        alone = isinstance(value, Tensor | np.ndarray)
        self._count("batch", "", module, (value,) if alone else value)
