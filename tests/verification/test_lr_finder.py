"""The learning-rate finder in plain loops."""

from __future__ import annotations

import random
import signal
from types import SimpleNamespace
from typing import Any

import matplotlib
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, TensorDataset

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.verification import LRFinder, lr_find
from monitorch_widgets.verification.lr_finder import LRFinder as Finder

from .models import Setting, batches, classifier, trained


def sgd(model: nn.Module, lr: float = 0.05) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=lr)


def found(**how: Any) -> LRFinder:
    """A finder that has run on a task with a clear answer."""
    model = classifier()
    return LRFinder(model, sgd(model), nn.CrossEntropyLoss()).run(batches(16, 32), **{"max_lr": 1000.0, **how})


def test_N32_N34_results_and_suggestion() -> None:
    finder = found()
    assert sorted(finder.results) == ["loss", "lr"]
    assert len(finder.results["lr"]) == len(finder.results["loss"]) > 50
    suggested = finder.suggestion()
    assert suggested in finder.results["lr"] and suggested == finder.results["lr"][finder.suggestion_index()]
    lowest = finder.results["lr"][min(range(len(finder.results["loss"])), key=finder.results["loss"].__getitem__)]
    assert 1e-2 < suggested < lowest
    assert finder.state == "finished" and "Suggested" in finder.words


def test_N30_training_with_the_suggestion_learns_what_a_bad_rate_does_not() -> None:
    def loss_after(lr: float) -> float:
        model, loss_fn = classifier(), nn.CrossEntropyLoss()
        optimizer = sgd(model, lr)
        for x, y in batches(30, 32):
            optimizer.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            optimizer.step()
        return float(loss.detach())

    suggested = found().suggestion()
    assert loss_after(suggested) < 0.6 * loss_after(1e-5)


def test_N33_defaults() -> None:
    model = classifier()
    finder = LRFinder(model, sgd(model), nn.CrossEntropyLoss()).run(batches())
    assert finder.mode == "exponential" and finder.num_training == 100
    lrs = finder.results["lr"]
    assert len(lrs) == 100 and lrs[0] == pytest.approx(1e-8) and lrs[-1] == pytest.approx(1.0)
    assert lrs[50] / lrs[49] == pytest.approx(lrs[1] / lrs[0])


def test_N33_linear() -> None:
    lrs = found(mode="linear", min_lr=0.1, max_lr=1.0, num_training=10).results["lr"]
    assert lrs == pytest.approx([0.1 * i for i in range(1, 11)])


def test_N33_stops_when_the_loss_diverges() -> None:
    finder = found(max_lr=1e9, early_stop_threshold=4.0)
    assert len(finder.results["lr"]) < 100 and "diverges" in finder.words and finder.state == "finished"
    longer = found(max_lr=1e9, early_stop_threshold=None)
    assert len(longer.results["lr"]) > len(finder.results["lr"])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_N33_stops_at_what_is_no_number(bad: float) -> None:
    losses = iter([1.0] * 20 + [bad] + [1.0] * 99)
    model = classifier()
    finder = LRFinder(model, sgd(model), step=lambda model, batch: next(losses)).run(batches())
    assert len(finder.results["loss"]) == 21 and f"the loss is {bad}" in finder.words


def test_N33_losses_below_zero_diverge_too() -> None:
    losses = iter([-1.0 - 0.1 * i for i in range(30)] + [50.0] * 70)
    model = classifier()
    finder = LRFinder(model, sgd(model), step=lambda model, batch: next(losses)).run(batches())
    assert 30 < len(finder.results["loss"]) < 100


# ---------------------------------------------------------------------- everything as before


def interrupted_by(place: int, error: type[BaseException] | None) -> Any:
    """A step that is interrupted: while the loss is computed, in the backward pass, or by Ctrl-C."""
    calls = iter(range(1000))

    def interrupt(gradient: Tensor) -> None:
        raise error

    def step(model: nn.Module, batch: Any) -> Tensor:
        now = next(calls)
        loss = nn.functional.mse_loss(model(batch[0]), torch.zeros(len(batch[0]), 4))
        random.random()
        if error is not None and now == place:
            loss.register_hook(interrupt)
        return loss

    return step


@pytest.mark.parametrize("error", [None, ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize("place", [0, 7])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "capturable"])
@pytest.mark.parametrize("name", ["norms", "counting", "tied"])
def test_N32_everything_is_as_before(name: str, optimizer: str, place: int, error: type[BaseException] | None) -> None:
    setting = trained(name, optimizer)
    before = setting.state
    finder = LRFinder(setting.model, setting.optimizer, step=interrupted_by(place, error))
    if error is None:
        finder.run(batches(), num_training=12)
    else:
        with pytest.raises(error):
            finder.run(batches(), num_training=12)
        assert len(finder.results["loss"]) == place
        assert finder.state == ("stopped" if error is KeyboardInterrupt else "failed")
    after = setting.state
    assert {key for key in before if before[key] != after[key]} == set()


def test_N32_ctrl_c_between_two_steps() -> None:
    setting = trained("norms")
    before = setting.state
    finder = LRFinder(setting.model, setting.optimizer, step=lambda model, batch: model(batch[0]).pow(2).mean())
    finder.on_point = lambda finder: signal.raise_signal(signal.SIGINT) if len(finder.results["lr"]) == 30 else None
    with pytest.raises(KeyboardInterrupt):
        finder.run(batches())
    assert setting.state == before
    assert len(finder.results["lr"]) == 30 and "everything is as it was" in finder.words


def test_N32_scheduler_and_scaler_are_as_before() -> None:
    model = classifier()
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**4, growth_interval=2)
    setting = Setting(model, optimizer, [scheduler, scaler])
    before = setting.state

    def step(model: nn.Module, batch: Any) -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(batch[0]), batch[1])
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        return float(loss.detach())

    finder = LRFinder(model, optimizer, step=step, scaler=scaler, scheduler=scheduler).run(batches(), max_lr=100.0)
    assert setting.state == before
    assert finder.suggestion() is not None


def test_N32_a_loss_with_parameters_and_what_else_is_given_are_as_before() -> None:
    class Center(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.center, self.calls = nn.Parameter(torch.zeros(2)), 0

        def forward(self, output: Tensor, target: Tensor) -> Tensor:
            self.calls += 1
            return (output - self.center).pow(2).mean()

    class Wrapper:
        """As a library wraps a scheduler."""

        def __init__(self, scheduler: Any) -> None:
            self.scheduler, self.made = scheduler, 0

    model, loss_fn = classifier(), Center()
    mean = torch.optim.swa_utils.AveragedModel(model)
    optimizer = torch.optim.SGD([*model.parameters(), *loss_fn.parameters()], lr=0.1)
    wrapper = Wrapper(torch.optim.lr_scheduler.StepLR(optimizer, 1))

    def on_point(finder: LRFinder) -> None:
        mean.update_parameters(model)
        wrapper.scheduler.step()
        wrapper.made += 1

    def now() -> Any:
        return Setting(mean).state, Setting(loss_fn).state, wrapper.made, repr(wrapper.scheduler.state_dict())

    before = now()
    finder = LRFinder(model, optimizer, loss_fn, scheduler=wrapper, keep=[mean])
    finder.on_point = on_point
    finder.run(batches(), num_training=5)
    assert now() == before and loss_fn.calls == 0


def test_N36_a_scaler_and_accumulation_make_the_steps_that_a_loop_makes() -> None:
    """Losses are those of a loop that accumulates and scales by itself."""
    ours, theirs = classifier(), classifier()
    data, rates = batches(6), [0.01, 0.1, 1.0]
    scaler, loss_fn = torch.amp.GradScaler("cpu", init_scale=8.0), nn.CrossEntropyLoss()
    finder = LRFinder(ours, sgd(ours), loss_fn, scaler=scaler, accumulate=2)
    finder.run(data, 0.01, 1.0, 3)
    optimizer, expected = sgd(theirs), []
    for i, rate in enumerate(rates):
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        losses = [loss_fn(theirs(x), y) for x, y in data[2 * i : 2 * i + 2]]
        (sum(losses) / 2).backward()
        optimizer.step()
        expected.append(float(sum(losses).detach() / 2))
    assert finder.results["lr"] == pytest.approx(rates)
    assert finder.results["loss"] == pytest.approx(expected, rel=1e-5)


def test_N32_the_loader_is_where_it_was() -> None:
    def order(look: bool) -> list[Any]:
        torch.manual_seed(4)
        data = TensorDataset(torch.rand(12, 4), torch.arange(12) % 2)
        loader, model = DataLoader(data, batch_size=4, shuffle=True), classifier()
        torch.manual_seed(5)
        running = iter(loader)
        first = next(running)[0].tolist()
        if look:
            lr_find(model, sgd(model), loader, nn.CrossEntropyLoss(), num_training=20)
        return [first, *(x.tolist() for x, _ in running), *(x.tolist() for x, _ in loader)]

    assert order(True) == order(False)


class Stream(IterableDataset):  # type: ignore[type-arg]
    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return batches(1)[0]


@pytest.mark.parametrize(
    "loader", [iter(batches()), (batch for batch in batches()), DataLoader(Stream(), batch_size=None)]
)
def test_N33_what_cannot_be_rewound_is_refused_at_the_start(loader: Any) -> None:
    model = classifier()
    with pytest.raises(ArgumentTypeError, match="can't be rewound"):
        LRFinder(model, sgd(model), nn.CrossEntropyLoss()).run(loader)


def test_N33_an_empty_loader_is_refused() -> None:
    model = classifier()
    with pytest.raises(ArgumentError, match="empty"):
        LRFinder(model, sgd(model), nn.CrossEntropyLoss()).run([])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"min_lr": 0}, "min_lr"),
        ({"min_lr": 2.0}, "expected min_lr below max_lr; received 2 and 1"),
        ({"max_lr": "1"}, "max_lr"),
        ({"num_training": 0}, "num_training"),
        ({"mode": "exponental"}, "Did you mean 'exponential'"),
        ({"early_stop_threshold": 0.5}, "above 1"),
        ({"update_attr": True}, "attribute 'lr' or 'learning_rate'"),
        ({"attr_name": "lrr"}, "attribute 'lrr'"),
    ],
)
def test_N33_wrong_arguments_raise_before_anything_runs(how: dict[str, Any], words: str) -> None:
    model = classifier()
    finder = LRFinder(model, sgd(model), step=lambda model, batch: pytest.fail("it ran"))
    with pytest.raises((ArgumentError, ArgumentTypeError), match=words):
        finder.run(batches(), **how)


def test_N33_a_single_optimizer() -> None:
    model = classifier()
    with pytest.raises(ArgumentTypeError, match="One optimizer at a time"):
        LRFinder(model, [sgd(model), sgd(model)], nn.CrossEntropyLoss())
    with pytest.raises(ArgumentTypeError, match="loss_fn"):
        LRFinder(model, sgd(model), "mse")
    with pytest.raises(ArgumentTypeError, match=r"torch\.nn\.Module"):
        LRFinder("model", sgd(model))


def test_N33_batches_of_another_form_are_explained() -> None:
    model = classifier()
    with pytest.raises(ArgumentTypeError, match="step=lambda"):
        LRFinder(model, sgd(model), nn.CrossEntropyLoss()).run([torch.rand(3, 4)])
    with pytest.raises(ArgumentError, match="loss function"):
        LRFinder(model, sgd(model)).run(batches())
    with pytest.raises(ArgumentTypeError, match=r"one number; received a tensor of shape \(8,\)"):
        LRFinder(model, sgd(model), nn.CrossEntropyLoss(reduction="none")).run(batches())
    with pytest.raises(ArgumentError, match="no gradient"):
        LRFinder(model, sgd(model), lambda output, target: output.detach().mean()).run(batches())


def test_N32_a_model_that_returns_its_loss() -> None:
    class OwnLoss(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 2)

        def forward(self, x: Tensor, labels: Tensor) -> Any:
            logits = self.linear(x)
            return SimpleNamespace(loss=nn.functional.cross_entropy(logits, labels), logits=logits)

    model = OwnLoss()
    finder = LRFinder(model, sgd(model)).run([{"x": x, "labels": y} for x, y in batches()], num_training=5)
    assert len(finder.results["loss"]) == 5


# ---------------------------------------------------------------------- taking a rate


def test_N32_apply_sets_the_optimizer_and_keeps_the_ratios_of_groups() -> None:
    model = classifier()
    groups = [{"params": model[0].parameters(), "lr": 0.1}, {"params": model[2].parameters(), "lr": 0.01}]
    optimizer = torch.optim.SGD(groups)
    seen = []

    def step(model: nn.Module, batch: Any) -> float:
        seen.append([group["lr"] for group in optimizer.param_groups])
        return 1.0

    finder = LRFinder(model, optimizer, step=step).run(batches(), num_training=5)
    assert all(first == pytest.approx(10 * second) for first, second in seen)
    assert "SGD, 2 groups in their ratios" in finder.apply(0.5)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.5, 0.05])


def test_N32_apply_takes_the_suggestion() -> None:
    finder = found()
    finder.apply()
    assert finder.optimizer.param_groups[0]["lr"] == finder.suggestion()


def test_N32_apply_without_a_suggestion_says_why() -> None:
    model = classifier()
    finder = LRFinder(model, sgd(model), step=lambda model, batch: 1.0).run(batches())
    assert finder.suggestion() is None and "falls nowhere" in finder.words
    with pytest.raises(ArgumentError, match="falls nowhere"):
        finder.apply()
    with pytest.raises(ArgumentError, match="positive"):
        finder.apply(-1.0)


def test_N32_a_scheduler_goes_on_from_the_new_rate() -> None:
    model = classifier()
    optimizer = sgd(model)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 0.5**epoch)
    LRFinder(model, optimizer, nn.CrossEntropyLoss(), scheduler=scheduler).apply(0.8)
    assert optimizer.param_groups[0]["lr"] == 0.8
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.4)
    assert "make its scheduler anew" in LRFinder(model, optimizer, nn.CrossEntropyLoss()).apply(0.1)


class Hparams(dict[str, float]):
    """As Lightning keeps hyper-parameters: by key and by attribute."""

    def __getattr__(self, name: str) -> float:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __setattr__(self, name: str, value: float) -> None:
        self[name] = value


@pytest.mark.parametrize("name", ["lr", "learning_rate"])
def test_N30_update_attr_sets_what_the_model_has(name: str) -> None:
    model = classifier()
    setattr(model, name, 0.1)
    model.hparams = Hparams({name: 0.1})
    finder = LRFinder(model, sgd(model), nn.CrossEntropyLoss())
    finder.run(batches(16, 32), max_lr=100.0, update_attr=True)
    assert getattr(model, name) == getattr(model.hparams, name) == finder.suggestion()
    assert finder.optimizer.param_groups[0]["lr"] == finder.suggestion()


@pytest.mark.parametrize("name", ["my_value", "hparams.my_value"])
@pytest.mark.parametrize("hparams", [Hparams(my_value=0.1, other=3.0), SimpleNamespace(my_value=0.1, other=3.0)])
def test_N31_an_attribute_of_another_name(name: str, hparams: Any) -> None:
    model = classifier()
    model.hparams, model.lr = hparams, 0.3
    finder = LRFinder(model, sgd(model), nn.CrossEntropyLoss())
    finder.run(batches(), num_training=5, attr_name=name)
    assert "model.hparams.my_value" in finder.apply(0.7)
    assert model.hparams.my_value == 0.7 and model.hparams.other == 3.0 and model.lr == 0.3


def test_N31_an_unknown_name_is_told_with_the_nearest() -> None:
    model = classifier()
    model.hparams, model.width = {"my_value": 0.1}, 3
    with pytest.raises(ArgumentError, match=r"Did you mean 'hparams\.my_value'"):
        LRFinder(model, sgd(model), nn.CrossEntropyLoss()).apply(0.1, attr_name="hparams.my_valu")


def test_N30_of_two_candidates_the_first_is_taken_and_the_other_named() -> None:
    model = classifier()
    model.lr, model.learning_rate = 0.1, 0.2
    words = LRFinder(model, sgd(model), nn.CrossEntropyLoss()).apply(0.5)
    assert model.lr == 0.5 and model.learning_rate == 0.2 and "model.learning_rate stays" in words


def test_N30_a_property_that_cannot_be_set_is_no_candidate() -> None:
    class Fixed(nn.Sequential):
        @property
        def lr(self) -> float:
            return 0.1

    model = Fixed(nn.Linear(4, 2))
    assert "model" not in LRFinder(model, sgd(model), nn.CrossEntropyLoss()).apply(0.5)


# ---------------------------------------------------------------------- the picture


@pytest.fixture
def agg() -> Any:
    before = matplotlib.get_backend()
    matplotlib.use("Agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")
    matplotlib.use(before)


@pytest.mark.usefixtures("agg")
def test_N32_N34_plot_has_a_red_point_on_a_log_axis() -> None:
    finder = found()
    axes = finder.plot(suggest=True).axes[0]
    assert axes.get_xscale() == "log"
    raw, smooth, point = axes.lines
    assert list(raw.get_ydata()) == finder.results["loss"] and len(smooth.get_xdata()) == len(raw.get_xdata())
    assert list(point.get_xdata()) == [finder.suggestion()] and point.get_color() == "red"
    assert len(finder.plot(suggest=False).axes[0].lines) == 2
    assert found(mode="linear", min_lr=0.1).plot(ax=axes) is axes.figure


def test_N32_repr_says_what_came_of_it() -> None:
    assert "finished" in repr(found()) and isinstance(found(), Finder)


def test_N32_an_optimizer_that_needs_a_closure_says_so_and_works_with_a_step() -> None:
    model = classifier()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=2)
    with pytest.raises(ArgumentError, match=r"steps without a closure; LBFGS needs one\. Pass step="):
        LRFinder(model, optimizer, nn.CrossEntropyLoss())

    def step(model: nn.Module, batch: Any) -> Any:
        def closure() -> Any:
            optimizer.zero_grad()
            loss: Tensor = nn.functional.cross_entropy(model(batch[0]), batch[1])
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        return optimizer.step(closure).detach()

    before = [parameter.clone() for parameter in model.parameters()]
    finder = LRFinder(model, optimizer, step=step).run(batches(), num_training=12)
    assert len(finder.results["lr"]) == 12 and not optimizer.state_dict()["state"]
    assert all(a.equal(b) for a, b in zip(before, model.parameters(), strict=True))


def test_N30_a_schedule_with_a_peak_of_its_own_is_told() -> None:
    model = classifier()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, total_steps=10)
    told = LRFinder(model, optimizer, nn.CrossEntropyLoss(), scheduler=scheduler).apply(0.01)
    assert "make its scheduler anew" in told and optimizer.param_groups[0]["lr"] == 0.01
