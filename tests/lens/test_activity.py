"""Activity of smooth activations, and death in a batch and for a whole window, against plain NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets import ArgumentError, ArgumentTypeError, PyTorchInspector
from monitorch_widgets.lens import OutputActivation, ParameterGradientActivation

RATES = ("Output Activations", "Output Death Rate", "Output Lasting Death Rate")


class Given(nn.Module):
    """Puts out what it is given."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def watch(model: nn.Module, lens: Any, **arguments: Any) -> PyTorchInspector:
    return PyTorchInspector([lens], module=model, visualizer="dummy", strict=True, **{"every": 1, **arguments})


def shown(inspector: PyTorchInspector, tag: str, series: str | None = None) -> list[float]:
    kept = inspector.history[tag]
    return kept.values[:, 0 if series is None else kept.modules.index(series)].tolist()


def lasting(dead: list[np.ndarray], window: int) -> list[float]:
    """Share of neurons that were dead in each of the last `window` batches, at each batch."""
    found = []
    for i in range(len(dead)):
        newest = np.stack(dead[max(i + 1 - window, 0) : i + 1])
        found.append(newest.all(axis=0).mean() if len(newest) == window else math.nan)
    return found


# ---------------------------------------------------------------- smooth activations


@pytest.mark.parametrize("kind", [nn.GELU, nn.SiLU, nn.Mish, nn.Sigmoid, nn.Softplus, nn.LogSigmoid])
@pytest.mark.parametrize("threshold", [0.01, 0.1])
def test_smooth_activations_count_from_a_threshold_of_their_own(kind: type[nn.Module], threshold: float) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(kind())
    inspector = watch(model, OutputActivation(smooth_threshold=threshold))
    x = torch.randn(64, 5) * 8 - torch.tensor([0.0, 3.0, 8.0, 16.0, 60.0])
    x = -x if kind is nn.LogSigmoid else x
    out = model(x).double().numpy()
    active = np.abs(out) > threshold
    assert shown(inspector, RATES[0], "0") == [pytest.approx(active.mean(), abs=1e-6)]
    assert shown(inspector, RATES[1], "0") == [pytest.approx((~active.any(axis=0)).mean(), abs=1e-6)]
    assert (np.abs(out) > 1e-8).mean() > active.mean()


@pytest.mark.parametrize("module", [nn.Tanh(), nn.ELU(), nn.Softmax(-1), nn.Identity(), nn.Hardswish(), nn.ReLU()])
def test_all_others_keep_the_least_magnitude(module: nn.Module) -> None:
    model = nn.Sequential(module)
    inspector = watch(model, OutputActivation())
    out = model(torch.linspace(-6, 6, 300).reshape(20, 15)).double().numpy()
    assert shown(inspector, RATES[0], "0") == [pytest.approx((np.abs(out) > 1e-8).mean(), abs=1e-6)]


def test_the_reasons_for_the_threshold_hold() -> None:
    """What the docstring says of inputs, outputs and derivatives."""
    for function, at in ((nn.GELU(), -2.7), (nn.SiLU(), -6.5), (nn.Mish(), -6.5)):
        x = torch.linspace(-40, at, 5000, dtype=torch.float64, requires_grad=True)
        out = function(x)
        (slope,) = torch.autograd.grad(out.sum(), x)
        assert out.abs().max() < 0.0101 and slope.abs().max() < 0.03


# ---------------------------------------------------------------- death


def test_death_in_a_batch_and_for_a_window_are_told_apart() -> None:
    """No neuron is dead for the window, though half of them are in each batch."""
    model = nn.Sequential(Given())
    inspector = watch(model, OutputActivation(dead_window=2))
    for i in range(6):
        x = torch.ones(3, 4)
        x[:, i % 2 :: 2] = 0
        model(x)
        inspector.tick_batch()
    assert shown(inspector, RATES[1]) == [0.5] * 6
    np.testing.assert_equal(shown(inspector, RATES[2]), [math.nan, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("window", [1, 3, 7])
def test_the_window_against_its_definition(window: int) -> None:
    draw = np.random.RandomState(0)
    model, dead = nn.Sequential(Given()), []
    inspector = watch(model, OutputActivation(dead_window=window, inplace=False))
    for _ in inspector.range(3):  # streaks go on over the ends of epochs
        for _ in range(6):
            x = draw.uniform(size=(4, 9, 2)) * (draw.uniform(size=(1, 9, 1)) < 0.4)
            dead.append((x == 0).all(axis=(0, 2)))
            model(torch.from_numpy(x))
            inspector.tick_batch()
        expected = lasting(dead, window)[-6:]
    np.testing.assert_allclose(shown(inspector, RATES[2]), lasting(dead, window), atol=1e-6)
    known = [value for value in expected if value == value]
    figures = inspector.history[RATES[0]].epochs[3].values["0"]
    assert figures["lasting_death_rate"] == pytest.approx(np.mean(known), abs=1e-6)


def test_figures_of_an_epoch_have_no_lasting_rate_before_the_window_is_full() -> None:
    model = nn.Sequential(Given())
    inspector = watch(model, OutputActivation(dead_window=4))
    for _ in inspector.range(2):
        for _ in range(3):
            model(torch.zeros(2, 2))
            inspector.tick_batch()
    epochs = inspector.history[RATES[0]].epochs
    assert epochs[1].values["0"] == {"activation_rate": 0, "death_rate": 1}
    assert epochs[2].values["0"] == {"activation_rate": 0, "death_rate": 1, "lasting_death_rate": 1}
    warnings = inspector.history["Warning Output Activations"].epochs
    assert list(warnings[1].values["Warning Output Activations"]) == ["worst activation_rate", "worst death_rate"]
    assert warnings[2].values["Warning Output Activations"]["worst lasting_death_rate"] == 1


def test_evaluation_does_not_count() -> None:
    model = nn.Sequential(Given())
    inspector = watch(model, OutputActivation(dead_window=2, record_eval=True))
    for value in (0.0, 1.0, 0.0):  # the one in the middle is evaluation
        model.train(value == 0)
        model(torch.full((2, 3), value))
        if value == 0:
            inspector.tick_batch()
    assert shown(inspector, RATES[2])[-1] == 1


def test_evaluation_by_grad_mode_inside_a_checkpoint() -> None:
    """Reentrant checkpointing runs the first pass without gradients, within a pass of the model that has them."""
    preprocessor = OutputActivation(evaluation_from_grad=True)._forward
    layer = nn.ReLU()

    def counted(grad: bool, outside: bool | None, training: bool) -> int:
        preprocessor.reset()
        preprocessor.buffer.grad_outside = outside
        with torch.set_grad_enabled(grad):
            preprocessor.process_fw("0", layer.train(training), None, torch.ones(2, 2))
        return len(preprocessor.value)

    assert counted(grad=True, outside=None, training=True) and counted(grad=True, outside=True, training=False)
    assert counted(grad=False, outside=True, training=True)
    assert not counted(grad=False, outside=True, training=False)
    assert not counted(grad=False, outside=False, training=True)
    assert not counted(grad=False, outside=None, training=True)


@pytest.mark.parametrize("modes", [(True, False, True, False), (False, True, True, False)])
def test_streaks_survive_inference_mode(modes: tuple[bool, ...]) -> None:
    model = nn.Sequential(Given())
    inspector = watch(model, OutputActivation(dead_window=3))
    for inference in modes:
        with torch.inference_mode(inference):
            model(torch.zeros(2, 3))
        inspector.tick_batch()
    np.testing.assert_equal(shown(inspector, RATES[2]), [math.nan, math.nan, 1, 1])


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_poisoned_batch_is_passed_over(poison: float) -> None:
    model = nn.Sequential(Given())
    inspector = watch(model, OutputActivation(dead_window=2))
    for value in (0.0, poison, 0.0, poison, 1.0):
        model(torch.tensor([[0.0, value], [0.0, value]]))
        inspector.tick_batch()
    np.testing.assert_equal(shown(inspector, RATES[2]), [math.nan, math.nan, 1, math.nan, 0.5])


def test_an_empty_batch_is_passed_over_and_another_width_begins_anew() -> None:
    model = nn.Sequential(Given())
    inspector = watch(model, OutputActivation(dead_window=2))
    for shape in ((2, 3), (0, 3), (2, 3), (2, 4), (2, 4)):
        model(torch.zeros(shape))
        inspector.tick_batch()
    np.testing.assert_equal(shown(inspector, RATES[2]), [math.nan, math.nan, 1, math.nan, 1])


def test_streaks_end_with_the_model_that_is_watched() -> None:
    lens = OutputActivation(dead_window=2)
    inspector = watch(nn.Sequential(Given()), lens)
    for _ in range(2):
        model = nn.Sequential(Given())
        inspector.attach(model)
        for _ in range(2):
            model(torch.zeros(2, 3))
            inspector.tick_batch()
    values = inspector.history[RATES[2]].values
    assert np.isfinite(values).any(axis=1).tolist() == [False, True] * 2


def test_neurons_without_gradient_for_a_window() -> None:
    torch.manual_seed(0)
    model, dead = nn.Sequential(nn.Linear(3, 6, bias=False), nn.ReLU(), nn.Linear(6, 1)), []
    inspector = watch(model, ParameterGradientActivation(parameters="weight", dead_window=3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(8):
        optimizer.zero_grad()
        model(torch.randn(2, 3)).pow(2).mean().backward()
        dead.append((model[0].weight.grad.numpy() == 0).all(axis=1))
        optimizer.step()
    np.testing.assert_allclose(shown(inspector, "Weight Gradient Lasting Death Rate"), lasting(dead, 3), atol=1e-6)
    np.testing.assert_allclose(
        shown(inspector, "Weight Gradient Death Rate"), [batch.mean() for batch in dead], atol=1e-6
    )


# ---------------------------------------------------------------- words and arguments


def test_panels_keep_the_two_kinds_of_death_apart() -> None:
    titles = [spec.title for spec in OutputActivation(dead_window=20).specs]
    assert titles == ["Output activation", "Dead outputs in a batch", "Dead outputs for 20 batches"]
    batch, window = OutputActivation().specs[1:]
    assert "one batch" in batch.about.tells and "last 50 training batches" in window.about.tells
    assert "record_eval=True" in batch.empty and "evaluation_from_grad=True" in batch.empty
    assert [spec.tag for spec in ParameterGradientActivation(parameters="weight").specs] == [
        "Weight Gradient Activation",
        "Weight Gradient Death Rate",
        "Weight Gradient Lasting Death Rate",
    ]


@pytest.mark.parametrize("make", [OutputActivation, ParameterGradientActivation])
def test_a_window_is_a_number_of_batches(make: Any) -> None:
    with pytest.raises(ArgumentError, match="at least 1; received 0"):
        make(dead_window=0)
    with pytest.raises(ArgumentTypeError, match=r"an integer of at least 1; received 2\.5"):
        make(dead_window=2.5)


def test_a_threshold_is_a_magnitude() -> None:
    with pytest.raises(ArgumentError, match="at least 0"):
        OutputActivation(smooth_threshold=-1)
    with pytest.raises(ArgumentError, match="at least 0"):
        OutputActivation(smooth_threshold=math.nan)
    with pytest.raises(ArgumentTypeError, match="magnitude"):
        OutputActivation(smooth_threshold="small")  # type: ignore[arg-type]
