"""The zoo itself: each animal trains without a warning, the same way under the same seed."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import Tensor

from . import ZOO
from .same import bits

STEPS = 50


def trained(name: str) -> tuple[list[Tensor], list[Tensor], list[bool]]:
    torch.manual_seed(3)
    scene = ZOO[name].build()
    before = {key: bits(value) for key, value in scene.model.state_dict().items() if not lazy(value)}
    loop = scene.loop(lambda: None)
    losses = [next(loop) for _ in range(STEPS)]
    after = scene.model.state_dict()
    moved = [not torch.equal(before[key], bits(after[key])) for key in before if key in after]
    return losses, [bits(value) for value in after.values()], moved


def lazy(value: Tensor) -> bool:
    return isinstance(value, torch.nn.parameter.UninitializedTensorMixin)


@pytest.mark.parametrize("name", ZOO)
def test_an_animal_trains_and_does_it_again(name: str) -> None:
    losses, weights, moved = trained(name)
    again, same_weights, _ = trained(name)
    assert all(loss.ndim == 0 and not loss.requires_grad for loss in losses)
    assert len({float(loss) for loss in losses}) > 10
    assert any(moved) or name == "lazy"
    assert all(torch.equal(bits(a), bits(b)) for a, b in zip(losses, again, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(weights, same_weights, strict=True))


def test_there_are_many_and_each_says_what_is_awkward_in_a_line() -> None:
    assert len(ZOO) >= 60
    for name, one in ZOO.items():
        assert one.name == name
        assert one.awkward.endswith(".") and len(one.awkward) < 120, name
        assert inspect.getdoc(one.build) == one.awkward, name
        assert all(one.unfit.values())
    assert len({one.awkward for one in ZOO.values()}) == len(ZOO)
