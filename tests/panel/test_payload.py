from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from monitorch_widgets.history import CAPACITY, MAX_BINS, History
from monitorch_widgets.panel.payload import (
    coarser,
    float32,
    int32,
    nothing,
    panel_content,
    snapshot_content,
    spec_content,
    status_content,
    whole,
)
from monitorch_widgets.values import Cost, Event, Fault, Instrument, ModuleInfo, Overhead, Reading, Status, Writer

from .stage import LOSS, NORM, RATE, Stage, floats, ints


def test_spec_is_plain_json_with_the_names_of_each_panel() -> None:
    stage = Stage()
    content = spec_content("Net", stage.specs, stage.modules, stage.history)
    assert json.loads(json.dumps(content)) == content
    assert [panel["series"] for panel in content["panels"]] == [["layer0", "layer1", "layer2"]] * 2 + [[]]
    assert content["panels"][0] | {"series": [], "about": {}} == {
        "tag": NORM,
        "title": "Output norm",
        "unit": "L2",
        "kind": "numerical",
        "log": True,
        "lines": ["mean"],
        "bands": ["std"],
        "stage": "",
        "moment": "",
        "about": {},
        "empty": "",
        "series": [],
    }
    assert (content["capacity"], content["max_bins"]) == (CAPACITY, MAX_BINS)
    assert content["modules"][1]["kind"] == "norm"


def test_status_never_holds_what_json_cannot_say() -> None:
    fault = Fault("OutputNorm", NORM, "fc", 3, "ZeroDivisionError", "Traceback")
    content = status_content(Status("live", steps_per_s=float("nan"), epoch_marks=((1, 40),), faults=(fault,)))
    json.dumps(content, allow_nan=False)
    assert content["steps_per_s"] is None
    assert content["epoch_marks"] == [[1, 40]]
    assert content["faults"][0]["words"] == "ZeroDivisionError"


def test_status_tells_events_stages_memory_and_what_is_not_watched_as_plain_json() -> None:
    status = Status(
        "live",
        events=(Event("skipped", 3, 9, 2, "No step was made"),),
        stages=((NORM, "mean over 4 micro-batches"),),
        memory_bytes=((NORM, 1024),),
        unwatched=(ModuleInfo("head.<b>x</b>", "ScriptModule", "other", note="hidden from hooks"),),
    )
    content = json.loads(json.dumps(status_content(status)))
    assert content["events"] == [
        {"kind": "skipped", "step": 3, "last_step": 9, "count": 2, "words": "No step was made"}
    ]
    assert content["stages"] == {NORM: "mean over 4 micro-batches"}
    assert content["memory_bytes"] == {NORM: 1024}
    assert content["unwatched"] == [
        {
            "name": "head.<b>x</b>",
            "type": "ScriptModule",
            "kind": "other",
            "activation": False,
            "note": "hidden from hooks",
        }
    ]
    empty = status_content(Status())
    assert [empty[key] for key in ("events", "stages", "memory_bytes", "unwatched")] == [[], {}, {}, []]


def test_B03_status_tells_writers_and_the_refresh_rate_as_plain_json() -> None:
    writers = (Writer("journal", 3, 10, 120.0), Writer("TensorBoard", None, 10, float("inf")))
    content = status_content(Status(writers=writers, instrument=Instrument(refresh_rate=2.0)))
    assert json.loads(json.dumps(content["writers"], allow_nan=False)) == [
        {"name": "journal", "waiting": 3, "max_queue": 10, "flush_secs": 120.0},
        {"name": "TensorBoard", "waiting": None, "max_queue": 10, "flush_secs": None},
    ]
    assert content["instrument"]["refresh_rate"] == 2.0
    assert status_content(Status())["writers"] == []


def test_what_watching_costs_is_plain_json_with_none_for_what_was_not_measured() -> None:
    costs = (Cost("OutputNorm", (NORM,), 4, True, 0.002, 0.01), Cost("hooks"))
    content = status_content(Status(overhead=Overhead(0.031, 0.05, (1, 4), costs)))["overhead"]
    assert json.loads(json.dumps(content, allow_nan=False)) == {
        "fraction": 0.031,
        "max_fraction": 0.05,
        "every_steps": [1, 4],
        "costs": [
            {"name": "OutputNorm", "tags": [NORM], "every_steps": 4, "pairs": True, "once_s": 0.002, "fraction": 0.01},
            {"name": "hooks", "tags": [], "every_steps": 0, "pairs": False, "once_s": None, "fraction": None},
        ],
    }
    nothing_yet = status_content(Status())["overhead"]
    assert nothing_yet == {"fraction": None, "max_fraction": None, "every_steps": [0, 0], "costs": []}


def test_buffers_keep_nan_and_hold_what_is_too_large_for_them() -> None:
    values = floats(float32(np.array([1.5, np.nan, 1e300, -1e300])), 4)
    assert values[0] == 1.5
    assert np.isnan(values[1])
    assert np.isfinite(values[2:]).all()
    assert ints(int32(np.array([7, 2**40]))).tolist() == [7, 2**31 - 1]


def test_snapshot_has_rows_and_bins_of_every_panel() -> None:
    stage = Stage()
    stage.train(CAPACITY + 10)
    panels = snapshot_content(stage.history, [NORM, RATE, LOSS])["panels"]
    rows, bins = panels[0]["rows"], panels[0]["bins"]
    assert 0 < rows["first"] < CAPACITY
    assert rows["first"] + rows["n"] == CAPACITY + 10
    assert ints(rows["steps"])[-1] == CAPACITY + 9
    assert floats(rows["values"], rows["n"], 3)[-1].tolist() == [CAPACITY + 9, CAPACITY + 10, CAPACITY + 11]
    assert (bins["n"], bins["width"]) == (rows["first"] // 8, 8)
    assert ints(bins["last_step"])[:2].tolist() == [7, 15]
    assert floats(bins["stats"], bins["n"], 3, 8)[0, 0, :2].tolist() == [8, 3.5]
    assert panels[2]["series"] == ["train_loss"]


def test_a_panel_without_readings_is_empty() -> None:
    (panel,) = snapshot_content(History(), ["Nothing Yet"])["panels"]
    assert panel == panel_content(nothing())
    assert (panel["rows"]["n"], panel["bins"]["n"], panel["series"]) == (0, 0, [])


def test_a_large_snapshot_is_folded_to_its_budget_and_keeps_extremes_and_the_newest() -> None:
    history = History()
    for step in range(CAPACITY):
        history.record([Reading("t", f"m{i}", step, 9.0 if step == 5 else 1.0) for i in range(4)], 0.0)
    everything = whole(history["t"])
    small = coarser(everything, everything.size // 8)
    assert small.size <= everything.size // 8
    assert small.rows.steps[-1] == CAPACITY - 1
    assert np.nanmax(small.bins.stats[..., 4]) == 9.0
    assert small.bins.stats[:, 0, 0].sum() + len(small.rows.steps) == CAPACITY
    counts = small.bins.stats[1:, 0, 0]
    assert (counts == small.width).all()


def test_snapshot_size_does_not_grow_with_the_run() -> None:
    history = History()

    def size() -> int:
        (panel,) = snapshot_content(history, ["t"], size=100_000)["panels"]
        return len(panel["rows"]["values"]) + len(panel["bins"]["stats"])

    sizes = []
    for start in range(0, 4 * CAPACITY, CAPACITY // 2):
        for step in range(start, start + CAPACITY // 2):
            history.record([Reading("t", name, step, 1.0) for name in "abcdefghij"], 0.0)
        sizes.append(size())
    assert max(sizes) <= 100_000


@pytest.mark.parametrize("columns", [1, 40])
def test_a_series_is_read_whole_while_another_thread_folds_it(columns: int) -> None:
    history = History()
    names = [f"m{i}" for i in range(columns)]
    done = threading.Event()

    def train() -> None:
        series = history.declare("t", names)
        for step in range(6 * CAPACITY):
            series.record(step, 0.0, names, [float(step)] * columns)
        done.set()

    thread = threading.Thread(target=train)
    thread.start()
    while not done.is_set():
        if "t" in history:
            taken = whole(history["t"])
            if len(taken.rows.steps):
                finished = slice(0, -1)  # the newest row is being filled
                assert (taken.rows.values[finished] == taken.rows.steps[finished, None]).all()
                assert taken.rows.steps[0] == (taken.bins.last_step[-1] + 1 if len(taken.bins) else 0)
    thread.join()
