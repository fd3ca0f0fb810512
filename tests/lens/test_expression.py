"""A number of one's own: both forms, what it may return, and what becomes of one that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, CommandRefused, LensFault
from monitorch_widgets.lens import Expression, OutputNorm
from monitorch_widgets.lens.expression import function_of

from ..inspector.commanded import Answers, at, batches, inspected, net, plain, same, train, weights


def watched(model: nn.Module, *lenses: Any, strict: bool = True, **more: Any) -> PyTorchInspector:
    return inspected(model, lenses, strict=strict, **more)


def read(inspector: PyTorchInspector, tag: str = "mine") -> np.ndarray[Any, Any]:
    values: np.ndarray[Any, Any] = inspector.history[tag].values
    return values


def test_a_function_of_the_output_is_read_for_each_leaf_at_each_step() -> None:
    model, kept = net(), []

    def spread(module: nn.Module, input: Tensor, output: Tensor) -> Tensor:
        kept.append(float(output.max() - output.min()))
        return output.max() - output.min()

    inspector = watched(model, Expression(spread))
    train(model, batches(3))
    series = inspector.history["spread"]
    assert series.modules == ["0", "1", "2"] and series.steps.tolist() == [0, 1, 2]
    np.testing.assert_allclose(series.values, np.reshape(kept, (3, 3)), rtol=1e-6)


def test_a_function_of_a_gradient_is_read_as_the_optimizer_uses_it() -> None:
    model, kept = net(), []

    def largest(parameter: Tensor, gradient: Tensor) -> Tensor:
        return gradient.abs().max()

    inspector = watched(model, Expression(largest))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x in batches(3):
        optimizer.zero_grad()
        model(x).pow(2).mean().backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.01)
        kept.append([float(p.grad.abs().max()) for p in model.parameters() if p.grad is not None])
        optimizer.step()
    series = inspector.history["largest"]
    assert series.modules == ["0.weight", "0.bias", "2.weight", "2.bias"]
    np.testing.assert_allclose(series.values, kept, rtol=1e-6)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (2, 2.0),
        (2.5, 2.5),
        (True, 1.0),
        (np.float64(3.5), 3.5),
        (torch.tensor(4.0), 4.0),
        (torch.tensor([[5]]), 5.0),
        (torch.tensor(True), 1.0),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        (float("nan"), float("nan")),
        (torch.tensor(float("inf")), float("nan")),
    ],
)
def test_numbers_of_any_kind_are_taken_and_what_is_none_leaves_a_gap(number: Any, value: float) -> None:
    model = nn.Linear(3, 2)
    inspector = watched(model, Expression(lambda module, input, output: number, "mine"))
    train(model, batches(2))
    np.testing.assert_array_equal(read(inspector), [[value], [value]])


def test_a_view_of_the_output_is_read_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(inplace=True))
    firsts: list[float] = []

    def first(module: nn.Module, input: Tensor, output: Tensor) -> Tensor:
        if isinstance(module, nn.Linear):
            firsts.append(float(output[0, 0]))
        return output[0, 0]

    inspector = watched(model, Expression(first, include=nn.Linear))
    train(model, batches(4))
    np.testing.assert_allclose(read(inspector, "first")[:, 0], firsts, rtol=1e-6)


@pytest.mark.parametrize("function", [lambda m, i, o: o, lambda p, g: g, lambda m, i, o: o[:0]])
def test_more_than_one_number_mutes_the_lens_and_says_what_to_do(function: Callable[..., Any]) -> None:
    model = net()
    inspector = watched(model, Expression(function, "mine"), strict=False)
    with pytest.warns(LensFault, match=r"expected one number; the function returned a tensor of shape"):
        train(model, batches(4))
    [fault] = inspector.status().faults
    assert fault.tag == "mine" and "Reduce it" in fault.words and same(weights(model), plain(4))


def test_a_function_that_raises_is_muted_once_and_others_go_on() -> None:
    model, calls = net(), []

    def fails(module: nn.Module, input: Tensor, output: Tensor) -> float:
        calls.append(1)
        raise ValueError("no idea")

    inspector = watched(model, Expression(fails), OutputNorm(), strict=False)
    with pytest.warns(LensFault, match="lens Expression raised at module '0', step 0, and is muted: ValueError"):
        train(model, batches(4))
    assert len(calls) == 1 and inspector.history["Output Norm"].rows == 4 and same(weights(model), plain(4))


def test_the_same_raises_where_the_user_is_strict() -> None:
    model = net()
    inspector = watched(model, Expression(lambda m, i, o: 1 / 0, "mine"))
    with pytest.raises(ZeroDivisionError):
        train(model, batches(1))
    inspector.detach()


def test_only_modules_of_some_classes() -> None:
    model = net()
    inspector = watched(
        model,
        Expression(lambda m, i, o: o.mean(), "outputs", include=nn.Tanh),
        Expression(lambda p, g: g.mean(), "gradients", include=(nn.Linear, nn.Tanh)),
    )
    train(model, batches(2))
    assert inspector.history["outputs"].modules == ["1"]
    assert inspector.history["gradients"].modules == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_parameters_of_a_module_that_has_parts_and_none_that_are_frozen() -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale, self.part = nn.Parameter(torch.ones(1)), nn.Linear(3, 2)
            self.part.bias.requires_grad_(False)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.part(x) * self.scale
            return found

    model = Own()
    inspector = watched(model, Expression(lambda p, g: g.norm(), "mine"))
    train(model, batches(2))
    assert inspector.history["mine"].modules == ["Own.scale", "part.weight"]


def test_the_first_input_is_handed_over_detached_and_evaluations_are_not_read() -> None:
    model, inputs = net(), []

    def look(module: nn.Module, input: Tensor, output: Tensor) -> float:
        inputs.append((input.requires_grad, output.requires_grad, torch.is_grad_enabled(), tuple(input.shape)))
        return 0.0

    inspector = watched(model, Expression(look))
    train(model, batches(1))
    model.eval()
    model(torch.ones(5, 3))
    assert inputs == [(False, False, False, shape) for shape in ((5, 3), (5, 4), (5, 4))]
    inspector.detach()


# ---------------------------------------------------------------------- arguments


def test_what_cannot_be_called_so_is_refused_at_once() -> None:
    with pytest.raises(ArgumentTypeError, match="expected a function to watch; received 5"):
        Expression(5)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="of three arguments or of two"):
        Expression(lambda one: one)
    for name in (5, " ", object()):
        with pytest.raises(ArgumentTypeError, match="expected name to be the title"):
            Expression(lambda m, i, o: 0, name)  # type: ignore[arg-type]


def test_any_callable_has_a_name() -> None:
    class Mine:
        def __call__(self, parameter: Tensor, gradient: Tensor) -> float:
            return 0.0

    def spread(module: nn.Module, input: Tensor, output: Tensor, scale: float = 1.0) -> float:
        return scale

    assert Expression(Mine()).tag == "Mine" and Expression(spread).tag == "spread"
    assert Expression(spread).specs[0].moment == "forward" and Expression(Mine()).specs[0].moment == "gradient"


# ---------------------------------------------------------------------- while it trains


def test_it_is_watched_from_the_next_step_on_and_replaced_by_its_name() -> None:
    model = net()
    inspector = inspected(model)

    def between(step: int) -> None:
        if step == 2:
            inspector.watch(lambda module, input, output: 1.0, "mine")
        if step == 4:
            inspector.watch(lambda module, input, output: 2.0, "mine")

    train(model, batches(6), between)
    series = inspector.history["mine"]
    assert series.steps.tolist() == [2, 3, 4, 5] and series.values[:, 0].tolist() == [1, 1, 2, 2]
    assert [spec.tag for spec in inspector.specs].count("mine") == 1
    assert [event.words for event in inspector.status().events] == ["Watching mine.", "Watching mine."]


def test_a_panel_of_another_lens_is_not_replaced() -> None:
    inspector = inspected(net())
    before = list(inspector.lenses)
    with pytest.raises(ArgumentError, match="'Output Norm' is there already"):
        inspector.watch(lambda module, input, output: 0.0, "Output Norm")
    assert inspector.lenses == before


def test_a_registered_function_is_watched_by_its_name() -> None:
    model, answers = net(), Answers()
    inspector = inspected(model, visualizer=answers)
    inspector.register("mean", lambda module, input, output: output.mean())
    assert inspector.status().instrument.expressions == ("mean",)
    choose = {"name": "watch", "arguments": {"name": "mean"}, "number": "1"}
    train(model, batches(4), at(2, lambda: inspector.command(choose)))
    assert inspector.history["mean"].steps.tolist() == [2, 3]


def test_what_is_registered_is_checked_at_once() -> None:
    inspector = inspected(net())
    with pytest.raises(ArgumentTypeError, match="expected a function to watch"):
        inspector.register("mine", 5)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="expected name to be the title"):
        inspector.register("", lambda parameter, gradient: 0.0)
    assert inspector.status().instrument.expressions == ()


# ---------------------------------------------------------------------- typed in the page


def typed(text: str, allow: bool = True) -> tuple[PyTorchInspector, Answers, nn.Module]:
    model, answers = net(), Answers()
    inspector = inspected(model, visualizer=answers, strict=False)
    if allow:
        inspector.allow_text()
    ask = {"name": "watch_text", "arguments": {"text": text}, "number": "1"}
    train(model, batches(4), at(2, lambda: inspector.command(ask)))
    return inspector, answers, model


def test_text_is_run_only_where_the_user_has_said_so(capsys: pytest.CaptureFixture[str]) -> None:
    inspector, answers, model = typed("print('run')", allow=False)
    [(_, record)] = answers.given
    assert record.refused and "allow it with inspector.allow_text()" in record.words
    assert capsys.readouterr().out == "" and same(weights(model), plain(4))
    inspector.allow_text()
    assert inspector.status().instrument.text
    inspector.allow_text(False)
    inspector.detach()
    with pytest.raises(CommandRefused):
        inspector._ask("watch_text", text="output.mean()")


@pytest.mark.parametrize(
    ("text", "modules"),
    [
        ("output.abs().max()", ["0", "1", "2"]),
        (
            "  torch.linalg.vector_norm(gradient) / parameter.norm()  # a ratio",
            ["0.weight", "0.bias", "2.weight", "2.bias"],
        ),
        ("sum(p.abs().sum() for p in module.parameters()) + 0 * output.mean()", ["0", "1", "2"]),
        ("input.mean()", ["0", "1", "2"]),
    ],
)
def test_text_is_a_function_of_what_it_names(text: str, modules: list[str]) -> None:
    inspector, _, _ = typed(text)
    series = inspector.history[text]
    assert series.modules == modules and series.steps.tolist() == [2, 3] and np.isfinite(series.values).all()


@pytest.mark.parametrize(
    "text", ["", "output.mean(", "x = 1", "1), (1/0", "import os", "(" * 500, "\x00", "lambda: (", "#"]
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(ArgumentError, match="expected an expression in module, input, output or in parameter"):
        function_of(text)
    _, answers, model = typed(text)
    assert [record.refused for _, record in answers.given] == [True] and same(weights(model), plain(4))
