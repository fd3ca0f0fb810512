from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from monitorch_widgets.history import CAPACITY
from monitorch_widgets.history.bins import fold_rows
from monitorch_widgets.panel.feed import Delta, Feed, overhead_differs
from monitorch_widgets.panel.payload import status_content
from monitorch_widgets.values import Cost, Event, Fault, ModuleInfo, Overhead, Reading, Writer

from .stage import LOSS, NORM, RATE, Stage, floats, ints, module_infos

TAGS = [NORM, RATE, LOSS]


def delta_of(feed: Feed, stage: Stage) -> Delta:
    delta = feed.delta(stage.status())
    assert delta is not None
    return delta


def test_first_delta_has_all_rows_of_all_panels() -> None:
    stage = Stage()
    stage.train(5)
    delta = delta_of(Feed(stage.history, TAGS), stage)
    assert [(part["p"], part["w"], part["n"], part["first"]) for part in delta.content["parts"]] == [
        (0, 3, 5, 0),
        (1, 3, 5, 0),
        (2, 1, 5, 0),
    ]
    assert delta.content["parts"][2]["series"] == ["train_loss"]
    steps, seconds, values = delta.buffers
    assert ints(steps).tolist() == 3 * [0, 1, 2, 3, 4]
    assert floats(seconds, 15)[1] == np.float32(0.01)
    assert floats(values, 5 * (3 + 3 + 1))[12:15].tolist() == [4, 5, 6]


def test_later_deltas_begin_at_the_newest_row_that_was_sent() -> None:
    stage = Stage()
    feed = Feed(stage.history, TAGS)
    stage.train(5)
    delta_of(feed, stage)
    stage.train(2, start=5)
    delta = delta_of(feed, stage)
    assert ints(delta.buffers[0]).tolist() == 3 * [4, 5, 6]
    assert all("series" not in part for part in delta.content["parts"])


def test_nothing_new_is_nothing_to_send() -> None:
    stage = Stage()
    feed = Feed(stage.history, TAGS)
    assert feed.delta(stage.status()) is not None  # the first status
    assert feed.delta(stage.status()) is None
    stage.train(3)
    delta_of(feed, stage)
    stage.now = dataclasses.replace(stage.now, elapsed_s=99.0, steps_per_s=1.0)
    assert feed.delta(stage.status()) is None


def test_a_late_reading_of_the_newest_row_sends_it_again() -> None:
    stage = Stage()
    feed = Feed(stage.history, TAGS)
    stage.train(3)
    delta_of(feed, stage)
    stage.history.record([Reading(LOSS, "val_loss", 2, 0.7)], second=1.0)
    delta = delta_of(feed, stage)
    assert [part["p"] for part in delta.content["parts"]] == [2]
    assert delta.content["parts"][0]["series"] == ["train_loss", "val_loss"]
    assert ints(delta.buffers[0]).tolist() == [2]
    assert floats(delta.buffers[2], 2)[1] == np.float32(0.7)


def test_a_changed_status_alone_is_sent_and_long_lists_only_when_they_change() -> None:
    stage = Stage()
    feed = Feed(stage.history, TAGS)
    delta_of(feed, stage)
    stage.now = dataclasses.replace(stage.now, phase="eval")
    delta = delta_of(feed, stage)
    assert delta.content["parts"] == []
    assert delta.content["status"]["phase"] == "eval"
    assert "faults" not in delta.content["status"]
    fault = Fault("OutputNorm", NORM, "fc", 3, "broken", "")
    stage.now = dataclasses.replace(stage.now, faults=(fault,))
    assert delta_of(feed, stage).content["status"]["faults"][0]["words"] == "broken"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("events", (Event("skipped", 3, 9, 2, "No step was made"),)),
        ("stages", ((NORM, "mean over 4 micro-batches"),)),
        ("memory_bytes", ((NORM, 1024),)),
        ("unwatched", (ModuleInfo("head", "ScriptModule", "other", note="hidden from hooks"),)),
        ("writers", (Writer("journal", 3, 10, 120.0),)),
    ],
)
def test_what_changes_seldom_is_sent_once(field: str, value: object) -> None:
    stage = Stage()
    feed = Feed(stage.history, TAGS)
    delta_of(feed, stage)
    stage.now = dataclasses.replace(stage.now, step=1, **{field: value})
    assert delta_of(feed, stage).content["status"][field] == status_content(stage.now)[field]
    stage.now = dataclasses.replace(stage.now, phase="eval")
    assert field not in delta_of(feed, stage).content["status"]
    stage.now = dataclasses.replace(stage.now, step=2, **{field: ()})
    assert not delta_of(feed, stage).content["status"][field]


def test_B03_what_waits_in_a_queue_is_no_reason_to_send() -> None:
    stage = Stage()
    feed = Feed(stage.history, TAGS)
    delta_of(feed, stage)
    stage.now = dataclasses.replace(stage.now, writers=(Writer("journal", 3, 10, 120.0),))
    assert feed.delta(stage.status()) is None


def test_what_was_seen_is_not_sent_and_lost_rows_are_noticed() -> None:
    stage = Stage()
    stage.train(3)
    feed = Feed(stage.history, TAGS)
    feed.seen(stage.status())
    assert feed.delta(stage.status()) is None
    assert not feed.torn
    stage.train(CAPACITY + 10, start=3)
    assert feed.delta(stage.status()) is None
    assert feed.torn
    feed.seen(stage.status())
    assert not feed.torn


COST = Cost("OutputNorm", (NORM,), 4, False, 0.002, 0.01)
OVERHEAD = Overhead(0.031, 0.05, (4, 4), (COST, Cost("hooks", fraction=0.001)))


def test_what_it_costs_is_told_when_it_has_changed_enough_and_is_no_reason_to_send() -> None:
    stage = Stage()
    feed = Feed(stage.history, TAGS)
    stage.now = dataclasses.replace(stage.now, overhead=OVERHEAD)
    assert delta_of(feed, stage).content["status"]["overhead"]["fraction"] == 0.031
    stage.now = dataclasses.replace(stage.now, overhead=dataclasses.replace(OVERHEAD, fraction=0.2))
    assert feed.delta(stage.status()) is None
    stage.now = dataclasses.replace(stage.now, step=1)
    assert delta_of(feed, stage).content["status"]["overhead"]["fraction"] == 0.2
    told = 0
    for step in range(2, 400):  # a drift, each time by too little
        overhead = dataclasses.replace(OVERHEAD, fraction=0.2 + step / 10_000)
        stage.now = dataclasses.replace(stage.now, step=step, overhead=overhead)
        told += "overhead" in delta_of(feed, stage).content["status"]
    assert 2 <= told <= 6


@pytest.mark.parametrize(
    ("now", "differs"),
    [
        (OVERHEAD, False),
        (dataclasses.replace(OVERHEAD, fraction=0.0315), False),
        (dataclasses.replace(OVERHEAD, fraction=0.04), True),
        (dataclasses.replace(OVERHEAD, fraction=float("nan")), True),
        (dataclasses.replace(OVERHEAD, max_fraction=None), True),
        (dataclasses.replace(OVERHEAD, every_steps=(4, 8)), True),
        (dataclasses.replace(OVERHEAD, costs=OVERHEAD.costs[:1]), True),
        (dataclasses.replace(OVERHEAD, costs=(dataclasses.replace(COST, every_steps=8), *OVERHEAD.costs[1:])), True),
        (dataclasses.replace(OVERHEAD, costs=(dataclasses.replace(COST, once_s=0.003), *OVERHEAD.costs[1:])), True),
        (dataclasses.replace(OVERHEAD, costs=(dataclasses.replace(COST, once_s=0.00201), *OVERHEAD.costs[1:])), False),
    ],
)
def test_a_small_change_of_what_it_costs_is_none(now: Overhead, differs: bool) -> None:
    assert overhead_differs(OVERHEAD, now) is differs


def test_nothing_measured_yet_is_the_same_as_before() -> None:
    assert not overhead_differs(Overhead(), Overhead())
    assert not overhead_differs(Overhead(costs=(Cost("hooks"),)), Overhead(costs=(Cost("hooks"),)))


def test_more_than_a_message_may_hold_comes_in_bins_that_keep_every_reading() -> None:
    stage = Stage(modules=module_infos(200))
    feed = Feed(stage.history, TAGS)
    stage.train(3)
    delta_of(feed, stage)
    stage.train(300, start=3)
    delta = delta_of(feed, stage)
    assert sum(map(len, delta.buffers)) < 220_000
    norm, rate, loss = delta.content["parts"]
    assert norm["bins"] > 0 and rate["bins"] > 0
    assert "bins" not in loss  # a narrow one is no burden
    values = np.frombuffer(delta.buffers[2], np.float32)
    stats = values[: norm["bins"] * 200 * 8].reshape(norm["bins"], 200, 8)
    assert stats[:, 0, 0].sum() + norm["n"] == 300  # and not the row that was sent before
    assert (stats[0, 0, 3], norm["first"] + norm["n"]) == (3.0, 303)
    rows = stage.history[NORM].newest(3)
    count = int(stats[0, 0, 0])
    expected = fold_rows(rows.steps[:count], rows.seconds[:count], rows.values[:count], count).stats[0]
    np.testing.assert_allclose(stats[0], expected, rtol=1e-6)
    assert feed.delta(stage.status()) is None


@pytest.mark.parametrize("steps", [1, 2, 7, 40, 999])
def test_a_message_has_about_the_bytes_that_it_may_or_one_bin_a_panel(steps: int) -> None:
    stage = Stage(modules=module_infos(500))
    feed = Feed(stage.history, TAGS)
    stage.train(steps)
    delta = delta_of(feed, stage)
    assert sum(map(len, delta.buffers)) < 200_000 + 2 * 4 * 500 * 9
    taken = sum(part["n"] for part in delta.content["parts"])
    assert taken >= 3
