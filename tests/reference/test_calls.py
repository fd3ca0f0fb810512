"""Modules that run several times, not at all, again, or in another form: by hand, without hooks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from .stage import Formula, Stage, Tensors, batches, mlp, mlp_formula


def trained(stage: Stage, steps: int = 4, call: Any = None) -> None:
    optimizer = torch.optim.SGD(stage.model.parameters(), lr=0.2)
    for x, y in batches(steps):
        optimizer.zero_grad()
        stage.loss_fn((call or stage.model)(x), y).backward()
        stage.step(optimizer, stage.passes(x, y))


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.act, self.head = nn.Linear(5, 5), nn.ReLU(), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.act(self.layer(self.act(self.layer(x)))))


def linear(p: Tensors, name: str, x: Tensor) -> Tensor:
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def shared_formula(p: Tensors, x: Tensor) -> Tensors:
    outs = {"layer": linear(p, "layer", x)}
    outs["act"] = outs["layer"] * (outs["layer"] > 0)
    outs["layer#2"] = linear(p, "layer", outs["act"])
    outs["act#2"] = outs["layer#2"] * (outs["layer#2"] > 0)
    return {**outs, "head": linear(p, "head", outs["act#2"])}


def test_a_layer_that_runs_twice() -> None:
    stage = Stage(Shared(), shared_formula, quiet=("act", "act#2"))
    trained(stage)
    assert {"layer", "layer#2"} <= set(stage.inspector.history["Output Norm"].modules)
    stage.agree()


CALLS = 20


class Recurrence(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.head = nn.Linear(5, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(CALLS):
            x = torch.tanh(self.cell(x)) + 0.1 * x
        return self.head(x)


class Collected(dict[str, Tensor]):
    """Outputs by series; several of one name stand behind each other."""


def names_of_calls() -> list[str]:
    return ["cell", *(f"cell#{i}" for i in range(2, 16)), *["cell#16+"] * (CALLS - 15)]


def recurrence_outputs(p: Tensors, x: Tensor) -> list[Tensor]:
    outs = []
    for _ in range(CALLS):
        outs.append(linear(p, "cell", x))
        x = torch.tanh(outs[-1]) + 0.1 * x
    return [*outs, linear(p, "head", x)]


def test_a_recurrence_of_twenty_calls() -> None:
    """From the sixteenth call on there is one series, whose readings are the mean over its calls."""
    stage = Stage(Recurrence(), lambda p, x: dict(enumerate(recurrence_outputs(p, x))))  # type: ignore[arg-type]
    names = [*names_of_calls(), "head"]
    stage.rename = dict(enumerate(names))
    trained(stage)
    assert set(names) == set(stage.inspector.history["Output Norm"].modules)
    stage.agree(without=["Output Lasting Death Rate"])


class Skipping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.maybe, self.head = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 3)
        self.skips = False

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x))
        return self.head(x if self.skips else torch.tanh(self.maybe(x)))


def skipping_formula(skips: bool) -> Formula:
    def formula(p: Tensors, x: Tensor) -> Tensors:
        outs = {"first": linear(p, "first", x)}
        x = torch.tanh(outs["first"])
        if not skips:
            outs["maybe"] = linear(p, "maybe", x)
            x = torch.tanh(outs["maybe"])
        return {**outs, "head": linear(p, "head", x)}

    return formula


@pytest.mark.parametrize("set_to_none", [True, False])
def test_a_module_that_is_skipped_in_some_steps(set_to_none: bool) -> None:
    stage = Stage(Skipping(), quiet=())
    optimizer = torch.optim.SGD(stage.model.parameters(), lr=0.2)
    for i, (x, y) in enumerate(batches(6)):
        stage.model.skips = bool(i % 3 == 1)
        stage.formula = skipping_formula(stage.model.skips)
        optimizer.zero_grad(set_to_none=set_to_none)
        stage.loss_fn(stage.model(x), y).backward()
        grads = stage.passes(x, y)
        if not set_to_none:  # where the gradient is not gone, it is zero
            grads = {name: grads.get(name, 0 * p) for name, p in stage.parameters().items()}
        stage.step(optimizer, grads)
    stage.agree()


class Checkpointed(nn.Sequential):
    def __init__(self, reentrant: bool) -> None:
        super().__init__(*mlp())
        self.reentrant = reentrant

    def forward(self, x: Tensor) -> Tensor:
        x = checkpoint(self._part, x.requires_grad_(), 0, 3, use_reentrant=self.reentrant)
        return checkpoint(self._part, x, 3, 6, use_reentrant=self.reentrant)

    def _part(self, x: Tensor, start: int, end: int) -> Tensor:
        for layer in list(self)[start:end]:
            x = layer(x)
        return x


@pytest.mark.parametrize("reentrant", [False, True], ids=["plain", "reentrant"])
@pytest.mark.parametrize("from_grad", [False, True])
def test_checkpointing_is_seen_once(reentrant: bool, from_grad: bool) -> None:
    stage = Stage(Checkpointed(reentrant), lenses={"from_grad": from_grad})
    trained(stage)
    stage.agree()


class SharedCheckpoints(Shared):
    def forward(self, x: Tensor) -> Tensor:
        x = checkpoint(self._part, x.requires_grad_(), use_reentrant=True)
        return self.head(checkpoint(self._part, x, use_reentrant=True))

    def _part(self, x: Tensor) -> Tensor:
        return self.act(self.layer(x))


def test_a_layer_in_two_checkpoints_keeps_its_names() -> None:
    """Reentrant checkpoints are repeated from the last to the first, and only then do outputs have gradients."""
    stage = Stage(SharedCheckpoints(), shared_formula, quiet=("act", "act#2"))
    trained(stage)
    stage.agree()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo's, where a hook breaks its graph
@pytest.mark.parametrize("late", [False, True], ids=["before_attach", "after_attach"])
def test_compiled(late: bool) -> None:
    torch._dynamo.reset()
    stage = Stage(attach=late)
    compiled = torch.compile(stage.model, backend="eager")
    if not late:
        stage.inspector.attach(compiled)
    trained(stage, call=compiled)
    stage.agree()


def test_functional_call() -> None:
    stage = Stage()
    model = stage.model
    trained(stage, call=lambda x: torch.func.functional_call(model, dict(model.named_parameters()), (x,)))
    stage.agree()


def test_a_model_within_data_parallel() -> None:
    stage = Stage(attach=False)
    wrapped = nn.DataParallel(stage.model)
    stage.inspector.attach(wrapped)
    trained(stage, call=wrapped)
    stage.agree()


def test_in_a_loop_with_every_series_only_once() -> None:
    stage = Stage(formula=mlp_formula)
    trained(stage)
    for tag in ("Output Norm", "Weight Gradient Norm"):
        modules = stage.inspector.history[tag].modules
        assert len(modules) == len(set(modules))
