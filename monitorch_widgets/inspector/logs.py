"""Numbers, metrics and hyper-parameters that the loop logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.logging.entry import Options, ReduceFx
from monitorch_widgets.logging.hyperparameters import hparams_card, initial_metrics, keep_params, plain_params
from monitorch_widgets.logging.table import RunTable, metrics_table

if TYPE_CHECKING:
    from monitorch_widgets.history import History
    from monitorch_widgets.logging.logbook import Logbook
    from monitorch_widgets.visualizer import AbstractVisualizer

    from .cards import Cards
    from .faults import Faults


class Logs:
    """Numbers, metrics and hyper-parameters that the loop logs.

    Attributes
    ----------
    dataloader_idx : int or None
        Which of several data loaders the loop goes through now; None where there is one.
    """

    _logbook: Logbook
    _history: History
    _epoch_rows: RunTable
    _faults: Faults
    cards: Cards
    visualizer: AbstractVisualizer
    dataloader_idx: int | None = None

    # ------------------------------------------------------------------ numbers

    def log(
        self,
        name: str,
        value: Any,
        prog_bar: bool = False,
        logger: bool = True,
        on_step: bool | None = None,
        on_epoch: bool | None = None,
        reduce_fx: ReduceFx = "mean",
        enable_graph: bool = False,
        sync_dist: bool = False,
        sync_dist_group: Any = None,
        add_dataloader_idx: bool = True,
        batch_size: int | None = None,
        metric_attribute: str | None = None,
        rank_zero_only: bool = False,
    ) -> None:
        """Log a number by name, with the options and the meaning that Lightning gives them.

        Nothing here waits for the device: a tensor stays there until the step's one transfer. NaN and infinity leave a
        gap.

        Parameters
        ----------
        name : str
            Its name. Names with ``/`` stand in a panel of their first part, the others in the panel "Logged". There are
            64 panels and 1000 names at most; one is told where there would be more. A name that is logged in training
            and in evaluation is one curve, so give each its own, like ``"val_loss"``.
        value : number, torch.Tensor of one element, or metric
            What to log. A metric is an object with ``update``, ``compute`` and ``reset``, like those of torchmetrics:
            its step has the value of its batch (where it was called, not only updated), its epoch what ``compute``
            says at the end, which is not reduced again; then it is reset.
        prog_bar : bool
            Show it in the strip too.
        logger : bool
            Show it in the panel, and give it to the visualizer at the epoch's end. Without, it is in :attr:`metrics`.
        on_step, on_epoch : bool, optional
            Keep the number of each step; reduce those of the epoch when it ends. By default as Lightning has it for
            the hook that runs; in a loop of one's own, steps in training and epochs in evaluation. With both there are
            two series, ``name_step`` and ``name_epoch``.
        reduce_fx : str or callable
            ``"mean"`` (weighted by batch size), ``"min"``, ``"max"``, ``"sum"``, ``"median"``, the functions of torch
            with these names, or a function of your own, which gets the newest 4096 values of the epoch as a tensor.
            Not used for metrics.
        enable_graph : bool
            Taken for the sake of scripts. Lightning's documents say that it keeps the graph; its ``log`` detaches the
            value before it looks at this, and so does this one.
        sync_dist : bool
            Reduce the epoch's number over all ranks, where the epoch or the phase ends. Steps show each rank's own.
        sync_dist_group : process group, optional
            Reduce over these ranks only.
        add_dataloader_idx : bool
            Add ``/dataloader_idx_0`` and so on to the name where :attr:`dataloader_idx` is set.
        batch_size : int, optional
            Weight in means of the epoch. By default that of the batch that :meth:`~.PyTorchInspector.iter` yielded, or
            of the model's input.
        metric_attribute : str, optional
            Taken for the sake of scripts; a metric is known by itself.
        rank_zero_only : bool
            Keep it out of what ranks reduce together, for calls on one rank only. Lightning's documents say that the
            default is True; in its library, as here, it is False.

        Raises
        ------
        ArgumentError
            For other options than the first time in the same place, a hook that can't log, a tensor of several
            elements, an unknown reduction.
        ArgumentTypeError
            For what is no number.

        Examples
        --------
        >>> from monitorch_widgets import PyTorchInspector
        >>> inspector = PyTorchInspector(visualizer="dummy")
        >>> for loss, size in ((1.0, 3), (5.0, 1)):
        ...     inspector.log("loss", loss, on_step=True, on_epoch=True, batch_size=size)
        >>> inspector.tick_epoch()
        >>> inspector.metrics
        {'loss_step': 5.0, 'loss': 2.0, 'loss_epoch': 2.0}
        """
        options = Options(
            prog_bar,
            logger,
            on_step,
            on_epoch,
            reduce_fx,
            enable_graph,
            sync_dist,
            sync_dist_group,
            add_dataloader_idx,
            metric_attribute,
            rank_zero_only,
            self.dataloader_idx,
        )
        self._logbook.log(name, value, options, batch_size)

    def log_dict(
        self,
        dictionary: Mapping[str, Any],
        prog_bar: bool = False,
        logger: bool = True,
        on_step: bool | None = None,
        on_epoch: bool | None = None,
        reduce_fx: ReduceFx = "mean",
        enable_graph: bool = False,
        sync_dist: bool = False,
        sync_dist_group: Any = None,
        add_dataloader_idx: bool = True,
        batch_size: int | None = None,
        rank_zero_only: bool = False,
    ) -> None:
        """Log several numbers; see :meth:`log`.

        Parameters
        ----------
        dictionary : mapping of str to number, tensor or metric, or a MetricCollection
            The numbers by name.
        prog_bar, logger, on_step, on_epoch, reduce_fx, enable_graph, sync_dist, sync_dist_group, add_dataloader_idx, \
batch_size, rank_zero_only
            As in :meth:`log`, for all of them.

        Examples
        --------
        >>> from monitorch_widgets import PyTorchInspector
        >>> inspector = PyTorchInspector(visualizer="dummy")
        >>> inspector.log_dict({"accuracy": 0.9, "recall": 0.8})
        >>> inspector.metrics
        {'accuracy': 0.9, 'recall': 0.8}
        """
        for name, value in _items(dictionary):
            self.log(
                name,
                value,
                prog_bar=prog_bar,
                logger=logger,
                on_step=on_step,
                on_epoch=on_epoch,
                reduce_fx=reduce_fx,
                enable_graph=enable_graph,
                sync_dist=sync_dist,
                sync_dist_group=sync_dist_group,
                add_dataloader_idx=add_dataloader_idx,
                batch_size=batch_size,
                rank_zero_only=rank_zero_only,
            )

    @property
    def metrics(self) -> dict[str, float]:
        """The newest number of each logged name, as :attr:`Trainer.callback_metrics` has them.

        A name with both series is there three times: ``loss_step``, ``loss_epoch``, and ``loss`` as the newer of them.
        """
        self.history  # type: ignore[attr-defined]  # noqa: B018  # brings what still waits on the device
        return dict(self._logbook.figures.newest)

    # ------------------------------------------------------------------ the run

    def log_hyperparams(self, params: Any, metrics: Any = None) -> None:
        """Keep hyper-parameters, and show them in a card.

        Parameters
        ----------
        params : mapping, namespace or dataclass
            The hyper-parameters; nested ones get names with ``/``.
        metrics : mapping of str to number, or number, optional
            Metrics that runs are compared by, with their first values: each is a series at once, to which
            ``log("hp/metric_1", ...)`` adds. A number alone is that of ``"hp_metric"``. Without, there is none:
            Lightning's TensorBoardLogger logs ``hp_metric=-1`` then, unless it has ``default_hp_metric=False``.

        Raises
        ------
        ArgumentTypeError
            For something else.

        Examples
        --------
        >>> from monitorch_widgets import PyTorchInspector
        >>> inspector = PyTorchInspector(visualizer="dummy")
        >>> inspector.log_hyperparams({"lr": 0.1, "net": {"width": 8}}, {"hp/accuracy": 0})
        >>> inspector.history.hyperparams, inspector.metrics
        ({'lr': 0.1, 'net/width': 8}, {'hp/accuracy': 0.0})
        """
        found, first = plain_params(params), initial_metrics(metrics)
        keep_params(self._history.hyperparams, found)
        with self._faults.border(None):
            for name, value in first.items():
                self._logbook.record(name, value)
            self._logbook.figures.compare(first)
            self.cards.put(hparams_card(self._history.hyperparams, self._logbook.figures.compared))
        with self._faults.border(None):
            self.visualizer.log_hyperparams(found, first)

    def print_table(self) -> None:
        """Print one row an epoch: losses and metrics, the newest 1000 epochs.

        A row comes when its epoch ends, so within the body of an epoch its own row is not there yet.

        Examples
        --------
        >>> from monitorch_widgets import PyTorchInspector
        >>> inspector = PyTorchInspector(visualizer="dummy")
        >>> for epoch in inspector.range(2):
        ...     inspector.push_loss(1 / (epoch + 1), train=True)
        >>> inspector.print_table()
        train_loss│epoch
        ────────────────
        1         │1
        0.5       │2
        """
        print(metrics_table(self._epoch_rows.rows))


def _items(dictionary: Any) -> list[tuple[str, Any]]:
    if hasattr(dictionary, "compute") and hasattr(dictionary, "items"):  # a MetricCollection: with its prefix
        return list(dictionary.items(keep_base=False))
    if not isinstance(dictionary, Mapping):
        raise ArgumentTypeError(
            f"expected a dict of names and numbers; received {type(dictionary).__name__}. Use log(name, value) for one."
        )
    nested = next((name for name, value in dictionary.items() if isinstance(value, Mapping)), None)
    if nested is not None:
        raise ArgumentError(
            f"expected numbers by name; received a dict for {nested!r}. Log it with names like {f'{nested}/a'!r}."
        )
    return list(dictionary.items())
