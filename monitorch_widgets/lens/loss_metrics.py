"""The loss of training and validation, and metrics that the loop pushes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import nn

from monitorch_widgets.errors import ArgumentTypeError, NotAttachedError
from monitorch_widgets.gatherer import FeedForwardGatherer, InspectorState
from monitorch_widgets.numerical import (
    POINTS,
    RANGES,
    Accumulator,
    aggregations,
    extract_point,
    extract_range,
)
from monitorch_widgets.numerical import parse_range_name as ends
from monitorch_widgets.preprocessor import AbstractPreprocessor, ExplicitCall, LossModule
from monitorch_widgets.values import About, ChartSpec, TagAttributes, TagType

from .abstract_lens import AbstractLens, Emit

if TYPE_CHECKING:
    from monitorch_widgets.visualizer import AbstractVisualizer

_BIG = TagAttributes(logy=False, big_plot=True, annotate=True, type=TagType.NUMERICAL)
_LOSS = About(
    "What training minimises, on training and on held-out data.",
    "Both fall; the validation loss stays close to the training loss.",
    "Validation rises while training falls: overfitting. Training does not fall: learning rate, data or a bug.",
)
_METRICS = About("Metrics as the loop pushes them.", "Improving, then steady.", "Compare with the loss.")


class _LossGatherer(FeedForwardGatherer):
    """Sees losses of its own model: another watched model may use the same loss module."""

    def __call__(self, name: str, module: nn.Module, layer_input: Any, layer_output: Any) -> None:
        if self.inspector_state is not None and self.inspector_state.has_loss(module):
            super().__call__(name, module, layer_input, layer_output)


Values = dict[str, float]
Ranges = dict[tuple[str, str], tuple[float, float]]


class LossMetrics(AbstractLens):
    """Losses of training and validation, and metrics.

    The loss is read where `loss_fn` returns it, or pushed by ``inspector.push_loss``; metrics are pushed by
    ``inspector.push_metric``. Both need no other lens, and neither needs the other.

    Parameters
    ----------
    metrics : iterable of str, optional
        Names of metrics that will be pushed. Others appear when they come.
    evaluation_from_grad : bool
        Tell validation by grad mode rather than by the training switch of `loss_fn`.
    separate_loss_and_metrics : bool
        Two panels rather than one.
    loss_fn : torch.nn.Module, optional
        Loss module whose output is recorded; it must return one element. Two watched models may share it; the losses
        of a model that no inspector watches are recorded too, so give such a model a loss module of its own.
    loss_fn_inplace : bool
        Keep running statistics of the epoch rather than every value.
    loss_line, metrics_line : str or iterable of str
        Lines of the epoch figures.
    loss_range, metrics_range : str or iterable of str, optional
        Bands of the epoch figures.

    Raises
    ------
    ArgumentTypeError
        If `loss_fn` is no module.
    ArgumentError
        For an unknown aggregation.
    """

    def __init__(
        self,
        *,
        metrics: Iterable[str] | None = None,
        evaluation_from_grad: bool = True,
        separate_loss_and_metrics: bool = True,
        loss_fn: nn.Module | None = None,
        loss_fn_inplace: bool = True,
        loss_line: str | Iterable[str] = "mean",
        loss_range: str | Iterable[str] | None = "std",
        metrics_line: str | Iterable[str] = "mean",
        metrics_range: str | Iterable[str] | None = None,
    ) -> None:
        _check_loss(loss_fn)
        self._metrics = dict.fromkeys([metrics] if isinstance(metrics, str) else metrics or ())
        self._together = not separate_loss_and_metrics
        self._lines = {
            "Loss": aggregations("loss_line", loss_line, POINTS),
            "Metrics": aggregations("metrics_line", metrics_line, POINTS),
        }
        self._bands = {
            "Loss": aggregations("loss_range", loss_range, RANGES),
            "Metrics": aggregations("metrics_range", metrics_range, RANGES),
        }
        self._loss_fn = loss_fn
        self._preprocessor = LossModule(loss_fn_inplace, evaluation_from_grad) if loss_fn is not None else None
        self._call: ExplicitCall | None = None
        self._gatherers: list[FeedForwardGatherer] = []
        self._values: dict[str, Values] = {"Loss": {}, "Metrics": {}}
        self._ranges: dict[str, Ranges] = {"Loss": {}, "Metrics": {}}

    @property
    def specs(self) -> list[ChartSpec]:
        """The loss panel, and the metrics panel if there are metrics."""
        shown = [name for name in self._lines["Loss"] if name in ("mean", "median", "min", "max")]
        loss = ChartSpec(
            self.tag_of("Loss"),
            "Loss and metrics" if self._together else "Loss",
            kind="loss",
            lines=tuple(shown) or ("mean",),
            bands=self._bands["Loss"],
            moment="forward",
            stage="micro-batch: each loss",
            about=_LOSS,
            empty="No loss yet. Give LossMetrics(loss_fn=...) the loss module, or call inspector.push_loss().",
        )
        if self._together or not self._metrics:
            return [loss]
        metrics = ChartSpec(
            "Metrics",
            "Metrics",
            kind="metrics",
            bands=self._bands["Metrics"],
            stage="as pushed",
            about=_METRICS,
            empty="No metric yet. Call inspector.push_metric(name, value).",
        )
        return [loss, metrics]

    @property
    def loss_fn(self) -> nn.Module | None:
        """The loss module whose output is recorded, where there is one."""
        return self._loss_fn

    def tag_of(self, kind: str) -> str:
        """Tag of losses (``"Loss"``) or of metrics (``"Metrics"``)."""
        return "Loss & Metrics" if self._together else kind

    def series_of(self, tag: str) -> list[str]:
        """Names of the losses, of the metrics, or of both."""
        names: list[str] = []
        if tag == self.tag_of("Loss"):
            names += self._loss_names
        if tag == self.tag_of("Metrics"):
            names += list(self._metrics)
        return names

    def loss(self, *, train: bool, method: str | None = None) -> float:
        """Loss of the last finished epoch.

        Parameters
        ----------
        train : bool
            Training loss rather than the other one.
        method : str, optional
            One of the aggregations in `loss_line`; by default the first.

        Raises
        ------
        NotAttachedError
            Before the first finished epoch, and for a loss or an aggregation that it did not have.
        """
        name = f"{(self._loss_names or ['', ''])[0 if train else 1]} {method or self._lines['Loss'][0]}"
        if name not in self._values["Loss"]:
            raise NotAttachedError(
                f"no figure {name!r} yet; there is one after tick_epoch() of an epoch that had this loss, "
                f"among the aggregations {self._lines['Loss']}"
            )
        return self._values["Loss"][name]

    @property
    def _loss_names(self) -> list[str]:
        return [] if self._call is None else [self._call.train_loss_str, self._call.non_train_loss_str]

    def register_foreign_preprocessor(self, ext_ppr: AbstractPreprocessor, inspector_state: InspectorState) -> None:
        """Take losses and metrics that are pushed by hand."""
        if isinstance(ext_ppr, ExplicitCall):
            self._call = ext_ppr
            if self._preprocessor is not None:
                self._preprocessor.set_loss_strs(ext_ppr.train_loss_str, ext_ppr.non_train_loss_str)

    def prepare(self, inspector_state: InspectorState, emit: Emit) -> None:
        """Watch the loss module."""
        if self._preprocessor is None or self._loss_fn is None:
            return

        def arrived(names: Any, values: Any, steps: Any) -> None:
            emit(self.tag_of("Loss"), names, values[:, 0], steps)

        self._preprocessor.listener = arrived
        inspector_state.losses.add(id(self._loss_fn))
        self._gatherers = [_LossGatherer(self._loss_fn, [self._preprocessor], "loss", inspector_state)]

    def note_metric(self, name: str) -> str:
        """Tag of a pushed number; a metric that was not announced is from now on one."""
        if name in self._loss_names:
            return self.tag_of("Loss")
        self._metrics.setdefault(name)
        return self.tag_of("Metrics")

    def register_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Pass the model's modules over."""

    def release(self) -> None:
        """Stop watching the loss module; what the epoch has brought stays."""
        for gatherer in self._gatherers:
            gatherer.detach()
        self._gatherers = []

    def detach_from_module(self) -> None:
        """Stop watching the loss module; figures of the last epoch stay for :meth:`loss`."""
        self.release()
        if self._preprocessor is not None:
            self._preprocessor.reset()

    def introduce_tags(self, visualizer: AbstractVisualizer) -> None:
        """Tell a visualizer about the losses and the metrics."""
        visualizer.register_tags(self.tag_of("Loss"), _BIG)
        if self._metrics and not self._together:
            visualizer.register_tags("Metrics", _BIG)

    def finalize_epoch(self) -> None:
        """Aggregate what the epoch brought; what it did not bring has no figure."""
        pushed = {} if self._call is None else self._call.value
        losses = pushed if self._preprocessor is None else {**pushed, **self._preprocessor.value}
        self._aggregate("Loss", {name: losses[name] for name in self._loss_names if losses.get(name)})
        self._aggregate("Metrics", {name: pushed[name] for name in self._metrics if pushed.get(name)})

    def _aggregate(self, kind: str, statistics: dict[str, Accumulator]) -> None:
        points = [(name, method) for name in statistics for method in self._lines[kind]]
        self._values[kind] = {f"{n} {method}": extract_point(statistics[n], method) for n, method in points}
        bands = [(name, method) for name in statistics for method in self._bands[kind]]
        self._ranges[kind] = {_ends(n, method): extract_range(statistics[n], method) for n, method in bands}

    def vizualize(self, visualizer: AbstractVisualizer, epoch: int) -> None:
        """Hand over losses, and metrics where there are some."""
        for kind in ("Loss", "Metrics"):
            if kind == "Loss" or self._metrics:
                tag = self.tag_of(kind)
                values, ranges = (
                    OrderedDict([(tag, self._values[kind])]),
                    OrderedDict([(tag, self._ranges[kind])]),
                )
                visualizer.plot_numerical_values(epoch, tag, values, ranges)

    def start_sync(self, dst_rank: int) -> None:
        """Begin to merge with the other ranks."""
        for preprocessor in self._synced():
            preprocessor.start_sync(dst_rank)

    def finish_sync(self) -> None:
        """Finish merging with the other ranks."""
        for preprocessor in self._synced():
            preprocessor.finish_sync()

    def _synced(self) -> list[AbstractPreprocessor]:
        return [preprocessor for preprocessor in (self._call, self._preprocessor) if preprocessor is not None]

    def reset_epoch(self) -> None:
        """Begin a new epoch."""
        if self._preprocessor is not None:
            self._preprocessor.reset()


def _ends(name: str, method: str) -> tuple[str, str]:
    low, high = ends(method)
    return f"{name} {low}", f"{name} {high}"


def _check_loss(loss_fn: object) -> None:
    if loss_fn is not None and not isinstance(loss_fn, nn.Module):
        raise ArgumentTypeError(
            f"expected loss_fn to be a module like torch.nn.CrossEntropyLoss(); received {loss_fn!r}. "
            "Use the module instead of the function, or push the loss with inspector.push_loss()."
        )
