"""What watching costs, measured step by step while the model trains."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from monitorch_widgets.gatherer import Hooks
from monitorch_widgets.preprocessor import Ear, StepBuffer

_RECENT = 48  # steps that are kept, of those with listening and of those without
_ENOUGH = 6  # of them, before anything is said of their middle
_OFTEN = 8  # steps between two looks at the middle
_FADE = 0.8  # of what a lens has cost, at each further time that it listens
_COLD = 2  # first times that do not count: memory is got, code is loaded
_BLOCK = 32  # steps after which sums are closed
_BLOCKS = 32  # closed sums that are kept
_LONG = 4.0  # times the usual step: beyond that something else has happened, an evaluation or a pause
_MOST_HIDDEN = 3.0


@dataclass(slots=True)
class _Tally:
    """What one lens has cost each time that it listened; older times count less."""

    spent_s: float = 0.0
    rows: float = 0.0
    times: float = 0.0
    heard: int = 0

    def add(self, spent_s: float, rows: int, times: int) -> None:
        self.heard += times
        fade = 1.0 if not times else _FADE if self.heard > _COLD + 1 else 0.0
        self.spent_s = self.spent_s * fade + spent_s
        self.rows = self.rows * fade + rows
        self.times = self.times * fade + times


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

    @property
    def negative(self) -> Sums:
        """What takes these sums out of others."""
        lenses_s = tuple(-spent_s for spent_s in self.lenses_s)
        return Sums(-self.steps_s, lenses_s, -self.hooks_s, -self.history_s, -self.page_s)

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.steps_s + other.steps_s,
            tuple(a + b for a, b in zip(self.lenses_s, other.lenses_s, strict=True)),
            self.hooks_s + other.hooks_s,
            self.history_s + other.history_s,
            self.page_s + other.page_s,
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
        Seconds that went into the transfer and the history, and into the page.
    usual_s : float
        Seconds that a step usually takes without us; NaN before the first.
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
        self._tallies = [_Tally() for _ in ears]
        self._known = [(ear.spent_s, ear.rows) for ear in ears]
        self._bare: deque[float] = deque(maxlen=_RECENT)
        self._idle: deque[float] = deque(maxlen=_RECENT)
        self._loaded: deque[tuple[float, float]] = deque(maxlen=_RECENT)
        self.usual_s = self.hidden = math.nan
        self._blocks: deque[Sums] = deque()
        self._closed = Sums(lenses_s=(0.0,) * len(ears))
        self._spent, self._beside, self._finished_s = self._hooks.spent_s, self._others(), self._buffer.finished_s
        self._open_s = 0.0
        self._steps = self._untold = self._looks = 0
        self._step, self._closes = self._buffer.step, _BLOCK
        self._at_open = self._readings()
        self._ended: float | None = None  # when the last step did; what comes until the first one is no training

    # ------------------------------------------------------------------ step by step

    def step_over(self, listened: bool) -> tuple[float, float]:
        """Note that a step is over: the seconds that it took without us, and those that we added, as far as is known.

        Steps that were skipped before it count too. How long the first one took is not known: 0.
        """
        now, began = self._hooks.tally(), self._ended
        added = self._hooks.spent_s - self._spent
        self._ended, self._spent = now, self._hooks.spent_s
        steps, self._step = self._buffer.step - self._step, self._buffer.step
        self._untold += steps
        beside, self._beside = self._beside, self._others()
        if listened:
            self._tell_tallies(added - (self._beside - beside))
        bare = 0.0 if began is None else self._note(max(now - began - added, 0.0), added, listened, max(steps, 1))
        self._steps += steps
        if self._steps >= self._closes:
            self._close()
        return bare, added * (1 + self.known_hidden) if listened else added

    def _note(self, bare: float, added: float, listened: bool, steps: int) -> float:
        each = bare / steps
        if each > _LONG * self.usual_s:
            each = self.usual_s
        elif listened:
            self._loaded.append((each, added))
        else:
            self._bare.append(each)
            self._idle.append(added / steps)
        self._looks += 1
        if self._looks % _OFTEN == 0 or len(self._bare) < _ENOUGH:
            self._look()
        self._open_s += each * steps
        return each * steps

    def _look(self) -> None:
        """Look at the middle of the newest steps."""
        plain = self._bare if len(self._bare) >= 2 else [bare for bare, _ in self._loaded]
        self.usual_s = median(plain) if plain else math.nan
        if min(len(self._bare), len(self._loaded)) >= _ENOUGH:
            least = median(added for _, added in self._loaded)
            heavy = [(bare, added) for bare, added in self._loaded if added >= least]
            beside = median(bare for bare, _ in heavy) - self.usual_s
            self.hidden = min(max(beside / median(added for _, added in heavy), 0.0), _MOST_HIDDEN)

    def _tell_tallies(self, hooks_s: float) -> None:
        """Tell what each lens has cost since the last step that was listened to, which took `hooks_s` in hooks.

        What the hooks took beside the callbacks is shared among the lenses that listened.
        """
        own = [ear.spent_s - spent_s for ear, (spent_s, _) in zip(self._ears, self._known, strict=True)]
        called_s = sum(own) - (self._buffer.finished_s - self._finished_s)
        idle_s = median(self._idle) if self._idle else 0.0
        more = 1 + max(hooks_s - called_s - idle_s, 0.0) / called_s if called_s > 0 else 1.0
        for tally, ear, spent_s, (_, rows) in zip(self._tallies, self._ears, own, self._known, strict=True):
            times = self._untold if ear.always else int(ear.on)
            tally.add(spent_s * more if ear.on else spent_s, ear.rows - rows, times)
        self._known = [(ear.spent_s, ear.rows) for ear in self._ears]
        self._finished_s, self._untold = self._buffer.finished_s, 0

    def _others(self) -> float:
        """Seconds that went into everything but hooks so far."""
        return self._buffer.finished_s + self.history_s + self.page_s

    # ------------------------------------------------------------------ beside the steps

    def note_history(self, took_s: float, finished_s: float) -> None:
        """Note a transfer, in which lenses took `finished_s` for themselves."""
        self.history_s += took_s - finished_s
        self._hooks.note_outside(took_s)

    def note_page(self, took_s: float) -> None:
        """Note that the page was brought up to date."""
        self.page_s += took_s
        self._hooks.note_outside(took_s)

    def leave_out(self) -> None:
        """Let what lenses have spent since the last step not count as the price of a step: it was an evaluation."""
        if self._ears:
            self._known = [(ear.spent_s, ear.rows) for ear in self._ears]
            self._finished_s = self._buffer.finished_s

    # ------------------------------------------------------------------ what came out

    @property
    def sums(self) -> Sums:
        """The sums of the newest steps; what is hidden is with the lenses and the hooks that it comes from."""
        return self._closed + self._open()

    def once_s(self, place: int) -> float:
        """Seconds that a lens adds to a step that it listens to, with its part of the hooks and of the history."""
        tally = self._tallies[place]
        if not tally.times:
            return math.nan
        rows = sum(ear.rows for ear in self._ears)
        by_row_s = self.history_s / rows if rows else 0.0
        return (tally.spent_s * (1 + self.known_hidden) + tally.rows * by_row_s) / tally.times

    def heard(self, place: int) -> int:
        """How many steps a lens has listened to."""
        return self._tallies[place].heard

    @property
    def idle_s(self) -> float:
        """Seconds that a step costs which no lens listens to, with its part of the page."""
        idle = median(self._idle) if self._idle else 0.0
        return idle + self.page_s / max(self._steps, 1)

    @property
    def known_hidden(self) -> float:
        """The same as :attr:`hidden`, 0 before it is known."""
        return 0.0 if math.isnan(self.hidden) else self.hidden

    def _readings(self) -> Sums:
        """All that was spent so far, in seconds; the steps' own time is kept apart."""
        lenses_s = tuple(ear.spent_s for ear in self._ears)
        others_s = sum(lenses_s) + self.history_s + self.page_s
        return Sums(0.0, lenses_s, self._hooks.spent_s - others_s, self.history_s, self.page_s)

    def _open(self) -> Sums:
        """Sums since the last ones were closed."""
        now, then = self._readings(), self._at_open
        more = 1 + self.known_hidden
        return Sums(
            self._open_s,
            tuple((a - b) * more for a, b in zip(now.lenses_s, then.lenses_s, strict=True)),
            (now.hooks_s - then.hooks_s) * more,
            now.history_s - then.history_s,
            now.page_s - then.page_s,
        )

    def _close(self) -> None:
        self._blocks.append(self._open())
        self._closed = self._closed + self._blocks[-1]
        if len(self._blocks) > _BLOCKS:
            self._closed = self._closed + self._blocks.popleft().negative
        self._at_open, self._open_s = self._readings(), 0.0
        self._closes = self._steps + _BLOCK
