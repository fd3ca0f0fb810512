"""What a page may send: whatever it is, it is done or refused with a reason, and training goes on."""

from __future__ import annotations

import random
import threading
import tracemalloc
from queue import SimpleQueue
from typing import Any

import numpy as np
import pytest

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError
from monitorch_widgets.inspector.commands import FROM_PAGE, FROM_PYTHON
from monitorch_widgets.lens import OutputNorm

from .commanded import Answers, at, batches, inspected, net, plain, same, sgd, train, weights

QUIET = sorted(set(FROM_PAGE) - {"pause", "step", "step_epoch", "stop", "scale_lr"})


def page(inspector: PyTorchInspector, command: object, arguments: object, number: object = "1") -> None:
    inspector.command({"type": "command", "number": number, "name": command, "arguments": arguments})


def asked(name: object, arguments: object) -> tuple[str, bool]:
    """What a page is told of a command to a model that does not train."""
    answers = Answers()
    model = net()
    inspector = inspected(model, visualizer=answers)
    page(inspector, name, arguments)
    [(number, record)] = answers.given
    assert number == "1" and record.origin == "page"
    return record.words, record.refused


def test_an_answer_goes_to_who_asked_and_into_the_history() -> None:
    answers = Answers()
    inspector = inspected(net(), visualizer=answers)
    page(inspector, "depth", {"depth": 1}, "a7")
    inspector.set(depth=0)
    assert [(number, record.origin, record.words) for number, record in answers.given] == [
        ("a7", "page", "depth 1"),
        ("", "python", "depth 0"),
    ]
    assert [record for _, record in answers.given] == list(inspector.history.commands)


def test_a_command_is_answered_with_the_step_at_which_it_was_done() -> None:
    answers, model = Answers(), net()
    inspector = inspected(model, visualizer=answers)
    train(model, batches(5), at(3, lambda: page(inspector, "depth", {"depth": 1})))
    [(_, record)] = answers.given
    assert (record.step, record.refused) == (3, False)
    [event] = inspector.status().events
    assert (event.kind, event.step, event.words) == ("command", 3, "Depth 1.")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("pauze", {}, "Did you mean 'pause'"),
        ("add", {"name": "OutputNrm"}, "Did you mean 'OutputNorm'"),
        ("add", {"name": "ParameterNorm", "arguments": {"log_scal": True}}, "Did you mean 'log_scale'"),
        ("add", {"name": "OutputNorm"}, "'Output Norm' is there already"),
        ("remove", {"tag": "Output Nrm"}, "Did you mean 'Output Norm'"),
        ("set", {"tag": "Output Nrm", "arguments": {}}, "Did you mean 'Output Norm'"),
        ("set", {"tag": "Output Norm", "arguments": {"activaton": True}}, "Did you mean 'activation'"),
        ("set", {"tag": "Output Norm", "arguments": {"include": ["Linnear"]}}, "Did you mean 'Linear'"),
        ("set", {"tag": "Output Norm", "arguments": {"include": "Linear"}}, "expected include to be a list of names"),
        ("set", {"tag": "Output Norm", "arguments": {"log_scale": "yes"}}, "expected log_scale to be True or False"),
        ("set", {"tag": "Output Norm", "arguments": [1]}, "expected arguments of OutputNorm by name"),
        ("set", {"tag": "Output Norm", "arguments": {"line_aggregation": "medain"}}, "Did you mean 'median'"),
        ("watch", {"name": "mine"}, "expected a registered function among"),
        ("watch_text", {"text": "output.mean()"}, "allow it with inspector.allow_text()"),
        ("collect", {"patterns": 5}, "expected module names or patterns"),
        ("depth", {"depth": "deep"}, "expected depth to be"),
        ("every", {"every": "often"}, "expected every to be 'auto'"),
        ("every", {"every": 2, "tag": "Nothing"}, "expected a tag among"),
        ("budget", {"max_overhead": 7}, "expected max_overhead to be a fraction"),
        ("log_every", {"steps": 0}, "expected log_every_n_steps to be at least 1"),
        ("refresh_rate", {"rate": 31}, "expected refresh_rate to be updates a second, 0.1 to 30; received 31. 10 is"),
        ("refresh_rate", {"rate": "often"}, "received 'often'"),
        ("refresh_rate", {"rate": True}, "received True"),
        ("max_queue", {"max_queue": 5}, "Make it with journal='runs'"),
        ("flush_secs", {"flush_secs": 5, "writer": "journal"}, "expected an inspector that writes the run down"),
        ("scale_lr", {"factor": 0.5}, "allow it with PyTorchInspector(control=True)"),
        ("stop", {}, "nothing trains now"),
        ("depth", {}, "missing a required argument: 'depth'"),
        ("pause", {"now": True}, "unexpected keyword argument 'now'"),
    ],
)
def test_what_makes_no_sense_is_refused_with_the_reason(name: str, arguments: dict[str, Any], words: str) -> None:
    told, refused = asked(name, arguments)
    assert refused and words in told


@pytest.mark.parametrize(
    "content",
    [{}, {"name": 5}, {"name": "pause", "arguments": []}, {"name": "pause", "number": 5}, {"name": None, "number": []}],
)
def test_what_is_no_command_is_refused(content: dict[str, Any]) -> None:
    answers = Answers()
    inspected(net(), visualizer=answers).command(content)
    [(number, record)] = answers.given
    assert number == "" and record.refused and record.words.startswith("expected a command with a name and arguments")


def test_python_says_the_same_as_the_page() -> None:
    inspector = inspected(net())
    with pytest.raises(ArgumentError, match="Did you mean 'Output Norm'"):
        inspector.remove("Output Nrm")
    assert inspector.history.commands[-1].refused and set(FROM_PYTHON) == set(FROM_PAGE)


# ---------------------------------------------------------------------- anything at all


def anything(rng: random.Random, depth: int = 2) -> Any:
    """A JSON value, often one that means something."""
    words = [
        "Output Norm",
        "OutputNorm",
        "ParameterNorm",
        "auto",
        "",
        "0.*",
        "every",
        "include",
        "Linear",
        "é\x00",
        "9",
    ]
    kind = rng.randrange(10)
    if kind < 4 or not depth:
        return rng.choice([*words, None, True, False, 0, 1, 3, -1, 0.5, 1e308, float("nan"), 2**70])
    if kind < 7:
        return [anything(rng, depth - 1) for _ in range(rng.randrange(3))]
    keys = ["tag", "name", "arguments", "every", "log_scale", "include", "depth", "eps", "text", "", "number"]
    return {rng.choice(keys): anything(rng, depth - 1) for _ in range(rng.randrange(4))}


def arguments_like(rng: random.Random) -> Any:
    """Arguments by the names that some command has, mostly."""
    if rng.random() < 0.1:
        return anything(rng)
    names = [
        "tag",
        "name",
        "arguments",
        "text",
        "patterns",
        "depth",
        "every",
        "max_overhead",
        "steps",
        "factor",
        "group",
    ]
    return {name: anything(rng) for name in rng.sample(names, rng.randrange(3))}


@pytest.mark.parametrize("seed", range(4))
def test_any_json_is_answered_and_raises_nothing(seed: int) -> None:
    rng, answers, model = random.Random(seed), Answers(), net()
    inspector = inspected(model, visualizer=answers)
    sent = 0
    for x in batches(25):
        for _ in range(8):
            name = rng.choice([*QUIET, "scale_lr", "nothing", None])
            inspector.command({"name": name, "arguments": arguments_like(rng), "number": str(sent)})
            sent += 1
        train(model, [x])
    inspector._cell_ended()
    told = [number for number, _ in answers.given if number]
    unnamed = sum(number == "" for number, _ in answers.given)
    assert sorted(told, key=int) == sorted(set(told), key=int) and len(told) + unnamed == sent
    assert any(not record.refused for _, record in answers.given)


def sensible(rng: random.Random) -> tuple[str, dict[str, Any]]:
    """A command that can mostly be done, and leaves the norms of outputs alone."""
    tags = ["Weight Norm", "Weight Gradient Norm", "mean"]
    return rng.choice(
        [
            ("add", {"name": "ParameterNorm"}),
            ("remove", {"tag": rng.choice(tags)}),
            ("set", {"tag": rng.choice(tags), "arguments": {"log_scale": rng.random() < 0.5}}),
            ("watch", {"name": "mean"}),
            ("every", {"every": rng.choice([1, 2, 7]), "tag": rng.choice(tags)}),
            ("budget", {"max_overhead": rng.choice([0.01, 0.5])}),
            ("log_every", {"steps": rng.choice([1, 5])}),
            ("remove", {"tag": "nothing"}),
        ]
    )


class Sender(threading.Thread):
    """Sends commands, some each time that it is let."""

    def __init__(self, inspector: PyTorchInspector, seed: int, each: int) -> None:
        super().__init__(daemon=True)
        self.inspector, self.rng, self.each, self.sent = inspector, random.Random(seed), each, 0
        self.may: SimpleQueue[bool] = SimpleQueue()
        self.start()

    def run(self) -> None:
        while self.may.get():
            for _ in range(self.each):
                name, arguments = sensible(self.rng)
                page(self.inspector, name, arguments)
                self.sent += 1

    def end(self) -> None:
        self.may.put(False)  # behind all that it may still send
        self.join(60)


def test_a_thousand_commands_of_two_threads_change_neither_weights_nor_other_readings() -> None:
    steps, each = 2000, 5
    untold = net()
    alone = inspected(untold, [OutputNorm(every=1)])
    train(untold, batches(steps))
    answers, model = Answers(), net()
    inspector = inspected(model, [OutputNorm(every=1)], visualizer=answers)
    inspector.register("mean", lambda module, input, output: output.mean())
    senders = [Sender(inspector, seed, each) for seed in (1, 2)]
    held: list[int] = []

    def between(step: int) -> None:
        if step % 20 == 0:
            for sender in senders:
                sender.may.put(True)
        if step == steps // 2:
            tracemalloc.start()
        if step == steps:
            held.append(tracemalloc.get_traced_memory()[0])

    try:
        train(model, batches(steps), between)
    finally:
        tracemalloc.stop()
    for sender in senders:
        sender.end()
    inspector._cell_ended()
    assert sum(sender.sent for sender in senders) == len(answers.given) == 2 * each * steps // 20
    assert same(weights(model), weights(untold)) and same(weights(model), plain(steps))
    one, other = inspector.history["Output Norm"], alone.history["Output Norm"]
    np.testing.assert_array_equal(one.steps, other.steps)
    np.testing.assert_array_equal(one.values, other.values)
    assert inspector.state.buffer.step == steps
    per_step = held[0] / (steps // 2)
    assert per_step < 2000, f"{per_step:.0f} bytes a step: more than the readings that are kept"


def test_the_log_of_commands_is_bounded() -> None:
    inspector = inspected(net())
    for i in range(1100):
        inspector.set(log_every_n_steps=1 + i % 3)
    assert len(inspector.history.commands) == 1000


def test_training_goes_on_where_something_of_ours_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, model = Answers(), net()
    inspector = inspected(model, visualizer=answers, strict=False)

    def fail(**given: Any) -> None:
        raise OSError("no room")

    monkeypatch.setattr(inspector._watch, "choose", fail)
    train(model, batches(4), at(2, lambda: page(inspector, "depth", {"depth": 1})), sgd(model))
    [(_, record)] = answers.given
    assert record.refused and record.words == "depth failed: OSError: no room" and same(weights(model), plain(4))
