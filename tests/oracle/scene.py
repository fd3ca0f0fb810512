"""The run that monitorch and this package both watch: a small network, its data, and every lens in several ways.

Weights and data come from NumPy and everything is float64, so the run is the same on any machine. Nothing here imports
either package: the caller brings the module of lenses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

EPOCHS, BATCHES, EVAL_BATCHES = 3, 4, 2
TRAIN, VAL = "train_loss", "val_loss"

Call = dict[str, Any]


class Network(nn.Sequential):
    """Three linear layers with ReLUs between, one of whose neurons is dead from the start."""

    def __init__(self) -> None:
        draw = np.random.RandomState(7)
        super().__init__(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5), nn.ReLU(), nn.Linear(5, 3))
        self.double()
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.from_numpy(0.6 * draw.standard_normal(tuple(parameter.shape))))
            self[0].bias[2] = -50.0


def batches(seed: int, count: int) -> list[tuple[Tensor, Tensor]]:
    """Inputs (16, 6) and classes (16,) that depend on them."""
    draw = np.random.RandomState(seed)
    found = []
    for _ in range(count):
        inputs = torch.from_numpy(draw.standard_normal((16, 6)))
        found.append((inputs, inputs[:, :3].argmax(1)))
    return found


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=0.02)


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_fn: nn.Module,
    *,
    push: Callable[[str, float], None],
    end_epoch: Callable[[], None],
) -> None:
    """Train, evaluate after each epoch, and push the accuracy of every batch."""
    for epoch in range(EPOCHS):
        model.train()
        for inputs, classes in batches(epoch, BATCHES):
            optimizer.zero_grad()
            outputs = model(inputs)
            loss_fn(outputs, classes).backward()
            optimizer.step()
            push("accuracy", (outputs.argmax(1) == classes).double().mean().item())
        model.eval()
        with torch.no_grad():
            for inputs, classes in batches(100 + epoch, EVAL_BATCHES):
                loss_fn(model(inputs), classes)
        end_epoch()


@dataclass(frozen=True)
class Case:
    """One way to watch: `lenses(module of lenses, optimizer, loss module)`, and arguments of the inspector."""

    lenses: Callable[[Any, torch.optim.Optimizer, nn.Module], list[Any]]
    inspector: dict[str, Any] = field(default_factory=dict)


# Running statistics have no quartiles in monitorch, and lists no minimum and no third quartile that is right.
RUNNING: dict[str, Any] = {
    "inplace": True,
    "line_aggregation": ("mean", "max", "min", "std"),
    "range_aggregation": ("std", "min-max"),
}
LISTS: dict[str, Any] = {
    "inplace": False,
    "line_aggregation": ("mean", "median", "max", "min", "Q1", "Q3", "IQR", "std"),
    "range_aggregation": ("std", "Q1-Q3", "min-max"),
}
RELU = {"include": (nn.ReLU,)}  # with it both packages watch the same modules
EVERY = {"include": (nn.Linear, nn.ReLU)}

CASES: dict[str, Case] = {
    "OutputNorm": Case(lambda lens, optimizer, loss: [lens.OutputNorm(**RELU, **RUNNING)]),
    "OutputNorm in lists, RMS, every module": Case(
        lambda lens, optimizer, loss: [lens.OutputNorm(**EVERY, normalize_by_size=True, **LISTS)]
    ),
    "OutputNorm with evaluation": Case(
        lambda lens, optimizer, loss: [
            lens.OutputNorm(**RELU, record_eval=True, log_scale=True, comparison_aggregation="max")
        ]
    ),
    "OutputNorm, no activations, evaluation by grad": Case(
        lambda lens, optimizer, loss: [
            lens.OutputNorm(include=(nn.Linear,), activation=False, evaluation_from_grad=True, comparison_plot=False)
        ]
    ),
    "OutputActivation": Case(lambda lens, optimizer, loss: [lens.OutputActivation(**RELU)]),
    "OutputActivation in lists": Case(
        lambda lens, optimizer, loss: [
            lens.OutputActivation(
                **EVERY, inplace=False, activation_aggregation="median", death_aggregation="max", warning_plot=False
            )
        ]
    ),
    "OutputActivation with evaluation, channel last": Case(
        lambda lens, optimizer, loss: [lens.OutputActivation(**RELU, record_eval=True, channel_last=True)]
    ),
    "OutputGradientGeometry": Case(lambda lens, optimizer, loss: [lens.OutputGradientGeometry(**RUNNING)]),
    "OutputGradientGeometry in lists, RMS, activations too": Case(
        lambda lens, optimizer, loss: [
            lens.OutputGradientGeometry(normalize_by_size=True, skip_activation=False, log_scale=True, **LISTS)
        ]
    ),
    "OutputGradientGeometry, norm alone": Case(
        lambda lens, optimizer, loss: [
            lens.OutputGradientGeometry(compute_correlation=False, line_aggregation="max", range_aggregation=None)
        ]
    ),
    "ParameterGradientGeometry": Case(lambda lens, optimizer, loss: [lens.ParameterGradientGeometry(**RUNNING)]),
    "ParameterGradientGeometry in lists, RMS, weights": Case(
        lambda lens, optimizer, loss: [
            lens.ParameterGradientGeometry(normalize_by_size=True, parameters=["weight"], **LISTS)
        ]
    ),
    "ParameterGradientActivation": Case(lambda lens, optimizer, loss: [lens.ParameterGradientActivation()]),
    "ParameterGradientActivation in lists, biases": Case(
        lambda lens, optimizer, loss: [
            lens.ParameterGradientActivation(
                inplace=False,
                parameters=["bias"],
                warning_plot=False,
                activation_aggregation="IQR",
                death_aggregation="median",
            )
        ]
    ),
    "ParameterNorm": Case(lambda lens, optimizer, loss: [lens.ParameterNorm()]),
    "ParameterNorm in lists, RMS": Case(
        lambda lens, optimizer, loss: [
            lens.ParameterNorm(
                inplace=False,
                parameters=["weight"],
                normalize_by_size=True,
                log_scale=True,
                aggregation_method="median",
            )
        ]
    ),
    "ParameterUpdateGeometry": Case(lambda lens, optimizer, loss: [lens.ParameterUpdateGeometry(optimizer, **RUNNING)]),
    "ParameterUpdateGeometry in lists, RMS, weights": Case(
        lambda lens, optimizer, loss: [
            lens.ParameterUpdateGeometry(optimizer, normalize_by_size=True, parameters=["weight"], **LISTS)
        ]
    ),
    "LossMetrics": Case(
        lambda lens, optimizer, loss: [
            lens.LossMetrics(
                loss_fn=loss, metrics=["accuracy"], loss_line=("mean", "min", "std"), loss_range=("std", "min-max")
            )
        ]
    ),
    "LossMetrics in lists": Case(
        lambda lens, optimizer, loss: [
            lens.LossMetrics(
                loss_fn=loss,
                loss_fn_inplace=False,
                loss_line=("median", "Q1", "IQR", "max"),
                loss_range=("Q1-Q3", "min-max"),
            )
        ]
    ),
    "LossMetrics in one panel, metrics with bands": Case(
        lambda lens, optimizer, loss: [
            lens.LossMetrics(
                loss_fn=loss,
                metrics=["accuracy"],
                separate_loss_and_metrics=False,
                metrics_line=("mean", "max"),
                metrics_range="std",
            )
        ]
    ),
    "every second epoch": Case(
        lambda lens, optimizer, loss: [
            lens.OutputNorm(**RELU),
            lens.ParameterGradientGeometry(compute_correlation=False),
            lens.ParameterNorm(parameters=["weight"]),
            lens.LossMetrics(loss_fn=loss),
        ],
        {"is_active_fn": 2},
    ),
}


def recorder(base: type) -> tuple[Any, list[Call]]:
    """A visualizer derived from `base`, and the list of what it is told."""
    calls: list[Call] = []

    def register_tags(self: Any, main_tag: str, tag_attr: Any) -> None:
        shown = {name: getattr(tag_attr, name) for name in ("logy", "big_plot", "annotate")}
        calls.append({"call": "register_tags", "tag": main_tag, **shown, "type": tag_attr.type.name})

    def told(call: str) -> Callable[..., None]:
        def plot(self: Any, epoch: int, main_tag: str, values_dict: Any, ranges_dict: Any = None) -> None:
            values = {name: {key: float(value) for key, value in each.items()} for name, each in values_dict.items()}
            bands = {
                name: {" | ".join(ends): [float(end) for end in band] for ends, band in each.items()}
                for name, each in (ranges_dict or {}).items()
            }
            calls.append({"call": call, "epoch": epoch, "tag": main_tag, "values": values, "ranges": bands})

        return plot

    plots = {name: told(name) for name in ("plot_numerical_values", "plot_probabilities", "plot_relations")}
    return type("Recorder", (base,), {"register_tags": register_tags, **plots})(), calls


def watched(case: Case, make_inspector: Callable[..., Any], lenses: Any, visualizer_base: type) -> list[Call]:
    """Train under an inspector, and return what its lenses told a visualizer."""
    model, loss_fn = Network(), nn.CrossEntropyLoss()
    optimizer = adam(model)
    visualizer, calls = recorder(visualizer_base)
    inspector = make_inspector(
        case.lenses(lenses, optimizer, loss_fn), module=model, visualizer=visualizer, **case.inspector
    )
    train(model, optimizer, loss_fn, push=inspector.push_metric, end_epoch=inspector.tick_epoch)
    inspector.detach()
    return calls
