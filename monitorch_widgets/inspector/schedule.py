"""When each lens listens, so that watching stays within its budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from time import perf_counter

from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.lens import AbstractLens, LossMetrics
from monitorch_widgets.preprocessor import Ear
from monitorch_widgets.values import Cost, Overhead

from .meter import Meter
from .plan import LARGEST, strides
from .turns import Cycle, Turn

_MARGIN = 0.8  # of the budget that is planned for; the rest is for what could not be foreseen
_CAREFUL = 0.3  # hidden cost that is planned for before it is known
_SAVED = 64.0  # steps over which what was not spent is saved up, at most
_OWED = 4096.0  # steps over which what was spent too much is paid back, at most
_COLD = 256.0  # the same for the first steps, in which memory is got and code is loaded once and for all
_FIRST = 8  # stride of a lens whose cost is not known yet
_KNOWN = 3  # times that it has listened when it is
_PLAN_S = 0.5  # seconds between two plans
_EARLY = 6  # plans that are made without waiting, each time that lenses have listened

Every = int | str | Mapping[str, int]


class Schedule:
    """Says which lenses listen to the step that begins.

    A lens with a stride of its own keeps it. The others share the budget: what each costs is measured when it listens,
    and its stride is the smallest that it can afford. All listen to the first step; what that took is saved up again
    before they do so for the second time. Losses are always read.

    Parameters
    ----------
    state : InspectorState
        Its hooks are switched.
    lenses : sequence of AbstractLens
        Who listens.
    every : "auto", int or dict of str to int
        Stride of all lenses, or by tag.
    max_overhead : float
        What watching may add to the training time, as a fraction of it, where strides are not fixed.

    Attributes
    ----------
    every : "auto", int or dict of str to int
        Stride of all lenses, or by tag.
    meter : Meter
        Measures what watching costs.
    """

    def __init__(
        self, state: InspectorState, lenses: Sequence[AbstractLens], every: Every, max_overhead: float
    ) -> None:
        self._state = state
        self._lenses = lenses
        self.every = every
        self._budget = max_overhead
        self.meter = Meter(state.hooks, state.buffer)
        self._cycle = Cycle()
        self._turns: list[Turn] = []
        self._ears: list[Ear] = []
        self._next = 0
        self._evaluations = (-1, 0)  # the step that they come after, and passes since
        self._listens_to_evaluation = False
        self._saved_s = 0.0
        self._plans = 0
        self._planned_at = -math.inf

    # ------------------------------------------------------------------ begin and go on

    def begin(self) -> None:
        """Begin with a model: everything listens to the step that comes."""
        hooks = self._state.hooks
        self._evaluations = (-1, 0)
        hooks.on_evaluation, hooks.on_returned = self._evaluation_begins, self._pass_ends
        self._cycle = Cycle()
        self._take_turns()
        self._listen(self._state.buffer.step)

    def renew(self) -> None:
        """Go on with other lenses, or other strides: those that stay as they are keep their steps."""
        former = {id(turn.lens): turn for turn in self._turns}
        self._take_turns()
        for turn in self._turns:
            before = former.get(id(turn.lens))
            if before is not None and before.fixed == turn.fixed and (not turn.fixed or before.every == turn.every):
                turn.first, turn.every = before.first, before.every
        self._listen(self._state.buffer.step)

    def change(self, every: Every, max_overhead: float) -> None:
        """Listen at other steps, or within another budget."""
        self.every, self._budget = every, max_overhead
        if self._ears:
            self.renew()

    def _take_turns(self) -> None:
        hooks = self._state.hooks
        self._ears = [hooks.ear_of(lens) for lens in self._lenses]
        for lens, ear in zip(self._lenses, self._ears, strict=True):
            ear.always = isinstance(lens, LossMetrics)
        pairs = zip(self._lenses, self._ears, strict=True)
        self._turns = [self._turn(lens, ear) for lens, ear in pairs if not ear.always]
        self.meter.begin(self._ears)
        hooks.worn.root_stays = any(lens.evaluates for lens in self._lenses)
        self._saved_s, self._plans, self._planned_at = 0.0, 0, -math.inf

    def _turn(self, lens: AbstractLens, ear: Ear) -> Turn:
        every = _fixed(lens, self.every)
        return Turn(lens, ear, every is not None, every or _FIRST, self._state.buffer.step)

    def step_over(self, optimizer: object) -> int:
        """Note that a step was made, and listen to the next one with the lenses whose turn it is.

        How many steps follow that none of them listens to is returned.
        """
        step = self._state.buffer.step
        self._cycle.saw(optimizer, step)
        self._pass_ends()  # where an exception kept the model from returning from an evaluation
        bare_s, added_s = self.meter.step_over(listened=self._state.hooks.own.on)
        usual_s = self.meter.usual_s
        if usual_s == usual_s:
            each_s = self._budget * usual_s
            saved_s = self._saved_s + self._budget * bare_s - added_s
            owed = _OWED if self._plans else _COLD
            self._saved_s = min(max(saved_s, -owed * each_s), _SAVED * each_s)
        else:
            self._saved_s -= added_s
        if step >= self._next:
            if self._plans < _EARLY or perf_counter() >= self._planned_at + _PLAN_S:
                self._plan()
            self._listen(step)
        return 0 if self._state.hooks.own.on else self._next - step - 1

    def _evaluation_begins(self) -> None:
        """Listen to this pass of an evaluation with the lenses that do so, by their strides in passes."""
        if not self._state.is_active:
            return
        step, passes = self._evaluations
        passes = passes + 1 if step == self._state.buffer.step else 0
        self._evaluations = self._state.buffer.step, passes
        turns = [turn for turn in self._turns if turn.lens.evaluates and passes % turn.every == 0]
        if turns:
            self._listens_to_evaluation = True
            self._hear(turns)

    def _pass_ends(self) -> None:
        if self._listens_to_evaluation:
            self._listens_to_evaluation = False
            self.meter.leave_out()
            self._hear([])

    def by_hand(self) -> None:
        """Note that the loop tells of its steps itself."""
        self._cycle.by_hand()

    def again(self) -> None:
        """Decide anew who listens now: an epoch has begun."""
        if self._ears:
            self._listen(self._state.buffer.step)

    def _listen(self, step: int) -> None:
        """Listen to a step with the ears whose turn it is."""
        if not self._state.is_active:
            self._next = step + LARGEST
            self._state.hooks.listen()
            return
        cycle = self._cycle.steps
        self._next = min((turn.next_change(step, cycle) for turn in self._turns), default=step + LARGEST)
        chosen = [turn for turn in self._turns if turn.listens(step, cycle) and self._may(turn, step)]
        for turn in chosen:
            if not turn.ear.on:
                turn.lens.steps_left_out()
        self._hear(chosen)

    def _hear(self, turns: Sequence[Turn]) -> None:
        """Listen with the lenses of these turns, and to losses."""
        hooks = self._state.hooks
        own = [hooks.own] if turns or not self._turns else []  # losses alone: whose they are is told by the passes
        hooks.listen([*own, *(ear for ear in self._ears if ear.always), *(turn.ear for turn in turns)])

    def _may(self, turn: Turn, step: int) -> bool:
        """Whether a lens whose turn it is may listen: it goes on, or it begins, and there is something to spend."""
        return turn.ear.on or (turn.begins(step) and (turn.fixed or self._saved_s >= 0))

    # ------------------------------------------------------------------ the strides

    def _plan(self) -> None:
        """Give each lens the smallest stride that it can afford."""
        free = [turn for turn in self._turns if not turn.fixed and not turn.ear.muted]
        known = [(turn, self._once_s(turn)) for turn in free if self.meter.heard(self._place(turn)) >= _KNOWN]
        if not known or self.meter.usual_s != self.meter.usual_s:
            return
        self._plans += 1
        self._planned_at = perf_counter()
        more = 1 + _CAREFUL if math.isnan(self.meter.hidden) else 1.0
        costs = [once_s * more * turn.length(self._cycle.steps) for turn, once_s in known]
        for (turn, _), every in zip(known, strides(costs, self._allowed_s()), strict=True):
            turn.plan(every, self.meter.heard(self._place(turn)))

    def _once_s(self, turn: Turn) -> float:
        return self.meter.once_s(self._place(turn))

    def _place(self, turn: Turn) -> int:
        return self._ears.index(turn.ear)

    def _allowed_s(self) -> float:
        """Seconds a step that lenses of free stride may spend."""
        fixed = [self._once_s(turn) / turn.every for turn in self._turns if turn.fixed]
        spent = sum(each for each in fixed if each == each) + self.meter.idle_s
        return self._budget * self.meter.usual_s * _MARGIN - spent

    # ------------------------------------------------------------------ what came out

    @property
    def overhead(self) -> Overhead:
        """What watching costs, over the newest steps."""
        sums = self.meter.sums
        whole_s = sums.steps_s or math.nan
        lenses = [self._cost(i, spent_s / whole_s) for i, spent_s in enumerate(sums.lenses_s)]
        every = [cost.every_steps for cost in lenses if cost.every_steps]
        shared = [("hooks", sums.hooks_s), ("transfer and history", sums.history_s), ("page", sums.page_s)]
        return Overhead(
            sums.added_s / whole_s,
            self._budget if self._has_budget else None,
            (min(every), max(every)) if every else (0, 0),
            (*lenses, *(Cost(name, fraction=spent_s / whole_s) for name, spent_s in shared)),
        )

    @property
    def _has_budget(self) -> bool:
        """Whether a lens is free to listen as often as it can afford; losses are read at every step anyway."""
        return any(_fixed(lens, self.every) is None for lens in self._lenses if not isinstance(lens, LossMetrics))

    def _cost(self, place: int, fraction: float) -> Cost:
        lens, cycle = self._lenses[place], self._cycle.steps
        turn = next((turn for turn in self._turns if turn.lens is lens), None)
        every = 0 if not self._state.is_active or self._ears[place].muted else turn.shown_every(cycle) if turn else 1
        return Cost(
            type(lens).__name__,
            tuple(spec.tag for spec in lens.specs),
            0 if every == LARGEST else every,
            lens.pairs and every > 1,
            self.meter.once_s(place),
            fraction,
        )


def _fixed(lens: AbstractLens, every: Every) -> int | None:
    """Stride that the user has set for a lens; None where it is free."""
    if lens.every is not None:
        return None if lens.every == "auto" else int(lens.every)
    if isinstance(every, Mapping):
        return min((every[spec.tag] for spec in lens.specs if spec.tag in every), default=None)
    return None if isinstance(every, str) else every
