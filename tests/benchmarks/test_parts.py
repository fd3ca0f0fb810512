"""What the programs are made of: turns, worlds, ratios, made-up readings."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from benchmarks.history import Run, size
from benchmarks.models import MODELS, make
from benchmarks.quartiles import errors
from benchmarks.results import Record, add_shares
from benchmarks.signals import Signals
from benchmarks.timing import WARM, Plan, Times, take_turns
from benchmarks.variants import Variant, build
from monitorch_widgets.history import Series

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", MODELS)
def test_copies_of_a_model_are_equal(name: str) -> None:
    one, other = make(name, CPU), make(name, CPU)
    for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True):
        assert a is not b and torch.equal(a, b)
    assert torch.equal(one.batches[0][0], other.batches[0][0])


def test_all_variants_make_the_same_steps_and_reach_the_same_weights() -> None:
    variants = {name: build(name, "mlp14x64", CPU, "dummy") for name in ("none", "full", "paused")}
    times = take_turns(variants, Plan(block=2, steps=6), CPU)
    assert {name: len(its.steps) for name, its in times.items()} == dict.fromkeys(variants, 6)
    bare = variants["none"].training.model.state_dict()
    for variant in variants.values():
        for key, value in variant.training.model.state_dict().items():
            assert torch.equal(value, bare[key])
        with variant.world.entered():
            variant.close()


def test_steps_before_the_count_are_made_in_each_block() -> None:
    made: list[int] = []
    variant = Variant("bare", make("mlp14x64", CPU), after_step=lambda: made.append(1))
    take_turns({"none": variant}, Plan(block=2, steps=4), CPU)
    assert len(made) == 4 + 2 * WARM


def test_rounds_end_with_the_steps_and_with_the_time_but_not_before_the_least() -> None:
    plan = Plan(block=5, steps=50, seconds=10, least_rounds=3)
    assert plan.goes_on(9, 0) and not plan.goes_on(10, 0)
    assert plan.goes_on(2, 11) and not plan.goes_on(3, 11)


def hooks_of_all() -> int:
    from torch.optim import optimizer

    return len(optimizer._global_optimizer_pre_hooks) + len(optimizer._global_optimizer_post_hooks)


def test_global_hooks_are_there_only_while_their_variant_runs() -> None:
    before = hooks_of_all()
    variant = build("full", "mlp14x64", CPU, "dummy")
    assert hooks_of_all() == before
    with variant.world.entered():
        assert hooks_of_all() > 0
        variant.close()
    assert hooks_of_all() == before
    with variant.world.entered():
        assert hooks_of_all() == 0


def times_of(*steps: float) -> Times:
    return Times(list(steps), list(steps), list(steps))


def test_a_record_has_what_is_added_and_its_share_of_what_the_rival_adds() -> None:
    bare = times_of(1.0, 1.0, 1.0)
    records = [
        Record.of("none", "bare", "", bare, bare),
        Record.of("full", "ours", "", times_of(1.5, 1.5, 3.0), bare),
        Record.of("monitorch", "monitorch", "", times_of(2.0, 2.0, 2.0), bare),
    ]
    add_shares(records)
    assert (records[1].ratio, records[1].mean_ratio, records[1].share, records[1].mean_share) == (1.5, 2.0, 0.5, 1.0)
    assert math.isnan(records[0].share) and records[2].share == 1


def test_made_up_readings_are_the_same_however_they_are_asked_for() -> None:
    signals = Signals(3, 4)
    for tag in range(4):
        block = signals.readings(tag, 65_000, 2000)  # past the end of the drawn numbers
        assert np.array_equal(block[1500:], signals.readings(tag, 66_500, 500))
        assert np.array_equal(block[:, 1], signals.column(tag, 1, 65_000, 2000))


def test_quartiles_of_bins_straight_from_readings_have_no_error() -> None:
    signals = Signals(2, 1)
    run = Run(signals, block=64)
    list(run.marks(6000))
    series = run.history[signals.tags[0]]
    assert len(series.bins.last_step)
    assert series.fold_width == 8 and len(series.bins.last_step) <= 512
    ranks, values = errors(series, signals, 0, 1)
    assert values.max() < 1e-9
    assert ranks.max() <= 0.125


def test_no_bins_have_no_errors() -> None:
    ranks, values = errors(Series("nothing", ["a"]), Signals(1, 1), 0, 0)
    assert len(ranks) == len(values) == 0


def test_size_of_a_message_counts_buffers_and_words() -> None:
    assert size({"ab": [b"1234", memoryview(b"56")], "c": {"d": 1.5}}) == 2 + 4 + 2 + 1 + 1 + 3
