"""Hands that steer a run at random: commands and changes of the view, as a page sends them and as Python gives them."""

from __future__ import annotations

import contextlib
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import MonitorchError
from monitorch_widgets.inspector.instrument import OFFERED
from monitorch_widgets.lens import ParameterNorm, ParameterUpdateRatio
from monitorch_widgets.panel.dashboard import Dashboard

Json = dict[str, Any]
Act = Callable[[], None]

AGAIN = ("resume", "step", "resume", "step_epoch")  # what ends a hold
ADDED = [kind.__name__ for kind in OFFERED]
PATTERNS = (None, ["first", "act"], ["first", "act", "block.*"], ["first", "act", "block.0"])
RUBBISH: Sequence[Json] = (
    {"name": "sotp", "arguments": {}},
    {"name": "add", "arguments": {"name": "NoLens"}},
    {"name": "depth", "arguments": {"depth": "deep"}},
    {"name": "every", "arguments": {"every": 0}},
    {"name": "remove", "arguments": {"tag": 7}},
    {"name": "set", "arguments": 3},
    {"name": None},
)


class Mailbox:
    """Stands in for a kernel's inbox: what is put in is handled at the next boundary, or while the loop is held."""

    mode = "thread"
    reach = "live control"

    def __init__(self) -> None:
        self._waiting: deque[Act] = deque()
        self._told: list[Callable[[], None]] = []
        self.when_held: Act = self.pump  # what a person does who finds the loop held

    def call(self, told: Callable[[], None]) -> None:
        """Call a function at each arrival."""
        self._told.append(told)

    def put(self, act: Act) -> None:
        """Let a message arrive."""
        self._waiting.append(act)
        for told in self._told:
            told()

    def pump(self, force: bool = False) -> int:
        """Handle what has arrived."""
        done = 0
        while self._waiting:
            self._waiting.popleft()()
            done += 1
        return done

    def wait(self, seconds: float) -> int:
        """Handle what has arrived; where nothing has, somebody lets the loop go on."""
        if not self._waiting:
            self.when_held()
        return self.pump()


class Hands:
    """Does something random at each of some steps.

    Parameters
    ----------
    inspector : PyTorchInspector
        With the ``"widgets"`` visualizer.
    plan : sequence of int
        The steps, in order.
    seed : int
        Of the choices.
    untouched : sequence of str
        Tags that no command names.
    """

    def __init__(self, inspector: PyTorchInspector, plan: Sequence[int], seed: int, untouched: Sequence[str]) -> None:
        self._inspector = inspector
        self._plan = deque(plan)
        self._chance = random.Random(seed)
        self._untouched = set(untouched)
        self.dashboard: Dashboard = inspector.show()
        self.mailbox = Mailbox()
        self.mailbox.when_held = self._let_go_on
        inspector.connect(self.mailbox)  # type: ignore[arg-type]
        inspector.register("spread", lambda module, input, output: output.std())
        inspector.register("largest", lambda parameter, gradient: gradient.abs().max())
        self.done: Counter[str] = Counter()
        self._number = 0

    def due(self, step: int) -> list[Act]:
        """What is done in the course of a step."""
        acts = []
        while self._plan and self._plan[0] <= step:
            self._plan.popleft()
            acts.append(self._chance.choice([self._command, self._command, self._from_python, self._view]))
        return acts

    # ------------------------------------------------------------------ what a page sends

    def _command(self) -> None:
        draw = self._chance.random()
        content = self._chance.choice(RUBBISH) if draw < 0.05 else self._asked()
        self.done[f"page: {content.get('name')}"] += 1
        self._number += 1
        self._send({"type": "command", "number": str(self._number), **content})

    def _send(self, content: Json) -> None:
        self.mailbox.put(lambda: self.dashboard._handle_custom_msg(content, []))

    def _asked(self) -> Json:
        choose = self._chance.choice
        others = self._others()
        name = choose(["pause", "step", "step_epoch", "resume", "add", "add", "remove", "set", "watch", "watch_text",
                       "collect", "depth", "every", "budget", "log_every", "scale_lr"])  # fmt: skip
        arguments: Json = {
            "step": {"steps": choose([1, 2, 7])},
            "add": {"name": choose(ADDED), "arguments": choose([{}, {"every": "3"}, {"log_scale": True}])},
            "remove": {"tag": choose(others)},
            "set": {
                "tag": choose(others),
                "arguments": choose([{"every": "2"}, {"log_scale": True}, {"inplace": False}]),
            },
            "watch": {"name": choose(["spread", "largest", "nobody"])},
            "watch_text": {"text": "output.mean()"},
            "collect": {"patterns": choose(PATTERNS)},
            "depth": {"depth": choose([-1, 1])},
            "every": {"every": choose(["auto", 1, 2, 5])} | choose([{}, {"tag": choose(others)}]),
            "budget": {"max_overhead": choose([0.01, 0.05, 0.3])},
            "log_every": {"steps": choose([1, 3])},
            "scale_lr": {"factor": 0.5},  # refused: it is not switched on
        }.get(name, {})
        return {"name": name, "arguments": arguments}

    def _others(self) -> list[str]:
        """Tags that may be named, and one that there is not."""
        return [tag for tag in (spec.tag for spec in self._inspector.specs) if tag not in self._untouched] + ["Nothing"]

    def _let_go_on(self) -> None:
        self._send({"type": "command", "number": "again", "name": self._chance.choice(AGAIN), "arguments": {}})

    # ------------------------------------------------------------------ what Python does

    def _from_python(self) -> None:
        inspector, choose = self._inspector, self._chance.choice
        twins: dict[str, Act] = {
            "pause": inspector.pause,
            "step": lambda: inspector.step(choose([1, 3])),
            "add": lambda: inspector.add(choose([ParameterNorm, ParameterUpdateRatio])()),
            "remove": lambda: inspector.remove(choose(self._others())),
            "watch": lambda: inspector.watch(lambda module, input, output: output.amax(), "amax"),
            "set": lambda: inspector.set(collect=choose(PATTERNS), depth=choose([-1, 1])),
            "set every": lambda: inspector.set(every=choose(["auto", 2]), max_overhead=choose([0.02, 0.1])),
            "allow_text": lambda: inspector.allow_text(choose([True, False])),
        }
        name = choose(list(twins))
        self.done[f"Python: {name}"] += 1
        with contextlib.suppress(MonitorchError):
            twins[name]()

    # ------------------------------------------------------------------ views

    def _view(self) -> None:
        choose, dashboard = self._chance.choice, self.dashboard
        change = {
            "smooth": choose([0.0, 0.5, 0.9]),
            "mode": choose(["lines", "map"]),
            "x": choose(["step", "epoch", "seconds"]),
            "shown": choose([["first"], ["first", "act"], []]),
        }
        kind = choose(["page", "Python", "whole"])
        self.done[f"view: {kind}"] += 1
        if kind == "page":
            self._send({"type": "view", "view": {**dashboard.view, **change, "seq": dashboard.view["seq"] + 1}})
        elif kind == "Python":
            dashboard.set_view(change)
        else:
            self._send({"type": "whole"})
