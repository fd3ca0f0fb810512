"""Cases that are easily got wrong: hooks of optimizers, steps within steps, attempts at the edges of things."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .stage import Stage, Tensors, added, batches, mlp, mlp_formula


def clip(optimizer: torch.optim.Optimizer, limit: float) -> None:
    for group in optimizer.param_groups:
        torch.nn.utils.clip_grad_value_(group["params"], limit)


def clipped(grads: dict[str, Any], limit: float) -> dict[str, Any]:
    return {name: grad.clip(-limit, limit) for name, grad in grads.items()}


def test_clipping_in_a_hook_of_the_optimizer() -> None:
    stage = Stage()
    optimizer = stage.sgd()
    optimizer.register_step_pre_hook(lambda opt, args, kwargs: clip(opt, 0.02))
    for x, y in batches(3):
        stage.step(optimizer, clipped(stage.backward(optimizer, x, y), 0.02))
    stage.agree()


def test_weights_clamped_in_a_hook_of_the_optimizer() -> None:
    stage = Stage()
    optimizer = stage.sgd()

    def clamp(opt: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        with torch.no_grad():
            for p in opt.param_groups[0]["params"]:
                p.clamp_(-0.3, 0.3)

    optimizer.register_step_post_hook(clamp)
    for x, y in batches(3):
        stage.step(optimizer, stage.backward(optimizer, x, y))
    stage.agree()


def test_gradients_changed_while_they_accumulate() -> None:
    stage = Stage()
    optimizer = stage.sgd()

    def halve(p: Tensor) -> None:
        p.grad.mul_(0.5)

    for p in stage.model.parameters():
        p.register_post_accumulate_grad_hook(halve)
    for x, y in batches(3):
        grads = stage.backward(optimizer, x, y)
        stage.step(optimizer, {name: grad / 2 for name, grad in grads.items()})
    stage.agree()


class Clipping(torch.optim.SGD):
    """The usual way to extend an optimizer: torch runs its hooks around both steps, this one and the one within."""

    def step(self, closure: Any = None) -> Any:
        clip(self, 0.02)
        return super().step(closure)


def test_an_optimizer_that_calls_the_step_of_its_parent() -> None:
    """One step, and the gradient is what it was handed: whether the parent's step has hooks depends on chance."""
    stage = Stage()
    torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1)  # torch wraps the parent's step when the first one is made
    optimizer = Clipping(stage.model.parameters(), lr=0.2)
    for x, y in batches(3):
        stage.step(optimizer, stage.backward(optimizer, x, y))
    assert stage.inspector.status().step == 3
    stage.agree()


class Lookahead(torch.optim.Optimizer):
    """An optimizer around another one, which makes the steps; every second one goes half the way back."""

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        super().__init__(inner.param_groups, {})
        self.inner, self.slow, self.calls = inner, [p.detach().clone() for p in inner.param_groups[0]["params"]], 0

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        self.inner.step()
        self.calls += 1
        if self.calls % 2 == 0:
            for slow, p in zip(self.slow, self.inner.param_groups[0]["params"], strict=True):
                slow.lerp_(p, 0.5)
                p.copy_(slow)


def test_an_optimizer_around_another_one_is_one_step() -> None:
    stage = Stage()
    optimizer = Lookahead(stage.sgd())
    for x, y in batches(4):
        stage.step(optimizer, stage.backward(optimizer, x, y))
    assert stage.inspector.status().step == 4
    stage.agree()


def test_numbers_that_the_loop_pushes_belong_to_the_step_that_it_made() -> None:
    stage = Stage()
    optimizer = stage.sgd()
    for i, (x, _) in enumerate(batches(4)):
        optimizer.zero_grad()
        stage.model(x).pow(2).mean().backward()
        stage.inspector.push_metric("before", i)
        stage.inspector.push_metric("twice", i)
        optimizer.step()
        stage.inspector.push_metric("after", 10 * i)
        stage.inspector.push_metric("twice", 3 * i)
    metrics = stage.inspector.history["Metrics"]
    assert metrics.steps.tolist() == [0, 1, 2, 3] and metrics.modules == ["before", "twice", "after"]
    np.testing.assert_allclose(metrics.values, [[i, 2 * i, 10 * i] for i in range(4)])


def test_modules_down_to_a_depth() -> None:
    def formula(p: Tensors, x: Tensor) -> Tensors:
        outs = mlp_formula({name[2:]: tensor for name, tensor in p.items() if name[0] == "0"}, x)
        return {"0": outs["5"], "1": outs["5"] @ p["1.weight"].T + p["1.bias"]}

    stage = Stage(nn.Sequential(mlp(), nn.Linear(3, 3)), formula, quiet=(), depth=1)
    optimizer = stage.sgd()
    for x, y in batches(3):
        stage.step(optimizer, stage.backward(optimizer, x, y))
    assert stage.inspector.history["Output Norm"].modules == ["0", "1"]
    stage.agree(without=[tag for tag in stage.inspector.history.tags if tag.startswith(("Weight", "Bias"))])


def test_two_steps_after_one_backward_pass() -> None:
    stage = Stage()
    optimizer = stage.sgd()
    for x, y in batches(2):
        grads = stage.backward(optimizer, x, y)
        stage.step(optimizer, grads)
        stage.step(optimizer, grads)
    assert stage.inspector.status().step == 4
    stage.agree()


def test_a_layer_that_is_added_and_one_that_is_replaced() -> None:
    """The others go on: their correlations are compared with what was there before."""
    stage = Stage()
    optimizer = stage.sgd()
    for i, (x, y) in enumerate(batches(6)):
        if i == 2:
            stage.model.append(nn.Linear(3, 3))
            stage.inspector.refresh()
            stage.formula = _with_head
            optimizer.add_param_group({"params": stage.model[6].parameters()})
        if i == 4:
            stage.model[6] = nn.Linear(3, 2)
            stage.inspector.refresh()
            optimizer.add_param_group({"params": stage.model[6].parameters()})
        stage.step(optimizer, stage.backward(optimizer, x, y[:, : 2 if i >= 4 else 3]))
    assert [event.kind for event in stage.inspector.status().events] == ["model", "model"]
    stage.agree()


def _with_head(p: Tensors, x: Tensor) -> Tensors:
    outs = mlp_formula(p, x)
    return {**outs, "6": outs["5"] @ p["6.weight"].T + p["6.bias"]}


class Player(nn.Sequential):
    """One of two models that train against each other."""


def test_two_models_that_train_against_each_other() -> None:
    """Each inspector has the steps of its own model; what the other one's training sends through it is in no row."""
    torch.manual_seed(0)
    critic = Stage(Player(nn.Linear(3, 1)), lambda p, x: {"0": x @ p["0.weight"].T + p["0.bias"]}, quiet=())
    maker = nn.Linear(2, 3)
    of_critic = torch.optim.SGD(critic.model.parameters(), lr=0.1)
    of_maker = torch.optim.SGD(maker.parameters(), lr=0.1)
    generator = torch.Generator().manual_seed(1)
    for i in range(4):
        z, true = torch.randn(5, 2, generator=generator), torch.randn(5, 3, generator=generator)
        of_critic.zero_grad()
        grads: dict[str, Any] = {}
        for x, y in ((maker(z).detach(), torch.zeros(5, 1)), (true, torch.ones(5, 1))):
            critic.loss_fn(critic.model(x), y).backward()
            grads = added(grads, critic.passes(x, y))
        critic.step(of_critic, grads)
        if i == 3:
            break  # what comes after the last step would wait for the next one
        of_maker.zero_grad()
        (-critic.model(maker(z)).mean()).backward()
        of_maker.step()
    assert critic.inspector.status().step == 4
    critic.agree(without=["Output Gradient Correlation", "Output Lasting Death Rate"])  # these look at every pass
