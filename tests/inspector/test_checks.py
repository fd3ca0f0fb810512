"""Checks and the learning-rate finder through the inspector: cards, buttons, and a watched run that never notices."""

from __future__ import annotations

import copy
import json
import pickle
import signal
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets import CommandRefused, NotAttachedError, PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.lens import LossMetrics, OutputNorm, ParameterGradientGeometry, ParameterUpdateGeometry
from monitorch_widgets.verification import BatchGradientVerification, DryRun, LRFinder, OverfitCheck

from ..verification.models import Setting, batches, classifier

LOSS = nn.CrossEntropyLoss()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Mixes(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class Run:
    """A watched run in the middle of its training."""

    def __init__(self, model: nn.Module | None = None, **how: Any) -> None:
        self.model = classifier() if model is None else model
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.01)
        self.loss_fn = nn.CrossEntropyLoss()
        lenses = [LossMetrics(loss_fn=self.loss_fn), OutputNorm(record_eval=True)]
        lenses += [ParameterGradientGeometry(), ParameterUpdateGeometry()]
        settings = {"visualizer": "dummy", "every": 1, "strict": True, **how}
        self.inspector = PyTorchInspector(lenses, module=self.model, **settings)

    def train(self, steps: int = 3) -> None:
        for x, y in batches(steps):
            self.optimizer.zero_grad()
            self.loss_fn(self.model(x), y).backward()
            self.optimizer.step()

    @property
    def seen(self) -> dict[str, Any]:
        """Everything that was read, and where the run stands."""
        history = self.inspector.history
        read = {tag: (history[tag].steps.tolist(), repr(history[tag].values.tolist())) for tag in history.tags}
        status = self.inspector.status()
        return {"read": read, "step": status.step, "epoch": status.epoch, "events": status.events}

    @property
    def card(self) -> dict[str, Any]:
        """Content of the card that a check has made, or that offers one; as JSON takes it."""
        return json.loads(json.dumps(_card(self.inspector).content, allow_nan=False))


def _card(inspector: PyTorchInspector) -> Any:
    found = [card for card in inspector.cards.all if card.tab in ("Checks", "LR finder")]
    return min(found, key=lambda card: card.content["state"] == "ready")


def look(run: Run, which: str) -> None:
    """Make one of the checks, through the inspector or beside it."""
    x, y = torch.cat([x for x, _ in batches()]), torch.cat([y for _, y in batches()])
    checks = {
        "lr_find": lambda: run.inspector.lr_find(batches(), run.optimizer, run.loss_fn, num_training=20),
        "check_batches": lambda: run.inspector.check_batches(x[:3]),
        "dry_run": lambda: run.inspector.dry_run(batches(), batches(), 2, loss_fn=run.loss_fn, optimizer=run.optimizer),
        "overfit_check": lambda: run.inspector.overfit_check(x, y, run.loss_fn, steps=10),
        "LRFinder": lambda: LRFinder(run.model, run.optimizer, run.loss_fn).run(batches(), num_training=20),
        "BatchGradientVerification": lambda: BatchGradientVerification(run.model).check(x[:3]),
        "DryRun": lambda: DryRun(run.model, run.loss_fn, run.optimizer).run(batches(), batches()),
        "OverfitCheck": lambda: OverfitCheck(run.model, run.loss_fn).run(x, y, steps=5),
    }
    checks[which]()


WHICH = ["lr_find", "check_batches", "dry_run", "overfit_check"]
BESIDE = ["LRFinder", "BatchGradientVerification", "DryRun", "OverfitCheck"]


@pytest.mark.parametrize("every", [1, 3, "auto"])
@pytest.mark.parametrize("which", WHICH + BESIDE)
def test_N32_a_watched_run_never_notices(which: str, every: Any) -> None:
    """Neither what is read before and after, nor the training, nor the count of steps."""

    def run(check: bool) -> tuple[Any, Any]:
        one = Run(every=every)
        torch.manual_seed(3)
        one.train()
        if check:
            before = one.seen
            state = torch.get_rng_state()
            look(one, which)
            assert one.seen == before and torch.equal(torch.get_rng_state(), state)
        one.train()
        seen = one.seen if every == 1 else one.seen["step"]  # which steps are read depends on time
        return seen, Setting(one.model, one.optimizer).state["values"]

    assert run(True) == run(False)


def test_N32_what_a_step_logs_while_a_rate_is_looked_for_goes_nowhere() -> None:
    one = Run()
    one.train()
    before = one.seen

    def step(model: nn.Module, batch: Any) -> Tensor:
        loss = one.loss_fn(model(batch[0]), batch[1])
        one.inspector.log("my_loss", loss)
        one.inspector.push_metric("accuracy", 0.5)
        one.inspector.push_loss(float(loss.detach()), train=True)
        return loss

    finder = one.inspector.lr_find(batches(), one.optimizer, step=step, num_training=10)
    assert len(finder.results["loss"]) == 10
    assert one.seen == before and one.inspector.phase != "sanity"


def test_N32_before_the_first_step() -> None:
    one = Run()
    look(one, "lr_find")
    assert one.inspector.status().state == "waiting" and one.inspector.status().step == 0
    assert not one.inspector.history["Output Norm"].rows
    one.train()
    assert one.inspector.history["Output Norm"].steps.tolist() == [0, 1, 2]


def test_N32_between_backward_and_step() -> None:
    def run(check: bool) -> Any:
        one = Run()
        one.train()
        x, y = batches(1)[0]
        one.optimizer.zero_grad()
        one.loss_fn(one.model(x), y).backward()
        if check:
            for which in WHICH:
                look(one, which)
        one.optimizer.step()
        return one.seen, Setting(one.model, one.optimizer).state["values"]

    assert run(True) == run(False)


def test_N32_after_a_run_that_an_error_has_ended() -> None:
    one = Run(control=True)
    one.train()
    one.inspector._cell_ended(ZeroDivisionError("on purpose"))
    before = one.seen
    look(one, "lr_find")
    assert one.seen == before
    one.train()
    assert one.inspector.status().step == 6


def test_N32_a_pause_that_was_asked_for_waits_for_the_loop() -> None:
    one = Run()
    one.train()
    one.inspector._control.wait = lambda seconds: one.inspector.resume()
    one.inspector.pause()
    look(one, "lr_find")
    assert one.inspector._control.has_waiting
    one.train()
    assert [record.name for record in one.inspector.history.commands] == ["pause", "resume"]


def test_N32_a_model_that_trains_in_the_background_is_left_alone() -> None:
    import threading

    one, go_on, begun = Run(), threading.Event(), threading.Event()

    def train() -> None:
        one.train()
        begun.set()
        go_on.wait(60)
        one.train()

    background = one.inspector.run(train)
    assert begun.wait(60)
    try:
        with pytest.raises(CommandRefused, match=r"run\.paused"):
            look(one, "lr_find")
        with pytest.raises(CommandRefused, match=r"run\.paused"):
            look(one, "LRFinder")
    finally:
        go_on.set()
        background.join()
    assert one.inspector.status().step == 6


def test_N32_checks_need_a_model() -> None:
    inspector = PyTorchInspector(visualizer="dummy")
    for call in (
        lambda: inspector.lr_find([], None),
        inspector.check_batches,
        lambda: inspector.dry_run([]),
        lambda: inspector.overfit_check(None, None, LOSS),
    ):
        with pytest.raises(NotAttachedError, match="needs a watched model"):
            call()


# ---------------------------------------------------------------------- the learning-rate finder


def test_N30_N34_card_of_the_finder() -> None:
    one = Run()
    finder = one.inspector.lr_find(batches(16, 32), one.optimizer, one.loss_fn, max_lr=10.0)
    card = one.card
    assert one.inspector.cards["lr_finder"].tab == "LR finder" and one.inspector.cards["lr_finder"].kind == "lr"
    assert set(card) == {
        "state", "words", "mode", "num_training", "lrs", "losses", "smoothed", "suggestion", "target", "can_apply"
    }  # fmt: skip
    assert card["state"] == "finished" and card["mode"] == "exponential" and card["num_training"] == 100
    assert card["lrs"] == finder.results["lr"] and card["losses"] == finder.results["loss"]
    assert len(card["smoothed"]) == len(card["lrs"]) and card["lrs"][card["suggestion"]] == finder.suggestion()
    assert card["target"] == "Adam" and card["can_apply"]


def test_N30_apply_from_the_page() -> None:
    model = classifier()
    model.lr = 0.01
    one = Run(model, strict=False)
    one.inspector.lr_find(batches(), one.optimizer, one.loss_fn, num_training=20)
    assert one.card["target"] == "Adam and model"
    content = {"name": "card", "arguments": {"key": "lr_finder", "action": "apply", "arguments": {"lr": 0.125}}}
    one.inspector.command(content)
    assert one.optimizer.param_groups[0]["lr"] == model.lr == 0.125
    record = one.inspector.history.commands[-1]
    assert not record.refused and record.words == "learning rate 0.125 set in Adam and model.lr"
    assert one.card["words"] == "Learning rate 0.125 set in Adam and model.lr."
    for wrong in ({"lr": "high"}, {"lr": -1.0}, {"rate": 1.0}):
        content["arguments"]["arguments"] = wrong
        one.inspector.command(content)
        assert one.inspector.history.commands[-1].refused
    assert model.lr == 0.125


def test_N33_arguments_reach_the_finder() -> None:
    one = Run()
    one.inspector.lr_find(batches(), one.optimizer, one.loss_fn, min_lr=0.1, max_lr=0.2, num_training=5, mode="linear")
    assert one.card["lrs"] == pytest.approx([0.1, 0.125, 0.15, 0.175, 0.2]) and one.card["mode"] == "linear"
    with pytest.raises(ArgumentError, match="attribute"):
        one.inspector.lr_find(batches(), one.optimizer, one.loss_fn, update_attr=True)


class Live:
    """Says that somebody looks, and counts the pictures that are sent."""

    def __init__(self, run: Run) -> None:
        self.pictures: list[dict[str, Any]] = []
        inspector = run.inspector
        refresh = lambda force=False: self.pictures.append(_card(inspector).content) if force else None  # noqa: E731
        inspector.visualizer.refresh = refresh


def test_N30_the_curve_is_live_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten pictures a second at most: here a step takes a twentieth of a second by the clock."""
    from monitorch_widgets.inspector import checks

    now = iter(range(100_000))
    monkeypatch.setattr(checks, "monotonic", lambda: next(now) * 0.05)
    one = Run()
    live = Live(one)
    one.inspector.lr_find(batches(), one.optimizer, one.loss_fn)
    running = [picture for picture in live.pictures if picture["state"] == "running"]
    assert 20 <= len(running) <= 50
    assert [len(picture["lrs"]) for picture in running] == sorted({len(picture["lrs"]) for picture in running})
    assert not any(picture["can_apply"] for picture in running)
    assert live.pictures[-1]["state"] == "finished"


@pytest.mark.parametrize(("error", "state"), [(KeyboardInterrupt, "stopped"), (ZeroDivisionError, "failed")])
def test_N32_an_end_before_its_time_is_shown(error: type[BaseException], state: str) -> None:
    one = Run()
    one.train()
    before, held = one.seen, Setting(one.model, one.optimizer).state
    calls = iter(range(100))

    def step(model: nn.Module, batch: Any) -> Tensor:
        if next(calls) == 30:
            raise error
        return LOSS(model(batch[0]), batch[1])

    with pytest.raises(error):
        one.inspector.lr_find(batches(), one.optimizer, step=step)
    assert one.card["state"] == state and len(one.card["lrs"]) == 30
    assert one.card["can_apply"]
    assert one.seen == before and Setting(one.model, one.optimizer).state == held


def test_N32_ctrl_c_in_the_middle_of_a_picture() -> None:
    one = Run()
    held = Setting(one.model, one.optimizer).state

    def refresh(force: bool = False) -> None:
        if len(one.inspector.cards["lr_finder"].content["lrs"]) == 1:
            one.inspector.visualizer.refresh = lambda force=False: None
            signal.raise_signal(signal.SIGINT)

    one.inspector.visualizer.refresh = refresh
    with pytest.raises(KeyboardInterrupt):
        one.inspector.lr_find(batches(), one.optimizer, one.loss_fn)
    assert one.card["state"] == "stopped"
    assert Setting(one.model, one.optimizer).state == held


def test_N32_a_page_that_fails_stops_no_finder() -> None:
    one = Run(strict=False)

    def refresh(force: bool = False) -> None:
        raise OSError("no page")

    one.inspector.visualizer.refresh = refresh
    with pytest.warns(UserWarning, match="no page"):
        finder = one.inspector.lr_find(batches(), one.optimizer, one.loss_fn, num_training=10)
    assert len(finder.results["lr"]) == 10


def test_N33_losses_that_are_no_numbers_are_gaps_in_the_card() -> None:
    one = Run()
    losses = iter([1.0] * 15 + [float("nan")])
    one.inspector.lr_find(batches(), one.optimizer, step=lambda model, batch: next(losses))
    assert one.card["losses"][-1] is None and one.card["smoothed"][-1] is None and one.card["suggestion"] is None


def test_N32_results_of_another_finder() -> None:
    model = classifier()
    model.learning_rate = 0.5
    one = Run(model)
    ours = LRFinder(model, one.optimizer, LOSS).run(batches(16, 32), max_lr=10.0)
    one.inspector.show_lr_finder(dict(ours.results), optimizer=one.optimizer)
    assert one.card["lrs"][one.card["suggestion"]] == ours.suggestion() and one.card["target"] == "Adam and model"
    one.inspector.cards.act("lr_finder", "apply", {"lr": 0.25})
    assert model.learning_rate == one.optimizer.param_groups[0]["lr"] == 0.25
    one.inspector.show_lr_finder(ours)
    assert one.card["words"] == ours.words
    with pytest.raises(ArgumentTypeError, match="learning-rate finder"):
        one.inspector.show_lr_finder({"lr": [1.0]})


def test_N32_without_a_place_for_the_rate_nothing_can_be_applied() -> None:
    one = Run()
    one.inspector.show_lr_finder({"lr": [0.1, 0.2], "loss": [1.0, 2.0]})
    assert not one.card["can_apply"] and one.card["suggestion"] is None
    with pytest.raises(CommandRefused, match="nothing to do"):
        one.inspector.cards.act("lr_finder", "apply", {"lr": 0.25})


# ---------------------------------------------------------------------- batch mixing


def test_A11_A12_card_of_batch_mixing() -> None:
    one = Run(nn.Sequential(nn.Linear(4, 8), Mixes(), nn.Linear(8, 2)))
    result = one.inspector.check_batches(torch.rand(3, 4), sample_idx=1)
    assert result.module == "1" and not result
    card = one.card
    assert one.inspector.cards["checks/batch_mixing"].tab == "Checks" and card["state"] == "failed"
    assert card["words"] == result.words and ["module", "1"] in card["facts"]
    assert card["bars"]["labels"] == ["0", "1", "2"] and card["bars"]["lit"] == [0, 2]
    assert card["bars"]["values"] == pytest.approx(list(result.gradients))
    assert card["actions"][0]["action"] == "check"


def test_A11_a_model_that_passes() -> None:
    one = Run()
    assert one.inspector.check_batches(torch.rand(3, 4))
    assert one.card["state"] == "passed" and one.card["bars"]["lit"] == []


def test_A15_what_cannot_be_checked_is_refused_in_words() -> None:
    one = Run()
    with pytest.raises(ArgumentError, match="Batch size"):
        one.inspector.check_batches(torch.rand(1, 4))
    assert one.card["state"] == "refused" and "Batch size must be greater than 1" in one.card["words"]


def press(inspector: PyTorchInspector) -> None:
    inspector.command({"name": "card", "arguments": {"key": "checks/batch_mixing", "action": "check"}})


@pytest.mark.parametrize("every", [1, "auto"])
@pytest.mark.parametrize("steps_before", [0, 2])
def test_A11_the_button_checks_the_next_training_batch(steps_before: int, every: Any) -> None:
    def run(check: bool) -> tuple[Any, Run]:
        one = Run(nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), Mixes(), nn.Linear(8, 2)), every=every)
        with torch.no_grad():
            for parameter in one.model.parameters():
                parameter.fill_(0.5).add_(torch.arange(parameter.numel()).reshape(parameter.shape) * 0.01)
        torch.manual_seed(7)
        one.train(steps_before)
        one.inspector._offer_checks()
        assert one.card["state"] == "ready" and one.card["actions"]
        if check:
            press(one.inspector)
            one.inspector.cards.since(0)
        one.train(1)
        one.train()
        states = Setting(one.model, one.optimizer).state
        seen = one.seen if every == 1 else one.seen["step"]
        if check:
            assert one.card["state"] == "failed" and ["module", "2"] in one.card["facts"]
            assert len(one.card["bars"]["values"]) == 8
        if isinstance(seen, dict):
            seen.pop("events")  # the command that was given
        return (seen, states["values"], states["random"]), one

    (checked, one), (bare, _) = run(True), run(False)
    assert checked == bare
    assert not any(type(hook).__name__ == "NextBatch" for hook in one.model._forward_pre_hooks.values())
    assert not one.model._forward_pre_hooks_with_kwargs


def test_A11_evaluations_are_not_taken_for_training() -> None:
    one = Run()
    one.inspector._offer_checks()
    press(one.inspector)
    one.model.eval()
    with torch.no_grad():
        one.model(torch.rand(5, 4))
    assert one.card["state"] == "running" and "actions" not in one.card
    one.model.train()
    one.train(1)
    assert one.card["state"] == "passed" and len(one.card["bars"]["values"]) == 8


def test_A11_keywords_and_arguments_together() -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 2)

        def forward(self, x: Tensor, *, scale: Tensor) -> Tensor:
            return self.linear(x) * scale

    model = Both()
    inspector = PyTorchInspector(module=model, visualizer="dummy", strict=True)
    assert inspector.check_batches() is None
    model(torch.rand(3, 4), scale=torch.rand(3, 1)).sum().backward()
    assert inspector.cards["checks/batch_mixing"].content["state"] == "passed"


def test_A11_a_batch_that_cannot_be_checked_stops_no_run() -> None:
    one = Run(strict=False)
    one.inspector.check_batches()
    one.model(torch.rand(1, 4)).sum().backward()
    assert one.card["state"] == "refused" and "Batch size must be" in one.card["words"]


def test_A11_the_example_of_the_model_is_taken_where_there_is_one() -> None:
    model = classifier()
    model.example_input_array = torch.rand(2, 4)
    assert Run(model).inspector.check_batches().valid


def test_A11_the_hook_that_waits_goes_with_the_inspector_and_is_not_copied() -> None:
    one = Run()
    one.inspector.check_batches()
    one.inspector.check_batches()
    waiting = [h for h in one.model._forward_pre_hooks.values() if type(h).__name__ == "NextBatch"]
    assert len(waiting) == 1
    copied = copy.deepcopy(one.model)
    copied(torch.rand(2, 4)).sum().backward()
    assert one.card["state"] == "running" and not copied._forward_pre_hooks
    pickle.loads(pickle.dumps(one.model))(torch.rand(2, 4))
    one.inspector.detach()
    assert not one.model._forward_pre_hooks
    one.model(torch.rand(2, 4))
    assert one.card["state"] == "running"


# ---------------------------------------------------------------------- dry run and overfitting


def test_N27_N42_card_of_a_dry_run() -> None:
    class Forgets(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.unused = nn.Linear(4, 2), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    one = Run(Forgets())
    report = one.inspector.dry_run(batches(), batches(), True, loss_fn=LOSS, optimizer=one.optimizer)
    card = one.card
    assert not report.valid and card["state"] == "failed" and "Never called: unused." in card["words"]
    assert len(card["table"]["columns"]) == len(card["table"]["rows"][0])
    rows = {row[0]: row[1:] for row in card["table"]["rows"]}
    assert rows["used"] == [1, "yes", "2 of 2", "[8, 2]", "float32"] and rows["unused"][:3] == [0, "no", "0 of 2"]
    assert [label for label, _ in card["facts"]] == ["training loss", "validation loss"]


def test_N27_a_mistake_of_the_loop_is_in_the_card_and_raised() -> None:
    one = Run()
    with pytest.raises(RuntimeError, match="shapes"):
        one.inspector.dry_run([(torch.rand(3, 5), torch.zeros(3).long())], loss_fn=LOSS)
    assert one.card["state"] == "refused" and "shapes" in one.card["words"]


def test_N26_card_of_overfitting_is_live() -> None:
    one = Run()
    live = Live(one)
    x, y = torch.cat([x for x, _ in batches()]), torch.cat([y for _, y in batches()])
    report = one.inspector.overfit_check(x, y, one.loss_fn, 0.05)
    card = one.card
    assert report.passed and card["state"] == "passed"
    assert card["curve"]["y"] == list(report.losses) and card["curve"]["log"]
    assert card["curve"]["x"] == list(range(len(report.losses)))
    assert live.pictures[0]["state"] == "running" and len(live.pictures[0]["curve"]["y"]) == 1


def test_N26_a_check_that_fails_says_what_to_do() -> None:
    one = Run()
    x, y = torch.cat([x for x, _ in batches()]), torch.cat([y for _, y in batches()])
    assert not one.inspector.overfit_check(x, y, one.loss_fn, 1e-6, steps=5)
    assert one.card["state"] == "failed" and "hardly moves" in one.card["words"]
