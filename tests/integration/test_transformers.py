"""The callback in the real Trainer: steps, epochs, losses, evaluations, checkpoints, and how runs end."""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainerControl

from monitorch_widgets import ArgumentError, ArgumentTypeError, PyTorchInspector
from monitorch_widgets.integration.transformers import InspectorTrainerCallback
from monitorch_widgets.lens import (
    InputHistogram,
    LossMetrics,
    OutputHistogram,
    OutputNorm,
    ParameterGradientGeometry,
)

from .tiny import bert, gpt2, one_thread, sentences, trainer

__all__ = ["one_thread"]

pytestmark = pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")  # torch, on machines without a GPU


def watching(**arguments: Any) -> InspectorTrainerCallback:
    return InspectorTrainerCallback(**{"visualizer": "dummy", "every": 1, "strict": True, **arguments})


def logged(run: Trainer, name: str) -> list[float]:
    return [entry[name] for entry in run.state.log_history if name in entry]


def column(inspector: PyTorchInspector, tag: str, name: str) -> tuple[list[int], list[float]]:
    """Steps and values of a series, without gaps."""
    series = inspector.history[tag]
    values = series.values[:, series.modules.index(name)]
    there = ~np.isnan(values)
    return series.steps[there].tolist(), values[there].tolist()


def hooks_on(model: torch.nn.Module) -> int:
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules())


class Calls(TrainerCallback):
    """Does something at one moment of a run."""

    def __init__(self, moment: str, step: int, action: Any) -> None:
        self.step, self.action = step, action
        setattr(self, moment, self._at)

    def _at(self, args: Any, state: Any, control: TrainerControl, **others: Any) -> None:
        if state.global_step == self.step:
            self.action()


# ---------------------------------------------------------------------- training


def test_N40_steps_epochs_and_logs_are_those_of_the_trainer_without_a_report(tmp_path: Path) -> None:
    callback = watching()
    run = trainer(tmp_path, callback)
    run.train()
    inspector = callback.inspector
    status = inspector.status()
    assert (status.step, status.state) == (8, "detached")
    assert status.epoch_marks == ((1, 4), (2, 8))
    for name in ("loss", "grad_norm", "learning_rate"):
        steps, values = column(inspector, "Logged", name)
        assert steps == list(range(8))
        assert values == pytest.approx(logged(run, name), rel=1e-5)
    assert "epoch" not in inspector.history["Logged"].modules
    assert inspector.history["Weight Gradient Norm"].rows == 8
    assert hooks_on(run.model) == 0


def test_the_loss_of_each_step_is_read_where_the_trainer_logs_seldom(tmp_path: Path) -> None:
    callback = watching()
    run = trainer(tmp_path, callback, logging_steps=1)
    run.train()
    seldom = watching()
    trainer(tmp_path, seldom, logging_steps=500).train()
    steps, values = column(seldom.inspector, "Loss", "train_loss")
    assert steps == list(range(8))
    assert values == pytest.approx(logged(run, "loss"), rel=1e-5)


@pytest.mark.parametrize("make", [gpt2, bert])
def test_training_is_bit_for_bit_what_it_would_be(tmp_path: Path, make: Any) -> None:
    def weights(*callbacks: TrainerCallback) -> dict[str, torch.Tensor]:
        data = sentences(labels=2 if make is bert else None)
        run = trainer(tmp_path, *callbacks, model=make(), data=data, eval_strategy="epoch", eval_dataset=data[:3])
        run.train()
        return {**run.model.state_dict(), "random": torch.rand(3)}

    bare, watched = weights(), weights(watching(), Calls("on_step_end", 3, lambda: None))
    assert bare.keys() == watched.keys()
    assert all(torch.equal(bare[name], watched[name]) for name in bare)


@pytest.mark.parametrize("make", [gpt2, bert])
def test_N36_accumulated_batches_are_one_step_with_one_loss(tmp_path: Path, make: Any) -> None:
    callback = watching()
    data = sentences(labels=2 if make is bert else None)
    sizes = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3}  # 8 batches: 3, 3 and 2 of them
    run = trainer(tmp_path, callback, model=make(), data=data, **sizes)
    run.train()
    inspector = callback.inspector
    assert inspector.status().step == run.state.global_step == 6
    assert inspector.history["Weight Gradient Norm"].steps.tolist() == list(range(6))
    assert ("batch", "2 x 3 = 6") in inspector.status().items
    _, values = column(inspector, "Loss", "train_loss")
    assert values == pytest.approx(logged(run, "loss"), rel=1e-5)


def test_N36_gradients_are_those_of_the_effective_batch(tmp_path: Path) -> None:
    def norms(**sizes: int) -> np.ndarray[Any, Any]:
        callback = watching(lenses=[ParameterGradientGeometry(parameters="weight")])
        model = gpt2().eval()
        for part in model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
        trainer(tmp_path, callback, model=model, max_steps=3, **sizes).train()
        return callback.inspector.history["Weight Gradient Norm"].values

    whole = norms(per_device_train_batch_size=8)
    parts = norms(per_device_train_batch_size=2, gradient_accumulation_steps=4)
    np.testing.assert_allclose(parts, whole, rtol=1e-4)


def test_a_loss_that_the_model_does_not_return_is_taken_from_the_logs(tmp_path: Path) -> None:
    def doubled(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs["logits"].flatten(0, 1)
        return 2 * torch.nn.functional.cross_entropy(logits, labels.flatten())

    callback = watching()
    run = trainer(tmp_path, callback, compute_loss_func=doubled)
    run.train()
    steps, values = column(callback.inspector, "Loss", "train_loss")
    assert steps == list(range(8))
    assert values == pytest.approx(logged(run, "loss"), rel=1e-5)


def test_N39_bf16_is_watched_and_its_weights_are_the_same(tmp_path: Path) -> None:
    def trained(*callbacks: TrainerCallback) -> Trainer:
        run = trainer(tmp_path, *callbacks, bf16=True)
        run.train()
        return run

    callback = watching()
    bare, watched = trained(), trained(callback)
    pairs = zip(bare.model.parameters(), watched.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert np.isfinite(callback.inspector.history["Output Norm"].values[:, 0]).all()
    facts = dict(callback.inspector.cards["hparams"].content["facts"])
    assert facts["bf16"] == "True"


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch's compiler looks there
def test_a_compiled_model_is_watched(tmp_path: Path) -> None:
    callback = watching(lenses=[OutputNorm(), LossMetrics()])
    run = trainer(tmp_path, callback, max_steps=3, torch_compile=True, torch_compile_backend="eager")
    run.train()
    inspector = callback.inspector
    assert inspector.history["Output Norm"].rows == 3
    assert column(inspector, "Loss", "train_loss")[1] == pytest.approx(logged(run, "loss"), rel=1e-5)
    torch._dynamo.reset()


def test_the_activity_is_that_of_neurons_not_of_positions(tmp_path: Path) -> None:
    callback, model = watching(), gpt2()
    act = model.transformer.h[0].mlp.act

    def kill(module: torch.nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        return output * (torch.arange(output.shape[-1]) % 4 > 0)  # every fourth neuron, at all positions

    act.register_forward_hook(kill)
    trainer(tmp_path, callback, model=model, max_steps=2).train()
    series = callback.inspector.history["Output Death Rate"]
    dead = series.values[:, series.modules.index("transformer.h.0.mlp.act")]
    np.testing.assert_allclose(dead, 0.25)


def test_A02_A05_histograms_of_batches_and_outputs(tmp_path: Path) -> None:
    callback = watching(lenses=[InputHistogram(), OutputHistogram("transformer.ln_f")])
    callback.inspector.set(log_every_n_steps=2)
    trainer(tmp_path, callback, max_steps=4).train()
    cards = {card.key: card.content for card in callback.inspector.cards.all if card.kind == "histogram"}
    batch = cards["histogram/batch/input_ids"]
    assert (batch["shape"], batch["dtype"], batch["count"]) == ("[4, 8]", "int64", 32)
    assert batch["low"] >= 0 and batch["high"] < 32
    assert any("ln_f" in key for key in cards)


def test_the_hyper_parameters_are_a_card(tmp_path: Path) -> None:
    callback = watching()
    trainer(tmp_path, callback, learning_rate=1e-3, max_steps=1).train()
    facts = dict(callback.inspector.cards["hparams"].content["facts"])
    assert float(facts["learning_rate"]) == 1e-3
    assert facts["model.n_layer"] == "2"
    assert str(tmp_path) not in facts.values()


# ---------------------------------------------------------------------- evaluation


def test_evaluations_are_points_at_their_steps(tmp_path: Path) -> None:
    callback = watching()
    run = trainer(tmp_path, callback, eval_dataset=sentences(4), eval_strategy="steps", eval_steps=3)
    run.train()
    steps, values = column(callback.inspector, "Logged", "eval_loss")
    assert steps == [2, 5, 7]  # the last one too
    assert values == pytest.approx(logged(run, "eval_loss"))
    steps, values = column(callback.inspector, "Loss", "val_loss")
    assert steps == [2, 5, 7]  # the last one too
    assert values == pytest.approx(logged(run, "eval_loss"), rel=1e-5)
    assert not [name for name in callback.inspector.history["Logged"].modules if "runtime" in name]


def test_several_evaluation_sets_have_series_of_their_own(tmp_path: Path) -> None:
    sets = {"short": sentences(2), "long": sentences(6)}
    callback = watching()
    run = trainer(tmp_path, callback, eval_dataset=sets, eval_strategy="epoch")
    run.train()
    for name in sets:
        steps, values = column(callback.inspector, "Logged", f"eval_{name}_loss")
        assert steps == [3, 7]
        assert values == pytest.approx(logged(run, f"eval_{name}_loss"))


def test_an_evaluation_at_the_end_of_an_epoch_belongs_to_it(tmp_path: Path) -> None:
    callback = watching(lenses=[OutputNorm(record_eval=True), LossMetrics()])
    trainer(tmp_path, callback, eval_dataset=sentences(4), eval_strategy="epoch").train()
    epochs = callback.inspector.history["Loss"].epochs
    assert sorted(epochs) == [1, 2]
    assert all("val_loss mean" in figures.values["Loss"] for figures in epochs.values())


def test_evaluate_and_predict_outside_of_training(tmp_path: Path) -> None:
    callback = watching()
    run = trainer(tmp_path, callback, eval_dataset=sentences(4))
    before = run.evaluate()
    assert callback.inspector.metrics["eval_loss"] == before["eval_loss"]
    run.train()
    after = run.evaluate()
    predicted = run.predict(sentences(3))
    metrics = callback.inspector.metrics
    assert metrics["eval_loss"] == after["eval_loss"] != before["eval_loss"]
    assert metrics["test_loss"] == predicted.metrics["test_loss"]
    assert callback.inspector.phase is None
    assert column(callback.inspector, "Logged", "test_loss")[0] == [7]


def test_metrics_of_compute_metrics_are_logged(tmp_path: Path) -> None:
    callback = watching()
    data = sentences(labels=2)
    run = trainer(
        tmp_path, callback, model=bert(), data=data, eval_dataset=data[:4], eval_strategy="epoch",
        compute_metrics=lambda found: {"accuracy": float((found.predictions.argmax(-1) == found.label_ids).mean())},
    )  # fmt: skip
    run.train()
    assert column(callback.inspector, "Logged", "eval_accuracy")[1] == logged(run, "eval_accuracy")


# ---------------------------------------------------------------------- more than one run


def test_a_resumed_run_goes_on_on_the_axis(tmp_path: Path) -> None:
    whole = trainer(tmp_path, watching(), save_strategy="steps", save_steps=6)
    whole.train()
    callback = watching()
    resumed = trainer(tmp_path, callback)
    resumed.train(resume_from_checkpoint=str(tmp_path / "checkpoint-6"))
    status = callback.inspector.status()
    assert status.step == 8
    assert callback.inspector.history["Output Norm"].steps.tolist() == [6, 7]
    assert column(callback.inspector, "Logged", "loss")[0] == [6, 7]
    assert status.epoch_marks == ((2, 8),)
    pairs = zip(whole.model.parameters(), resumed.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_second_train_goes_on_behind_the_first(tmp_path: Path) -> None:
    callback = watching()
    run = trainer(tmp_path, callback, max_steps=3)
    run.train()
    run.train()
    assert callback.inspector.status().step == 6
    assert column(callback.inspector, "Logged", "loss")[0] == list(range(6))
    assert hooks_on(run.model) == 0


def test_N43_checkpoints_are_marks_and_the_best_is_named(tmp_path: Path) -> None:
    callback = watching()
    run = trainer(
        tmp_path, callback, eval_dataset=sentences(4), eval_strategy="epoch", save_strategy="epoch",
        load_best_model_at_end=True, metric_for_best_model="eval_loss",
    )  # fmt: skip
    run.train()
    marks = [event for event in callback.inspector.status().events if event.kind == "checkpoint"]
    assert [event.step for event in marks] == [4, 8]
    assert "checkpoint-4" in marks[0].words
    assert f"the best so far: eval_loss {logged(run, 'eval_loss')[0]:.4g}" in marks[0].words


def test_N41_an_early_stop_is_a_mark(tmp_path: Path) -> None:
    callback = watching()
    run = trainer(
        tmp_path, callback, EarlyStoppingCallback(1), eval_dataset=sentences(4), eval_strategy="steps", eval_steps=1,
        save_strategy="steps", save_steps=1, load_best_model_at_end=True, metric_for_best_model="eval_loss",
        greater_is_better=True, learning_rate=1e-2,
    )  # fmt: skip
    run.train()
    (mark,) = [event for event in callback.inspector.status().events if event.kind == "early stop"]
    assert mark.step == run.state.global_step < 8
    assert mark.words == f"The training was stopped by a callback at step {mark.step} of 8."


# ---------------------------------------------------------------------- how runs end


def test_stop_ends_the_training_as_the_trainer_does(tmp_path: Path) -> None:
    callback = watching()
    run = trainer(tmp_path, callback, Calls("on_step_begin", 2, lambda: callback.inspector.stop()))
    result = run.train()
    assert result.global_step == callback.inspector.status().step == 3
    assert hooks_on(run.model) == 0
    assert not [event for event in callback.inspector.status().events if event.kind == "early stop"]
    run.pop_callback(Calls)
    assert run.train().global_step == 8


@pytest.mark.parametrize("error", [RuntimeError("mine"), KeyboardInterrupt()])
def test_what_an_error_leaves_is_gone_when_training_begins_again(tmp_path: Path, error: BaseException) -> None:
    def fail() -> None:
        raise error

    callback, bad = watching(), Calls("on_step_end", 2, fail)
    run = trainer(tmp_path, callback, bad)
    with pytest.raises(type(error)):
        run.train()
    assert callback.inspector.status().step == 2
    run.pop_callback(bad)
    run.train()
    assert callback.inspector.status().step == 10
    assert hooks_on(run.model) == 0
    assert callback.inspector._control.ends_itself == 0


def test_a_run_in_the_background_can_be_held_and_stopped(tmp_path: Path) -> None:
    callback = watching()
    inspector = callback.inspector
    training = trainer(tmp_path, callback, max_steps=100_000, logging_steps=1000)
    run = inspector.run(training.train)
    deadline = time.monotonic() + 60
    while inspector.status().step < 3 and run.running and time.monotonic() < deadline:
        time.sleep(0.01)
    with run.paused():
        held = inspector.status().step
        weights = [parameter.clone() for parameter in training.model.parameters()]
        assert held >= 3 and inspector.status().state == "paused"
        assert all(map(torch.equal, weights, training.model.parameters()))
    assert run.stop(timeout_s=60)
    assert run.error is None
    assert held <= run.result.global_step < 100_000
    assert not inspector.state.attached and hooks_on(training.model) == 0


def test_an_inspector_of_ones_own_stays_attached_where_it_was(tmp_path: Path) -> None:
    model = gpt2()
    inspector = PyTorchInspector([OutputNorm()], module=model, visualizer="dummy", every=1)
    run = trainer(tmp_path, InspectorTrainerCallback(inspector=inspector), model=model)
    run.train()
    assert inspector.state.attached
    assert inspector.history["Output Norm"].rows == 8
    inspector.detach()
    assert hooks_on(model) == 0


def test_an_inspector_of_ones_own_that_is_not_attached_is_attached_for_the_run(tmp_path: Path) -> None:
    inspector = PyTorchInspector(visualizer="dummy", every=1)
    run = trainer(tmp_path, InspectorTrainerCallback(inspector=inspector))
    run.train()
    assert not inspector.state.attached
    assert column(inspector, "Loss", "train_loss")[1] == pytest.approx(logged(run, "loss"), rel=1e-5)


def test_the_model_can_be_copied_and_saved_whole_meanwhile(tmp_path: Path) -> None:
    callback, copies = watching(), []
    run = trainer(tmp_path, callback)

    def copied() -> None:
        copies.append(copy.deepcopy(run.model))
        torch.save(run.model, tmp_path / "model.pt")

    run.add_callback(Calls("on_step_end", 2, copied))
    run.train()
    assert hooks_on(copies[0]) == 0
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    words = sentences(2)[0]["input_ids"][None]
    assert torch.equal(loaded.eval()(words).logits, copies[0].eval()(words).logits)


def test_a_fault_of_ours_never_stops_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    callback = watching(strict=False)

    def fail(*arguments: Any, **more: Any) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(callback.inspector._logbook, "record", fail)
    with pytest.warns(UserWarning, match="RuntimeError: ours"):
        result = trainer(tmp_path, callback).train()
    assert result.global_step == 8


def test_wrong_arguments_raise_at_construction() -> None:
    inspector = PyTorchInspector(visualizer="dummy")
    with pytest.raises(ArgumentError, match="either an inspector"):
        InspectorTrainerCallback([OutputNorm()], inspector=inspector)
    with pytest.raises(ArgumentError, match="either an inspector"):
        InspectorTrainerCallback(inspector=inspector, every=3)
    with pytest.raises(ArgumentTypeError, match="PyTorchInspector"):
        InspectorTrainerCallback(inspector="mine")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="Leave module out"):
        watching(module=gpt2())
    with pytest.raises(ArgumentError, match="max_overhead"):
        watching(max_overhead=-1)
    with pytest.raises(ArgumentTypeError, match="show"):
        watching(show="yes")
