"""Parameters of their own kind: named, tied, frozen, without gradient, with NaN; by hand, without hooks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from monitorch_widgets import lens

from .stage import Stage, Tensors, batches, mlp, mlp_formula


def trained(stage: Stage, x: Tensor, y: Tensor, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    out = stage.model(x)
    stage.loss_fn(out[0] if isinstance(out, tuple) else out, y).backward()
    stage.step(optimizer, stage.passes(x, y))


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.2)


HIDDEN = 3


def lstm_formula(p: Tensors, x: Tensor) -> Tensors:
    """The recurrence of an LSTM over (T, B, 5), written out; its states come first, the output last."""
    h = c = torch.zeros(x.shape[1], HIDDEN, dtype=torch.float64)
    hidden = []
    for step in x:
        gates = step @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"]
        i, f, g, o = gates.split(HIDDEN, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        hidden.append(h)
    return {"LSTM[1][0]": h[None], "LSTM[1][1]": c[None], "LSTM": torch.stack(hidden)}


def test_an_lstm_has_each_parameter_and_each_output_under_its_own_name() -> None:
    torch.manual_seed(0)
    stage = Stage(nn.LSTM(5, HIDDEN), lstm_formula, quiet=("LSTM[1][0]", "LSTM[1][1]"))
    generator = torch.Generator().manual_seed(1)
    optimizer = sgd(stage.model)
    for _ in range(4):
        x, y = torch.randn(6, 2, 5, generator=generator), torch.randn(6, 2, HIDDEN, generator=generator)
        trained(stage, x, y, optimizer)
    assert stage.inspector.history["Weight Gradient Norm"].modules == ["LSTM.weight_ih_l0", "LSTM.weight_hh_l0"]
    assert stage.inspector.history["Bias Gradient Norm"].modules == ["LSTM.bias_ih_l0", "LSTM.bias_hh_l0"]
    stage.agree()


def tied_formula(p: Tensors, x: Tensor) -> Tensors:
    outs = {"0": x @ p["0.weight"].T}
    outs["1"] = torch.tanh(outs["0"])
    outs["2"] = outs["1"] @ p["0.weight"].T
    return {**outs, "3": outs["2"][:, :3]}


class First(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, :3]


def test_tied_weights_are_shown_once_with_the_whole_gradient() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 5, bias=False), nn.Tanh(), nn.Linear(5, 5, bias=False), First())
    model[2].weight = model[0].weight
    stage = Stage(model, tied_formula, quiet=("1",))
    optimizer = sgd(stage.model)
    for x, y in batches(4):
        trained(stage, x, y, optimizer)
    stage.agree()


def test_frozen_layers_have_no_gradients_and_do_not_move() -> None:
    model = mlp()
    model[0].requires_grad_(False)
    stage = Stage(model)
    optimizer = sgd(stage.model)
    for x, y in batches(3):
        optimizer.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        stage.step(optimizer, _without_first(stage, x, y))
    stage.agree()
    notes = {info.name: info.note for info in stage.inspector.watched if info.note}
    assert "frozen" in notes["0"]


def _without_first(stage: Stage, x: Tensor, y: Tensor) -> Any:
    """Passes of a model whose first layer gets no gradient, nor has its output one."""
    quiet, stage.quiet = stage.quiet, (*stage.quiet, "0")
    grads = stage.passes(x, y)
    stage.quiet = quiet
    return grads


def test_layers_that_are_unfrozen_later_appear() -> None:
    model = mlp()
    model[0].requires_grad_(False)
    stage = Stage(model)
    optimizer = sgd(stage.model)
    for i, (x, y) in enumerate(batches(5)):
        if i == 2:
            model[0].requires_grad_(True)
        optimizer.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        stage.step(optimizer, stage.passes(x, y) if i >= 2 else _without_first(stage, x, y))
    assert "0" in stage.inspector.history["Weight Gradient Norm"].modules
    stage.agree()


def test_a_parameter_that_the_loss_does_not_reach() -> None:
    model = nn.Sequential(mlp(), nn.Identity())
    model[0].register_parameter("idle", nn.Parameter(torch.ones(3)))
    stage = Stage(model, _nested)
    stage.quiet = ("0.1", "0.3", "0.5")
    optimizer = sgd(stage.model)
    for x, y in batches(3):
        trained(stage, x, y, optimizer)
    assert any(info.name == "0" and "gradient" in info.note for info in stage.inspector.watched)
    stage.agree()


def _nested(p: Tensors, x: Tensor) -> Tensors:
    outs = mlp_formula({name[2:]: tensor for name, tensor in p.items()}, x)
    return {**{f"0.{name}": tensor for name, tensor in outs.items()}, "1": outs["5"] * 1}


def test_weight_norm_shows_what_the_optimizer_steps() -> None:
    torch.manual_seed(0)
    stage = Stage(nn.Sequential(parametrizations.weight_norm(nn.Linear(5, 3))), _weight_norm)
    optimizer = sgd(stage.model)
    for x, y in batches(4):
        trained(stage, x, y, optimizer)
    names = [f"0.parametrizations.weight.original{i}" for i in (0, 1)]
    assert stage.inspector.history["Weight Gradient Norm"].modules == names
    stage.agree()


def _weight_norm(p: Tensors, x: Tensor) -> Tensors:
    size, direction = (p[f"0.parametrizations.weight.original{i}"] for i in (0, 1))
    weight = size * direction / direction.pow(2).sum(1, keepdim=True).sqrt()
    return {"0": x @ weight.T + p["0.bias"]}


def test_nan_gradients_are_gaps_and_counted() -> None:
    stage = Stage()
    optimizer = sgd(stage.model)
    for i, (x, y) in enumerate(batches(5)):
        kept = {name: p.detach().clone() for name, p in stage.model.named_parameters()}
        optimizer.zero_grad()
        stage.loss_fn(stage.model(x), y).backward()
        grads = stage.passes(x, y)
        if i == 2:
            stage.model[2].weight.grad[0, 0] = math.nan
            stage.model[4].weight.grad[0, 0] = math.inf
            grads["2.weight"][0, 0], grads["4.weight"][0, 0] = math.nan, math.inf
        stage.step(optimizer, grads)
        if i == 2:
            stage.model.load_state_dict(kept)  # what the loop does between steps counts for no step
    norms = stage.inspector.history["Weight Gradient Norm"].values
    assert np.isfinite(norms).tolist() == [[True, step != 2, step != 2] for step in range(5)]
    stage.agree()
    (geometry,) = (one for one in stage.inspector.lenses if isinstance(one, lens.ParameterGradientGeometry))
    counted = geometry.charts[0].preprocessor.value
    assert [counted[name][0].nonfinite for name in ("0", "2", "4")] == [0, 1, 1]
    stage.inspector.tick_epoch()
    mean = stage.inspector.history["Weight Gradient Norm"].epochs[1].values["2"]["mean"]
    np.testing.assert_allclose(mean, np.mean(norms[[0, 1, 3, 4], 1]))
