from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.panel.view import Names, adopted_view, carried_view, default_view, merged_view, spread
from monitorch_widgets.values import ModuleInfo

from .stage import LOSS, NORM, RATE, chart_specs, module_infos

NAMES = Names(("layer0", "layer1", "layer2"), ("layer0", "layer1", "layer2", "train_loss"), (NORM, RATE, LOSS))
VIEW = default_view(chart_specs(), module_infos(3))


def test_the_view_at_first_follows_the_specs() -> None:
    assert VIEW["shown"] == ["layer0", "layer1", "layer2"]
    assert VIEW["panels"][NORM] == {"lines": ["mean"], "bands": ["std"], "log": True}
    assert (VIEW["x"], VIEW["window"], VIEW["mode"], VIEW["seq"]) == ("step", "auto", "lines", 0)


@pytest.mark.parametrize("n", [12, 13, 24, 36, 48, 500])
def test_at_most_twelve_modules_spread_from_first_to_last(n: int) -> None:
    modules = module_infos(n)
    shown = spread(modules)
    places = [[module.name for module in modules].index(name) for name in shown]
    assert len(shown) == 12
    assert (places[0], places[-1]) == (0, n - 1)
    assert places == sorted(set(places))
    assert max(b - a for a, b in pairwise(places)) <= 2 * n / 12 + 1


def test_alternating_kinds_are_all_shown() -> None:
    modules = module_infos(36)
    kinds = [module.kind for module in modules if module.name in spread(modules)]
    assert {kind: kinds.count(kind) >= 3 for kind in set(kinds)} == {"conv": True, "norm": True, "activation": True}


def test_modules_that_have_a_line_come_first() -> None:
    modules = (*module_infos(2), ModuleInfo("odd", "Odd", "other", note="returns no tensor"))
    assert default_view((), modules)["shown"] == ["layer0", "layer1"]
    assert default_view((), modules, ["layer1.weight", "loss"])["shown"] == ["layer1"]
    assert default_view((), modules[2:])["shown"] == ["odd"]


def test_a_part_of_the_view_may_be_set() -> None:
    changed = merged_view(VIEW, {"smooth": 0.5, "panels": {NORM: {"bands": ["min-max", "std"]}}}, NAMES)
    assert changed["smooth"] == 0.5
    assert changed["panels"][NORM] == {"lines": ["mean"], "bands": ["std", "min-max"], "log": True}
    assert changed["panels"][RATE] == VIEW["panels"][RATE]
    assert VIEW["smooth"] == 0.0
    assert VIEW["panels"][NORM]["bands"] == ["std"]


@pytest.mark.parametrize(
    "changes",
    [
        {"shown": ["layer2", "layer0"]},
        {"x": "seconds"},
        {"window": 10},
        {"window": "auto"},
        {"smooth": 0},
        {"mode": "map"},
        {"solo": "train_loss"},
        {"solo": None},
        {"large": RATE},
        {"hidden_panels": [LOSS]},
        {"panels": {LOSS: {"log": True, "lines": []}}},
    ],
)
def test_valid_changes_are_taken(changes: dict[str, Any]) -> None:
    changed = merged_view(VIEW, changes, NAMES)
    for key, value in changes.items():
        if key == "shown":
            assert changed[key] == sorted(value)
        elif key == "panels":
            assert changed["panels"][LOSS] == {"lines": [], "bands": [], "log": True}
        else:
            assert changed[key] == value


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"smoth": 0.5}, "Did you mean 'smooth'"),
        ({"shown": ["layer9"]}, "received 'layer9'. Did you mean 'layer"),
        ({"x": "epochs"}, "Did you mean 'epoch'"),
        ({"window": 0}, "'auto' or a number of steps from 1"),
        ({"window": True}, "'auto' or a number of steps from 1"),
        ({"smooth": 1.0}, "0.98"),
        ({"smooth": "much"}, "0.98"),
        ({"mode": "lins"}, "Did you mean 'lines'"),
        ({"solo": "train_los"}, "Did you mean 'train_loss'"),
        ({"large": "Output Norms"}, "Did you mean 'Output Norm'"),
        ({"hidden_panels": ["Los"]}, "Did you mean 'Loss'"),
        ({"panels": {"Output Nrm": {}}}, "Did you mean 'Output Norm'"),
        ({"panels": {NORM: {"line": ["mean"]}}}, "Did you mean 'lines'"),
        ({"panels": {NORM: {"lines": ["medain"]}}}, "Did you mean 'median'"),
        ({"panels": {NORM: {"bands": ["q1-q3"]}}}, "'Q1-Q3'"),
        ({"panels": {NORM: {"log": 1}}}, "True or False"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_nearest(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError) as error:
        merged_view(VIEW, changes, NAMES)
    assert words in str(error.value)


@pytest.mark.parametrize("changes", [["smooth"], {"shown": "layer0"}, {"panels": [NORM]}, {"panels": {NORM: "mean"}}])
def test_the_wrong_type_is_refused(changes: Any) -> None:
    with pytest.raises(ArgumentTypeError, match="expected"):
        merged_view(VIEW, changes, NAMES)


def test_from_the_page_only_what_is_valid_is_taken() -> None:
    received = {"seq": 4, "smooth": 0.9, "x": "moon", "shown": ["gone"], "panels": {"Gone": {}, RATE: {"log": True}}}
    view = adopted_view(VIEW, received, NAMES)
    assert (view["seq"], view["smooth"], view["x"], view["shown"]) == (4, 0.9, "step", VIEW["shown"])
    assert view["panels"][RATE]["log"] is True
    assert "Gone" not in view["panels"]


def test_another_model_keeps_what_still_means_something() -> None:
    old = merged_view(VIEW, {"smooth": 0.3, "large": LOSS, "panels": {NORM: {"log": False}}}, NAMES)
    specs = chart_specs()[:1]
    fresh, names = default_view(specs, module_infos(2, "block")), Names(("block0", "block1"), (), (NORM,))
    view = carried_view(old, fresh, names, same_model=False)
    assert view["shown"] == ["block0", "block1"]
    assert (view["smooth"], view["large"]) == (0.3, None)
    assert view["panels"] == {NORM: {"lines": ["mean"], "bands": ["std"], "log": False}}


def test_further_calls_and_outputs_are_shown_at_first_only_where_there_is_room() -> None:
    few = [ModuleInfo(name, "Layer", "linear") for name in ("rnn", "rnn[1][0]", "rnn#2", "rnn#2[1][0]", "fc")]
    assert default_view((), few)["shown"] == ["rnn", "rnn[1][0]", "rnn#2", "rnn#2[1][0]", "fc"]
    many = [ModuleInfo(f"m{i}{end}", "Layer", "linear") for i in range(7) for end in ("", "#2", "#16+")]
    assert default_view((), many)["shown"] == [f"m{i}" for i in range(7)]
    heard = default_view((), many, ["m1#2", "m2#2[0]", "m3#16+.weight"])["shown"]
    assert heard == ["m1", "m1#2", "m2", "m2#2", "m3", "m3#16+"]
