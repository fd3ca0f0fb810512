"""Parts of the page that need no document, run by node where there is one."""

from __future__ import annotations

import json
import shutil
import subprocess
from itertools import pairwise
from typing import Any

import pytest

from monitorch_widgets.panel.esm import page_source

NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

AREA = "const area = { left: 0, width: 1000, px: (x) => 10 * x };"


def page(expression: str, setup: str = "") -> Any:
    """Value of `expression`, which may use every name of the page."""
    script = f"{page_source()}\n{setup}\nconsole.log(JSON.stringify({expression}));"
    assert NODE is not None
    ended = subprocess.run(
        [NODE, "--input-type=module"], input=script, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_point_between_two_gaps_gets_a_dot_and_a_line_stays_as_it_is() -> None:
    alone = page("withDots('M1,2ZM3.5,4ZM5,6L7,8')")
    dot = page("DOT")
    assert alone == f"M1,2{dot}M3.5,4{dot}M5,6L7,8"
    assert page("[withDots('M5,6L7,8'), withDots(null)]") == ["M5,6L7,8", None]
    only = page("withDots('M1,2Z')")
    assert only.startswith(f"M1,2{dot}m")  # the only point of a line is larger


def test_a_band_of_one_window_gets_some_width() -> None:
    area = "M5,6L7,8L7,3L5,2Z"
    assert page(f"withSlivers('M10,20L10,30Z{area}')") == f"M9,20h2V30h-2Z{area}"


def test_the_path_of_a_lit_line_has_gaps_and_dots() -> None:
    setup = "const area = { log: false, px: (x) => x, py: (y) => y };"
    lines = "pathOf(Float64Array.of(0, 1, 2, 3, 4), Float64Array.of(5, NaN, 5, 6, NaN), area)"
    assert page(lines, setup) == f"M0.0,5.0{page('DOT')}M2.0,5.0L3.0,6.0"


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (123_456_789, "123 MB"), (5e9, "5.0 GB")],
)
def test_bytes_are_in_powers_of_a_thousand(size: float, words: str) -> None:
    assert page(f"bytesText({size})") == words


@pytest.mark.parametrize(
    ("series", "owner", "base"),
    [
        ("layer", "layer", "layer"),
        ("layer#2", "layer", "layer"),
        ("layer#16+", "layer", "layer"),
        ("rnn#2[1][0]", "rnn", "rnn"),
        ("rnn[1][0]", "rnn[1][0]", "rnn"),  # has a row of its own
        ("rnn.weight_ih_l0", "rnn", "rnn"),
        ("train_loss", None, ""),
    ],
)
def test_a_series_belongs_to_its_module_whatever_call_or_output_it_is(series: str, owner: str, base: str) -> None:
    modules = [{"name": name, "note": ""} for name in ("layer", "rnn", "rnn[1][0]")]
    setup = f"const names = new Names({json.dumps({'modules': modules})}), series = {json.dumps(series)};"
    assert page("[names.owner(series), names.base(series)]", setup) == [owner, base]


def test_calls_stand_below_their_module_in_its_colour_and_are_found_by_its_name() -> None:
    names = ["a.lin", "a.lin#2", "a.lin#16+", "a.rnn", "a.rnn#2[1][0]", "a.end"]
    modules = [{"name": name, "type": "Layer", "kind": "linear", "note": ""} for name in names]
    setup = f"const modules = {json.dumps(modules)}, names = new Names({{ modules }});"
    tree = "grow(modules, (name) => names.base(name))[0].children.map((b) => [b.label, b.further.map((f) => f.label)])"
    assert page(tree, setup) == [["lin", ["#2", "#16+"]], ["rnn", ["#2[1][0]"]], ["end", []]]
    colours = page("modules.map(({ name }) => names.colourOf(name))", setup)
    assert colours[0] == colours[1] == colours[2] != colours[3] == colours[4] != colours[5]
    assert page("modules.filter(matcher('*.lin')).map(({ name }) => name)", setup) == names[:3]
    assert page("modules.filter(matcher('rnn')).map(({ name }) => name)", setup) == names[3:5]


def test_a_few_modules_are_shown_with_all_their_calls_and_many_without() -> None:
    setup = "const calls = (n) => Array.from({ length: n }, (_, i) => [`m${i}`, `m${i}#2`]).flat();"
    assert len(page("atFirst(calls(6))", setup)) == 12
    assert page("atFirst(calls(7))", setup) == [f"m{i}" for i in range(7)]
    assert len(page("atFirst(calls(40))", setup)) == 12


EVENTS = [
    {"kind": "skipped", "step": 0, "last_step": 3, "count": 4, "words": "At once"},
    {"kind": "model", "step": 20, "last_step": 20, "count": 1, "words": "Later"},
]


@pytest.mark.parametrize(("x", "places"), [("step", [9, 0, 19]), ("epoch", [1, 0, 2]), ("seconds", [4.5, 0, 9.5])])
def test_events_stand_beside_the_ends_of_epochs_on_each_axis(x: str, places: list[float]) -> None:
    status = {"epoch_marks": [[1, 10]], "events": EVENTS}
    marks = page(f"marksOf({json.dumps(status)}, {x!r}, {{ first: 0, last: 39 }}, (step) => step / 2)")
    assert [mark["x"] for mark in marks] == places
    assert [mark["kind"] for mark in marks] == ["epoch", "event", "event"]
    assert marks[1]["facts"] == [["how often", "4 times"], ["before steps", "0–3"]]
    assert marks[2]["facts"] == [["before step", "20"]]


def test_events_are_thinned_and_none_is_lost_from_the_tooltips() -> None:
    setup = (
        AREA + "const marks = Array.from({ length: 100 }, (_, x) => ({ x, kind: 'event', text: `${x}`, facts: [] }));"
    )
    lines = page("hairlines(marks, area, 'event')", setup)
    apart = [right["px"] - left["px"] for left, right in pairwise(lines)]
    assert min(apart) >= 28
    assert sum(len(line["marks"]) for line in lines) == 100
    notes = page("marksUnder(marks, area, 300.5, 4)", setup)
    assert [note["text"] for note in notes] == ["30", "31", "32"]


def test_a_tooltip_tells_three_events_and_counts_the_others() -> None:
    setup = AREA + "const marks = [1, 1, 1, 1, 2].map((x) => ({ x, kind: 'event', text: `at ${x}`, facts: [] }));"
    notes = page("marksUnder(marks, area, 12, 4)", setup)
    assert [note["text"] for note in notes] == ["at 1", "at 1", "at 1", "and 2 more nearby"]


def test_a_step_without_a_row_lies_at_the_seconds_of_the_row_before() -> None:
    setup = "const store = new PanelStore(['a'], 64, 8);"
    setup += "store.put(Int32Array.of(0, 10, 20), Float32Array.of(1, 2, 3), Float32Array.of(5, 5, 5));"
    assert page("[0, 10, 15, 99].map((step) => store.secondsAt(step))", setup) == [1, 2, 2, 3]
    assert page("store.secondsAt(-1) + ''", setup) == "NaN"
    assert page("[store.find(10), store.find(11), store.find(-1)]", setup) == [1, -1, -1]
