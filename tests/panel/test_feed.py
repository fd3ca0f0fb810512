from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from monitorch_widgets.history import CAPACITY
from monitorch_widgets.panel.feed import Delta, Feed
from monitorch_widgets.panel.payload import status_content
from monitorch_widgets.values import Event, Fault, ModuleInfo, Reading

from .stage import LOSS, NORM, RATE, Stage, floats, ints

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
    steps, seconds, values = delta.buffers[:3]
    assert ints(steps).tolist() == [0, 1, 2, 3, 4]
    assert floats(seconds, 5)[1] == np.float32(0.01)
    assert floats(values, 5, 3)[4].tolist() == [4, 5, 6]


def test_later_deltas_begin_at_the_newest_row_that_was_sent() -> None:
    stage = Stage()
    feed = Feed(stage.history, TAGS)
    stage.train(5)
    delta_of(feed, stage)
    stage.train(2, start=5)
    delta = delta_of(feed, stage)
    assert ints(delta.buffers[0]).tolist() == [4, 5, 6]
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
    ],
)
def test_what_changes_seldom_is_sent_once(field: str, value: object) -> None:
    stage = Stage()
    feed = Feed(stage.history, TAGS)
    delta_of(feed, stage)
    stage.now = dataclasses.replace(stage.now, **{field: value})
    assert delta_of(feed, stage).content["status"][field] == status_content(stage.now)[field]
    stage.now = dataclasses.replace(stage.now, phase="eval")
    assert field not in delta_of(feed, stage).content["status"]
    stage.now = dataclasses.replace(stage.now, **{field: ()})
    assert not delta_of(feed, stage).content["status"][field]


def test_what_was_seen_is_not_sent_and_lost_rows_are_noticed() -> None:
    stage = Stage()
    stage.train(3)
    feed = Feed(stage.history, TAGS)
    feed.seen(status_content(stage.status()))
    assert feed.delta(stage.status()) is None
    assert not feed.torn
    stage.train(CAPACITY + 10, start=3)
    assert feed.torn
