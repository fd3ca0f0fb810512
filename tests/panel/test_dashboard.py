from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from monitorch_widgets.errors import ArgumentError, MonitorchWarning
from monitorch_widgets.history import CAPACITY
from monitorch_widgets.panel.dashboard import AHEAD, MIDWAY_BYTES, Dashboard, Subject
from monitorch_widgets.panel.flow import INTERVAL_S, PATIENCE_S, SHARE
from monitorch_widgets.values import ChartSpec, Event, Instrument, ModuleInfo, Reading, Status

from .stage import LOSS, NORM, RATE, Stage, floats, module_infos
from .wire import Wire, page_says


def subject(stage: Stage) -> Subject:
    return Subject(stage.title, stage.specs, stage.modules, stage.history, stage.status)


def due(dashboard: Dashboard) -> Dashboard:
    """The same dashboard, as if its pause were over and the page had taken all that was sent."""
    page_says(dashboard, {"type": "taken", "page": "a", "number": dashboard._flow.number})
    dashboard._flow.due = 0.0
    return dashboard


def test_opening_brings_everything_that_is_known(wire: Wire) -> None:
    stage = Stage()
    stage.train(4)
    dashboard = Dashboard(subject(stage))
    (opened,) = wire.of(dashboard, "comm_open")
    state = opened["state"]
    assert [panel["tag"] for panel in state["spec"]["panels"]] == [NORM, RATE, LOSS]
    assert state["models"][0]["mean"] == f"IPY_MODEL_{dashboard.models[0]['mean'].model_id}"
    assert state["status"]["state"] == "live"
    assert state["view"]["shown"] == ["layer0", "layer1", "layer2"]
    assert state["snapshot"]["panels"][0]["rows"]["n"] == 4
    assert "function" in state["_esm"]
    dashboard.refresh()
    assert wire.custom(dashboard) == []


def test_one_message_for_all_panels_and_none_when_nothing_is_new(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.train(3)
    dashboard.refresh()
    (message,) = wire.custom(dashboard)
    assert (message["t"], len(message["parts"]), message["status"]["step"]) == ("delta", 3, 3)
    buffers = wire.published[-1][3]
    assert len(buffers) == 3
    assert floats(buffers[2], 3 * (3 + 3 + 1))[6:9].tolist() == [2, 3, 4]
    due(dashboard).refresh()
    assert len(wire.custom(dashboard)) == 1


def test_what_was_not_sent_yet_is_not_lost_when_the_same_is_watched_again(wire: Wire) -> None:
    stage = Stage()
    stage.train(1)
    dashboard = Dashboard(subject(stage))
    stage.train(3, start=1)
    stage.now = replace(stage.now, instrument=Instrument(log_every_n_steps=7))
    dashboard.watch(subject(stage))
    dashboard.refresh()
    (message,) = wire.custom(dashboard)
    assert [(part["first"], part["n"]) for part in message["parts"]] == 3 * [(0, 4)]  # the newest row goes again
    assert message["status"]["instrument"]["log_every_n_steps"] == 7


def test_refreshing_is_bounded_by_time_unless_forced(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.train(1)
    dashboard.refresh()
    for step in range(1, 200):
        stage.train(1, start=step)
        dashboard.refresh()
        if time.monotonic() >= dashboard.due:
            break
    assert len(wire.custom(dashboard)) == 1
    stage.train(1, start=500)
    dashboard.refresh(force=True)
    assert len(wire.custom(dashboard)) == 2


def test_a_slow_wire_takes_no_more_than_its_share(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.train(1)
    clock = iter([100.0, 104.0])  # sending took four seconds
    dashboard._flow.due = 0.0
    monkeypatch.setattr("monitorch_widgets.panel.dashboard.monotonic", lambda: next(clock))
    dashboard.refresh()
    assert 4.0 / (dashboard.due - 100.0) == pytest.approx(SHARE)
    assert dashboard.due - 100.0 > INTERVAL_S


def test_the_share_of_the_time_may_be_set_and_the_time_is_told(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    assert (dashboard.share, dashboard.spent_s) == (SHARE, 0.0)
    dashboard.share = 0.01
    stage.train(1)
    clock = iter([100.0, 100.5, 100.6, 200.0, 200.25])
    monkeypatch.setattr("monitorch_widgets.panel.dashboard.monotonic", lambda: next(clock))
    dashboard.refresh()
    assert dashboard.spent_s == 0.5
    assert 0.5 / (dashboard.due - 100.0) == pytest.approx(0.01)
    dashboard.refresh()  # not due
    due(dashboard).refresh()
    assert dashboard.spent_s == 0.75


def test_the_next_message_waits_until_the_page_has_taken_the_last(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))

    def step_after(seconds: float) -> int:
        """A step later on; how many messages there are by then."""
        stage.train(1, start=stage.now.step)
        dashboard._flow.due -= seconds
        dashboard._flow._asked -= seconds
        dashboard.refresh()
        return len(wire.custom(dashboard))

    assert step_after(0.0) == 1
    page_says(dashboard, {"type": "taken", "page": "a", "number": 1})
    assert step_after(0.2) == 2  # so answers are heard here
    assert step_after(0.2) == 2
    assert step_after(0.5) == 2
    page_says(dashboard, {"type": "taken", "page": "a", "number": 2})
    assert step_after(0.2) == 3
    last = wire.custom(dashboard)[-1]
    assert (last["number"], last["heard"]) == (3, 2)
    assert len(last["parts"]) == 3
    assert last["parts"][0]["n"] >= 3  # all that came meanwhile, and nothing was queued
    assert step_after(PATIENCE_S) == 4  # the page is gone, or far too slow


@pytest.mark.parametrize(
    "content",
    [{"type": "taken"}, {"type": "taken", "page": "a"}, {"type": "taken", "page": 1, "number": 1},
     {"type": "taken", "page": "a", "number": "1"}],
)  # fmt: skip
def test_nonsense_answers_are_ignored(wire: Wire, content: dict[str, Any]) -> None:
    dashboard = Dashboard(subject(Stage()))
    page_says(dashboard, content)
    assert dashboard._flow.heard == 0


def test_what_is_forced_after_each_of_many_short_epochs_is_not_all_sent(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    for step in range(200):
        stage.train(1, start=step)
        dashboard.refresh(force=True)
    assert 2 <= len(wire.custom(dashboard)) < 100
    dashboard.finish()
    assert wire.updates(dashboard)[-1]["snapshot"]["panels"][0]["rows"]["n"] == 200


def test_the_whole_state_is_smaller_in_the_midst_of_a_run_than_at_its_end(wire: Wire) -> None:
    stage = Stage(modules=module_infos(150))
    dashboard = Dashboard(subject(stage))
    stage.train(CAPACITY + 5)
    dashboard.refresh()
    midway = sum(map(len, wire.published[-1][3]))
    assert midway < 1.3 * MIDWAY_BYTES
    assert dashboard.due - time.monotonic() > 1  # and takes its time
    dashboard.finish()
    assert sum(map(len, wire.published[-1][3])) > 2 * midway


def test_finish_sends_the_whole_state_once(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    dashboard.finish()
    before = len(wire.updates(dashboard))
    stage.train(5)
    dashboard.refresh()
    stage.now = replace(stage.now, state="finished")
    dashboard.finish()
    dashboard.finish()
    (state,) = wire.updates(dashboard)[before:]
    assert state["status"]["state"] == "finished"
    assert state["snapshot"]["panels"][2]["rows"]["n"] == 5
    due(dashboard).refresh()
    assert len(wire.custom(dashboard)) == 1


def test_rows_that_were_folded_unsent_are_made_good_by_the_whole_state(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.train(CAPACITY + 5)
    dashboard.refresh()
    assert wire.custom(dashboard) == []
    assert wire.updates(dashboard)[-1]["snapshot"]["panels"][0]["bins"]["n"] > 0


def test_a_reloaded_page_gets_data_and_view(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.train(7)
    page_says(dashboard, {"type": "view", "view": {"seq": 1, "smooth": 0.5}})
    dashboard._handle_msg({"content": {"data": {"method": "request_state"}}, "buffers": []})
    state = wire.updates(dashboard)[-1]
    assert state["snapshot"]["panels"][0]["rows"]["n"] == 7
    assert state["status"]["step"] == 7
    assert state["view"]["smooth"] == 0.5


def test_the_view_comes_from_the_page_and_older_ones_are_ignored(wire: Wire) -> None:
    dashboard = Dashboard(subject(Stage()))
    page_says(dashboard, {"type": "view", "view": {**dashboard.view, "seq": 3, "mode": "map", "shown": ["layer1"]}})
    assert (dashboard.view["mode"], dashboard.view["shown"], dashboard.view["seq"]) == ("map", ["layer1"], 3)
    page_says(dashboard, {"type": "view", "view": {**dashboard.view, "seq": 2, "mode": "lines"}})
    assert dashboard.view["mode"] == "map"


@pytest.mark.parametrize("content", [{}, {"type": "view"}, {"type": "view", "view": {"seq": "1"}}, {"type": "no"}])
def test_nonsense_from_the_page_changes_nothing(wire: Wire, content: dict[str, Any]) -> None:
    dashboard = Dashboard(subject(Stage()))
    before = dashboard.view
    page_says(dashboard, content)
    assert dashboard.view == before


def test_a_view_set_from_python_reaches_the_page_and_outdoes_clicks_on_their_way(wire: Wire) -> None:
    dashboard = Dashboard(subject(Stage()))
    dashboard.set_view({"shown": ["layer2"]})
    assert wire.updates(dashboard)[-1]["view"]["shown"] == ["layer2"]
    page_says(dashboard, {"type": "view", "view": {**dashboard.view, "seq": 5, "shown": ["layer0"]}})
    assert dashboard.view["shown"] == ["layer2"]
    assert dashboard.view["seq"] == AHEAD
    with pytest.raises(ArgumentError, match="Did you mean 'layer"):
        dashboard.set_view({"shown": ["layr2"]})


def test_another_model_comes_in_one_update_and_uses_the_charts_again(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    charts = list(dashboard.models)
    page_says(dashboard, {"type": "view", "view": {"seq": 1, "smooth": 0.5, "shown": ["layer0"]}})
    other = Stage(modules=module_infos(2, "block"), specs=stage.specs[:1], title="Other")
    other.train(3)
    before = len(wire.of(dashboard))
    dashboard.watch(subject(other))
    (state,) = [data["state"] for data in wire.of(dashboard)[before:]]
    assert set(state) == {"spec", "models", "view", "status", "snapshot"}
    assert (state["spec"]["title"], len(state["models"])) == ("Other", 1)
    assert (state["view"]["shown"], state["view"]["smooth"]) == (["block0", "block1"], 0.5)
    assert state["view"]["seq"] > 1
    assert state["snapshot"]["panels"][0]["rows"]["n"] == 3
    assert len(state["snapshot"]["panels"]) == 3  # padded: a saved notebook has the paths of all buffers
    assert dashboard.models == charts[:1]
    dashboard.watch(subject(stage))
    assert dashboard.models == charts


def test_new_panels_of_the_same_model_leave_the_choice_alone(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    page_says(dashboard, {"type": "view", "view": {"seq": 4, "shown": ["layer2"], "solo": "layer2"}})
    stage.specs = (*stage.specs, ChartSpec("Metrics", "Metrics", kind="metrics"))
    dashboard.watch(subject(stage))
    assert (dashboard.view["shown"], dashboard.view["solo"], dashboard.view["seq"]) == (["layer2"], "layer2", 4)
    assert "Metrics" in dashboard.view["panels"]
    assert len(dashboard.models) == 4


def test_a_panel_that_joins_comes_last_whatever_the_order_of_the_lenses(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.specs = (ChartSpec("Metrics", "Metrics", kind="metrics"), *stage.specs)
    stage.history.record([Reading("Metrics", "accuracy", 0, 0.5)], second=0.0)
    dashboard.watch(subject(stage))
    assert [panel["tag"] for panel in dashboard.spec["panels"]] == [NORM, RATE, LOSS, "Metrics"]
    state = wire.updates(dashboard)[-1]
    assert [panel["series"] for panel in state["snapshot"]["panels"]][-1] == ["accuracy"]
    stage.history.record([Reading("Metrics", "accuracy", 1, 0.6)], second=0.1)
    dashboard.refresh(force=True)
    assert [part["p"] for part in wire.custom(dashboard)[-1]["parts"]] == [3]
    stage.specs = stage.specs[:1]
    dashboard.watch(subject(stage))
    assert [panel["tag"] for panel in dashboard.spec["panels"]] == ["Metrics"]


def test_the_whole_state_has_events_stages_memory_and_what_is_not_watched(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.train(3)
    stage.now = replace(
        stage.now,
        events=(Event("skipped", 1, 1, 1, "No step was made"),),
        stages=((NORM, "mean over 4 micro-batches"),),
        memory_bytes=((NORM, 1024),),
        unwatched=(ModuleInfo("head", "ScriptModule", "other", note="hidden from hooks"),),
    )
    dashboard.finish()
    status = wire.updates(dashboard)[-1]["status"]
    assert status["events"][0]["words"] == "No step was made"
    assert (status["stages"], status["memory_bytes"]) == ({NORM: "mean over 4 micro-batches"}, {NORM: 1024})
    assert status["unwatched"][0]["note"] == "hidden from hooks"


def test_a_dashboard_shown_before_the_model_gets_the_modules_with_it(wire: Wire) -> None:
    early = Stage(modules=())
    dashboard = Dashboard(subject(early))
    assert dashboard.view["shown"] == []
    dashboard.watch(subject(Stage()))
    assert dashboard.view["shown"] == ["layer0", "layer1", "layer2"]


def test_the_same_subject_again_sends_nothing(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    before = len(wire.published)
    dashboard.watch(subject(stage))
    assert len(wire.published) == before


def test_a_broken_wire_warns_once_and_later_everything_arrives(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.train(2)
    wire.broken = True
    with pytest.warns(MonitorchWarning, match="training goes on"):
        dashboard.refresh()
    due(dashboard).refresh()
    wire.broken = False
    due(dashboard).refresh()
    assert wire.updates(dashboard)[-1]["snapshot"]["panels"][0]["rows"]["n"] == 2


def test_strict_raises_what_goes_wrong(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage), strict=True)
    stage.train(2)
    wire.broken = True
    with pytest.raises(ConnectionError):
        dashboard.refresh()


def test_an_interrupt_while_sending_loses_nothing(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.train(2)

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(dashboard, "send", interrupted)
        with pytest.raises(KeyboardInterrupt):
            dashboard.refresh()
    due(dashboard).refresh()
    assert wire.updates(dashboard)[-1]["snapshot"]["panels"][0]["rows"]["n"] == 2


def test_the_page_may_choose_the_shell_that_hears_it(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.train(2)
    dashboard.refresh()
    dashboard.finish()
    assert not hasattr(dashboard.comm, "_reply_subshell_id")
    dashboard.comm._reply_subshell_id = "the training's"  # as it is while something is on its way out
    assert dashboard.comm._reply_subshell_for({}, "the page's") == "the page's"


def test_names_of_metrics_that_came_later_may_be_looked_at(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.history.record([Reading(LOSS, "accuracy", 0, 0.5)], second=0.0)
    dashboard.set_view({"solo": "accuracy"})
    assert dashboard.view["solo"] == "accuracy"


def test_repr_says_what_it_shows_and_messages_are_json(wire: Wire) -> None:
    stage = Stage(now=Status("live", steps_per_s=float("inf")))
    dashboard = Dashboard(subject(stage))
    assert repr(dashboard) == "Dashboard of Net: 3 panels, 3 modules"
    stage.train(1)
    dashboard.refresh()
    json.dumps(wire.custom(dashboard), allow_nan=False)
    dashboard.close()
    assert all(model.comm is None for chart in dashboard._charts for model in chart.values())
