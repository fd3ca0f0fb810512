"""The lenses of histograms: which tensors have a card, at which steps, and what it says."""

from __future__ import annotations

import copy
import gc
import pickle
import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, NotWatched
from monitorch_widgets.lens import InputHistogram, OutputHistogram, OutputNorm
from monitorch_widgets.lens import histogram_cards as cards_file
from monitorch_widgets.lens.histogram_lens import HistogramLens
from monitorch_widgets.preprocessor import nested_tensors
from monitorch_widgets.values import Card
from monitorch_widgets.visualizer import DummyVisualizer, TensorBoardVisualizer


def net() -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential()
    model.add_module("fc1", nn.Linear(3, 4))
    model.add_module("act", nn.ReLU(inplace=True))
    model.add_module("head", nn.Sequential(nn.Linear(4, 1)))
    return model


def watched(model: nn.Module, *lenses: Any, **more: Any) -> PyTorchInspector:
    return PyTorchInspector(list(lenses), module=model, **{"visualizer": "dummy", "strict": True, **more})


def batch(size: int = 8) -> Tensor:
    return torch.randn(size, 3, generator=torch.Generator().manual_seed(size))


def train(model: nn.Module, steps: int, make: Callable[[], Tensor] = batch) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        model(make()).pow(2).mean().backward()
        optimizer.step()


def trained(model: nn.Module, inspector: PyTorchInspector) -> None:
    """A step, with all that comes of it."""
    train(model, 1)
    cards(inspector)


def cards(inspector: PyTorchInspector) -> dict[str, Card]:
    assert inspector.history is not None  # brings what waits
    found = [card for card in inspector.cards.all if card.kind == "histogram"]
    return {card.key.removeprefix("histogram/"): card for card in found}


def steps(inspector: PyTorchInspector, key: str) -> list[int]:
    found: list[int] = cards(inspector)[key].content["map"]["steps"]
    return found


# ---------------------------------------------------------------------- which tensors


def test_A05_inputs_and_outputs_of_the_leaf_modules_and_the_batch() -> None:
    model = net()
    inspector = watched(model, InputHistogram(), OutputHistogram())
    train(model, 1)
    found = cards(inspector)
    names = ("fc1", "act", "head.0")
    assert [key for key in found if key.startswith("input")] == [f"input/{name}" for name in names]
    assert [key for key in found if key.startswith("output")] == [f"output/{name}" for name in names]
    assert len(found) == 7 and "batch/0" in found
    assert {card.tab for card in found.values()} == {"Data"} and found["output/fc1"].title == "output/fc1"
    assert found["batch/0"].content["shape"] == found["input/fc1"].content["shape"] == "[8, 3]"


def test_A05_inputs_are_as_they_were_before_the_module_changed_them() -> None:
    model = net()
    inspector = watched(model, InputHistogram(), OutputHistogram())
    train(model, 1)
    found = cards(inspector)
    assert found["input/act"].content["min"] < 0 == found["output/act"].content["min"]
    assert found["input/act"].content["max"] == found["output/act"].content["max"]


@pytest.mark.parametrize("kind", [InputHistogram, OutputHistogram])
def test_A06_A07_modules_by_name_by_pattern_and_by_regular_expression(kind: type[HistogramLens]) -> None:
    def found(modules: Any) -> list[str]:
        model, lens = net(), kind(modules=modules)
        inspector = watched(model, lens)
        train(model, 1)
        return [key.partition("/")[2] for key in cards(inspector) if not key.startswith("batch")]

    assert found("head") == ["head"]
    assert found(["head.0", "fc*"]) == ["fc1", "head.0"]
    assert found(re.compile("fc.|act")) == ["fc1", "act"]
    assert sorted(found("*")) == ["Sequential", "act", "fc1", "head", "head.0"]


def test_A07_a_name_that_no_module_has_is_told_and_passed_over() -> None:
    model = net()
    with pytest.warns(NotWatched, match=r"'fc2' is the name of no module of Sequential.*Did you mean 'fc1'\?"):
        inspector = watched(model, OutputHistogram(modules=["fc2", "fc1"]))
    train(model, 1)
    assert list(cards(inspector)) == ["output/fc1"]


def test_A07_classes_choose_too() -> None:
    model = net()
    inspector = watched(model, OutputHistogram(include=[nn.Linear]), InputHistogram(exclude=[nn.Linear], batch=False))
    train(model, 1)
    assert set(cards(inspector)) == {"output/fc1", "input/act", "output/head.0"}


class Takes(nn.Module):
    """Is called with nearly anything."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(3, 1)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return {"out": self.inner(kwargs["x"]), "parts": (args[0], [kwargs["x"] > 0])}


def test_A03_nested_inputs_and_outputs_have_places_in_their_names() -> None:
    model = Takes()
    inspector = watched(model, InputHistogram(), OutputHistogram(modules="Takes"))
    ids = {"ids": torch.arange(6), "text": "cat", "more": [np.ones((2, 2), np.float32), "dog"]}
    model(ids, "words", x=batch())["out"].sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.1).step()
    found = cards(inspector)
    assert list(found) == [
        "batch/0/ids",
        "batch/0/more/0",
        "batch/x",
        "input/inner",
        "output/Takes/out",
        "output/Takes/parts/0/ids",
        "output/Takes/parts/0/more/0",
        "output/Takes/parts/1/0",
    ]
    content = {key: card.content for key, card in found.items()}
    assert (content["batch/0/ids"]["dtype"], content["batch/0/ids"]["max"]) == ("int64", 5)
    assert content["batch/0/more/0"]["shape"] == "[2, 2]"
    mask = content["output/Takes/parts/1/0"]
    assert (mask["dtype"], mask["count"]) == ("bool", 24)


def test_A03_a_batch_in_one_container_is_looked_into() -> None:
    class Sums(nn.Module):
        def forward(self, parts: Any) -> Tensor:
            return nn.functional.mse_loss(parts[0], parts[1])

    model = Sums()
    inspector = watched(model, InputHistogram(modules=()))
    model([torch.ones(2), torch.ones(2)])
    assert {"batch/0", "batch/1"} <= set(cards(inspector))


def test_A03_what_holds_itself_and_what_holds_no_numbers() -> None:
    ring: list[Any] = [torch.ones(1)]
    ring.append(ring)
    assert len(list(nested_tensors(ring))) == 16
    odd = [None, "a", b"b", 3, np.array(["x"]), torch.empty(2, device="meta"), np.array([None]), nn.Linear]
    odd.append(np.ones(1, np.longdouble))
    assert not list(nested_tensors(odd))
    big_endian = np.arange(3, dtype=">i4")
    assert [tensor.tolist() for _, tensor in nested_tensors(big_endian)] == [[0, 1, 2]]


# ---------------------------------------------------------------------- at which steps


def test_B02_every_50th_step_from_the_first_one_on_and_no_hook_between() -> None:
    model, seen = net(), []
    inspector = watched(model, OutputHistogram(), InputHistogram())

    def counts() -> Tensor:
        seen.append(sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in model.modules()))
        return batch()

    train(model, 101, counts)
    assert steps(inspector, "output/fc1") == steps(inspector, "batch/0") == [0, 50, 100]
    listens = [step for step, count in enumerate(seen) if count]
    assert {0, 50, 100} <= set(listens) and len(listens) <= 6 and inspector.status().overhead.every_steps == (50, 50)


def test_a_stride_of_its_own_and_a_share_of_the_budget() -> None:
    model = net()
    lens = OutputHistogram(every="auto")
    inspector = watched(model, InputHistogram(every=2), lens)
    train(model, 5)
    assert steps(inspector, "batch/0") == [0, 2, 4] and lens.every == "auto"
    assert steps(inspector, "output/fc1")[0] == 0


def test_evaluation_is_not_read_unless_asked() -> None:
    def found(**more: Any) -> list[int]:
        model = net()
        inspector = watched(model, OutputHistogram(every=1, **more))
        train(model, 2)
        model.eval()
        with torch.no_grad():
            model(batch(5))
        model.train()
        return [len(steps(inspector, "output/fc1")), int(cards(inspector)["output/fc1"].content["shape"][1])]

    assert found() == [2, 8] and found(record_eval=True) == [2, 5]


def test_calls_that_are_repeated_for_checkpointing_count_once_and_others_have_numbers() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.utils.checkpoint.checkpoint(self.fc, x, use_reentrant=False)
            return self.fc(x)

    model = Twice()
    inspector = watched(model, InputHistogram(every=1), OutputHistogram(every=1))
    train(model, 3)
    found = cards(inspector)
    assert set(found) == {"batch/0", "input/fc", "output/fc", "input/fc#2", "output/fc#2"}
    assert all(card.content["map"]["steps"] == [0, 1, 2] for card in found.values())


# ---------------------------------------------------------------------- what a card says


def test_A08_nan_and_infinity_are_told_by_layer() -> None:
    class Breaks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([x[:1] * float("nan"), x[1:2] / 0, x[2:]])

    model = nn.Sequential(nn.Linear(3, 4), Breaks(), nn.ReLU())
    inspector = watched(model, OutputHistogram(every=1))
    model(batch()).sum().backward()
    torch.optim.SGD(model.parameters(), lr=0.0).step()
    content = {key: card.content for key, card in cards(inspector).items()}
    assert [(content[f"output/{i}"]["nan"], content[f"output/{i}"]["inf"]) for i in range(2)] == [(0, 0), (4, 4)]
    assert content["output/1"]["count"] == 24 and content["output/1"]["map"]["bad"] == [8]
    assert content["output/2"]["nan"] == 4


def test_A02_a_card_is_plain_and_whole() -> None:
    model = net()
    inspector = watched(model, OutputHistogram(every=1, bins=16))
    values = []
    handle = model.fc1.register_forward_hook(lambda module, args, output: values.append(output.detach().clone()))
    train(model, 200)
    handle.remove()
    card = cards(inspector)["output/fc1"]
    content, drawn = card.content, card.content["map"]
    last = values[-1].double()
    assert content["step"] == 199 and content["count"] == last.numel() == sum(content["counts"])
    assert (content["low"], content["high"]) == (content["min"], content["max"]) == (last.min(), last.max())
    assert content["mean"] == pytest.approx(last.mean().item(), rel=1e-5)
    assert content["std"] == pytest.approx(last.std(correction=0).item(), rel=1e-5)
    assert content["counts"] == np.histogram(last.numpy(), 16)[0].tolist()
    assert len(card.buffers[0]) == 16 * len(drawn["steps"]) and drawn["bins"] == 16 and drawn["buffer"] == 0
    assert len(drawn["steps"]) <= 96 and set(np.diff(drawn["steps"])) == {4}
    everything = torch.stack(values)
    assert (drawn["low"], drawn["high"]) == (everything.min(), everything.max())
    assert all(type(number) is int for number in [*content["counts"], *drawn["steps"], *drawn["bad"], content["nan"]])


def test_constant_empty_and_unfinite_tensors_have_plain_numbers() -> None:
    model = nn.Identity()
    inspector = watched(model, InputHistogram(every=1))
    model({"ones": torch.ones(3), "none": torch.empty(0, 2), "nan": torch.tensor([float("nan")])})
    content = {key: card.content for key, card in cards(inspector).items() if key.startswith("batch")}
    ones, none, nan = content["batch/ones"], content["batch/none"], content["batch/nan"]
    assert (ones["low"], ones["high"], ones["min"], sum(ones["counts"])) == (0.5, 1.5, 1, 3)
    for empty in (none, nan):
        assert (empty["low"], empty["high"], empty["mean"], empty["min"], empty["count"]) == (0, 1, None, None, 0)
    assert nan["nan"] == 1 and none["shape"] == "[0, 2]"


# ---------------------------------------------------------------------- begin, change and end


def test_another_model_begins_anew_and_detach_keeps_the_cards() -> None:
    first, second = net(), nn.Sequential(nn.Linear(3, 1))
    inspector = watched(first, OutputHistogram(every=1))
    train(first, 2)
    inspector.detach()
    assert set(cards(inspector)) == {"output/fc1", "output/act", "output/head.0"}
    inspector.attach(second)
    assert not cards(inspector)
    train(second, 1)
    assert set(cards(inspector)) == {"output/0"}


def test_it_goes_on_over_refresh_and_other_changes() -> None:
    model = net()
    inspector = watched(model, OutputHistogram(every=1))
    train(model, 2)
    model.add_module("more", nn.Linear(1, 1))
    inspector.refresh()
    inspector.add(OutputNorm())
    train(model, 2)
    assert steps(inspector, "output/fc1") == [0, 1, 2, 3] and steps(inspector, "output/more") == [2, 3]


def test_it_can_be_added_changed_and_removed_from_the_page() -> None:
    model = net()
    inspector = watched(model)
    assert {"InputHistogram", "OutputHistogram"} <= {lens.name for lens in inspector.status().instrument.offered}
    inspector.command({"name": "add", "arguments": {"name": "OutputHistogram", "arguments": {"every": "1"}}})
    [lens] = inspector.lenses
    [info] = inspector.status().instrument.lenses
    assert info.tags == ("OutputHistogram",) and lens.every == 1
    train(model, 1)
    inspector.command({"name": "set", "arguments": {"tag": "OutputHistogram", "arguments": {"modules": "fc1, head"}}})
    train(model, 2)
    assert list(cards(inspector)) == ["output/fc1", "output/head"]
    inspector.detach()
    with pytest.raises(ArgumentError, match="'OutputHistogram' is there already"):
        inspector.add(OutputHistogram())
    inspector.remove("OutputHistogram")
    [refused] = [record.words for record in inspector.history.commands if record.refused]
    assert not inspector.lenses and "is there already" in refused


def test_hooks_go_with_the_lens_and_copies_of_the_model_have_none() -> None:
    model = net()
    lens = InputHistogram(every=1)
    inspector = watched(model, lens, OutputHistogram(every=1))
    train(model, 1)
    copied = copy.deepcopy(model)
    pickle.loads(pickle.dumps(model))(batch())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in copied.modules())
    assert "shelf" not in lens.__getstate__() and lens.shelf is not None
    inspector.remove("InputHistogram")
    train(model, 1)
    alive = weakref.ref(lens)
    del lens
    gc.collect()
    assert alive() is None
    inspector.detach()
    for part in model.modules():
        assert not part._forward_hooks and not part._forward_pre_hooks and not part._forward_pre_hooks_with_kwargs


def test_training_is_what_it_would_be() -> None:
    def weights(watch: bool) -> list[Tensor]:
        model = net()
        inspector = watched(model, InputHistogram(every=1), OutputHistogram(every=2, bins=7)) if watch else None
        train(model, 9)
        assert inspector is None or not inspector.status().faults
        return [parameter.detach() for parameter in model.parameters()]

    assert all(map(torch.equal, weights(True), weights(False)))


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # while torch compiles
def test_compiled_models_are_read() -> None:
    model = net()
    compiled = torch.compile(model, backend="eager")
    inspector = watched(compiled, OutputHistogram(every=1), InputHistogram(every=1))
    train(compiled, 2)
    assert steps(inspector, "output/fc1") == steps(inspector, "batch/0") == [0, 1]


def test_there_is_an_end_to_the_number_of_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cards_file, "MOST", 2)
    model = net()
    inspector = watched(model, OutputHistogram(every=1))
    with pytest.warns(NotWatched, match="histograms of 2 tensors are shown, and there are more"):
        trained(model, inspector)
    assert len(cards(inspector)) == 2
    train(model, 1)
    assert len(cards(inspector)) == 2


def test_what_is_wrong_raises_at_once() -> None:
    for wrong, words in (({"modules": [3]}, "expected modules to hold names"), ({"modules": 3}, "names like")):
        with pytest.raises(ArgumentTypeError, match=words):
            OutputHistogram(**wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="bins to be at most 512; received 1000"):
        InputHistogram(bins=1000)
    with pytest.raises(ArgumentTypeError, match="include to hold module classes"):
        InputHistogram(include=["Linear"])  # type: ignore[list-item]
    with pytest.raises(ArgumentError, match="expected every"):
        InputHistogram(every="often")  # type: ignore[arg-type]


def test_a_visualizer_that_takes_histograms_gets_them() -> None:
    class Takes(DummyVisualizer):
        def __init__(self) -> None:
            self.taken: list[Any] = []

        def add_histogram_raw(self, tag: str, step: int, **raw: Any) -> None:
            self.taken.append((tag, step, raw["num"]))

    model, visualizer = net(), Takes()
    inspector = watched(model, OutputHistogram(modules="fc1", every=2), visualizer=visualizer)
    train(model, 3)
    assert len(cards(inspector)) == 1 and visualizer.taken == [("output/fc1", 0, 32), ("output/fc1", 2, 32)]


def test_A04_tensorboard_gets_those_of_lenses_too(tmp_path: Path) -> None:
    model = net()
    inspector = watched(model, InputHistogram("fc1", every=2), visualizer=TensorBoardVisualizer(str(tmp_path)))
    train(model, 3)
    inspector.detach()
    events = EventAccumulator(str(tmp_path), size_guidance={"histograms": 0})
    events.Reload()
    assert set(events.Tags()["histograms"]) == {"batch/0", "input/fc1"}
    found = events.Histograms("input/fc1")
    assert [one.step for one in found] == [0, 2] and found[0].histogram_value.num == 24
    assert found[0].histogram_value.max == pytest.approx(batch().max().item())
