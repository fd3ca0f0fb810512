"""Whatever is tried inside is undone, to the last bit, however it ends."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

from monitorch_widgets.transport import Shield
from monitorch_widgets.verification import kept

from .models import MODELS, OPTIMIZERS, Setting, batches, classifier, trained

ENDS: dict[str, Callable[[], object]] = {
    "plain": lambda: None,
    "error": lambda: 1 / 0,
    "interrupt": lambda: signal.raise_signal(signal.SIGINT),
}


def train(setting: Setting) -> None:
    """Change all that a training loop changes, and some more."""
    model, x = setting.model, torch.rand(5, 4)
    model.train()
    model(x)
    optimizer = setting.optimizer or torch.optim.SGD(model.parameters(), lr=0.1)
    for keep in (True, False):
        optimizer.zero_grad(set_to_none=keep)
        model(x).pow(2).sum().backward()
        optimizer.step()
    optimizer.param_groups[0]["lr"] = 7.0
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(1))]})
    model.register_buffer("another", torch.ones(1))
    model.register_forward_hook(lambda *_: None)
    for parameter in model.parameters():
        parameter.requires_grad_(not parameter.requires_grad)
    model.extra = 1
    next(model.parameters()).data = torch.zeros(2)
    random.random()
    np.random.rand()  # noqa: NPY002
    torch.set_grad_enabled(False)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")  # torch says so of each
def test_everything_is_as_before(name: str, optimizer: str, end: str) -> None:
    setting = trained(name, optimizer)
    before = setting.state
    expected = {"plain": nullcontext(), "error": pytest.raises(ZeroDivisionError)}
    with expected.get(end, pytest.raises(KeyboardInterrupt)), kept(setting.model, setting.optimizer):
        train(setting)
        ENDS[end]()
    after = setting.state
    assert {key for key in before if before[key] != after[key]} == set()


@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
@pytest.mark.parametrize("name", MODELS)
def test_without_it_nothing_is_as_before(name: str) -> None:
    """The comparison above sees what it should see."""
    setting = trained(name)
    before = setting.state
    train(setting)
    after = setting.state
    torch.set_grad_enabled(True)
    changed = {key for key in before if before[key] != after[key]}
    assert {"values", "trained", "hooks", "random", "enabled", "attributes"} <= changed


def test_training_goes_on_as_if_nothing_had_been() -> None:
    def run(look: bool) -> list[Any]:
        setting = trained("norms")
        for _ in range(5):
            if look:
                with kept(setting.model, setting.optimizer):
                    train(setting)
            setting.model(torch.rand(6, 4)).pow(2).sum().backward()
            setting.optimizer.step()
        return [parameter.tolist() for parameter in setting.model.parameters()]

    assert run(True) == run(False)


def test_schedulers_and_scalers_are_put_back() -> None:
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=9)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(torch.optim.SGD(model.parameters(), lr=0.1))
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0, growth_interval=1)
    setting = Setting(model, optimizer, [scheduler, plateau, scaler])
    before = setting.state
    with kept(model, optimizer, scheduler, plateau, scaler):
        scaler.scale(model(torch.rand(3, 4)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        plateau.step(1.0)
        assert setting.state["others"] != before["others"]
    after = setting.state
    assert after == before
    assert scaler._scale is None and not scaler._per_optimizer_states


def test_an_in_place_change_of_a_gradient_is_undone_in_place() -> None:
    model = classifier()
    model(torch.rand(3, 4)).sum().backward()
    gradient = model[0].weight.grad
    values = gradient.clone()
    with kept(model):
        gradient.zero_()
        model.zero_grad()
    assert model[0].weight.grad is gradient and torch.equal(gradient, values)


def test_a_graph_that_was_made_before_stays_valid() -> None:
    model = classifier()
    loss = model(torch.rand(3, 4)).sum()
    with kept(model):
        model(torch.rand(3, 4)).sum().backward()
        model[2].weight.data.add_(1)
    loss.backward()
    assert model[0].weight.grad is not None


def test_loaders_go_on_where_they_were() -> None:
    def order(look: bool) -> list[list[int]]:
        loader = DataLoader(range(8), batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(3))
        before = [batch.tolist() for batch in loader]
        if look:
            with kept(nn.Linear(1, 1), loaders=[loader]):
                list(loader)
        return before + [batch.tolist() for batch in loader]

    assert order(True) == order(False)


def test_workers_that_stay_are_left_alone() -> None:
    loader = DataLoader(range(4), batch_size=2, num_workers=1, persistent_workers=True)
    middle = iter(loader)
    first = next(middle).tolist()
    with kept(nn.Linear(1, 1), loaders=[loader]):
        assert [batch.tolist() for batch in loader] == [[0, 1], [2, 3]]
    assert loader._iterator is middle
    assert [first, *(batch.tolist() for batch in middle)] == [[0, 1], [2, 3]]


def test_an_interrupt_while_things_are_put_back_waits() -> None:
    """Ctrl-C twice: the second one comes while the first one's damage is undone."""

    class Interrupting:
        armed = False

    setting = trained("norms")
    before = setting.state
    restored = []

    class Twice(dict[str, Any]):
        def items(self) -> Any:
            if Interrupting.armed:
                restored.append(True)
                signal.raise_signal(signal.SIGINT)
            return super().items()

    vars(setting.model)["trap"] = Twice(a=1)
    with pytest.raises(KeyboardInterrupt), kept(setting.model, setting.optimizer):  # noqa: PT012
        train(setting)
        Interrupting.armed = True
    Interrupting.armed = False
    del setting.model.trap
    assert restored and setting.state == before


def test_works_in_inference_mode() -> None:
    model, x = classifier(), batches(1)[0][0]
    with torch.inference_mode(), kept(model):
        torch.set_grad_enabled(True)
        model(x.clone()).sum().backward()
    assert model[0].weight.grad is None


def test_an_interrupt_right_before_the_shield_leaves_nothing_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    model, entered = nn.Linear(2, 1), 0
    before = model.weight.clone()
    enter = Shield.__enter__

    def interrupted(shield: Shield) -> Shield:
        nonlocal entered
        entered += 1
        if entered == 1:
            raise KeyboardInterrupt
        return enter(shield)

    monkeypatch.setattr(Shield, "__enter__", interrupted)
    with pytest.raises(KeyboardInterrupt), kept(model), torch.no_grad():
        model.weight.add_(1)
    assert entered == 2 and model.weight.equal(before)
