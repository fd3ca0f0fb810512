"""The dashboard: one anywidget model per inspector. Python sends what is new, the page decides what is drawn."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import anywidget
import traitlets
from ipywidgets import widget_serialization

from monitorch_widgets.errors import MonitorchWarning
from monitorch_widgets.history import History
from monitorch_widgets.values import ChartSpec, ModuleInfo, Status

from .charts import Chart, make_chart
from .esm import page_source, page_style
from .feed import Feed
from .payload import Json, nothing, panel_content, snapshot_content, spec_content, status_content
from .view import Names, View, adopted_view, carried_view, default_view, merged_view

INTERVAL_S = 0.1
SHARE = 0.25  # of the wall time that refreshing may take
PATIENCE_S = 5.0  # until the next attempt, after sending failed
AHEAD = 1000  # by which a view set from Python outdoes clicks that are still on their way here


@dataclass(frozen=True)
class Subject:
    """What a dashboard shows: a model's modules, the panels, their readings, and where the run stands."""

    title: str
    specs: tuple[ChartSpec, ...]
    modules: tuple[ModuleInfo, ...]
    history: History
    status: Callable[[], Status]

    @property
    def tags(self) -> list[str]:
        """One series per panel."""
        return [spec.tag for spec in self.specs]

    def in_order(self, tags: Sequence[str]) -> Subject:
        """The same, with the panels of `tags` first, if it has them all."""
        place = {tag: i for i, tag in enumerate(tags)}
        if not set(place) <= set(self.tags):
            return self
        return replace(self, specs=tuple(sorted(self.specs, key=lambda spec: place.get(spec.tag, len(place)))))

    @property
    def names(self) -> Names:
        """What a view may speak of now; metrics join as they are pushed."""
        modules = tuple(module.name for module in self.modules)
        series = (name for tag in self.tags if tag in self.history for name in self.history[tag].modules)
        return Names(modules, tuple(dict.fromkeys((*modules, *series))), tuple(self.tags))

    @property
    def default_view(self) -> View:
        """The view at first."""
        return default_view(self.specs, self.modules, self.names.series)

    @property
    def content(self) -> Json:
        """What the page is told of it once."""
        return spec_content(self.title, self.specs, self.modules, self.history)


def _chosen_shell(data: object, default: object) -> object:
    """The shell that a message of the page goes to: the one it asks for."""
    return default


def _lazily(make: Callable[[Dashboard], Any]) -> dict[str, Any]:
    """Serialisation of a trait that only counts: its content is made when it is sent."""
    return {"to_json": lambda _, dashboard: make(dashboard), "from_json": lambda value, _: value}


class Dashboard(anywidget.AnyWidget):
    """Panels that live while a cell trains.

    Traits, all read by the page: `spec` (what is fixed while a model is attached), `models` (the bqplot models of each
    panel), `view` (what is on display; the page writes it by message, Python by :meth:`set_view`), `status` and
    `snapshot` (counters here; made from the history whenever they are sent, so a reloaded page or a saved notebook
    has everything).

    Parameters
    ----------
    subject : Subject
        What to show.
    view : dict, optional
        What is on display at first.
    strict : bool
        Raise what goes wrong while sending; otherwise it is told once, and training goes on.
    """

    _esm = page_source()
    _css = page_style()

    spec = traitlets.Dict().tag(sync=True)
    models: traitlets.List[Chart] = traitlets.List().tag(sync=True, **widget_serialization)
    view = traitlets.Dict().tag(sync=True)
    status = traitlets.Int().tag(sync=True, **_lazily(lambda self: self._status_content()))
    snapshot = traitlets.Int().tag(sync=True, **_lazily(lambda self: self._snapshot_content()))

    def __init__(self, subject: Subject, *, view: View | None = None, strict: bool = False) -> None:
        self._strict = strict
        self._lock = threading.Lock()
        self._warned = False
        self._due = 0.0
        self._widest = 0
        self._charts: list[Chart] = []
        self._take(subject)
        super().__init__(spec=subject.content, models=self._panels(), view=view or subject.default_view)
        self._forget_route()
        self.on_msg(self._received)

    def __repr__(self) -> str:
        subject = self._subject
        return f"Dashboard of {subject.title}: {len(subject.specs)} panels, {len(subject.modules)} modules"

    # -- what is shown

    def watch(self, subject: Subject) -> None:
        """Show another subject; what the view says stays where it still means something.

        A panel that joins the others, like that of the first metric, comes last: none of them moves.
        """
        former = self._subject
        subject = subject.in_order(former.tags)
        content = subject.content
        unchanged = content == self.spec and subject.history is former.history
        same_model = bool(former.modules) and set(former.names.modules) <= set(subject.names.modules)
        ahead = 0 if same_model else AHEAD
        view = self.view
        if not unchanged:
            if view["shown"] == former.default_view["shown"]:  # nobody chose
                view = {key: value for key, value in view.items() if key != "shown"}
            view = carried_view(view, subject.default_view, subject.names, same_model=same_model)
        self._take(subject)
        if unchanged:
            return
        with self._guarded(), self.hold_sync():  # one message, so the page never sees half of it
            self.spec, self.models = content, self._panels()
            self.view = {**view, "seq": view["seq"] + ahead}
            self.status += 1
            self.snapshot += 1

    def _take(self, subject: Subject) -> None:
        self._subject = subject
        self._feed = Feed(subject.history, subject.tags)
        self._feed.seen(status_content(subject.status()))
        self._torn = False  # a message got lost: only the whole state helps
        self._stale = False  # messages went out that a saved notebook does not have

    def _panels(self) -> list[Chart]:
        """Charts for the panels; those of a former subject are used again."""
        missing = len(self._subject.specs) - len(self._charts)
        self._charts += [make_chart() for _ in range(missing)]
        self._widest = max(self._widest, len(self._subject.specs))
        return self._charts[: len(self._subject.specs)]

    # -- Python to page

    @property
    def due(self) -> float:
        """Time on the monotonic clock before which :meth:`refresh` does nothing."""
        return self._due

    def refresh(self, force: bool = False) -> None:
        """Send what is new, at most ten times a second and a quarter of the time."""
        started = monotonic()
        if started < self._due and not force:
            return
        with self._guarded():
            self._send_new()
        ended = monotonic()
        pause = (ended - started) * (1 - SHARE) / SHARE
        self._due = max(self._due, started + INTERVAL_S, ended + pause)

    def finish(self) -> None:
        """Send the whole state if the page got more than the state: saved notebooks keep state, not messages."""
        with self._guarded():
            if self._stale or self._feed.delta(self._subject.status()) is not None:
                self.send_whole()

    def send_whole(self) -> None:
        """Send status and all readings, as state."""
        self._torn = True
        self._feed.seen(status_content(self._subject.status()))  # before they are read: twice is better than never
        self.send_state(["status", "snapshot"])
        self._torn = self._stale = False

    def _send_new(self) -> None:
        if self._torn or self._feed.torn:
            self.send_whole()
            return
        delta = self._feed.delta(self._subject.status())
        if delta is not None:
            self._torn = self._stale = True  # until it is out: an interrupt here must lose nothing
            self.send(delta.content, delta.buffers)
            self._torn = False

    def _status_content(self) -> Json:
        return status_content(self._subject.status())

    def _snapshot_content(self) -> Json:
        """All readings; a saved notebook keeps the paths of all buffers, so the panels never get fewer."""
        content = snapshot_content(self._subject.history, self._subject.tags)
        surplus = self._widest - len(content["panels"])
        content["panels"] += [panel_content(nothing()) for _ in range(surplus)]
        return content

    def _send(self, msg: Any, buffers: Any = None) -> None:
        super()._send(msg, buffers)
        self._forget_route()

    def _forget_route(self) -> None:
        """Let the page's messages arrive while a cell runs.

        JupyterLab sends them to a subshell, but ipykernel 7.4 diverts them to the shell that published last on this
        comm: behind the running cell. Without its note it takes the shell that the page chose. The note is there while
        it publishes, too, and so it is not asked for where that can be had.
        """
        with suppress(AttributeError):
            del self.comm._reply_subshell_id
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = _chosen_shell

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """The border where a fault in sending stops, unless the dashboard is strict."""
        try:
            yield
        except Exception as error:
            if self._strict:
                raise
            self._complain(error)

    def _complain(self, error: Exception) -> None:
        """Tell once that the page can't be reached, and try again only after a while."""
        self._due = monotonic() + PATIENCE_S
        if not self._warned:
            self._warned = True
            words = f"the dashboard could not be brought up to date ({type(error).__name__}: {error}); training goes on"
            warnings.warn(words, MonitorchWarning, stacklevel=4)

    # -- page to Python

    def set_view(self, changes: Mapping[str, Any]) -> None:
        """Change what is on display from Python; see :func:`monitorch_widgets.panel.view.merged_view`."""
        view = merged_view(self.view, changes, self._subject.names)
        with self._lock:
            self.view = {**view, "seq": self.view["seq"] + AHEAD}

    def _received(self, _: object, content: Json, buffers: object) -> None:
        """A message of the page, on whichever thread the kernel hears it; nothing here touches the model."""
        view = content.get("view")
        if content.get("type") == "view" and isinstance(view, dict) and isinstance(view.get("seq"), int):
            self._adopt(view)

    def _adopt(self, view: View) -> None:
        with self._lock:
            if view["seq"] > self.view["seq"]:
                self.view = adopted_view(self.view, view, self._subject.names)

    def close(self) -> None:
        """Take the dashboard and its charts out of the page."""
        for chart in self._charts:
            for model in chart.values():
                model.close()
        super().close()
