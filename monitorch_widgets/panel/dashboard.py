"""The dashboard: one anywidget model per inspector. Python sends what is new, the page decides what is drawn."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from time import monotonic
from typing import Any

import anywidget
import traitlets
from ipywidgets import widget_serialization

from monitorch_widgets.errors import MonitorchWarning
from monitorch_widgets.history import History
from monitorch_widgets.values import ChartSpec, CommandRecord, ModuleInfo, Status

from . import cards as shown_cards
from .cards import NO_CARDS, CardFeed, Source, cards_content, cards_size
from .charts import Chart, make_chart
from .esm import page_source, page_style
from .feed import Feed
from .flow import Flow
from .payload import (
    SNAPSHOT_BYTES,
    Json,
    content_size,
    nothing,
    panel_content,
    snapshot_content,
    spec_content,
    status_content,
)
from .view import Names, View, adopted_view, carried_view, default_view, merged_view

RETRY_S = 5.0  # until the next attempt, after sending failed
MIDWAY_BYTES = 2**20  # about how large the whole state may be while a cell runs; at its end it may be larger
MOST_LOOK = 500  # characters of what a page says that it looks at
AHEAD = 1000  # by which a view set from Python outdoes clicks that are still on their way here


@dataclass(frozen=True)
class Subject:
    """What a dashboard shows: a model's modules, the panels, their readings, where the run stands, and its cards."""

    title: str
    specs: tuple[ChartSpec, ...]
    modules: tuple[ModuleInfo, ...]
    history: History
    status: Callable[[], Status]
    cards: Source = NO_CARDS

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


def _nobody(content: Json) -> None:
    """Nothing: commands are not for anybody."""


def _lazily(make: Callable[[Dashboard], Any]) -> dict[str, Any]:
    """Serialisation of a trait that only counts: its content is made when it is sent."""
    return {"to_json": lambda _, dashboard: make(dashboard), "from_json": lambda value, _: value}


class Dashboard(anywidget.AnyWidget):
    """Panels that live while a cell trains.

    Traits, all read by the page: `spec` (what is fixed while a model is attached), `models` (the bqplot models of each
    panel), `view` (what is on display; the page writes it by message, Python by :meth:`set_view`), `status`,
    `snapshot` and `cards` (counters here; made from what is known whenever they are sent, so a reloaded page or a
    saved notebook has everything).

    Parameters
    ----------
    subject : Subject
        What to show.
    view : dict, optional
        What is on display at first.
    strict : bool
        Raise what goes wrong while sending; otherwise it is told once, and training goes on.

    Attributes
    ----------
    on_command : callable
        Called with what the page sends when a person asks for something to be done.
    spent_s : float
        Seconds that :meth:`refresh` has taken so far, all calls together.
    """

    _esm = page_source()
    _css = page_style()
    _subject: Subject

    spec = traitlets.Dict().tag(sync=True)
    models: traitlets.List[Chart] = traitlets.List().tag(sync=True, **widget_serialization)
    view = traitlets.Dict().tag(sync=True)
    status = traitlets.Int().tag(sync=True, **_lazily(lambda self: self._status_content()))
    snapshot = traitlets.Int().tag(sync=True, **_lazily(lambda self: self._snapshot_content()))
    cards = traitlets.Int().tag(sync=True, **_lazily(lambda self: self._cards_content()))

    def __init__(self, subject: Subject, *, view: View | None = None, strict: bool = False) -> None:
        self._strict = strict
        self._lock = threading.Lock()
        self._warned = False
        self._flow = Flow()
        self.on_command: Callable[[Json], None] = _nobody
        self.spent_s = 0.0
        self._widest = 0
        self._snapshot_bytes, self._snapshot_size = SNAPSHOT_BYTES, 0
        self._cards_bytes = shown_cards.WHOLE_BYTES
        self._cards = CardFeed(NO_CARDS)
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
        same_cards = subject.cards is former.cards
        if content == self.spec and subject.history is former.history and same_cards:
            self._subject = subject  # what was not sent yet still is not
            return
        same_model = bool(former.modules) and set(former.names.modules) <= set(subject.names.modules)
        ahead = 0 if same_model else AHEAD
        view = self.view
        if view["shown"] == former.default_view["shown"]:  # nobody chose
            view = {key: value for key, value in view.items() if key != "shown"}
        view = carried_view(view, subject.default_view, subject.names, same_model=same_model)
        self._take(subject)
        with self._guarded(), self.hold_sync():  # one message, so the page never sees half of it
            self.spec, self.models = content, self._panels()
            self.view = {**view, "seq": view["seq"] + ahead}
            self.status += 1
            self.snapshot += 1
            self.cards += not same_cards

    def _take(self, subject: Subject) -> None:
        self._subject = subject
        self._feed = Feed(subject.history, subject.tags)
        self._feed.seen(subject.status())
        if subject.cards is not self._cards.source:
            self._cards = CardFeed(subject.cards)
            self._cards.seen()
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
        return self._flow.due

    @property
    def share(self) -> float:
        """Fraction of the wall time that refreshing may take; between 0 and 1, and may be set."""
        return self._flow.share

    @share.setter
    def share(self, share: float) -> None:
        self._flow.share = min(max(share, 1e-6), 1.0)

    @property
    def refresh_rate(self) -> float:
        """How often a second the page is told what is new, at most; may be set."""
        return self._flow.rate

    @refresh_rate.setter
    def refresh_rate(self, rate: float) -> None:
        self._flow.rate = rate

    def refresh(self, force: bool = False) -> None:
        """Send what is new when the page has taken what was sent, within limits of time and size.

        At most :attr:`refresh_rate` times a second and within :attr:`share`. With `force` it is sent at once, unless
        many were.
        """
        began = monotonic()
        if force:
            if not self._flow.may_be_forced(began):
                return
        elif began < self._flow.due or not self._flow.ready(began):
            return
        size = 0
        with self._guarded():
            size = self._send_new()
        ended = monotonic()
        self.spent_s += ended - began
        self._flow.sent(began, ended, size)

    def finish(self) -> None:
        """Send the whole state if the page got more than the state: saved notebooks keep state, not messages."""
        with self._guarded():
            if self._stale or self._torn or self._feed.delta(self._subject.status()) is not None or self._feed.torn:
                self.send_whole()
            elif self._cards.behind:
                self._send_all_cards()

    def send_whole(self, most_bytes: int = SNAPSHOT_BYTES) -> int:
        """Send status and all readings, as state, in about `most_bytes`; their size is given back."""
        self._torn = True
        self._feed.seen(self._subject.status())  # before they are read: twice is better than never
        self._snapshot_bytes, self._snapshot_size = most_bytes, 0
        try:
            self.send_state(["status", "snapshot"])
        finally:
            self._snapshot_bytes = SNAPSHOT_BYTES
        midway = most_bytes < SNAPSHOT_BYTES
        size = self._send_all_cards(midway) if self._cards.used else 0
        self._torn = False
        self._stale = midway
        return self._snapshot_size + size

    def _send_all_cards(self, midway: bool = False) -> int:
        """Send all cards as state; the number of bytes is given back."""
        self._cards_bytes = shown_cards.MIDWAY_BYTES if midway else shown_cards.WHOLE_BYTES
        try:
            self._cards.seen(self._cards_bytes)
            self.send_state("cards")
            return cards_size(self._subject.cards, self._cards_bytes)
        finally:
            self._cards_bytes = shown_cards.WHOLE_BYTES

    def _send_new(self) -> int:
        """Send what is new; the number of bytes is given back."""
        delta = None if self._torn else self._feed.delta(self._subject.status())
        if self._torn or self._feed.torn:
            return self.send_whole(MIDWAY_BYTES)
        size = 0
        if delta is not None:
            self._send_numbered(delta.content, delta.buffers)
            size = delta.size
        return size + self._send_cards()

    def _send_cards(self) -> int:
        """Send the cards that are due; the number of bytes is given back."""
        if gone := self._cards.gone():
            self._send_numbered({"t": "card-gone", "keys": gone})
        size = 0
        for message in self._cards.due():
            self._send_numbered(message.content, message.buffers)
            size += message.size
        return size

    def _send_numbered(self, content: Json, buffers: list[bytes] | None = None) -> None:
        self._torn = self._stale = True  # until it is out: an interrupt here must lose nothing
        heard = self._flow.heard
        self.send({**content, "number": self._flow.next_number(), "heard": heard}, buffers)
        self._torn = False

    def _status_content(self) -> Json:
        return status_content(self._subject.status())

    def _snapshot_content(self) -> Json:
        """All readings; a saved notebook keeps the paths of all buffers, so the panels never get fewer."""
        content = snapshot_content(self._subject.history, self._subject.tags, self._snapshot_bytes)
        self._snapshot_size = content_size(content)
        surplus = self._widest - len(content["panels"])
        content["panels"] += [panel_content(nothing()) for _ in range(surplus)]
        return content

    def _cards_content(self) -> Json:
        return cards_content(self._subject.cards, self._cards_bytes)

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
        self._flow.hold(monotonic() + RETRY_S)
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
        """A message of the page; nothing here touches the model."""
        view, page, number = (content.get(key) for key in ("view", "page", "number"))
        kind = content.get("type")
        if kind == "taken" and isinstance(page, str) and isinstance(number, int):
            self._flow.taken(page, number)
        elif kind == "view" and isinstance(view, dict) and isinstance(view.get("seq"), int):
            self._adopt(view)
        elif kind == "whole":
            self._send_again()
        elif kind == "command":
            self.on_command(content)
        elif kind == "look":
            self._cards.look = (str(content.get("tab", ""))[:MOST_LOOK], str(content.get("key", ""))[:MOST_LOOK])

    def _send_again(self) -> None:
        """The page has missed something: the next message is the whole state; at once where nothing else sends one."""
        self._torn = True
        if self._subject.status().state in ("waiting", "finished", "detached"):
            self.refresh(force=True)

    def answer(self, number: str, record: CommandRecord) -> None:
        """Tell the page what came of a command; `number` is what it knows it by."""
        with self._guarded():
            self.send({"t": "answer", "number": number, **asdict(record)})

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
