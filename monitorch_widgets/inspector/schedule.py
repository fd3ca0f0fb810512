"""When each lens listens, so that watching stays within its budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import perf_counter

from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.lens import AbstractLens, LossMetrics
from monitorch_widgets.preprocessor import Ear
from monitorch_widgets.values import Cost, Overhead

from .meter import Meter
from .plan import LARGEST, power_of_two, strides
from .turns import Cycle, Turn

_MARGIN = 0.8  # of the budget that is planned for; the rest is for what could not be foreseen
_CAREFUL = 0.3  # hidden cost that is planned for before it is known
_LEAST = 0.2  # of the budget that lenses get even where counting and losses alone take all of it
_EARLY, _EARLY_S, _DOZEN = 4, 0.5, 12  # times the budget, in so many seconds of training, for so many readings
_ADVANCE_S = 0.2  # what lenses may spend before anything is saved up: the first times are slow
_SAVED = 64  # steps over which what was not spent is saved up, at most
_OWED = 256  # steps over which what was spent too much is paid back, at most
_FIRST = 4  # stride of a lens whose price is not known yet
_KNOWN = 2  # times that it has listened when it is
_PLAN_S = 0.5  # seconds between two plans, but for the first dozen readings

Every = int | str | Mapping[str, int]


class Schedule:
    """Says which lenses listen to the step that begins.

    A lens with a stride of its own keeps it, whatever it costs. The others share the budget: what each costs is
    measured when it listens, and its stride is the smallest that it can afford. What they save and spend is kept in an
    account, and none begins to listen while that is overdrawn. They always get a part of the budget, so that none is
    silent for ever where losses and counting alone take all of it. Losses are read at every step.

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
        self._listening: list[Turn] = []  # to the running step
        self._next = 0
        self._evaluations = (-1, 0)  # the step that they come after, and passes since
        self._in_evaluation = False
        self._saved_s, self._charged_s = _ADVANCE_S, 0.0
        self._stepped = self._pushes = False
        self._hushed = False
        self._planned_at = -math.inf

    # ------------------------------------------------------------------ begin and go on

    def begin(self) -> None:
        """Begin with a model: everything listens to the step that comes."""
        hooks = self._state.hooks
        self._evaluations, self._in_evaluation, self._stepped = (-1, 0), False, False
        hooks.on_evaluation, hooks.on_returned = self._evaluation_begins, self._pass_ends
        self._cycle = Cycle()
        self._take_turns()
        self._listen(self._state.buffer.step)

    def start_over(self) -> None:
        """Begin at the step where a former run has ended."""
        if self._ears:
            self.begin()

    def renew(self) -> None:
        """Go on with other lenses, or other strides: those that stay as they are keep their steps."""
        former = {id(turn.lens): turn for turn in self._turns}
        self._take_turns()
        for i, turn in enumerate(self._turns):
            before = former.get(id(turn.lens))
            if before is not None and before.fixed == turn.fixed and (not turn.fixed or before.every == turn.every):
                self._turns[i] = replace(before, ear=turn.ear, least=turn.least)
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
        hooks.worn.root_stays = self._pushes or any(map(_needs_passes, self._lenses))
        self._saved_s, self._charged_s, self._planned_at = _ADVANCE_S, 0.0, -math.inf

    def _turn(self, lens: AbstractLens, ear: Ear) -> Turn:
        every, step = _fixed(lens, self.every), self._state.buffer.step
        least = 1 if lens.every == "auto" else power_of_two(lens.least_stride)
        return Turn(lens, ear, every is not None, every or max(_FIRST, least), step, step, least=least)

    def step_over(self, optimizer: object) -> int:
        """Note that a step was made, and listen to the next one with the lenses whose turn it is.

        How many steps follow that none of them listens to is returned.
        """
        step, hooks = self._state.buffer.step, self._state.hooks
        self._stepped = True
        self._cycle.saw(optimizer, step)
        self._pass_ends()  # where an exception kept the model from returning from an evaluation
        listened = hooks.own.on
        self._account(*self.meter.step_over(listened))
        planned = self._plan_if_due(listened)
        if step >= self._next or planned:
            self._listen(step)
        return 0 if hooks.own.on else self._next - step - 1

    def _account(self, bare_s: float, steps: int) -> None:
        """Save what the steps allow, and pay for what lenses of free stride took."""
        charged_s = sum(self.meter.charged_s(self._place(turn)) for turn in self._turns if not turn.fixed)
        spent_s, self._charged_s = charged_s - self._charged_s, charged_s
        saved_s = self._saved_s - spent_s
        each_s = self._allowed_s(self.meter.usual_s)
        if each_s == each_s:
            most_s = max(_SAVED * each_s, saved_s if self._early else 0.0)
            saved_s = min(max(saved_s + self._allowed_s(bare_s / steps) * steps, -_OWED * each_s), most_s)
        self._saved_s = saved_s

    # ------------------------------------------------------------------ evaluation

    def _evaluation_begins(self) -> None:
        """Listen to this pass of an evaluation with the lenses that do so, by their strides in passes."""
        if self._in_evaluation or self._hushed or not self._state.is_active:
            return
        step, passes = self._evaluations
        passes = passes + 1 if step == self._state.buffer.step else 0
        self._evaluations = self._state.buffer.step, passes
        turns = [turn for turn in self._turns if turn.lens.evaluates and passes % turn.every == 0]
        if turns or self._state.hooks.own.on:
            self._in_evaluation = True
            self.meter.evaluation_begins()
            self._hear(turns, own=True)

    def _pass_ends(self) -> None:
        if self._in_evaluation:
            self._in_evaluation = False
            self.meter.evaluation_ends()
            self._hear(self._listening)

    def sees_push(self) -> None:
        """Note that the loop pushes numbers: from now on forward passes say which step these are of."""
        if self._ears and not self._pushes:
            self._pushes = self._state.hooks.worn.root_stays = True
            if not self._hushed:
                self._hear(self._listening)

    # ------------------------------------------------------------------ who listens

    def by_hand(self) -> None:
        """Note that the loop tells of its steps itself."""
        self._cycle.by_hand()

    def hush(self, hushed: bool) -> None:
        """Listen to nothing, losses too, or listen again: a phase has begun or is over."""
        if hushed != self._hushed:
            self._hushed = hushed
            self.again()

    def again(self) -> None:
        """Decide anew who listens now: an epoch has begun."""
        if self._ears:
            self._listen(self._state.buffer.step)

    def _listen(self, step: int) -> None:
        """Listen to a step with the lenses whose turn it is."""
        self._in_evaluation = False
        if self._hushed or not self._state.is_active:
            for turn in self._listening:
                turn.cease(step, self._cycle.steps)
            self._next, self._listening = step + LARGEST, []
            self._state.hooks.listen()
            return
        turns, cycle = [turn for turn in self._turns if not turn.ear.muted], self._cycle.steps
        for turn in turns:
            if turn.due(step) and (turn.fixed or self._saved_s >= 0):
                if step > turn.until(cycle) or not turn.begun:
                    turn.lens.steps_left_out()
                turn.begin(step)
        self._listening = [turn for turn in turns if step < turn.until(cycle)]
        self._next = min((turn.change(step, cycle, self._wait) for turn in turns), default=step + LARGEST)
        self._hear(self._listening)

    @property
    def _wait(self) -> int:
        """Steps until the account is not overdrawn any more, about."""
        each_s = self._allowed_s(self.meter.usual_s)
        return max(min(math.ceil(-self._saved_s / each_s), _OWED), 1) if each_s > 0 else 1

    def _hear(self, turns: Sequence[Turn], *, own: bool = False) -> None:
        """Listen with the lenses of these turns, and to losses.

        The first step is followed in any case, and all where another model shares the loss module: whose a loss is, is
        told by the passes.
        """
        hooks = self._state.hooks
        follows = own or turns or not self._stepped or self._state.shares_losses
        always = [ear for ear in self._ears if ear.always]
        ears = [ear for ear in (*always, *(turn.ear for turn in turns)) if not ear.muted]
        hooks.listen([hooks.own, *ears] if follows else ears)

    # ------------------------------------------------------------------ the strides

    def _plan_if_due(self, listened: bool) -> bool:
        now = perf_counter()
        if not (listened and self._early) and now < self._planned_at + _PLAN_S:
            return False
        self._planned_at = now
        self._plan()
        return True

    def _plan(self) -> None:
        """Give each lens the smallest stride that it can afford."""
        allowed_s = _MARGIN * self._allowed_s(self.meter.usual_s)
        known = [turn for turn in self._free if self.meter.heard(self._place(turn)) >= _KNOWN]
        if not known or allowed_s != allowed_s:
            return
        more = 1 + _CAREFUL if math.isnan(self.meter.hidden) else 1.0
        prices = [self.meter.once_s(self._place(turn)) * more * turn.length(self._cycle.steps) for turn in known]
        for turn, every in zip(known, strides(prices, allowed_s), strict=True):
            turn.plan(max(every, turn.least), self._state.buffer.step)

    @property
    def _free(self) -> list[Turn]:
        return [turn for turn in self._turns if not turn.fixed and not turn.ear.muted]

    @property
    def _heard(self) -> int:
        """How many steps each lens of free stride has listened to, at least."""
        return min((self.meter.heard(self._place(turn)) for turn in self._free), default=0)

    @property
    def _early(self) -> bool:
        return self.meter.trained_s < _EARLY_S and self._heard < _DOZEN

    def _allowed_s(self, usual_s: float) -> float:
        """Seconds that lenses of free stride may add to a step that takes so long."""
        least = _EARLY if self._early else _LEAST
        return max(self._budget * usual_s - self.meter.base_s, least * self._budget * usual_s)

    def _place(self, turn: Turn) -> int:
        return self._ears.index(turn.ear)

    # ------------------------------------------------------------------ what came out

    @property
    def overhead(self) -> Overhead:
        """What watching costs, over the newest steps."""
        sums = self.meter.sums
        whole_s = sums.steps_s or math.nan
        lenses = [self._cost(i, spent_s / whole_s) for i, spent_s in enumerate(sums.lenses_s)]
        shared = [("hooks", sums.hooks_s), ("transfer and history", sums.history_s), ("page", sums.page_s)]
        return Overhead(
            sums.added_s / whole_s,
            self._budget if self._has_budget else None,
            self._range_of(lenses),
            (*lenses, *(Cost(name, fraction=spent_s / whole_s) for name, spent_s in shared)),
        )

    def _range_of(self, costs: Sequence[Cost]) -> tuple[int, int]:
        """Smallest and largest stride; losses and lenses with a stride of their own count where there are no others."""
        pairs = list(zip(costs, self._lenses, self._ears, strict=False))
        common = [cost.every_steps for cost, lens, ear in pairs if lens.every is None and not ear.always]
        every = [steps for steps in (common if any(common) else [cost.every_steps for cost in costs]) if steps]
        return (min(every), max(every)) if every else (0, 0)

    @property
    def _has_budget(self) -> bool:
        """Whether a lens is free to listen as often as it can afford; losses are read at every step anyway."""
        return any(_fixed(lens, self.every) is None for lens in self._lenses if not isinstance(lens, LossMetrics))

    def _cost(self, place: int, fraction: float) -> Cost:
        lens, step, cycle = self._lenses[place], self._state.buffer.step, self._cycle.steps
        turn = next((turn for turn in self._turns if turn.lens is lens), None)
        silent = not self._state.is_active or self._ears[place].muted
        every = 0 if silent else turn.shown_every(step, cycle) if turn else 1
        return Cost(
            lens.called,
            tuple(spec.tag for spec in lens.specs),
            every,
            lens.pairs and every > 1,
            self.meter.once_s(place),
            fraction,
        )


def _needs_passes(lens: AbstractLens) -> bool:
    """Whether forward passes of the model have to be seen between steps that are listened to.

    By them an evaluation is found, and whether a number that the loop pushes is of the step that is made or of the one
    before.
    """
    return lens.evaluates or (isinstance(lens, LossMetrics) and lens.loss_fn is None)


def _fixed(lens: AbstractLens, every: Every) -> int | None:
    """Stride that the user has set for a lens; None where it is free."""
    if lens.every is not None:
        return None if lens.every == "auto" else int(lens.every)
    if isinstance(every, Mapping):
        return next((every[spec.tag] for spec in lens.specs if spec.tag in every), None)
    return None if isinstance(every, str) else max(every, lens.least_stride)
