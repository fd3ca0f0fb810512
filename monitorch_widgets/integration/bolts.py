"""Data monitors and a table of metrics, as callbacks of a Trainer, under the names that Lightning Bolts gave them.

Without Lightning, :class:`~monitorch_widgets.lens.InputHistogram` and :class:`~monitorch_widgets.lens.OutputHistogram`
do the same in any loop.
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentTypeError, NotWatched, nearest
from monitorch_widgets.gatherer.calls_seen import inputs_of
from monitorch_widgets.gatherer.module_hooks import hookable, untouchable
from monitorch_widgets.gatherer.passes import in_backward

from .data_monitor import DataMonitor
from .lightning.library import Callback

_ROWS = 1000  # of a table that are kept


class TrainingDataMonitor(DataMonitor):
    """Histogram of every tensor of the batch that ``training_step`` gets.

    They go to the inspector of the Trainer, and to its TensorBoard and Weights & Biases loggers. Names are keys and
    places, joined by ``/``, e.g. ``training_step/0``; the loggers get the shape behind it,
    ``training_step/0/[64, 1, 28, 28]``. Arrays count as tensors, text is passed over.

    Parameters
    ----------
    log_every_n_steps : int, optional
        Batches from one histogram to the next; by default the Trainer's ``log_every_n_steps``. The first one is made at
        the n-th batch of an epoch.
    inspector : PyTorchInspector, optional
        Shows them; by default that of the Trainer's ``InspectorCallback`` or ``WidgetLogger``, if it has one.
    """

    GROUP_NAME = "training_step"

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        """Count the batch."""
        super().on_train_batch_start(trainer, pl_module, batch, batch_idx)
        self.log_histograms(batch, self.GROUP_NAME)


class ModuleDataMonitor(DataMonitor):
    """Histogram of every tensor that the module, or some of its submodules, takes and returns in training.

    Parameters
    ----------
    submodules : bool or list of str, optional
        By default only the module itself; True for all submodules with it, or names like ``"generator.conv1"``. A name
        that no submodule has is told, and passed over.
    log_every_n_steps : int, optional
        Batches from one histogram to the next; by default the Trainer's ``log_every_n_steps``.
    inspector : PyTorchInspector, optional
        Shows them; by default that of the Trainer's ``InspectorCallback`` or ``WidgetLogger``, if it has one.

    Raises
    ------
    ArgumentTypeError
        For submodules that are neither.
    """

    GROUP_NAME_INPUT = "input"
    GROUP_NAME_OUTPUT = "output"

    def __init__(
        self,
        submodules: bool | list[str] | None = None,
        log_every_n_steps: int | None = None,
        inspector: PyTorchInspector | None = None,
    ) -> None:
        super().__init__(log_every_n_steps, inspector)
        self._submodules = _checked_submodules(submodules)
        self._handles: list[RemovableHandle] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Put hooks on the modules."""
        super().on_train_start(trainer, pl_module)
        if self._sinks:
            for name, module in self._chosen(pl_module):
                self._watch(trainer, name, module)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Take the hooks off."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        super().on_train_end(trainer, pl_module)

    def _chosen(self, root: nn.Module) -> Iterable[tuple[str, nn.Module]]:
        known = dict(root.named_modules())
        if isinstance(self._submodules, bool):
            return known.items() if self._submodules else [("", root)]
        for name in self._submodules:
            if name not in known:
                warnings.warn(
                    f"{name} is not a valid identifier for a submodule in {type(root).__name__}, skipping this key."
                    f"{nearest(name, known)}",
                    NotWatched,
                    stacklevel=2,
                )
        return [(name, known[name]) for name in self._submodules if name in known]

    def _watch(self, trainer: Any, name: str, module: nn.Module) -> None:
        if not hookable(module):
            return

        def group(side: str) -> str:
            return f"{side}/{name}" if name else side

        def see(side: str, value: Any) -> None:
            if trainer.training and not (untouchable() or in_backward()):
                self.log_histograms(value, group(side))

        def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            see(self.GROUP_NAME_INPUT, inputs_of(args, kwargs))

        def after(module: nn.Module, args: Any, output: Any) -> None:
            see(self.GROUP_NAME_OUTPUT, output)

        self._handles += [
            module.register_forward_pre_hook(before, with_kwargs=True),
            module.register_forward_hook(after),
        ]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the hooks."""
        return {**super().__getstate__(), "_submodules": self._submodules, "_handles": []}


def _checked_submodules(submodules: object) -> bool | list[str]:
    if submodules is None or isinstance(submodules, bool):
        return bool(submodules)
    if isinstance(submodules, list | tuple) and all(isinstance(name, str) for name in submodules):
        return list(submodules)
    raise ArgumentTypeError(
        "expected submodules to be True, None, or a list of names like ['generator', 'generator.conv1']; "
        f"received {submodules!r}"
    )


class PrintTableMetricsCallback(Callback):
    """Prints a line of all metrics at the end of each training epoch, below a head like ``loss│val_loss│epoch``.

    The head is printed again when other metrics come. Only the first of several processes prints. In a notebook the
    panel has the same table, and nothing has to be printed.

    Attributes
    ----------
    metrics : deque of dict
        The lines so far, the newest thousand.
    """

    def __init__(self) -> None:
        super().__init__()
        self.metrics: deque[dict[str, float]] = deque(maxlen=_ROWS)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Print a line."""
        row = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row["epoch"] = trainer.current_epoch
        new = not self.metrics or list(self.metrics[-1]) != list(row)
        self.metrics.append(row)
        if trainer.is_global_zero:
            print("\n".join([*(_head(row) if new else ()), _line(row)]))


def _head(row: dict[str, float]) -> list[str]:
    names = "│".join(row)
    return [names, "─" * len(names)]


def _line(row: dict[str, float]) -> str:
    cells = [(name, f"{value:d}" if isinstance(value, int) else f"{value:.4g}") for name, value in row.items()]
    return "│".join(cell.ljust(len(name)) for name, cell in cells).rstrip()


__all__ = ["ModuleDataMonitor", "PrintTableMetricsCallback", "TrainingDataMonitor"]
