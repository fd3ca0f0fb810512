"""A dry run: some batches of training and validation, and what of the model they reach."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.verification import DryRun

from .models import batches, classifier, trained


class Branches(nn.Module):
    """A module that is never called, one whose gradient is cut off, and one that another one uses."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.forgotten = nn.Linear(4, 4)
        self.cut = nn.Linear(4, 4)
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Tanh()])
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x) + self.cut(x).detach()
        x = self.attention(x[:, None], x[:, None], x[:, None])[0][:, 0]
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def dry(model: nn.Module, **how: Any) -> Any:
    return DryRun(model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1), **how)


@pytest.mark.parametrize(("batches_asked", "expected"), [(True, 1), (1, 1), (4, 4)])
def test_N27_as_many_batches_of_training_and_validation(batches_asked: int, expected: int) -> None:
    steps, validated = [], []

    def step(model: nn.Module, batch: Any) -> Tensor:
        steps.append((model.training, torch.is_grad_enabled()))
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    def validate(model: nn.Module, batch: Any) -> Tensor:
        validated.append((model.training, torch.is_grad_enabled()))
        return step(model, batch)

    model = classifier()
    run = DryRun(model, optimizer=torch.optim.SGD(model.parameters(), 0.1), step=step, validation_step=validate)
    report = run.run(batches(6), batches(6), batches_asked)
    assert validated == [(False, False)] * expected
    assert steps == [(True, True)] * expected + [(False, False)] * expected
    assert len(report.losses) == len(report.validation_losses) == expected
    assert report.valid and all(row.called == expected for row in report.modules)


def test_N27_coverage_of_each_module() -> None:
    report = dry(Branches()).run(batches(), batches=2)
    rows = {row.name: row for row in report.modules}
    assert "blocks" not in rows  # a list of modules does nothing itself
    assert rows["first"].called == 2 and rows["first"].gradient
    assert (rows["first"].parameters, rows["first"].trained, rows["first"].reached) == (2, 2, 2)
    assert (rows["first"].shape, rows["first"].dtype) == ("[8, 4]", "float32")
    assert rows["cut"].called == 2 and not rows["cut"].gradient and rows["cut"].reached == 0
    assert rows["forgotten"].called == 0 and rows["forgotten"].shape == ""
    assert rows["attention.out_proj"].called == 0 and rows["attention.out_proj"].reached == 2
    assert rows["Branches"].called == 2 and rows["blocks.1"].parameters == 0


def test_N42_what_is_wrong_is_named() -> None:
    report = dry(Branches()).run(batches())
    assert not report.valid and not report
    assert report.never_called == ("forgotten",)
    assert set(report.without_gradient) == {"forgotten", "cut"}
    assert "Never called: forgotten." in report.words and "No gradient reaches all parameters of cut." in report.words
    assert "forgotten" in str(report) and str(report).endswith(report.words)


def test_N42_a_model_without_mistakes_passes() -> None:
    report = dry(classifier()).run(batches(), batches())
    assert report.valid and report.words == "Every parameter that is trained got a gradient, in one batch."
    assert report.never_called == report.without_gradient == ()


def test_N42_a_module_without_parameters_that_is_not_called_is_told_and_no_mistake() -> None:
    model = classifier()
    model[1].spare = nn.Dropout(0.1)
    report = dry(model).run(batches())
    assert report.valid and report.never_called == ("1.spare",)
    assert report.words.endswith("Never called, but without parameters: 1.spare.")


def test_N27_a_compiled_model_is_run_as_it_is_without() -> None:
    model = torch.compile(classifier(), backend="eager")
    model(torch.rand(2, 4))
    report = dry(model).run(batches())
    assert report.valid and [row.name for row in report.modules] == ["Sequential", "0", "1", "2"]


def test_N42_frozen_parameters_are_no_mistake() -> None:
    model = classifier()
    model[0].requires_grad_(False)
    report = dry(model).run(batches())
    assert report.valid and report.modules[1].trained == 0


def test_N42_a_loss_that_is_no_number() -> None:
    report = dry(classifier()).run([(torch.full((8, 4), torch.nan), torch.zeros(8, dtype=torch.long))])
    assert not report.valid and "A loss is nan." in report.words


def test_N42_an_empty_loader_is_told() -> None:
    report = dry(classifier()).run([])
    assert not report.valid and "no batch" in report.words


def test_N27_a_mistake_of_the_loop_is_raised_and_nothing_has_changed() -> None:
    setting = trained("norms")
    before = setting.state

    def validate(model: nn.Module, batch: Any) -> None:
        raise IndexError("only seen at the end of an epoch")

    run = DryRun(setting.model, nn.CrossEntropyLoss(), setting.optimizer, validation_step=validate)
    with pytest.raises(IndexError, match="only seen"):
        run.run(batches(), batches())
    assert setting.state == before


@pytest.mark.parametrize("name", ["norms", "counting", "tied"])
def test_N27_everything_is_as_before(name: str) -> None:
    setting = trained(name)
    before = setting.state
    DryRun(setting.model, nn.CrossEntropyLoss(), setting.optimizer).run(batches(), batches(), 3)
    assert setting.state == before


def test_N27_wrong_arguments() -> None:
    model = classifier()
    with pytest.raises(ArgumentError, match="batches"):
        dry(model).run(batches(), batches=0)
    with pytest.raises(ArgumentTypeError, match="can't be rewound"):
        dry(model).run(iter(batches()))
    with pytest.raises(ArgumentTypeError, match=r"torch\.nn\.Module"):
        DryRun(None)


def test_N27_an_optimizer_that_needs_a_closure_says_so() -> None:
    model = classifier()
    with pytest.raises(ArgumentError, match="LBFGS needs one"):
        DryRun(model, nn.CrossEntropyLoss(), torch.optim.LBFGS(model.parameters()))
