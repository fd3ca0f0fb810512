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


def values(*given: float | None) -> str:
    """Values of a curve, one a unit of x; None is a gap."""
    return json.dumps(given).replace("null", "NaN")


def test_a_point_between_two_gaps_is_a_dot_and_a_line_stays_as_it_is() -> None:
    setup = "const path = (y) => linePath([0, 1, 2, 3, 4, 5], y, (v) => v);"
    dot = page("DOT")
    assert page(f"path({values(2, None, 4, None, 6, 8)})", setup) == f"M0,2{dot}M2,4{dot}M4,6L5,8"
    assert page(f"path({values(6, 8, None, 7)})", setup) == f"M0,6L1,8M3,7{dot}"
    assert page(f"[path({values()}), path({values(None, None)})]", setup) == ["", ""]
    assert page(f"path({values(None, 2, None)})", setup).startswith(f"M1,2{dot}m")  # a line's only point is larger


def test_a_band_of_one_window_gets_some_width() -> None:
    setup = "const path = (y) => areaPath([0, 1, 2, 3], y, [0, 0, 0, 0], (v) => v);"
    assert page(f"path({values(20, None, 6, 8)})", setup) == "M-1,20h2V0h-2ZM2,6L3,8L3,0L2,0Z"
    assert page(f"[path({values(None)}), path({values(None, 5)})]", setup) == ["", "M0,5h2V0h-2Z"]


def test_places_are_written_to_a_tenth_of_a_pixel() -> None:
    scale = "{ offset: 0.5, scale: { domain: () => [0, 3], range: () => [0, 100] } }"
    assert page(f"[1, 2, NaN].map(placeOn({scale})).map(String)") == ["33.8", "67.2", "NaN"]


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


STORE = """
const fill = (store, from, to) => {
  const n = to - from, steps = Int32Array.from({ length: n }, (_, i) => from + i);
  const values = Float32Array.from({ length: 2 * n }, (_, i) => (i % 2 ? -1 : 1) * (from + (i >> 1)));
  store.put(steps, Float32Array.from(steps), values);
};
const width = 8 * 2;
"""


def test_quartiles_of_merged_bins_are_those_of_all_their_points() -> None:
    setup = """
let seed = 7; const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
const bin = (n) => {
  const out = new Float32Array(8);
  describe(Float64Array.from({ length: n }, random), n, out, 0);
  return out;
};
const worst = Array.from({ length: 200 }, (_, i) => {
  const [a, b, out] = [bin(1 + (i % 9)), bin(1 + (i % 13)), new Float32Array(8)];
  mergeInto(a, 0, b, 0, out, 0);
  const points = new WeightedPoints();
  points.addBin(a, 0);
  points.addBin(b, 0);
  return Math.max(...[0.25, 0.5, 0.75].map((q, k) => Math.abs(points.quantile(q) - out[5 + k])));
});
"""
    assert page("Math.max(...worst)", setup) < 1e-6


def test_bins_join_the_rows_that_are_there_and_nothing_is_lost_or_counted_twice() -> None:
    setup = (
        STORE
        + """
const store = new PanelStore(["a", "b"], 4096, 16);
fill(store, 0, 5);
const stats = new Float32Array(2 * width);
for (let b = 0; b < 2; b++) for (let c = 0; c < 2; c++)
  describe(Float64Array.from({ length: 10 }, (_, i) => (c ? -1 : 1) * (5 + 10 * b + i)), 10, stats, b * width + 8 * c);
store.putBins(Int32Array.of(14, 24), Float32Array.of(14, 24), stats, 2);
fill(store, 25, 28);
const first = [store.rows, store.n, store.lastStep, store.firstStep];
const one = ({ count, mean, min, max }) => [count, mean, min, max].map((values) => values[0]);
const windows = new Gatherer(store).gather([0, 1], 1000, false).stats.map(one);
for (let m = 0; m < 60; m++) {
  store.putBins(Int32Array.of(37 + 10 * m), Float32Array.of(1), stats.slice(0, width), 2);
  fill(store, 38 + 10 * m, 38 + 10 * m);
}
const counts = () =>
  Array.from({ length: store.bins.n }, (_, b) => store.bins.stats[b * width]).reduce((a, b) => a + b);
"""
    )
    assert page("first", setup) == [5 + 3, 3, 27, 0]
    assert page("windows", setup) == [[28, 13.5, 0, 27], [28, -13.5, -27, 0]]
    assert page("[store.bins.n <= 16, counts(), store.lastStep]", setup) == [True, 28 + 600, 627]


def test_bins_of_fewer_columns_than_there_are_have_no_readings_in_the_others() -> None:
    setup = (
        STORE
        + """
const store = new PanelStore(["a", "b", "c"], 4096, 16);
const stats = new Float32Array(width);
for (let c = 0; c < 2; c++) describe(Float64Array.of(1, 2), 2, stats, 8 * c);
store.putBins(Int32Array.of(9), Float32Array.of(9), stats, 2);
"""
    )
    windows = "new Gatherer(store).gather([0, 1, 2], 1000, true).stats.map((s) => [s.count[0], s.median[0]])"
    assert page(windows, setup) == [[2, 1.5], [2, 1.5], [0, None]]


def test_parts_of_a_message_are_handed_out_in_order() -> None:
    setup = """
const buffers = [Int32Array.of(1, 2, 3), Float32Array.of(4, 5, 6), Float32Array.of(1, 2, 3, 4, 5)];
const incoming = new Incoming(buffers);
const [one, two] = [incoming.next(2, 1), incoming.next(1, 3)];
"""
    assert page("[[...one.steps], [...one.values]]", setup) == [[1, 2], [1, 2]]
    assert page("[[...two.steps], [...two.seconds], [...two.values]]", setup) == [[3], [6], [3, 4, 5]]


def test_answers_wait_for_each_other_while_python_cannot_hear() -> None:
    setup = """
const sent = [];
const answers = new Answers({ send: ({ number }) => void sent.push(number) });
answers.take({ number: 1, heard: 0 }); answers.give(); answers.give();
answers.take({ number: 2, heard: 0 }); answers.give();
answers.take({ number: 3, heard: 0 }); answers.give();
const before = [...sent];
answers.take({ number: 4, heard: 1 }); answers.give();
"""
    assert page("[before, sent]", setup) == [[1], [1, 4]]


@pytest.mark.parametrize(
    ("every", "words"), [([1, 1], "every step"), ([4, 4], "every 4 steps"), ([1, 16], "every 1–16 steps"), ([0, 0], "")]
)
def test_strides_are_told_in_few_words(every: list[int], words: str) -> None:
    assert page(f"strideText({every})") == words


@pytest.mark.parametrize(
    ("share", "words"),
    [("0.0312", "3.1"), ("0", "0.0"), ("0.0004", "0.0"), ("null", "–"), ("1.5", "150"), ("-0.0004", "0.0")],
)
def test_shares_are_percents_of_one_digit(share: str, words: str) -> None:
    assert page(f"percentText({share})").split("\u202f")[0] == words


@pytest.mark.parametrize(
    ("seconds", "words"), [("0.00002", "0.02"), ("0.0112", "11.2"), ("0.25", "250"), ("null", "–")]
)
def test_durations_are_milliseconds(seconds: str, words: str) -> None:
    assert page(f"durationText({seconds})") == words


def test_an_edge_of_a_band_keeps_its_extremes_with_fewer_points() -> None:
    edge = "Float64Array.of(1, 5, NaN, NaN, 2, 1, 7)"
    assert page(f"[true, false].map((upper) => [...enveloped({edge}, 2, upper)])") == [[5, None, 2, 7], [1, None, 1, 7]]
    assert page("[...envelopedPlaces(Float64Array.of(0, 1, 2, 3, 4, 5, 6), 2)]") == [0, 3, 5, 6]
