"""What watching costs, measured step by step while the model trains."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from monitorch_widgets.gatherer import Hooks
from monitorch_widgets.preprocessor import Ear, StepBuffer

_RECENT = 48  # spans that are kept, and what was hidden in as many
_ENOUGH = 6  # of them, of both kinds, before anything is said of what is hidden
_PRICES = 6  # newest times that a lens listened, of which its price is the mean, without the dearest and the cheapest
_BLOCK = 32  # steps after which sums are closed
_BLOCKS = 32  # closed sums that are kept
_NEWEST = 12  # spans that say how long a step takes, and how long it may take
_LONG = 4.0  # times their upper quartile: beyond that something else has happened, an evaluation or a pause
_MOST_HIDDEN = 3.0
_MANY_ROWS = 50_000  # readings after which what the history took for them counts half


@dataclass(slots=True)
class _Price:
    """What one lens has cost, each time that it listened and in all."""

    newest: deque[float] = field(default_factory=lambda: deque(maxlen=_PRICES))
    heard: int = 0
    late_s: float = 0.0  # what came since it listened: its readings on their way, losses at steps that were skipped
    charged_s: float = 0.0

    def add(self, cost_s: float, times: int) -> None:
        self.charged_s += cost_s
        self.late_s += cost_s
        if times:
            self.heard += times
            self.newest.append(self.late_s / times)
            self.late_s = 0.0

    @property
    def once_s(self) -> float:
        """Of two times the cheaper one: at the first, memory is got and code is loaded."""
        if len(self.newest) < 3:
            return min(self.newest, default=math.nan)
        return fmean(sorted(self.newest)[1:-1])


@dataclass(frozen=True, slots=True)
class _Span:
    """The time from one look of ours to the next: one step that was listened to, or some that were not."""

    bare_s: float
    steps: int
    listened: bool
    hooks_s: float  # what our hooks took
    shared_s: float  # what the page took, and losses on their way


@dataclass(frozen=True, slots=True)
class Sums:
    """Seconds of some steps: of the steps without us, and of what was added, by where it went."""

    steps_s: float = 0.0
    lenses_s: tuple[float, ...] = ()
    hooks_s: float = 0.0
    history_s: float = 0.0
    page_s: float = 0.0

    @property
    def added_s(self) -> float:
        """All that was added."""
        return sum(self.lenses_s) + self.hooks_s + self.history_s + self.page_s

    def plus(self, other: Sums, sign: int = 1) -> Sums:
        """These sums and others, or without them."""
        return Sums(
            self.steps_s + sign * other.steps_s,
            tuple(a + sign * b for a, b in zip(self.lenses_s, other.lenses_s, strict=True)),
            self.hooks_s + sign * other.hooks_s,
            self.history_s + sign * other.history_s,
            self.page_s + sign * other.page_s,
        )


class Meter:
    """Measures what the inspector adds to the steps.

    Our own code is timed where it runs. What it slows down beside that is hidden: torch goes a longer way through a
    module with hooks, caches are cold afterwards, a GPU has more to do. It is told by the difference between steps with
    listening and without, where there are both, and counts as if our own code had taken so much longer.

    Parameters
    ----------
    hooks, buffer
        Of the inspector.

    Attributes
    ----------
    history_s, page_s : float
        Seconds that went into the transfer and the history, and into the page and the figures of epochs.
    trained_s : float
        Seconds that the steps have taken without us.
    usual_s : float
        Seconds that a step takes without us, in the mean; NaN before the first.
    base_s : float
        Seconds that watching adds to each step whatever lenses do: counting, losses, the page.
    hidden : float
        Seconds that each second of our own code costs beside; NaN before it is known.
    """

    def __init__(self, hooks: Hooks, buffer: StepBuffer) -> None:
        self._hooks, self._buffer = hooks, buffer
        self.history_s = 0.0
        self.page_s = 0.0
        self.begin([])

    def begin(self, ears: Sequence[Ear]) -> None:
        """Begin to measure these lenses."""
        self._ears = list(ears)
        self._prices = [_Price() for _ in ears]
        self._hidden_s = [0.0] * (len(ears) + 1)  # of each lens, and of the hooks
        self._spans: deque[_Span] = deque(maxlen=_RECENT)
        self._bare: deque[float] = deque(maxlen=_RECENT)
        self._loaded: deque[tuple[float, float]] = deque(maxlen=_RECENT)
        self.trained_s = self.base_s = self._open_s = 0.0
        self.usual_s = self.hidden = math.nan
        self._rows, self._rows_s = 0, 0.0
        self._blocks: deque[Sums] = deque()
        self._closed = Sums(lenses_s=(0.0,) * len(ears))
        self._evaluated_s, self._at_pass = 0.0, self._marks()
        self._at_step, self._at_open = self._marks(), self._readings()
        self._step, self._closes = self._buffer.step, self._buffer.step + _BLOCK
        self._untold = 0
        self._ended: float | None = None  # when the last step did; what comes until the first one is no training

    # ------------------------------------------------------------------ step by step

    def step_over(self, listened: bool) -> tuple[float, int]:
        """Note that a step is over: the seconds that it took without us, and how many steps these are.

        Steps that were skipped before it count too. How long the first one took is not known: 0.
        """
        now, began = self._hooks.tally(), self._ended
        marks, before = self._marks(), self._at_step
        self._ended, self._at_step = now, marks
        steps, self._step = max(self._buffer.step - self._step, 1), self._buffer.step
        self._untold += steps
        hooks_s = max(marks.hooks_s - before.hooks_s - self._evaluated_s, 0.0)
        shared_s = self._charge(marks, before, hooks_s, listened) + marks.page_s - before.page_s
        self._evaluated_s = 0.0
        if began is None:
            return 0.0, steps
        bare_s = max(now - began - (marks.spent_s - before.spent_s), 0.0)
        return self._note(_Span(bare_s, steps, listened, hooks_s, shared_s)), steps

    def _note(self, span: _Span) -> float:
        each = span.bare_s / span.steps
        self._spans.append(span)
        if each > self._longest_s():
            each = self.usual_s
        elif span.listened:
            self._loaded.append((each, span.hooks_s))
        else:
            self._bare.append(each)
        self._look()
        bare_s = each * span.steps
        self._open_s += bare_s
        self.trained_s += bare_s
        if self._step >= self._closes:
            self._close()
        return bare_s

    def _longest_s(self) -> float:
        """How long a step may take; beyond that it is no step alone."""
        newest = sorted(span.bare_s / span.steps for span in list(self._spans)[-_NEWEST:])
        return _LONG * newest[3 * len(newest) // 4] if self.usual_s == self.usual_s else math.inf

    def _look(self) -> None:
        """Look at the newest spans: at those without listening, where there are some."""
        longest, plain = self._longest_s(), [span for span in self._spans if not span.listened]
        chosen = [span.bare_s / span.steps for span in (plain if len(plain) >= 2 else self._spans)]
        self.usual_s = fmean([each for each in chosen[-_NEWEST:] if each <= longest] or chosen[-1:])
        idle_s = _each((span.hooks_s, span.steps) for span in plain)
        self.base_s = idle_s + _each((span.shared_s, span.steps) for span in self._spans)
        if min(len(self._bare), len(self._loaded)) >= _ENOUGH:
            beside = _middle(bare for bare, _ in self._loaded) - _middle(self._bare)
            ours = _middle(hooks_s for _, hooks_s in self._loaded)
            self.hidden = min(max(beside / ours, 0.0), _MOST_HIDDEN) if ours > 0 else 0.0

    # ------------------------------------------------------------------ who pays

    def _charge(self, marks: _Marks, before: _Marks, hooks_s: float, listened: bool) -> float:
        """Charge each lens with what it took, and what losses took on their way to the history comes back.

        What the hooks took beside the callbacks is shared among the lenses that listened.
        """
        by_row_s = self._by_row_s(marks, before)
        called = [a - b for a, b in zip(marks.called_s, before.called_s, strict=True)]
        callbacks_s, shared_s = sum(called), 0.0
        idle_s = _each((span.hooks_s, span.steps) for span in self._spans if not span.listened)
        more = max(hooks_s - callbacks_s - idle_s, 0.0) / callbacks_s if listened and callbacks_s > 0 else 0.0
        hidden = self.known_hidden if listened else 0.0
        self._hidden_s[-1] += max(hooks_s - callbacks_s, 0.0) * hidden
        for i, (ear, price) in enumerate(zip(self._ears, self._prices, strict=True)):
            late_s = marks.finished_s[i] - before.finished_s[i] + (marks.rows[i] - before.rows[i]) * by_row_s
            shared_s += late_s if ear.always else 0.0
            self._hidden_s[i] += called[i] * hidden
            times = (self._untold if ear.always else int(ear.on)) if listened else 0
            price.add(called[i] * (1 + (more if ear.on else 0.0)) * (1 + hidden) + late_s, times)
        self._untold = 0 if listened else self._untold
        return shared_s

    def _by_row_s(self, marks: _Marks, before: _Marks) -> float:
        """Seconds that the history takes for a reading."""
        self._rows += sum(marks.rows) - sum(before.rows)
        self._rows_s += marks.history_s - before.history_s
        if self._rows > _MANY_ROWS:
            self._rows, self._rows_s = self._rows // 2, self._rows_s / 2
        return self._rows_s / self._rows if self._rows else 0.0

    # ------------------------------------------------------------------ beside the steps

    def note_history(self, took_s: float, finished_s: float) -> None:
        """Note a transfer, in which lenses took `finished_s` for themselves."""
        self.history_s += took_s - finished_s
        self._hooks.note_outside(took_s)

    def note_page(self, took_s: float) -> None:
        """Note that the page was brought up to date, or the figures of an epoch were made."""
        self.page_s += took_s
        self._hooks.note_outside(took_s)

    def evaluation_begins(self) -> None:
        """Begin to leave out what is spent: it is not the price of a step."""
        self._at_pass = self._marks()

    def evaluation_ends(self) -> None:
        """Leave out what was spent since the pass began."""
        now, then = self._marks(), self._at_pass
        self._evaluated_s += now.hooks_s - then.hooks_s
        called = (a + b - c for a, b, c in zip(self._at_step.called_s, now.called_s, then.called_s, strict=True))
        self._at_step = self._at_step.with_called(tuple(called))

    # ------------------------------------------------------------------ what came out

    @property
    def sums(self) -> Sums:
        """The sums of the newest steps; what is hidden is with the lenses and the hooks that it comes from."""
        return self._closed.plus(self._open())

    def once_s(self, place: int) -> float:
        """Seconds that a lens adds to a step that it listens to, with its part of the hooks and of the history."""
        return self._prices[place].once_s

    def charged_s(self, place: int) -> float:
        """Seconds that a lens has added so far."""
        return self._prices[place].charged_s

    def heard(self, place: int) -> int:
        """How many steps a lens has listened to."""
        return self._prices[place].heard

    @property
    def known_hidden(self) -> float:
        """The same as :attr:`hidden`, 0 before it is known."""
        return 0.0 if math.isnan(self.hidden) else self.hidden

    def _marks(self) -> _Marks:
        finished_s = tuple(ear.finished_s for ear in self._ears)
        called_s = tuple(ear.spent_s - ear.finished_s for ear in self._ears)
        rows, spent_s = tuple(ear.rows for ear in self._ears), self._hooks.spent_s
        hooks_s = spent_s - self._buffer.finished_s - self.history_s - self.page_s
        return _Marks(spent_s, hooks_s, self.history_s, self.page_s, called_s, finished_s, rows)

    def _readings(self) -> Sums:
        """All that was spent so far, in seconds; the steps' own time is kept apart."""
        spent = [ear.spent_s for ear in self._ears]
        hooks_s = self._hooks.spent_s - sum(spent) - self.history_s - self.page_s + self._hidden_s[-1]
        lenses_s = tuple(own + hidden for own, hidden in zip(spent, self._hidden_s, strict=False))
        return Sums(0.0, lenses_s, hooks_s, self.history_s, self.page_s)

    def _open(self) -> Sums:
        """Sums since the last ones were closed."""
        return self._readings().plus(self._at_open, -1).plus(Sums(self._open_s, (0.0,) * len(self._ears)))

    def _close(self) -> None:
        self._blocks.append(self._open())
        self._closed = self._closed.plus(self._blocks[-1])
        if len(self._blocks) > _BLOCKS:
            self._closed = self._closed.plus(self._blocks.popleft(), -1)
        self._at_open, self._open_s = self._readings(), 0.0
        self._closes = self._step + _BLOCK


@dataclass(frozen=True, slots=True)
class _Marks:
    """What was spent up to a moment: in all, in hooks, beside them, and by lens in callbacks and afterwards."""

    spent_s: float
    hooks_s: float
    history_s: float
    page_s: float
    called_s: tuple[float, ...]
    finished_s: tuple[float, ...]
    rows: tuple[int, ...]

    def with_called(self, called_s: tuple[float, ...]) -> _Marks:
        return _Marks(self.spent_s, self.hooks_s, self.history_s, self.page_s, called_s, self.finished_s, self.rows)


def _each(parts: Iterable[tuple[float, int]]) -> float:
    """Seconds a step, of spans with their steps."""
    seconds, steps = 0.0, 0
    for part_s, part in parts:
        seconds, steps = seconds + part_s, steps + part
    return seconds / steps if steps else 0.0


def _middle(numbers: Iterable[float]) -> float:
    """Mean of the middle half: a few that stick out don't count, and steps of two kinds do."""
    ordered = sorted(numbers)
    cut = len(ordered) // 4
    return fmean(ordered[cut : len(ordered) - cut])
