"""Exceptions and warnings, and the words that they use.

The tree::

    MonitorchError
    ├── ArgumentError (ValueError, AttributeError)   a value that is not one of the valid ones
    ├── ArgumentTypeError (TypeError)                an object of the wrong type
    ├── CommandRefused (RuntimeError)                a command that can't be carried out now
    └── NotAttachedError (RuntimeError)              something was asked that needs a model
    TrainingStopped (BaseException)                  the loop was stopped, as asked; no error
    MonitorchWarning (UserWarning)
    ├── JournalFault                                 the journal can't be written any more, or not all of it
    ├── LensFault                                    a lens failed while training and was muted
    └── NotWatched                                   something was asked for that cannot be seen

``ArgumentError`` is an ``AttributeError`` too because monitorch raises that one for unknown names, and scripts
written for it may catch it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from numbers import Integral


class MonitorchError(Exception):
    """Base of all exceptions of this package."""


class ArgumentError(MonitorchError, ValueError, AttributeError):
    """An argument has a value that is not valid: says what was expected, what came, and what to do."""


class ArgumentTypeError(MonitorchError, TypeError):
    """An argument has the wrong type: says what was expected, what came, and what to do."""


class NotAttachedError(MonitorchError, RuntimeError):
    """A call needs an attached model, and there is none."""


class CommandRefused(MonitorchError, RuntimeError):  # noqa: N818  # no mistake of anybody's
    """A command can't be carried out now: says why, and what to do."""


class TrainingStopped(BaseException):  # like KeyboardInterrupt
    """Ends a training loop that somebody stopped, after a finished step; a notebook shows it as one line.

    It is no :class:`Exception`, like :class:`KeyboardInterrupt`: a loop that goes on after errors ends too.
    """

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else "Training was stopped, as asked."

    def _render_traceback_(self) -> list[str]:
        """What IPython prints in place of a traceback."""
        return [str(self)]


class MonitorchWarning(UserWarning):
    """Base of all warnings of this package."""


class JournalFault(MonitorchWarning):
    """The journal can't be written any more, or has lost readings; the run goes on."""


class LensFault(MonitorchWarning):
    """A lens raised while training; the run goes on without it."""


class NotWatched(MonitorchWarning):
    """Something that was asked for cannot be watched."""


def unknown_name(kind: str, got: object, valid: Iterable[str]) -> str:
    """Message for a name that does not exist, with the nearest one that does.

    Parameters
    ----------
    kind : str
        What the name stands for, e.g. ``"visualizer"``.
    got : object
        What came.
    valid : iterable of str
        The names that exist.

    Examples
    --------
    >>> unknown_name("aggregation", "medain", ["mean", "median"])
    "expected an aggregation among 'mean', 'median'; received 'medain'. Did you mean 'median'?"
    """
    names = list(valid)
    article = "an" if kind[:1] in "aeiou" else "a"
    return f"expected {article} {kind} among {', '.join(map(repr, names))}; received {got!r}.{nearest(got, names)}"


def nearest(got: object, valid: Iterable[str]) -> str:
    """A question that names the valid name nearest to what came, to be put behind a message; empty if none is near.

    Examples
    --------
    >>> nearest("convv1", ["conv1", "fc"])
    " Did you mean 'conv1'?"
    """
    near = difflib.get_close_matches(str(got), list(valid), n=1, cutoff=0.4)
    return f" Did you mean {near[0]!r}?" if near else ""


def check_choice(kind: str, got: object, valid: Iterable[str]) -> str:
    """Return `got` if it is one of `valid`, else raise :class:`ArgumentError` naming the nearest."""
    names = list(valid)
    if isinstance(got, str) and got in names:
        return got
    raise ArgumentError(unknown_name(kind, got, names))


def checked_count(argument: str, value: object, remedy: str) -> int:
    """Return `value` if it is an integer of at least 1, else raise with the `remedy`.

    Examples
    --------
    >>> checked_count("dead_window", 0, "50 is a good start.")
    Traceback (most recent call last):
        ...
    monitorch_widgets.errors.ArgumentError: expected dead_window to be at least 1; received 0. 50 is a good start.
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise ArgumentTypeError(f"expected {argument} to be an integer of at least 1; received {value!r}. {remedy}")
    if value < 1:
        raise ArgumentError(f"expected {argument} to be at least 1; received {value}. {remedy}")
    return int(value)


def checked_queue(max_queue: object) -> int:
    """Return how many numbers may wait to be written, at least 1."""
    return checked_count("max_queue", max_queue, "10 is usual; more are faster.")


def checked_seconds(flush_secs: object) -> float:
    """Return the seconds after which what waits is written, 0 or more."""
    if isinstance(flush_secs, bool) or not isinstance(flush_secs, int | float) or not flush_secs >= 0:
        raise ArgumentError(
            f"expected flush_secs to be a number of seconds, 0 or more; received {flush_secs!r}. Try 120"
        )
    return flush_secs
