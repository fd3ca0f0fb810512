"""The default visualizer: a live dashboard in the notebook."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from monitorch_widgets.errors import NotAttachedError
from monitorch_widgets.panel.dashboard import Dashboard, Subject
from monitorch_widgets.panel.flow import SHARE
from monitorch_widgets.panel.view import View, adopted_view, merged_view
from monitorch_widgets.transport import Inbox
from monitorch_widgets.values import CommandRecord, Status, TagAttributes, TagType
from monitorch_widgets.visualizer import AbstractVisualizer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from monitorch_widgets.inspector import PyTorchInspector
    from monitorch_widgets.visualizer.matplotlib import MatplotlibVisualizer


_SHARE = 0.4  # of the budget may go into the page; the lenses have the rest


class WidgetsVisualizer(AbstractVisualizer):
    """Panels with bqplot charts that move while the training cell runs.

    Nothing is made and nothing is sent before the first :meth:`show`, which displaying the inspector does. From then
    on the page is brought up to date at most `refresh_rate` times a second. Every control works in the page alone;
    :attr:`view` says what is on display, and may be set.

    Examples
    --------
    >>> from monitorch_widgets.visualizer.widgets import WidgetsVisualizer
    >>> WidgetsVisualizer()
    WidgetsVisualizer(not shown)
    """

    def __init__(self) -> None:
        self._inspector: Callable[[], PyTorchInspector | None] = lambda: None
        self._dashboard: Dashboard | None = None
        self._early_view: View = {}
        self._attributes: dict[str, TagAttributes] = {}
        self._first_epoch = 0
        self._leave: weakref.finalize[..., PyTorchInspector] | None = None
        self._inbox = Inbox.get()

    def __repr__(self) -> str:
        return f"WidgetsVisualizer({'not shown' if self._dashboard is None else 'shown'})"

    # -- called by the inspector

    def bind(self, inspector: PyTorchInspector) -> None:
        """Belong to `inspector`, without keeping it alive."""
        self._inspector = weakref.ref(inspector)
        self._listen()

    def attached(self) -> None:
        """Show the panels of the model that the inspector is attached to now."""
        self._listen()
        if self._dashboard is not None:
            self._pace(self._bound(), self._dashboard)
            self._dashboard.watch(self._subject())

    @property
    def live(self) -> bool:
        """Whether the dashboard is shown."""
        return self._dashboard is not None

    def refresh(self, force: bool = False) -> None:
        """Bring the page up to date if it is time; costs less than a microsecond where it is not."""
        dashboard = self._dashboard
        if dashboard is not None and (force or monotonic() >= dashboard.due):
            dashboard.refresh(force)

    def finish(self) -> None:
        """Send the whole state, so that a notebook saved now shows the final picture."""
        if self._dashboard is not None:
            self._dashboard.finish()
        inspector = self._inspector()
        if self._leave is not None and inspector is not None and inspector.status().state == "detached":
            self._leave()

    # -- called by the user

    def show(self) -> Dashboard:
        """Return the dashboard; wherever it is displayed it is the same, live one.

        Raises
        ------
        NotAttachedError
            If the visualizer was not given to an inspector, or the inspector is gone.
        """
        if self._dashboard is None or self._dashboard.comm is None:  # somebody has closed it
            inspector = self._bound()
            inspector.history  # noqa: B018  # brings what still waits on the device
            inspector.connect(self._inbox)
            self._dashboard = Dashboard(self._subject(), view=self._view(), strict=getattr(inspector, "strict", False))
            self._pace(inspector, self._dashboard)
            self._dashboard.on_command = partial(_command, self._inspector, weakref.ref(self._dashboard))
            self._inbox.watch(self._dashboard.comm.comm_id)
        return self._dashboard

    def _pace(self, inspector: PyTorchInspector, dashboard: Dashboard) -> None:
        budget = inspector.overhead.max_fraction
        dashboard.share = SHARE if budget is None else min(SHARE, _SHARE * budget)
        dashboard.refresh_rate = inspector.refresh_rate

    def answer(self, number: str, record: CommandRecord) -> None:
        """Show what came of a command."""
        if self._dashboard is not None:
            self._dashboard.answer(number, record)

    def mimebundle(self, **kwargs: Any) -> Any:
        """What a notebook draws, by MIME type; None where there is no notebook."""
        return super().mimebundle(**kwargs) if hasattr(_shell(), "kernel") else None

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.mimebundle(**kwargs)

    @property
    def where(self) -> str:
        """Where the numbers can be seen."""
        return "shown in a Jupyter notebook, where the inspector is the last value of a cell, or by inspector.show()"

    @property
    def view(self) -> Mapping[str, Any]:
        """What is on display.

        Keys: ``shown`` (names of modules), ``x`` (``'step'``, ``'epoch'``, ``'seconds'``), ``window`` (steps per bin,
        or ``'auto'``), ``smooth`` (0 to 0.98), ``mode`` (``'lines'``, ``'map'``), ``solo`` (a name, or None),
        ``large`` (a tag, or None), ``hidden_panels`` (tags), and ``panels``: by tag ``lines``, ``bands`` and ``log``.
        ``seq`` counts changes. It can't be changed in place; assign a dict with the keys that shall change.

        Raises
        ------
        ArgumentError
            When set to something that does not exist; the message names the nearest that does.
        """
        return MappingProxyType(deepcopy(self._view()))

    @view.setter
    def view(self, changes: Mapping[str, Any]) -> None:
        if self._dashboard is not None:
            self._dashboard.set_view(changes)
        else:
            self._early_view = merged_view(self._view(), changes, self._subject().names)

    def show_fig(self) -> Figure:
        """Return a static figure of the epochs so far, drawn by matplotlib.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        """
        from monitorch_widgets.visualizer import MatplotlibVisualizer  # its lookup says what to install

        drawing = MatplotlibVisualizer()
        for tag, attributes in self._attributes.items():
            drawing.register_tags(tag, attributes)
            self._feed(drawing, tag, attributes.type)
        return drawing.show_fig()

    def reset_fig(self) -> WidgetsVisualizer:
        """Leave the epochs so far out of the next :meth:`show_fig`."""
        history = self._bound().history
        self._first_epoch = 1 + max((epoch for tag in history for epoch in history[tag].epochs), default=-1)
        return self

    # -- called by the lenses: the epoch figures are in the history already

    def register_tags(self, main_tag: str, tag_attr: TagAttributes) -> None:
        """Remember how a static figure draws `main_tag`."""
        self._attributes[main_tag] = tag_attr

    def plot_numerical_values(self, epoch: int, main_tag: str, values_dict: Any, ranges_dict: Any = None) -> None:
        """Nothing: the page is fed with every step."""

    def plot_probabilities(self, epoch: int, main_tag: str, values_dict: Any) -> None:
        """Nothing: the page is fed with every step."""

    def plot_relations(self, epoch: int, main_tag: str, values_dict: Any) -> None:
        """Nothing: the page is fed with every step."""

    # -- inside

    def _bound(self) -> PyTorchInspector:
        inspector = self._inspector()
        if inspector is None:
            raise NotAttachedError(
                "expected a visualizer that an inspector uses; this one has none. "
                "Give it to one: PyTorchInspector(visualizer='widgets', module=model)."
            )
        return inspector

    def _subject(self) -> Subject:
        inspector = self._bound()
        return Subject(
            inspector.title,
            tuple(inspector.specs),
            tuple(inspector.modules),
            inspector._history,  # as it is: this is asked for in the middle of a step too
            _last_status(inspector),
            inspector.cards.shown,
        )

    def _view(self) -> View:
        if self._dashboard is not None:
            return self._dashboard.view
        subject = self._subject()
        view = subject.default_view
        return adopted_view(view, self._early_view, subject.names) if self._early_view else view

    def _feed(self, drawing: MatplotlibVisualizer, tag: str, kind: TagType) -> None:
        history = self._bound().history
        for epoch, figures in history[tag].epochs.items() if tag in history else ():
            if epoch < self._first_epoch:
                continue
            if kind is TagType.NUMERICAL:
                drawing.plot_numerical_values(epoch, tag, figures.values, figures.ranges or None)
            elif kind is TagType.PROBABILITY:
                drawing.plot_probabilities(epoch, tag, figures.values)
            else:
                drawing.plot_relations(epoch, tag, figures.values)

    def _listen(self) -> None:
        """Hear when a cell ends, as long as the inspector lives and is attached."""
        if self._leave is None or not self._leave.alive:
            self._leave = _at_cell_end(self._bound())


def _last_status(inspector: PyTorchInspector) -> Callable[[], Status]:
    """Where the run stands; the dashboard stays when the inspector is gone, and so it must not hold it."""
    reference = weakref.ref(inspector)
    last = inspector.status()

    def status() -> Status:
        nonlocal last
        alive = reference()
        last = replace(last, state="detached") if alive is None else alive.status()
        return last

    return status


def _command(
    reference: Callable[[], PyTorchInspector | None],
    shown: Callable[[], Dashboard | None],
    content: Mapping[str, Any],
) -> None:
    """Hand on what the page asks for; the dashboard stays when the inspector is gone."""
    inspector, dashboard, number = reference(), shown(), content.get("number")
    if inspector is not None:
        inspector.command(content)
    elif dashboard is not None and isinstance(number, str):
        dashboard.answer(number, CommandRecord("", "page", 0, "the inspector of this panel is gone", refused=True))


def _shell() -> Any:
    """IPython's shell where there is one."""
    return sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None


def _at_cell_end(inspector: PyTorchInspector) -> weakref.finalize[..., PyTorchInspector]:
    """Tell `inspector` when a notebook cell has ended; returns what stops it, which its end does too."""
    shell = _shell()
    reference = weakref.ref(inspector)

    def ended(result: object = None) -> None:
        alive = reference()
        if alive is not None:
            alive._cell_ended(getattr(result, "error_in_exec", None))

    def leave() -> None:
        if shell is not None and ended in shell.events.callbacks["post_run_cell"]:
            shell.events.unregister("post_run_cell", ended)

    if shell is not None:
        shell.events.register("post_run_cell", ended)
    stop = weakref.finalize(inspector, leave)
    stop.atexit = False
    return stop
