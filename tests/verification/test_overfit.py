"""A model that can't learn a handful of samples by heart has a mistake somewhere."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.verification import OverfitCheck

from .models import Setting, classifier, trained


def samples(count: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(count, 4, generator=generator), torch.arange(count) // 10 % 2


def test_N26_two_samples_of_each_class_are_learned_by_heart() -> None:
    report = OverfitCheck(classifier(), nn.CrossEntropyLoss(), 0.05).run(*samples())
    assert report.passed and bool(report)
    assert report.samples == (0, 1, 10, 11)
    assert report.losses[-1] <= report.threshold == pytest.approx(0.02 * report.losses[0])
    assert "by heart" in report.words


def test_N26_more_samples_of_each_class() -> None:
    report = OverfitCheck(classifier(), nn.CrossEntropyLoss(), 0.05).run(*samples(), per_class=3, steps=5)
    assert report.samples == (0, 1, 2, 10, 11, 12) and len(report.losses) == 6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"optimizer": 1e-6}, "it hardly moves"),
        ({"optimizer": 1e-3, "steps": 100}, "it falls, but slowly"),
        ({"optimizer": lambda parameters: torch.optim.SGD(parameters, lr=1e30)}, "lower the learning rate"),
    ],
)
def test_N26_what_to_do_when_it_fails(change: dict[str, Any], words: str) -> None:
    optimizer = change.pop("optimizer")
    report = OverfitCheck(classifier(), nn.MSELoss(), optimizer).run(
        samples()[0], 5 * torch.ones(40, 2), **{"steps": 30, **change}
    )
    assert not report.passed and words in report.words


def test_N26_a_model_that_ignores_its_input_fails() -> None:
    class Blind(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.logits = nn.Parameter(torch.zeros(2))

        def forward(self, x: Tensor) -> Tensor:
            return self.logits.expand(len(x), 2)

    report = OverfitCheck(Blind(), nn.CrossEntropyLoss(), 0.05).run(*samples())
    assert not report.passed and "hardly moves" in report.words


def test_N26_a_loss_without_a_gradient_is_explained() -> None:
    with pytest.raises(ArgumentError, match="no gradient"):
        OverfitCheck(classifier(), lambda output, target: output.detach().pow(2).mean()).run(*samples())


def test_N26_regression_takes_the_first_samples() -> None:
    x = samples()[0]
    report = OverfitCheck(classifier(), nn.MSELoss(), 0.05).run(x, x[:, :2], per_class=2, steps=3)
    assert report.samples == (0, 1, 2, 3)


def test_N26_inputs_as_tuples_and_dicts() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(8, 2)

        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return self.linear(torch.cat([a, b], 1))

    x, y = samples()
    torch.manual_seed(0)
    model = Two()
    reports = [
        OverfitCheck(model, nn.CrossEntropyLoss(), 0.05).run(data, y, steps=4) for data in ((x, x), {"a": x, "b": x})
    ]
    assert reports[0].losses == reports[1].losses


def test_N26_dropout_is_off_meanwhile() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Dropout(0.9), nn.Linear(32, 2))
    assert OverfitCheck(model, nn.CrossEntropyLoss(), 0.05).run(*samples()).passed
    assert model[2].training


@pytest.mark.parametrize("stop", [False, True])
@pytest.mark.parametrize("name", ["norms", "counting", "tied"])
def test_N26_everything_is_as_before(name: str, stop: bool) -> None:
    setting: Setting = trained(name)
    before = setting.state
    check = OverfitCheck(setting.model, nn.CrossEntropyLoss(), 0.01)

    def interrupt(check: OverfitCheck) -> None:
        if stop and len(check.losses) == 5:
            raise KeyboardInterrupt

    check.on_point = interrupt
    if stop:
        with pytest.raises(KeyboardInterrupt):
            check.run(*samples(), steps=20)
    else:
        check.run(*samples(), steps=20)
    assert setting.state == before and check.losses


def test_N26_wrong_arguments() -> None:
    model, loss_fn = classifier(), nn.CrossEntropyLoss()
    with pytest.raises(ArgumentTypeError, match="has a state of its own"):
        OverfitCheck(model, loss_fn, torch.optim.Adam(model.parameters()))
    with pytest.raises(ArgumentError, match="positive learning rate"):
        OverfitCheck(model, loss_fn, 0.0)
    with pytest.raises(ArgumentTypeError, match="loss_fn"):
        OverfitCheck(model, None)
    with pytest.raises(ArgumentError, match="threshold"):
        OverfitCheck(model, loss_fn).run(*samples(), threshold=2)
    with pytest.raises(ArgumentTypeError, match="targets"):
        OverfitCheck(model, loss_fn).run(samples()[0], [0, 1])
