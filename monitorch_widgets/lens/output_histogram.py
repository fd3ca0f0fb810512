"""How the values are spread that modules return."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from monitorch_widgets.numerical import BINS

from .abstract_lens import Stride
from .histogram_lens import HistogramLens, Modules


class OutputHistogram(HistogramLens):
    """Histogram of every tensor that leaf modules return.

    There is a card for each tensor: the newest histogram as bars, all so far as a map over the steps, NaN and infinity
    counted apart, so that it shows which layer the first of them came from. Tensors of nested outputs have their places
    in their names, ``lstm/1/0``.

    Parameters
    ----------
    modules : str, re.Pattern or iterable of such
        Names of modules, patterns like ``"features.*"``, or compiled regular expressions; modules that have submodules
        can be chosen so too. By default all leaf modules.
    include, exclude : iterable of type
        Watch only these classes; leave out these.
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
    """

    side = "output"

    def __init__(
        self,
        modules: Modules = (),
        include: Iterable[type[nn.Module]] = (),
        exclude: Iterable[type[nn.Module]] = (),
        record_eval: bool = False,
        evaluation_from_grad: bool = False,
        bins: int = BINS,
        every: Stride = None,
    ) -> None:
        super().__init__(modules, include, exclude, record_eval, evaluation_from_grad, bins, every)
