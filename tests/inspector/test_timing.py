"""What a step is made of, on a clock that only moves where a test says so; and the memory of the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.inspector import memory as memory_file
from monitorch_widgets.inspector.memory import Memory
from monitorch_widgets.lens import OutputNorm, ParameterGradientGeometry
from monitorch_widgets.values import Card

from .clockwork import Clockwork, clockwork

__all__ = ["clockwork"]


class Slow(torch.autograd.Function):
    """Lets a known time pass in the backward pass."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, clockwork: Clockwork) -> torch.Tensor:
        ctx.clockwork = clockwork
        return x.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        ctx.clockwork.pass_(0.004)
        return gradients[0], None


class Model(nn.Module):
    """Takes 3 ms forward and 4 ms backward."""

    def __init__(self, clockwork: Clockwork) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.clockwork = clockwork

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.clockwork.pass_(0.003)
        found: torch.Tensor = self.layer(Slow.apply(x, self.clockwork))
        return found


class SlowSGD(torch.optim.SGD):
    """Takes 5 ms for a step."""

    clockwork: Clockwork

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        self.clockwork.pass_(0.005)
        super().step(closure)


class Loop:
    """A loop that waits 2 ms for each batch, and computes a loss in 1 ms."""

    def __init__(self, clockwork: Clockwork, **arguments: Any) -> None:
        self.clockwork = clockwork
        self.model = Model(clockwork)
        self.optimizer = SlowSGD(self.model.parameters(), lr=0.1)
        self.optimizer.clockwork = clockwork
        self.inspector = PyTorchInspector(
            [OutputNorm()], module=self.model, visualizer="dummy", strict=True, **{"every": 1, **arguments}
        )

    def step(self, micro_batches: int = 1) -> None:
        self.optimizer.zero_grad()
        for _ in range(micro_batches):
            self.clockwork.pass_(0.002)
            output = self.model(torch.ones(3, 2, requires_grad=True))
            self.clockwork.pass_(0.001)
            output.sum().backward()
        self.optimizer.step()

    def card(self, key: str = "timing") -> Card:
        self.inspector.detach()
        return self.inspector.cards[key]


def milliseconds(card: Card) -> dict[str, float]:
    """Milliseconds of the parts without the inspector's, which at the end of an epoch runs on the real clock."""
    bars = card.content["bars"]
    assert bars["unit"] == "ms"
    found = dict(zip(bars["labels"], bars["values"], strict=True))
    assert found.pop("inspector") >= 0
    return found


def test_N29_a_step_is_told_by_its_parts(clockwork: Clockwork) -> None:
    loop = Loop(clockwork)
    for _ in range(5):
        loop.step()
    card = loop.card()
    assert (card.tab, card.kind) == ("Performance", "report")
    assert milliseconds(card) == pytest.approx({"data": 2.0, "forward": 4.0, "backward": 4.0, "optimizer": 5.0})
    shares = {row[0]: row[2] for row in card.content["table"]["rows"]}
    assert sum(shares.values()) == pytest.approx(100)
    assert shares["clipping and optimizer step"] == pytest.approx(100 / 3)
    assert "clipping and optimizer step" in card.content["words"]


def test_N29_what_the_inspector_takes_is_in_no_other_part(
    clockwork: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop(clockwork)
    preprocessor = loop.inspector.lenses[0]._forward  # type: ignore[attr-defined]
    read = preprocessor.process_fw

    def slow(*arguments: Any) -> None:
        clockwork.pass_(0.007)
        read(*arguments)

    monkeypatch.setattr(preprocessor, "process_fw", slow)
    loop.inspector.refresh()  # takes the slow one in
    for _ in range(60):
        loop.step()
    card = loop.card()
    assert card.content["bars"]["values"][-1] == pytest.approx(7.0, rel=0.05)
    assert milliseconds(card) == pytest.approx({"data": 2.0, "forward": 4.0, "backward": 4.0, "optimizer": 5.0})


def test_N29_waiting_for_data_is_lit_where_it_is_much(clockwork: Clockwork) -> None:
    loop = Loop(clockwork)
    for _ in range(4):
        clockwork.pass_(0.008)
        loop.step()
    card = loop.card()
    assert card.content["bars"]["lit"] == [0]
    assert "between steps" in card.content["words"]


def test_N29_steps_that_nobody_listens_to_change_nothing(clockwork: Clockwork) -> None:
    loop = Loop(clockwork, every=4)
    for _ in range(20):
        loop.step()
    found = milliseconds(loop.card())
    assert found == pytest.approx({"data": 2.0, "forward": 4.0, "backward": 4.0, "optimizer": 5.0})


def test_N29_evaluations_and_pauses_are_no_part_of_a_step(clockwork: Clockwork) -> None:
    loop = Loop(clockwork)
    for i in range(9):
        loop.step()
        if i == 3:
            loop.model.eval()
            with torch.no_grad():
                for _ in range(4):
                    loop.model(torch.ones(3, 2))
                    clockwork.pass_(1.0)
            loop.model.train()
            loop.inspector.tick_epoch()
        if i == 6:  # a cell has ended, and another one goes on later
            loop.inspector._cell_ended()
            clockwork.pass_(100.0)
    found = milliseconds(loop.card())
    assert found == pytest.approx({"data": 2.0, "forward": 4.0, "backward": 4.0, "optimizer": 5.0})


def test_N36_accumulated_passes_are_counted_and_added_up(clockwork: Clockwork) -> None:
    loop = Loop(clockwork)
    for _ in range(5):
        loop.step(micro_batches=4)
    card = loop.card()
    assert ["forward passes per step", "4"] in card.content["facts"]
    assert milliseconds(card) == pytest.approx({"data": 8.0, "forward": 16.0, "backward": 16.0, "optimizer": 5.0})


class System(nn.Module):
    """Is never called itself: its loop calls parts of it, one of them frozen, others in a list."""

    def __init__(self, clockwork: Clockwork) -> None:
        super().__init__()
        self.backbone = Model(clockwork).requires_grad_(False)
        self.heads = nn.ModuleList([Model(clockwork)])

    def loss(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            features = self.backbone(x)
        return self.heads[0](features.requires_grad_()).sum()


class SystemLoop(Loop):
    """The same loop, around a system."""

    def __init__(self, clockwork: Clockwork, **arguments: Any) -> None:
        super().__init__(clockwork)
        self.inspector.detach()
        self.system = System(clockwork)
        self.optimizer = SlowSGD(self.system.heads.parameters(), lr=0.1)
        self.optimizer.clockwork = clockwork
        lenses = [ParameterGradientGeometry()]
        self.inspector = PyTorchInspector(
            lenses, module=self.system, visualizer="dummy", strict=True, **{"every": 1, **arguments}
        )

    def step(self, micro_batches: int = 1) -> None:
        self.optimizer.zero_grad()
        for _ in range(micro_batches):
            self.clockwork.pass_(0.002)
            loss = self.system.loss(torch.ones(3, 2))
            self.clockwork.pass_(0.001)
            loss.backward()
        self.optimizer.step()

    def evaluate(self) -> None:
        for _ in range(3):
            with torch.no_grad():
                self.system.loss(torch.ones(3, 2))
            self.clockwork.pass_(1.0)


SYSTEM_MS = {"data": 2.0, "forward": 7.0, "backward": 4.0, "optimizer": 5.0}


@pytest.mark.parametrize("every", [1, 4])
def test_N01_a_system_whose_parts_alone_are_called_has_the_parts_of_a_step(clockwork: Clockwork, every: int) -> None:
    loop = SystemLoop(clockwork, every=every)
    for _ in range(20):
        loop.step()
    assert milliseconds(loop.card()) == pytest.approx(SYSTEM_MS)


def test_N36_accumulated_passes_of_parts_are_counted_too(clockwork: Clockwork) -> None:
    loop = SystemLoop(clockwork)
    for _ in range(6):
        loop.step(micro_batches=3)
    card = loop.card()
    assert ["forward passes per step", "3"] in card.content["facts"]
    assert milliseconds(card) == pytest.approx({"data": 6.0, "forward": 21.0, "backward": 12.0, "optimizer": 5.0})


@pytest.mark.parametrize("switched", [True, False], ids=["eval", "no_grad_alone"])
def test_N06_an_evaluation_of_parts_is_no_part_of_a_step(clockwork: Clockwork, switched: bool) -> None:
    loop = SystemLoop(clockwork)
    for i in range(12):
        loop.step()
        if i % 4 == 3:
            loop.system.train(not switched)
            loop.evaluate()
            loop.system.train()
    assert milliseconds(loop.card()) == pytest.approx(SYSTEM_MS)


def test_B21_hooks_on_parts_hang_only_at_steps_that_are_followed(clockwork: Clockwork) -> None:
    def hanging() -> int:
        return sum(len(part._forward_pre_hooks) for part in loop.system.modules() if part is not loop.system)

    loop = SystemLoop(clockwork, every=4)
    found = []
    for _ in range(20):
        found.append(hanging())
        loop.step()
    assert found == [2 if i >= 5 and i % 4 < 2 else 0 for i in range(20)]  # pairs, once it is sure
    loop.inspector.detach()
    assert hanging() == 0 and not len(loop.inspector.state.hooks)


def test_N01_a_model_that_is_called_itself_has_no_hooks_on_its_parts(clockwork: Clockwork) -> None:
    loop = Loop(clockwork)
    for _ in range(4):
        loop.step()
    assert not loop.model.layer._forward_pre_hooks


# ------------------------------------------------------------------ what lies between steps


class Loader:
    """Takes 6 ms for a batch."""

    def __init__(self, clockwork: Clockwork, batches: int) -> None:
        self.clockwork, self.batches = clockwork, batches

    def __iter__(self) -> Iterator[int]:
        for i in range(self.batches):
            self.clockwork.pass_(0.006)
            yield i

    def __len__(self) -> int:
        return self.batches


@pytest.mark.parametrize("every", [1, 4])
def test_N29_waiting_for_data_is_told_from_the_rest_of_the_loop(clockwork: Clockwork, every: int) -> None:
    loop = Loop(clockwork, every=every)
    for _ in loop.inspector.range(2):
        for _ in loop.inspector.iter(Loader(clockwork, 20)):
            loop.step()
    card = loop.card()
    assert milliseconds(card) == pytest.approx(
        {"data": 6.0, "loop": 2.0, "forward": 4.0, "backward": 4.0, "optimizer": 5.0}
    )
    words = [row[0] for row in card.content["table"]["rows"]]
    assert words[:2] == ["waiting for data", "between steps: what else the loop does"]


def test_N36_the_batches_of_a_step_are_waited_for_one_by_one(clockwork: Clockwork) -> None:
    loop = Loop(clockwork)
    for _ in loop.inspector.range(1):
        for i in loop.inspector.iter(Loader(clockwork, 12)):
            loop.clockwork.pass_(0.002)
            loop.model(torch.ones(3, 2, requires_grad=True)).sum().backward()
            if i % 3 == 2:
                loop.optimizer.step()
    assert milliseconds(loop.card()) == pytest.approx(
        {"data": 18.0, "loop": 6.0, "forward": 9.0, "backward": 12.0, "optimizer": 5.0}
    )


def test_N29_a_batch_that_is_fetched_ahead_is_no_part_of_the_forward_pass(clockwork: Clockwork) -> None:
    loop = Loop(clockwork)
    for _ in loop.inspector.range(1):
        batches = loop.inspector.iter(Loader(clockwork, 12))
        next(batches)
        for _ in range(11):
            output = loop.model(torch.ones(3, 2, requires_grad=True))
            clockwork.pass_(0.001)
            next(batches)
            output.sum().backward()
            loop.optimizer.step()
    assert milliseconds(loop.card()) == pytest.approx(
        {"data": 6.0, "loop": 0.0, "forward": 4.0, "backward": 4.0, "optimizer": 5.0}
    )


def test_N29_of_several_steps_with_one_batch_none_is_told_to_wait_for_what_the_loop_does(clockwork: Clockwork) -> None:
    loop = Loop(clockwork)
    for _ in loop.inspector.range(1):
        for _ in loop.inspector.iter(Loader(clockwork, 10)):
            loop.step()
            loop.step()
    found = milliseconds(loop.card())
    assert found["loop"] == pytest.approx(2.0) and found["data"] == pytest.approx(3.0, abs=0.2)


def test_B21_the_card_says_what_logging_costs_and_how_often_lenses_listen(clockwork: Clockwork) -> None:
    loop = Loop(clockwork, every=4, max_overhead=0.02)
    for _ in range(20):
        loop.step()
    facts = dict(loop.card().content["facts"])
    assert facts["lenses listen every"] == "4 steps"
    assert facts["this inspector adds"].endswith("%")


def test_B21_every_and_log_every_n_steps_change_while_it_trains(clockwork: Clockwork) -> None:
    loop = Loop(clockwork)
    for _ in range(4):
        loop.step()
    loop.inspector.set(every=8, log_every_n_steps=10)
    for _ in range(16):
        loop.step()
    assert loop.inspector.log_every_n_steps == 10
    assert dict(loop.card().content["facts"])["lenses listen every"] == "8 steps"


def test_no_card_of_times_before_a_step(clockwork: Clockwork) -> None:
    loop = Loop(clockwork)
    loop.inspector.detach()
    assert "timing" not in loop.inspector.cards


def test_N38_memory_of_the_process_is_shown(clockwork: Clockwork) -> None:
    loop = Loop(clockwork)
    ballast = []
    for _ in range(3):
        loop.step()
        ballast.append(torch.ones(4_000_000))  # 16 MB
        loop.inspector._timing.refresh(force=True)
    card = loop.card("memory")
    facts, curve = dict(card.content["facts"]), card.content["curve"]
    assert set(facts) >= {"process", "process, most so far"}
    assert curve["y"][-1] - curve["y"][0] > 16
    assert curve["y"] == sorted(curve["y"]) and curve["x"] == sorted(curve["x"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_N39_the_type_of_the_parameters_is_shown(dtype: torch.dtype) -> None:
    model = nn.Linear(2, 3, dtype=dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inspector = PyTorchInspector(module=model, visualizer="dummy", every=1, strict=True)
    for _ in range(2):
        model(torch.ones(1, 2, dtype=dtype)).sum().backward()
        optimizer.step()
    inspector.detach()
    facts = dict(inspector.cards["memory"].content["facts"])
    assert facts["parameters"] == f"9 {str(dtype).removeprefix('torch.')} on cpu"
    assert facts["parameters take"] == f"{9 * dtype.itemsize} B"


def test_N38_a_long_run_keeps_few_looks_over_its_whole_length(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = iter(range(1, 10_000))
    monkeypatch.setattr(memory_file, "resident_bytes", lambda: next(sizes) * 1000)
    memory = Memory()
    for second in range(5000):
        memory.look(float(second))
    assert len(memory.seconds) == len(memory.resident) <= 128
    assert memory.seconds[0] == 0 and memory.seconds[-1] == 4999
    assert [size / 1000 - 1 for size in memory.resident] == memory.seconds
    assert memory.most == 5_000_000


def test_N38_a_gpu_is_asked_only_where_it_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "_initialized", True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 3_000_000_000 * (1 - device))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 4_000_000_000 * (1 - device))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3_500_000_000)
    assert Memory().facts == [
        ["cuda:0, allocated", "3 GB"],
        ["cuda:0, reserved", "4 GB"],
        ["cuda:0, most allocated", "3.5 GB"],
    ]
    monkeypatch.setattr(torch.cuda, "_initialized", False)
    assert Memory().facts == []
