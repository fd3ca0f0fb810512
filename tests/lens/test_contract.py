"""What every lens keeps to."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from monitorch_widgets import ArgumentError, ArgumentTypeError, PyTorchInspector
from monitorch_widgets import lens as lenses
from monitorch_widgets.errors import NotWatched
from monitorch_widgets.lens import AbstractLens, register_kind
from monitorch_widgets.lens.module_distinction import isactivation, isdropout, module_kind
from monitorch_widgets.visualizer import PrintVisualizer

LOSS = nn.MSELoss()


def largest(module: nn.Module, layer_input: object, output: torch.Tensor) -> torch.Tensor:
    return output.abs().max()


LENSES: dict[str, Callable[[], AbstractLens]] = {
    name: getattr(lenses, name)
    for name in lenses.__all__
    if name not in ("AbstractLens", "register_kind", "LossMetrics", "Expression") and "Histogram" not in name
}
LENSES["Expression"] = lambda **given: lenses.Expression(largest, "Largest output", **given)
LENSES["LossMetrics"] = lambda: lenses.LossMetrics(loss_fn=LOSS)


def model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 1))


def train(net: nn.Module, steps: int) -> None:
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        LOSS(net(torch.randn(4, 3)), torch.zeros(4, 1)).backward()
        optimizer.step()


@pytest.fixture(params=LENSES)
def make(request) -> Callable[[], AbstractLens]:
    return LENSES[request.param]


def test_a_panel_explains_itself(make) -> None:
    for spec in make().specs:
        assert spec.title[0].isupper() and not spec.title.isupper()
        assert spec.stage and spec.empty and spec.about.tells and spec.about.healthy and spec.about.remedy
        assert set(spec.lines) <= {"mean", "median", "min", "max"} and set(spec.bands) <= {"std", "Q1-Q3", "min-max"}


def test_every_panel_gets_readings_and_every_epoch_figures(make) -> None:
    lens, net = make(), model()
    inspector = PyTorchInspector([lens], module=net, visualizer="dummy", strict=True, every=1)
    for _ in inspector.range(2):
        train(net, 51)
    for spec in lens.specs:
        assert inspector.history[spec.tag].rows >= 2, spec.tag
    figures = [tag for tag in inspector.history if inspector.history[tag].epochs]
    assert figures and all(list(inspector.history[tag].epochs) == [1, 2] for tag in figures)


def test_the_same_lens_watches_one_model_after_the_other(make) -> None:
    lens, first, second = make(), model(), model()
    inspector = PyTorchInspector([lens], module=first, visualizer="dummy", strict=True, every=1)
    train(first, 2)
    inspector.attach(second)
    rows = inspector.history[lens.specs[0].tag].rows
    if not isinstance(lens, lenses.LossMetrics):  # which cannot tell whose loss it is
        train(first, 2)
    assert inspector.history[lens.specs[0].tag].rows == rows
    train(second, 2)
    inspector.tick_epoch()
    assert inspector.history[lens.specs[0].tag].epochs


def test_an_epoch_without_a_step_has_no_figures_and_no_fault(make) -> None:
    inspector = PyTorchInspector([make()], module=model(), visualizer="dummy", strict=True, every=1)
    inspector.tick_epoch()
    inspector.tick_epoch()


def test_copies_of_tensors_are_counted_and_go_with_detach(make) -> None:
    lens, net = make(), model()
    inspector = PyTorchInspector([lens], module=net, visualizer="dummy", strict=True, every=1)
    train(net, 2)
    keeps = any("Correlation" in spec.tag or "Ratio" in spec.tag for spec in lens.specs)
    assert (lens.memory_bytes > 0) == keeps
    inspector.detach()
    assert lens.memory_bytes == 0


def test_a_lens_without_a_loss_or_metric_is_calm() -> None:
    inspector = PyTorchInspector([lenses.LossMetrics()], module=model(), visualizer="dummy", strict=True, every=1)
    inspector.tick_epoch()
    assert inspector.history["Loss"].rows == 0


def test_aggregations_may_come_from_a_generator() -> None:
    lens = lenses.OutputGradientGeometry(line_aggregation=(name for name in ("mean", "median")), range_aggregation=None)
    net = model()
    inspector = PyTorchInspector([lens], module=net, visualizer="dummy", strict=True, every=1)
    for _ in inspector.range(2):
        train(net, 3)
    figures = inspector.history["Output Gradient Norm"].epochs[2]
    assert list(figures.values["0"]) == ["mean", "median"] and figures.ranges["0"] == {}


def test_quantiles_work_with_running_statistics() -> None:
    lens = lenses.OutputNorm(line_aggregation=["median", "Q1", "Q3", "IQR"], range_aggregation="Q1-Q3")
    net = model()
    inspector = PyTorchInspector([lens], module=net, visualizer="dummy", strict=True, every=1)
    train(net, 9)
    inspector.tick_epoch()
    figures = inspector.history["Output Norm"].epochs[1]
    assert figures.values["0"]["Q1"] <= figures.values["0"]["median"] <= figures.values["0"]["Q3"]
    assert set(figures.ranges["0"]) == {("Q1", "Q3")}


def test_activations_can_be_left_out_and_classes_chosen() -> None:
    def watched(lens: AbstractLens) -> list[str]:
        inspector = PyTorchInspector([lens], module=model(), visualizer="dummy", every=1)
        return [info.name for info in inspector.modules]

    assert watched(lenses.OutputGradientGeometry()) == ["0", "2"]
    assert watched(lenses.OutputGradientGeometry(skip_activation=False)) == ["0", "1", "2"]
    assert watched(lenses.OutputNorm(activation=False)) == ["0", "2"]
    assert watched(lenses.OutputNorm(include=[nn.Tanh])) == ["1"]
    assert watched(lenses.OutputActivation(exclude=[nn.ReLU])) == ["0", "2"]


def test_kinds_know_subclasses_and_classes_of_ones_own() -> None:
    class MyRelu(nn.ReLU):
        pass

    class Snake(nn.Module):
        pass

    assert isactivation(MyRelu()) and not isactivation(nn.MultiheadAttention(2, 1)) and isdropout(nn.Dropout2d())
    assert module_kind(Snake()) == "other"
    register_kind(Snake, "activation")
    assert isactivation(Snake()) and module_kind(Snake()) == "activation"
    with pytest.raises(ArgumentError, match="'norm'"):
        register_kind(Snake, "normal")
    with pytest.raises(ArgumentTypeError):
        register_kind(Snake(), "norm")


def test_a_lens_of_ones_own_in_monitorchs_manner(capsys) -> None:
    class Depth(AbstractLens):
        def register_leaf_module(self, module, module_name, inspector_state) -> None:
            self.names = [*getattr(self, "names", []), module_name]

        def detach_from_module(self) -> None:
            self.names = []

        def introduce_tags(self, visualizer) -> None:
            pass

        def finalize_epoch(self) -> None:
            self.figures = {name: {"depth": float(i)} for i, name in enumerate(self.names)}

        def vizualize(self, visualizer, epoch) -> None:
            visualizer.plot_numerical_values(epoch, "Depth", self.figures, None)

        def reset_epoch(self) -> None:
            pass

    inspector = PyTorchInspector([Depth()], module=model(), visualizer=PrintVisualizer(), strict=True, every=1)
    inspector.tick_epoch()
    assert inspector.history["Depth"].epochs[1].values["2"] == {"depth": 2.0}
    assert "Depth" in capsys.readouterr().out


def test_a_parameter_name_that_no_module_has_is_told() -> None:
    with pytest.warns(NotWatched, match="'wieght'.*Did you mean 'weight'"):
        PyTorchInspector(
            [lenses.ParameterNorm(parameters=["wieght", "bias"])], module=model(), visualizer="dummy", every=1
        )
