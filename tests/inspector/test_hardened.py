"""What a sceptical reviewer broke, and what must stay mended."""

from __future__ import annotations

import copy
import gc
import io
import threading
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import LensFault, NotWatched
from monitorch_widgets.lens import LossMetrics, OutputGradientGeometry, OutputNorm, ParameterGradientGeometry

NORM = "Weight Gradient Norm"


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))


def watch(model: nn.Module, strict: bool = True, **how: Any) -> PyTorchInspector:
    lenses = [LossMetrics(), OutputNorm(), OutputGradientGeometry(), ParameterGradientGeometry(parameters="weight")]
    return PyTorchInspector(lenses, module=model, visualizer="dummy", strict=strict, **{"every": 1, **how})


def step(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor | None = None) -> None:
    optimizer.zero_grad()
    model(torch.randn(3, 4) if x is None else x).sum().backward()
    optimizer.step()


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.01)


class Hands(nn.Module):
    """Returns a parameter as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale


def test_hooks_do_not_pile_up_on_a_parameter_that_a_module_returns() -> None:
    model = nn.ModuleDict({"hands": Hands(), "fc": nn.Linear(4, 1)})
    inspector = watch(model)
    optimizer = sgd(model)
    for _ in range(5):
        optimizer.zero_grad()
        model["fc"](torch.randn(3, 4) * model["hands"](None)).sum().backward()
        optimizer.step()
    scale = model["hands"].scale
    assert not scale._backward_hooks and np.isfinite(inspector.history["Output Gradient Norm"].values).all()
    model["hands"](None)
    inspector.detach()
    assert not scale._backward_hooks


@pytest.mark.parametrize("every", [1, 2])
def test_a_loss_that_is_pushed_before_the_step_belongs_to_it(every: int) -> None:
    model = small()
    inspector, optimizer = watch(model, every=every), sgd(model)
    for i in range(6):
        optimizer.zero_grad()
        model.forward(torch.randn(3, 4)).sum().backward()  # the root itself is never called
        inspector.push_loss(float(i), train=True)
        optimizer.step()
    np.testing.assert_array_equal(inspector.history["Loss"].values[:, 0], np.arange(6))


def test_what_is_pushed_in_the_attempt_after_a_skipped_one_stays() -> None:
    model = small()
    inspector, optimizer = watch(model), sgd(model)
    for i in range(4):
        optimizer.zero_grad()
        out = model(torch.randn(3, 4))
        inspector.push_loss(float(i), train=True)
        out.sum().backward()
        if i != 1:
            optimizer.step()
    np.testing.assert_array_equal(inspector.history["Loss"].values[:, 0], [0, 2, 3])


def test_two_backward_passes_of_one_forward_are_one_attempt() -> None:
    model = small()
    inspector, optimizer = watch(model), sgd(model)
    for _ in range(3):
        out = model(torch.randn(3, 4))
        kept = []
        for loss in (out.sum(), out.pow(2).sum()):
            optimizer.zero_grad()
            loss.backward(retain_graph=True)
            kept.append([p.grad.clone() for p in model.parameters()])
        for parameter, one, other in zip(model.parameters(), *kept, strict=True):
            parameter.grad = one + other
        optimizer.step()
    assert inspector.status().events == () and inspector.history["Output Norm"].rows == 3


def test_torch_may_swap_parameters_and_their_gradients() -> None:
    model = small()
    inspector = watch(model)
    torch.__future__.set_swap_module_params_on_conversion(True)
    try:
        model(torch.randn(3, 4)).sum().backward()
        model.double()
        sgd(model).step()
        model.float()
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
    assert inspector.status().step == 1


def test_parameters_that_come_later_are_told_of() -> None:
    model = small()
    inspector = watch(model)
    torch.nn.utils.parametrizations.weight_norm(model[0])
    model[2].register_parameter("scale", nn.Parameter(torch.ones(1)))
    with pytest.warns(NotWatched, match=r"'0.parametrizations.weight.original0'.*'2.scale'.*Gone: '0.weight'"):
        inspector.tick_epoch()
    inspector.refresh()
    step(model, sgd(model))
    assert "0.parametrizations.weight.original0" in inspector.history[NORM].modules


def test_a_loss_inside_the_model_keeps_its_name_there() -> None:
    model = small()
    model.loss = nn.MSELoss()  # type: ignore[assignment]
    lenses = [LossMetrics(loss_fn=model.loss), OutputNorm()]
    inspector = PyTorchInspector(lenses, module=model, visualizer="dummy", strict=True, every=1)
    model.loss(torch.ones(2), torch.zeros(2))
    series = inspector.history["Output Norm"]
    assert series.modules == ["0", "1", "2", "loss"] and np.isfinite(series.values[0, 3])


def run_without_steps(model: nn.Module) -> None:
    for _ in range(300):
        model(torch.randn(3, 4)).sum().backward()


def test_a_loop_without_steps_does_not_pile_up_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from monitorch_widgets.preprocessor import deferred

    monkeypatch.setattr(deferred, "ROOM", 50)
    model = small()
    inspector = watch(model)
    inspector.state.buffer.flush()
    with pytest.warns(NotWatched, match=r"tick_batch\(\)"):
        run_without_steps(model)
    assert len(inspector.state.buffer) < 60


def test_an_output_is_saved_without_a_warning() -> None:
    model = small()
    inspector = watch(model)
    torch.save(model(torch.randn(3, 4)), io.BytesIO())
    inspector.detach()


def test_autocast_around_backward_rounds_nothing() -> None:
    torch.manual_seed(0)
    model = nn.Linear(300, 300, bias=False)
    inspector = watch(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    grads = []
    for _ in range(2):
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            model(torch.randn(8, 300)).pow(2).sum().backward()
            optimizer.step()
        grads.append(model.weight.grad.double().flatten())
    expected = torch.nn.functional.cosine_similarity(*grads, dim=0).item()
    assert inspector.history["Weight Gradient Correlation"].values[1, 0] == pytest.approx(expected, abs=2e-6)


def test_programs_without_numbers_are_left_alone() -> None:
    from torch._subclasses.fake_tensor import FakeTensorMode

    model = small()
    inspector = watch(model)
    with FakeTensorMode(allow_non_fake_inputs=True):
        model(torch.randn(3, 4))
    step(model, sgd(model))
    assert np.isfinite(inspector.history["Output Norm"].values).all()


def test_a_fault_of_the_inspector_itself_stops_no_run() -> None:
    model = small()
    inspector = watch(model, strict=False)
    inspector.visualizer.refresh = lambda **how: 1 / 0  # type: ignore[assignment]
    optimizer = sgd(model)
    with pytest.warns(LensFault, match="ZeroDivisionError.*The run goes on"):
        step(model, optimizer)
    step(model, optimizer)
    inspector.tick_epoch()
    assert inspector.status().step == 2


def test_a_lens_works_for_one_inspector_at_a_time() -> None:
    lens, first, second = OutputNorm(), small(), small()
    one = PyTorchInspector([lens], module=first, visualizer="dummy", strict=True, every=1)
    step(first, sgd(first))
    with pytest.warns(NotWatched, match="OutputNorm was in use by another inspector"):
        two = PyTorchInspector([lens], module=second, visualizer="dummy", strict=True, every=1)
    step(second, sgd(second))
    assert not one.state.attached and one.history["Output Norm"].rows == two.history["Output Norm"].rows == 1


def test_modules_in_a_circle_are_walked_once() -> None:
    model = small()
    model[0].add_module("parent", model)
    assert [info.name for info in watch(model).watched] == ["Sequential", "0", "1", "2"]


def test_two_optimizers_of_one_backward_pass_tell_the_same_stage() -> None:
    model = small()
    inspector = watch(model)
    first, second = torch.optim.SGD(model[0].parameters(), 0.1), torch.optim.SGD(model[2].parameters(), 0.1)
    for _ in range(3):
        model(torch.randn(3, 4)).sum().backward()
    first.step()
    second.step()
    series = inspector.history[NORM]
    assert series.stage_at(0) == series.stage_at(1) == "as the optimizer used it: accumulated over 3 backward passes"


def test_steps_within_a_backward_pass_are_one() -> None:
    model = small()
    inspector = watch(model, every=4)
    made = {parameter: torch.optim.SGD([parameter], lr=0.01) for parameter in model.parameters()}
    for parameter, optimizer in made.items():
        parameter.register_post_accumulate_grad_hook(lambda _, optimizer=optimizer: optimizer.step())
    for _ in range(6):
        model.zero_grad()
        model(torch.randn(3, 4)).sum().backward()
    assert inspector.status().step == 6
    assert list(inspector.history[NORM].steps) == [0, 1, 4, 5] and np.isfinite(inspector.history[NORM].values).all()


def test_ids_of_parameters_that_are_gone_are_no_parameters() -> None:
    model = small()
    inspector = watch(model)
    model.load_state_dict({key: value.clone() for key, value in model.state_dict().items()}, assign=True)
    gc.collect()
    for _ in range(20):
        other = small()
        step(other, sgd(other))
    assert inspector.status().step == 0


def test_a_copy_carries_no_hook() -> None:
    model = nn.TransformerEncoderLayer(4, 1, 4, batch_first=True)
    inspector = watch(model)
    model(torch.randn(1, 2, 4))
    twin = copy.deepcopy({"models": [model, model.linear1]})["models"]
    assert twin[1] is twin[0].linear1
    for module in twin[0].modules():
        assert not module._forward_hooks and not module._forward_pre_hooks and not module._forward_hooks_with_kwargs
    assert model._forward_hooks and inspector.state.attached
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(copy.deepcopy(model.linear1))


def test_an_export_that_cannot_be_says_to_detach_first() -> None:
    model = small()
    inspector = watch(model)
    torch.export.export(model, (torch.randn(3, 4),))
    with pytest.raises(Exception, match=r"inspector\.detach\(\)"):
        torch.export.export(model, (torch.randn(3, 4),), strict=True)
    inspector.detach()
    torch.export.export(model, (torch.randn(3, 4),), strict=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # dynamo's own
def test_a_compiled_optimizer_step_is_left_alone() -> None:
    model, other = small(), small()
    inspector = watch(model)
    optimizer = sgd(other)
    compiled = torch.compile(lambda: optimizer.step(), backend="eager")
    before = other[0].weight.clone()
    for _ in range(3):
        other(torch.randn(3, 4)).sum().backward()
        compiled()
    assert inspector.state.attached and not torch.equal(before, other[0].weight)
    torch._dynamo.reset()


def test_an_old_inspector_with_a_name_of_its_own_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    import __main__

    first, second = small(), small()
    monkeypatch.setattr(__main__, "inspector", watch(first), raising=False)
    monkeypatch.setattr(__main__, "kept", __main__.inspector, raising=False)
    monkeypatch.setattr(__main__, "inspector", watch(second))
    second(torch.randn(3, 4))
    assert __main__.kept.state.attached and __main__.inspector.state.attached


def test_what_runs_in_evaluation_only_is_told() -> None:
    model = small()
    inspector, optimizer = watch(model), sgd(model)
    model[0].eval()
    for _ in range(3):
        step(model, optimizer)
    (info,) = [info for info in inspector.watched if info.name == "0"]
    assert "record_eval=True" in info.note


def test_modules_swapped_in_place_and_hooks_without_keyword_inputs_raise_nothing() -> None:
    model = small()
    inspector = watch(model)
    taken = nn.Linear(4, 4)
    for hook in model[0]._forward_hooks.values():
        taken.register_forward_hook(hook)
    taken(torch.randn(3, 4))
    model[0].register_forward_hook(lambda *_: inspector.detach() and None, prepend=True)
    model(torch.randn(3, 4))
    assert not inspector.state.attached


def test_an_error_in_a_backward_pass_that_steps_does_not_stop_the_count() -> None:
    model = small()
    inspector = watch(model)
    made = {parameter: torch.optim.SGD([parameter], lr=0.01) for parameter in model.parameters()}
    for parameter, optimizer in made.items():
        parameter.register_post_accumulate_grad_hook(lambda _, optimizer=optimizer: optimizer.step())
    hidden = model[0](torch.randn(3, 4))
    hidden.register_hook(lambda grad: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model[2](model[1](hidden)).sum().backward()
    for _ in range(3):
        model.zero_grad()
        model(torch.randn(3, 4)).sum().backward()
    assert inspector.status().step == 3


def test_a_users_hook_keeps_its_place_behind_ours() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 1))
    inspector = watch(model, every=2)
    model[0].register_forward_hook(lambda module, args, output: output * 10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    x = torch.randn(3, 4)
    for _ in range(5):
        step(model, optimizer, x)
    norms = inspector.history["Output Norm"].values[:, 0]
    assert norms[0] == norms[1] == norms[2]


def test_each_metric_has_its_own_place_in_the_loop() -> None:
    model = small()
    inspector, optimizer = watch(model, every=2), sgd(model)
    for i in range(4):
        optimizer.zero_grad()
        model(torch.randn(3, 4)).sum().backward()
        inspector.push_loss(float(i), train=True)
        optimizer.step()
        inspector.push_metric("accuracy", float(i))
    np.testing.assert_array_equal(inspector.history["Loss"].values[:, 0], np.arange(4))
    np.testing.assert_array_equal(inspector.history["Metrics"].values[:, 0], np.arange(4))


def test_a_lens_does_not_go_back_to_an_older_inspector_unseen() -> None:
    lens, first, second = OutputNorm(), small(), small()
    one = PyTorchInspector([lens], module=first, visualizer="dummy", strict=True, every=1).detach()
    two = PyTorchInspector([lens], module=second, visualizer="dummy", strict=True, every=1)
    with pytest.warns(NotWatched, match="in use by another"):
        one.attach(first)
    assert one.state.attached and not two.state.attached


def test_leaves_of_parts_that_are_called_alone_keep_few_hooks() -> None:
    model = nn.ModuleDict({"hands": Hands()})
    inspector = watch(model)
    for _ in range(600):
        model["hands"](None)
    assert inspector.state.attached and len(model["hands"].scale._backward_hooks) <= 256


def test_an_attempt_that_raised_leaves_the_row() -> None:
    model = small()
    inspector, optimizer = watch(model), torch.optim.SGD(model.parameters(), lr=0.0)
    x = torch.randn(3, 4)
    step(model, optimizer, x)
    with pytest.raises(RuntimeError):
        model[1](model[0](x * 100)) + model(x * 100)[:, :2].reshape(-1)[:5]
    broken = model.register_forward_pre_hook(lambda module, args: (args[0] * 100,))
    handle = model[2].register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        model(x)
    broken.remove()
    handle.remove()
    step(model, optimizer, x)
    handle = model[0].register_forward_hook(
        lambda module, args, output: output.register_hook(lambda grad: 1 / 0) and None
    )
    with pytest.raises(ZeroDivisionError):
        model(x * 100).sum().backward()
    handle.remove()
    step(model, optimizer, x)
    norms = inspector.history["Output Norm"].values
    assert norms.shape[0] == 3
    np.testing.assert_array_equal(norms[2], norms[0])


def test_steps_within_a_backward_pass_with_checkpoints_are_one() -> None:
    from torch.utils.checkpoint import checkpoint

    class Segments(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = small(), nn.Linear(1, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(checkpoint(self.one, checkpoint(nn.Identity(), x, use_reentrant=True), use_reentrant=True))

    model = Segments()
    inspector = watch(model)
    made = {parameter: torch.optim.SGD([parameter], lr=0.01) for parameter in model.parameters()}
    for parameter, optimizer in made.items():
        parameter.register_post_accumulate_grad_hook(lambda _, optimizer=optimizer: optimizer.step())
    for _ in range(4):
        model.zero_grad()
        model(torch.randn(3, 4, requires_grad=True)).sum().backward()
    assert inspector.status().step == 4


def test_inspectors_come_and_go_while_another_thread_trains() -> None:
    model = nn.Sequential(*[nn.Linear(4, 4) for _ in range(6)])
    inspector = watch(model)
    faults: list[BaseException] = []
    done = threading.Event()

    def train() -> None:
        optimizer = sgd(model)
        try:
            while not done.is_set():
                step(model, optimizer)
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=train)
    thread.start()
    for _ in range(200):
        watch(nn.Linear(2, 1)).detach()
    done.set()
    thread.join()
    assert not faults and inspector.status().step > 0
