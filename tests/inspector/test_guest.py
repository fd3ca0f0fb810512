"""The inspector is a good guest: training is what it would have been, and nothing stays behind."""

from __future__ import annotations

import copy
import gc
import io
import warnings
import weakref

import pytest
import torch
from torch import nn
from torch.optim import optimizer as optimizers

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.gatherer import Hooks
from monitorch_widgets.lens import (
    AbstractLens,
    LossMetrics,
    OutputActivation,
    OutputGradientGeometry,
    OutputNorm,
    ParameterCond,
    ParameterGradientActivation,
    ParameterGradientGeometry,
    ParameterNorm,
    ParameterUpdateGeometry,
)

from ..zoo import ZOO, Animal


def every_lens() -> list[AbstractLens]:
    return [
        LossMetrics(),
        OutputActivation(),
        OutputNorm(),
        OutputGradientGeometry(skip_activation=False),
        ParameterGradientActivation(),
        ParameterGradientGeometry(),
        ParameterNorm(),
        ParameterUpdateGeometry(),
        ParameterCond(every=2),
    ]


def train(animal: Animal, watched: bool, steps: int = 4) -> tuple[nn.Module, list[torch.Tensor], torch.Tensor]:
    torch.manual_seed(1)
    model = animal.make()
    inspector = PyTorchInspector(every_lens(), module=model, visualizer="dummy", strict=True) if watched else None
    animal.step(model)  # lazy modules get their parameters here
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    optimizer.zero_grad()
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        losses.append(animal.step(model))
        optimizer.step()
    if inspector is not None:
        inspector.tick_epoch()
        assert all(inspector.history[tag].rows for tag in ("Output Norm", "Output Gradient Norm"))
        inspector.detach()
    return model, losses, torch.get_rng_state()


def hooks_on(model: nn.Module) -> int:
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(module, kind)) for module in model.modules() for kind in kinds)


@pytest.fixture(autouse=True)
def alone() -> None:
    """Inspectors of earlier tests that nobody holds are gone."""
    gc.collect()
    Hooks()


def optimizer_hooks() -> int:
    return len(optimizers._global_optimizer_pre_hooks) + len(optimizers._global_optimizer_post_hooks)


@pytest.mark.parametrize("name", ZOO)
def test_training_is_bit_for_bit_the_same(name: str) -> None:
    alone, losses_alone, random_alone = train(ZOO[name], watched=False)
    watched, losses, random = train(ZOO[name], watched=True)
    assert all(torch.equal(a, b) for a, b in zip(losses_alone, losses, strict=True))
    assert torch.equal(random_alone, random)
    for (key, a), b in zip(alone.state_dict().items(), watched.state_dict().values(), strict=True):
        assert torch.equal(a, b), key


@pytest.mark.parametrize("name", ZOO)
def test_nothing_stays_behind(name: str) -> None:
    torch.manual_seed(1)
    model = ZOO[name].make()
    before = {id(module): set(module.__dict__) for module in model.modules()}
    inspector = PyTorchInspector(every_lens(), module=model, visualizer="dummy", strict=True)
    assert hooks_on(model) > 0
    ZOO[name].step(model)
    inspector.detach()
    inspector.detach()
    assert hooks_on(model) == 0 and optimizer_hooks() == 0 and len(inspector.state.hooks) == 0
    if name != "lazy":  # which takes its own hook away
        assert all(set(module.__dict__) == before[id(module)] for module in model.modules())


def test_one_hook_per_module_serves_all_lenses() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    PyTorchInspector(every_lens(), module=model, visualizer="dummy")
    assert hooks_on(model) == len(list(model.modules()))


def test_a_second_attach_leaves_the_first_model() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    inspector = PyTorchInspector(module=first, visualizer="dummy")
    inspector.attach(second)
    assert hooks_on(first) == 0 and hooks_on(second) == 1
    inspector.detach()


def test_the_context_manager_detaches_on_an_exception() -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(KeyboardInterrupt), PyTorchInspector(module=model, visualizer="dummy"):
        raise KeyboardInterrupt
    assert hooks_on(model) == 0 and optimizer_hooks() == 0


def test_a_watched_model_is_copied_and_saved_without_us(tmp_path) -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    inspector = PyTorchInspector(module=model, visualizer="dummy", strict=True)
    buffer = io.BytesIO()
    torch.save(model, buffer)
    assert b"monitorch" not in buffer.getvalue()
    buffer.seek(0)
    for twin in (copy.deepcopy(model), torch.load(buffer, weights_only=False)):
        x = torch.randn(3, 2)
        assert torch.equal(twin(x), model(x))
    rows = inspector.history["Output Norm"].rows
    copy.deepcopy(model)(torch.randn(3, 2))
    assert inspector.history["Output Norm"].rows == rows
    assert list(model.state_dict()) == list(copy.deepcopy(model).state_dict())


def test_a_deleted_model_is_collected() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inspector = PyTorchInspector(every_lens(), module=model, visualizer="dummy", strict=True)
    model(torch.randn(3, 2)).sum().backward()
    optimizer.step()
    gone = weakref.ref(model)
    inspector.detach()
    del model, optimizer
    gc.collect()
    assert gone() is None
    assert inspector.history["Output Norm"].rows == 1


def test_hooks_of_a_forgotten_inspector_do_nothing_and_go_with_the_next_one() -> None:
    model = nn.Linear(2, 2)
    forgotten = weakref.ref(PyTorchInspector(module=model, visualizer="dummy", strict=True))
    gc.collect()
    assert forgotten() is None
    run_bare(model)
    PyTorchInspector(visualizer="dummy")
    assert optimizer_hooks() == 0 and hooks_on(model) == 0


def test_garbage_collected_within_a_step_does_not_disturb_it() -> None:
    model = nn.Linear(2, 2)
    PyTorchInspector(module=model, visualizer="dummy")
    handle = optimizers.register_optimizer_step_pre_hook(lambda *_: gc.collect() and None)
    try:
        run_bare(model)
    finally:
        handle.remove()


def run_bare(model: nn.Module) -> None:
    model(torch.zeros(1, 2)).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()


class Broken(OutputNorm):
    """A lens that raises at the third forward pass."""

    def register_leaf_module(self, module, module_name, inspector_state) -> None:
        super().register_leaf_module(module, module_name, inspector_state)
        self.calls = 0
        inspector_state.hooks.forward(module, module_name, self._explode)

    def _explode(self, name, module, layer_input, output) -> None:
        self.calls += 1
        if self.calls == 3:
            raise ZeroDivisionError("no such number")


def run(inspector: PyTorchInspector, model: nn.Module, steps: int = 4) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.ones(3, 2)).sum().backward()
        optimizer.step()


def test_a_fault_mutes_its_lens_and_nothing_else() -> None:
    model = nn.Linear(2, 2)
    inspector = PyTorchInspector([Broken(), OutputGradientGeometry()], module=model, visualizer="dummy")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(inspector, model)
        inspector.tick_epoch()
    words = [str(warning.message) for warning in caught]
    assert len(words) == 1
    assert all(part in words[0] for part in ("Broken", "'Linear'", "step 2", "no such number", "strict=True"))
    assert inspector.history["Output Norm"].rows == 3
    assert inspector.history["Output Gradient Norm"].rows == 4
    fault = inspector.status().faults[0]
    assert (fault.lens, fault.tag, fault.module, fault.step) == ("Broken", "Output Norm", "Linear", 2)
    assert "ZeroDivisionError" in fault.traceback and inspector.status().state == "fault"


def test_strict_raises() -> None:
    model = nn.Linear(2, 2)
    inspector = PyTorchInspector([Broken()], module=model, visualizer="dummy", strict=True)
    with pytest.raises(ZeroDivisionError):
        run(inspector, model)
    inspector.detach()
    assert hooks_on(model) == 0


def test_a_fault_at_the_end_of_an_epoch_stays_inside() -> None:
    class Late(OutputNorm):
        def finalize_epoch(self) -> None:
            raise RuntimeError("late")

    model = nn.Linear(2, 2)
    inspector = PyTorchInspector([Late(), OutputActivation()], module=model, visualizer="dummy")
    run(inspector, model)
    with pytest.warns(UserWarning, match="Late"):
        inspector.tick_epoch()
    assert inspector.history["Output Activations"].epochs
