"""Ctrl-C two hundred times at random moments, while commands and messages come: the loop can be run again each time."""

from __future__ import annotations

import gc
import random
import signal
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import FrameType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

import monitorch_widgets
from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import MonitorchError
from monitorch_widgets.lens import ParameterNorm, ParameterUpdateRatio
from monitorch_widgets.transport import Inbox

from ..zoo.watching import every_lens, hooks_on, optimizer_hooks, quiet_collector

PLACES = (monitorch_widgets.__path__[0], __file__)  # the lines at which an interrupt may come
INTERRUPTS = 200
STEPS = 5
TOO_MANY = 10 * INTERRUPTS  # cells; an interrupt that was meant for a later line than the last one never comes

module_wide = pytest.fixture(autouse=True, scope="module")(quiet_collector)


class Session:
    """Reads messages that are made of plain dicts."""

    def feed_identities(self, message: list[Any], copy: bool) -> tuple[list[bytes], list[Any]]:
        return [], message

    def deserialize(self, frames: list[Any], content: bool, copy: bool) -> dict[str, Any]:
        return {"header": {"msg_type": "comm_msg"}, "content": frames[2]}

    def unpack(self, content: dict[str, Any]) -> dict[str, Any]:
        return content


class Stream:
    """Where messages come in; while a loop is held, somebody lets it go on."""

    _recv_callback = None

    def __init__(self, when_held: Callable[[], None]) -> None:
        self.callbacks: list[Callable[[], None]] = []  # of a loop that does not turn before the cell has ended
        self.io_loop = SimpleNamespace(add_callback=self.callbacks.append)
        self.socket = SimpleNamespace(events=0, poll=lambda _: when_held())

    def on_recv(self, callback: Any, copy: bool) -> None:
        self._recv_callback = callback

    def flush(self, flag: int) -> None:
        raise AssertionError("nothing waits in the socket")


class Kernel:
    """An ipykernel that runs a cell, as the inbox needs it."""

    __module__ = "ipykernel.ipkernel"
    eventloop = None

    def __init__(self, heard: Callable[[dict[str, Any]], None], when_held: Callable[[], None]) -> None:
        self.session, self.shell_stream = Session(), Stream(when_held)
        self.io_loop = self.shell_stream.io_loop
        self.shell = SimpleNamespace(events=SimpleNamespace(register=lambda *_: None), showtraceback=lambda: None)
        self.shell_handlers = {"comm_msg": lambda _, __, told: heard(told["content"]["data"])}
        self._parent_ident = {"shell": [b"page"]}
        self.parent = {"header": {"msg_type": "execute_request", "msg_id": "cell"}}
        self.busy = 0

    def get_parent(self, channel: str) -> dict[str, Any]:
        return self.parent

    def set_parent(self, identities: list[bytes], parent: dict[str, Any], channel: str) -> None:
        self.parent = parent

    def _publish_status(self, status: str, channel: str, parent: dict[str, Any]) -> None:
        self.busy += 1 if status == "busy" else -1


class Interrupts:
    """Counts executed lines, and sends SIGINT at one of them, once."""

    def __init__(self) -> None:
        self.at = self.count = 0
        self.sent = False
        self.where = ""

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(PLACES):
            return None
        if event == "line":
            self.count += 1
            if self.count == self.at:
                self.sent, self.where = True, f"{frame.f_code.co_filename}:{frame.f_lineno}"
                signal.raise_signal(signal.SIGINT)
        return self

    def during(self, work: Callable[[], None], at: int) -> int:
        """Do the work; how many lines it had."""
        self.at, self.count, self.sent = at, 0, False
        before = sys.gettrace()
        sys.settrace(self)
        try:
            work()
        finally:
            sys.settrace(before)
        return self.count


class Scene:
    """A model that is trained and steered at random."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.chance = random.Random(seed)
        self.hooks_before = optimizer_hooks()  # of other tests' inspectors that somebody holds
        self.model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.loss = nn.MSELoss()
        self.kernel = Kernel(self.heard, lambda: self.arrives({"name": "resume"}))
        self.inbox = Inbox(self.kernel)
        self.inbox.watch("panel")
        self.inspector = self.fresh()
        self.caught = 0
        self.plan: deque[tuple[str, Any]] = deque()

    def fresh(self) -> PyTorchInspector:
        inspector = PyTorchInspector(every_lens(), module=self.model, visualizer="dummy", every=1)
        inspector.register("spread", lambda module, input, output: output.std())
        inspector.connect(self.inbox)
        return inspector

    # ------------------------------------------------------------------ what a page sends

    def arrives(self, content: dict[str, Any]) -> None:
        """A message of the page, on its arrival at the kernel."""
        header = SimpleNamespace(bytes=b'{"msg_type": "comm_msg"}')
        data = {"type": "command", "number": "1", "arguments": {}, **content}
        assert self.inbox._offered([b"signature", header, {"comm_id": "panel", "data": data}])

    def heard(self, content: dict[str, Any]) -> None:
        self.inspector.command(content)

    def something(self) -> None:
        """Somebody does something, in the page or in Python."""
        inspector, choose = self.inspector, self.chance.choice
        page = [
            {"name": "pause"},
            {"name": "step", "arguments": {"steps": 2}},
            {"name": "add", "arguments": {"name": "ParameterNorm"}},
            {"name": "remove", "arguments": {"tag": "Weight Update Ratio"}},
            {"name": "set", "arguments": {"tag": "Output Norm", "arguments": {"log_scale": True}}},
            {"name": "watch", "arguments": {"name": "spread"}},
            {"name": "collect", "arguments": {"patterns": choose([None, ["0", "2"]])}},
            {"name": "every", "arguments": {"every": choose([1, 2, "auto"])}},
            {"name": "nonsense"},
        ]
        python: list[Callable[[], None]] = [
            inspector.pause,
            lambda: inspector.step(1),
            lambda: inspector.add(choose([ParameterNorm, ParameterUpdateRatio])()),
            lambda: inspector.set(depth=choose([-1, 0])),
        ]
        if self.chance.random() < 0.6:
            self.arrives(choose(page))
        else:
            with suppress(MonitorchError):  # before the first step what can't be done is raised
                choose(python)()

    # ------------------------------------------------------------------ the user's cells

    def train(self, steps: int = STEPS) -> None:
        for i in range(steps):
            if self.chance.random() < 0.5:
                self.something()
            self.optimizer.zero_grad()
            loss = self.loss(self.model(torch.ones(4, 2)), torch.zeros(4, 1))
            loss.backward()
            self.optimizer.step()
            if i == 2:
                self.inspector.tick_epoch()

    def cell(self) -> None:
        """A cell that a person interrupts; what it catches is what arrives."""
        try:
            self.train()
        except KeyboardInterrupt:
            self.caught += 1

    def again(self) -> None:
        """The cell run again: nothing is on its way, nobody interrupts, and every step is seen."""
        inspector = self.inspector
        self.end_cell()
        status = inspector.status()
        assert status.state in ("waiting", "finished") and not status.faults
        inspector.resume()  # what was asked after the interrupt may hold the next loop
        for tag in [spec.tag for spec in inspector.specs if spec.tag not in self.first_tags]:
            inspector.remove(tag)
        inspector.set(collect=None, depth=-1, every=1)
        before = status.step
        for _ in range(3):
            self.optimizer.zero_grad()
            self.loss(self.model(torch.ones(4, 2)), torch.zeros(4, 1)).backward()
            self.optimizer.step()
        series = inspector.history["Output Norm"]
        assert inspector.status().step == before + 3
        assert list(series.steps[-3:]) == [before, before + 1, before + 2]
        leaves = [series.modules.index(name) for name in ("0", "1", "2")]
        assert torch.tensor(series.values[-3:][:, leaves]).isfinite().all()
        self.end_cell()

    def end_cell(self) -> None:
        """What a notebook does then: it tells the inspector, and the kernel's loop turns again."""
        self.inspector._cell_ended()
        while self.kernel.shell_stream.callbacks:
            self.kernel.shell_stream.callbacks.pop(0)()

    @property
    def first_tags(self) -> set[str]:
        return {spec.tag for lens in every_lens() for spec in lens.specs}

    def check_left(self) -> None:
        assert hooks_on(self.model) == 0 and optimizer_hooks() <= self.hooks_before

    def leave(self) -> None:
        """Detach, look, and watch anew."""
        self.inspector.detach()
        self.check_left()
        self.inspector = self.fresh()


@pytest.fixture
def unraised(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Exceptions that Python could raise nowhere; the collector is off, else what it runs comes between the lines."""
    found: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", found.append)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.disable()
    yield found
    gc.enable()
    signal.signal(signal.SIGINT, handler)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::monitorch_widgets.errors.MonitorchWarning")  # commands that are refused
def test_two_hundred_interrupts_at_random_moments(unraised: list[Any]) -> None:
    chance, scene, interrupts = random.Random(1), Scene(1), Interrupts()
    places: Counter[str] = Counter()
    lines = max(interrupts.during(scene.cell, 0) for _ in range(3))
    for _ in range(TOO_MANY):
        scene.caught = 0
        interrupts.during(scene.cell, chance.randrange(1, lines))
        assert (scene.caught, unraised) == (interrupts.sent, []), interrupts.where
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, interrupts.where
        scene.again()
        if chance.random() < 0.3:
            scene.leave()
        places[interrupts.where] += interrupts.sent
        if places.total() == INTERRUPTS:
            break
    assert places.total() == INTERRUPTS
    assert len(places) > INTERRUPTS / 3  # all over the place
    scene.inspector.detach()
    scene.check_left()
