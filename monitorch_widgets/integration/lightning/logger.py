"""A logger that shows what it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentTypeError

from ..notebook import display
from ..trainer_inspector import checked_inspector
from .library import Logger, rank_zero_only

_given_out: set[tuple[str, int]] = set()  # runs of this process: a folder and a version


class _Place(NamedTuple):
    """Where a Trainer stands, as it counts."""

    epoch: int
    step: int


class WidgetLogger(Logger):
    """Shows in the panel what ``self.log`` sends, beside other loggers or alone.

    With an :class:`InspectorCallback` in the same Trainer both share one inspector, and numbers come at every batch;
    alone it has an inspector without lenses, and gets what a Trainer sends to loggers, every ``log_every_n_steps``
    batches. It writes no files; `save_dir`, `name` and `version` say where checkpoints go, as for other loggers.

    Parameters
    ----------
    inspector : PyTorchInspector, optional
        Who shows it.
    name : str
        Name of the experiment.
    version : int or str, optional
        Version of the run; by default the next number that has no folder yet.
    save_dir : str or Path, optional
        Folder under which the Trainer puts checkpoints; by default its own.
    show : bool
        Display the panel in a notebook when the first number comes, where no callback does.

    Examples
    --------
    >>> logger = WidgetLogger(PyTorchInspector([], visualizer="dummy"), version=3)
    >>> logger.log_metrics({"loss": 0.5, "epoch": 0}, step=4)
    >>> logger.inspector.metrics["loss"], logger.name, logger.version
    (0.5, 'monitorch_widgets', 3)
    """

    def __init__(
        self,
        inspector: PyTorchInspector | None = None,
        *,
        name: str = "monitorch_widgets",
        version: int | str | None = None,
        save_dir: str | Path | None = None,
        show: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(name, str) or not name:
            raise ArgumentTypeError(f"expected name to be a word, e.g. 'digits'; received {name!r}.")
        self._inspector = checked_inspector(inspector)
        self._name, self._version = name, version
        self._save_dir = None if save_dir is None else str(save_dir)
        self._show = show
        self._bring: Callable[[], set[str]] | None = None
        self._newest, self._epoch = 0, 0
        self._begins = _Place(0, 0)  # where the run of the Trainer lies on the axis
        self._last, self._run_over = _Place(0, 0), False

    @property
    def given(self) -> PyTorchInspector | None:
        """The inspector, if there is one already."""
        return self._inspector

    @property
    def inspector(self) -> PyTorchInspector:
        """The inspector that shows it; one without lenses unless there is another."""
        if self._inspector is None:
            self._inspector = PyTorchInspector([])
        return self._inspector

    def follow(self, inspector: PyTorchInspector, bring: Callable[[], set[str]]) -> None:
        """Share the inspector of a callback, which brings itself what ``self.log`` logs.

        Parameters
        ----------
        inspector : PyTorchInspector
            Of the callback.
        bring : callable
            Brings what is new, and tells the names that come this way.
        """
        self._inspector, self._bring = inspector, bring

    # ------------------------------------------------------------------ what Lightning asks for

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self._name

    @property
    def version(self) -> int | str:
        """Version of the run."""
        if self._version is None:
            self._version = _next_version(Path(self._save_dir or ".") / self._name)
        return self._version

    @property
    def save_dir(self) -> str | None:
        """Folder for checkpoints; None for that of the Trainer."""
        return self._save_dir

    @property
    def experiment(self) -> Experiment:
        """For what is no number: ``add_image``, ``add_histogram``, ``add_figure``."""
        return Experiment(self)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Show numbers."""
        inspector = self.inspector
        with inspector._faults.border(None):
            if self._bring is not None:
                brought = self._bring()
                self._record({name: value for name, value in metrics.items() if name not in brought}, None)
            else:
                self._record(metrics, self._place(metrics, step))
                self._display()
            inspector.visualizer.refresh()

    def _record(self, metrics: Mapping[str, float], step: int | None) -> None:
        for name, value in metrics.items():
            if name != "epoch":
                self.inspector._logbook.record(name, value, step=step, epoch_value=name.endswith("_epoch"))

    def _place(self, metrics: Mapping[str, float], step: int | None) -> int:
        """The step on an axis that only goes on: single batches of an evaluation come with a count of their own."""
        if "epoch" in metrics:
            self._told(_Place(int(metrics["epoch"]), step or 0))
        self._newest = max(self._newest, self._begins.step + (step or 0))
        return self._newest

    def _told(self, now: _Place) -> None:
        """Begin an epoch, and a run: another Trainer counts from 0 again."""
        if self._run_over and now < self._last:
            self._begins = _Place(self._epoch + 1, self._newest + 1)
        self._run_over, self._last = False, now
        epoch = self._begins.epoch + now.epoch
        if epoch > self._epoch:
            self._epoch = epoch
            self.inspector.tick_epoch(epoch + 1)

    def _display(self) -> None:
        if self._show:
            display(self.inspector)

    @rank_zero_only
    def log_hyperparams(self, params: Any, metrics: Mapping[str, Any] | None = None) -> None:
        """Show hyper-parameters, and metrics to compare runs by, with their first values."""
        with self.inspector._faults.border(None):
            self.inspector.log_hyperparams(params, metrics)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Show the last numbers."""
        with self.inspector._faults.border(None):
            self.inspector.visualizer.refresh(force=True)
        self._bring, self._run_over = None, True

    def __getstate__(self) -> dict[str, Any]:
        """All but the inspector: a copy in another process has one of its own."""
        return {**self.__dict__, "_inspector": None, "_bring": None}


class Experiment:
    """What a module finds as ``self.logger.experiment``.

    Parameters
    ----------
    logger : WidgetLogger
        Whose inspector shows it.
    """

    def __init__(self, logger: WidgetLogger) -> None:
        self._logger = logger

    @rank_zero_only
    def add_histogram(self, tag: str, values: Any, global_step: int | None = None, **others: Any) -> None:
        """Show a histogram; see :meth:`PyTorchInspector.add_histogram`."""
        self._logger.inspector.add_histogram(tag, values, global_step, **others)

    @rank_zero_only
    def add_image(self, tag: str, img_tensor: Any, global_step: int | None = None, **others: Any) -> None:
        """Show an image; see :meth:`PyTorchInspector.add_image`."""
        self._logger.inspector.add_image(tag, img_tensor, global_step, **others)

    @rank_zero_only
    def add_figure(self, tag: str, figure: Any, global_step: int | None = None, **others: Any) -> None:
        """Show a figure of matplotlib; see :meth:`PyTorchInspector.add_figure`."""
        self._logger.inspector.add_figure(tag, figure, global_step, **others)

    @rank_zero_only
    def add_scalar(self, tag: str, scalar_value: Any, global_step: int | None = None) -> None:
        """Show a number."""
        self._logger.log_metrics({tag: scalar_value}, global_step)


def _next_version(folder: Path) -> int:
    taken = [path.name.removeprefix("version_") for path in folder.glob("version_*")]
    number = max((int(name) + 1 for name in taken if name.isdecimal()), default=0)
    while (str(folder), number) in _given_out:
        number += 1
    _given_out.add((str(folder), number))
    return number
