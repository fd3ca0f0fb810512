"""What is collected, and how: changed between two steps while training goes on."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from monitorch_widgets import lens as lenses
from monitorch_widgets.errors import (
    ArgumentError,
    ArgumentTypeError,
    CommandRefused,
    MonitorchError,
    check_choice,
    checked_count,
    checked_queue,
    checked_seconds,
    nearest,
)
from monitorch_widgets.lens import AbstractLens
from monitorch_widgets.lens.expression import Expression, function_of
from monitorch_widgets.lens.histogram_lens import HistogramLens
from monitorch_widgets.lens.reading_lens import ReadingLens
from monitorch_widgets.lens.settings import arguments_of, changed, classes_of, from_page, settings_of
from monitorch_widgets.values import Instrument, LensInfo

from .arguments import checked_depth, checked_every, checked_lenses, checked_overhead, checked_refresh_rate
from .modules import matches
from .writers import check_writers, set_writers

if TYPE_CHECKING:
    from .inspector import PyTorchInspector


# Lenses that a person can add from the page: those that need nothing which only Python has.
OFFERED: tuple[type[AbstractLens], ...] = tuple(
    kind
    for kind in (getattr(lenses, name) for name in lenses.__all__)
    if isinstance(kind, type) and issubclass(kind, ReadingLens | HistogramLens) and kind is not Expression
)


class Changes:
    """Changes of what an inspector collects. Each is checked before it is made, and told in words.

    Parameters
    ----------
    inspector : PyTorchInspector
        Whose lenses, modules and strides are changed.
    """

    def __init__(self, inspector: PyTorchInspector) -> None:
        self._inspector = inspector
        self.functions: dict[str, Callable[..., Any]] = {}
        self.text = False
        self._now: Instrument | None = None

    # ------------------------------------------------------------------ lenses

    def add(self, lens: AbstractLens) -> str:
        """Add a lens."""
        inspector = self._inspector
        checked_lenses([*inspector.lenses, lens])
        self._check_tags(lens, others=inspector.lenses)
        inspector._rewiring.take_lenses([*inspector.lenses, lens])
        return f"added {_named(lens)}"

    def add_from_page(self, name: str, arguments: Mapping[str, Any] | None = None) -> str:
        """Add a lens by the name of its class."""
        kinds = {kind.__name__: kind for kind in OFFERED}
        kind = kinds[check_choice("lens", name, kinds)]
        given = from_page(kind, {} if arguments is None else arguments, self._model)
        with _constructor(kind):
            lens = kind(**given)
        return self.add(lens)

    def remove(self, tag: str) -> str:
        """Take away the lens that has a panel; what it has read stays in the history."""
        lens = self.lens_of(tag)
        self._inspector._rewiring.take_lenses([other for other in self._inspector.lenses if other is not lens])
        return f"removed {_named(lens)}"

    def set(self, lens: AbstractLens, changes: Mapping[str, Any]) -> str:
        """Give a lens other arguments."""
        with _constructor(type(lens)):
            fresh = changed(lens, changes)
        self._check_tags(fresh, others=[other for other in self._inspector.lenses if other is not lens])
        self._inspector._rewiring.replace(lens, fresh)
        told = ", ".join(f"{name}={_shown(value)}" for name, value in changes.items())
        return f"{type(lens).__name__}: {told}"

    def set_from_page(self, tag: str, arguments: Mapping[str, Any]) -> str:
        """Give the lens that has a panel other arguments."""
        lens = self.lens_of(tag)
        with _constructor(type(lens)):
            now = arguments_of(lens)
        return self.set(lens, from_page(type(lens), arguments, self._model, now))

    def lens_of(self, tag: str) -> AbstractLens:
        """The lens that has a panel; one without panels goes by the name of its class."""
        lenses = {tag: lens for lens in self._inspector.lenses for tag in _tags(lens)}
        return lenses[check_choice("tag", tag, lenses)]

    def _check_tags(self, lens: AbstractLens, others: Iterable[AbstractLens]) -> None:
        taken = {tag for other in others for tag in _tags(other)}
        for tag in _tags(lens):
            if tag in taken:
                raise ArgumentError(
                    f"expected a lens with panels of its own; {tag!r} is there already. "
                    f"Change that one with lens.set(...), or take it away: inspector.remove({tag!r})."
                )

    # ------------------------------------------------------------------ a function of one's own

    def watch(self, function: Callable[..., Any], name: str | None = None) -> str:
        """Show a function's number, in place of one of the same name."""
        lens = Expression(function, name)
        rest = [other for other in self._inspector.lenses if not _is_expression(other, lens.tag)]
        self._check_tags(lens, others=rest)
        self._inspector._rewiring.take_lenses([*rest, lens])
        return f"watching {lens.tag}"

    def watch_registered(self, name: str) -> str:
        """Show a function that was registered."""
        check_choice("registered function", name, self.functions)
        return self.watch(self.functions[name], name)

    def watch_text(self, text: str, name: str | None = None) -> str:
        """Show a function that was typed in the page, if the user has allowed that."""
        if not self.text:
            raise CommandRefused(
                "text from the page is not run as Python; allow it with inspector.allow_text(), or register the "
                "function: inspector.register(name, function)"
            )
        if not isinstance(text, str):
            raise ArgumentTypeError(f"expected the text of a function; received {text!r}")
        return self.watch(function_of(text), name or text)

    # ------------------------------------------------------------------ modules and strides

    def collect(self, patterns: str | Iterable[str] | None) -> str:
        """Read only modules whose names match; None for all."""
        chosen = _checked_patterns(patterns)
        self._check_matches(chosen or ())
        self._inspector._rewiring.take_modules(collected=chosen)
        return "collecting all modules" if chosen is None else f"collecting {', '.join(chosen) or 'no module'}"

    def _check_matches(self, patterns: Iterable[str]) -> None:
        names = [info.name for info in self._inspector._watch.infos]
        for pattern in patterns:
            if names and not any(matches(name, [pattern], self._inspector.module_name_prefix) for name in names):
                raise ArgumentError(
                    f"expected names of modules, or patterns; {pattern!r} matches none.{nearest(pattern, names)}"
                )

    def depth(self, depth: int) -> str:
        """Let modules at another depth count as leaves."""
        self._inspector._rewiring.take_modules(depth=checked_depth(depth))
        return f"depth {depth}"

    def every(self, every: Any, tag: str | None = None) -> str:
        """Let all lenses listen to every n-th step, or that of one panel."""
        if tag is not None:
            lens = self.lens_of(tag)
            return self.set(lens, {"every": every})
        self._inspector._rewiring.take_schedule(every=checked_every(every, self._inspector.lenses))
        return f"every={every!r}"

    def budget(self, max_overhead: float) -> str:
        """Let watching take another fraction of the training time."""
        self._inspector._rewiring.take_schedule(max_overhead=checked_overhead(max_overhead))
        return f"max_overhead={max_overhead:g}"

    def log_every(self, steps: int) -> str:
        """Make histograms, and what else is heavy, at every n-th step."""
        self._inspector._rewiring.take_pace(_checked_pace(steps))
        return f"log_every_n_steps={steps}"

    def refresh_rate(self, rate: float) -> str:
        """Tell the page what is new more or less often."""
        self._inspector._rewiring.take_refresh_rate(checked_refresh_rate(rate))
        return f"refresh_rate={rate:g}"

    def max_queue(self, max_queue: int, writer: str | None = None) -> str:
        """Let more or less wait to be written, in all writers or in one."""
        return set_writers(self._inspector, writer, max_queue=checked_queue(max_queue))

    def flush_secs(self, flush_secs: float, writer: str | None = None) -> str:
        """Write what waits after another time, in all writers or in one."""
        return set_writers(self._inspector, writer, flush_secs=checked_seconds(flush_secs))

    def check(self, command: str, value: Any) -> None:
        """Raise what a command that takes one value would raise for it."""
        checks: dict[str, Callable[[Any], object]] = {
            "collect": lambda patterns: self._check_matches(_checked_patterns(patterns) or ()),
            "depth": checked_depth,
            "every": lambda every: checked_every(every, self._inspector.lenses),
            "budget": checked_overhead,
            "log_every": _checked_pace,
            "refresh_rate": checked_refresh_rate,
            "max_queue": lambda queue: check_writers(self._inspector, checked_queue(queue)),
            "flush_secs": lambda seconds: check_writers(self._inspector, checked_seconds(seconds)),
        }
        checks[command](value)

    # ------------------------------------------------------------------ what is there

    @property
    def _model(self) -> Any:
        return self._inspector._watch.model

    def renew(self) -> None:
        """Note that something has changed."""
        self._now = None

    @property
    def now(self) -> Instrument:
        """What is collected, and how; the page asks for it some times a second."""
        if self._now is None:
            self._now = self._described()
        return self._now

    def _described(self) -> Instrument:
        inspector = self._inspector
        every = inspector._schedule.every
        return Instrument(
            tuple(_info(lens) for lens in inspector.lenses),
            tuple(LensInfo(kind.__name__, (), settings_of(kind)) for kind in OFFERED),
            tuple(self.functions),
            tuple(sorted(classes_of(self._model))),
            inspector._watch.collected,
            inspector.depth,
            "auto" if isinstance(every, Mapping) else every,
            inspector.max_overhead,
            inspector.log_every_n_steps,
            inspector.refresh_rate,
            self.text,
            inspector.control,
        )


def _checked_pace(steps: object) -> int:
    return checked_count("log_every_n_steps", steps, "Use 1 for each step.")


def _info(lens: AbstractLens) -> LensInfo:
    try:
        settings = settings_of(type(lens), arguments_of(lens))
    except TypeError:  # a lens of somebody else's that was made in its own way
        settings = ()
    return LensInfo(type(lens).__name__, _tags(lens), settings)


def _tags(lens: AbstractLens) -> tuple[str, ...]:
    """What a lens goes by: its panels, or where it has cards instead, the name of its class."""
    if isinstance(lens, HistogramLens):
        return (type(lens).__name__,)
    return tuple(spec.tag for spec in lens.specs)


def _named(lens: AbstractLens) -> str:
    tags = ", ".join(spec.tag for spec in lens.specs)
    return f"{type(lens).__name__} ({tags})" if tags else type(lens).__name__


def _shown(value: object) -> str:
    return value.__name__ if isinstance(value, type) else repr(value)


@contextlib.contextmanager
def _constructor(kind: type[AbstractLens]) -> Iterator[None]:
    """Around the making of a lens: whatever its constructor raises is a refusal, and no fault."""
    try:
        yield
    except MonitorchError:
        raise
    except Exception as error:
        raise ArgumentError(f"{kind.__name__} takes no such arguments: {type(error).__name__}: {error}") from error


def _is_expression(lens: AbstractLens, tag: str) -> bool:
    return isinstance(lens, Expression) and lens.tag == tag


def _checked_patterns(patterns: object) -> tuple[str, ...] | None:
    if patterns is None:
        return None
    names = (patterns,) if isinstance(patterns, str) else tuple(patterns) if isinstance(patterns, Iterable) else None
    if names is None or not all(isinstance(name, str) for name in names):
        raise ArgumentTypeError(
            f"expected module names or patterns like 'features.*', or None for all; received {patterns!r}"
        )
    return names
