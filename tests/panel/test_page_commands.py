"""What the page asks of the run, and how it tells what came of it; run by node where there is one."""

from __future__ import annotations

import json
from typing import Any

from tests.panel.test_page_parts import page, pytestmark

__all__ = ["pytestmark"]

# A clock that stands until it is told to go on, and a kernel that only listens.
STAGE = """
let time = 0;
const timers = new Map();
globalThis.window = {
  setTimeout: (f, ms) => (timers.set(timers.size + 1, { f, at: time + ms }), timers.size),
};
globalThis.clearTimeout = (id) => timers.delete(id);
const pass = (ms) => {
  time += ms;
  for (const [id, { f, at }] of [...timers]) if (at <= time && timers.delete(id)) f();
};
const sent = [];
const status = { state: "live", asked: "", reach: "live control" };
const commands = new Commands({ send: (message) => void sent.push(message) }, () => status);
const answer = (words, more = {}) => {
  const { number, name } = sent.at(-1);
  commands.take({ number, name, origin: "page", step: 1284, words, refused: false, ...more });
};
const said = () => [commands.said.kind, commands.said.words, commands.said.faded];
"""


def stage(script: str) -> Any:
    """What `script` returns, with a command's road at hand."""
    return page(f"(() => {{ {script} }})()", STAGE)


def test_a_command_is_sent_with_a_number_of_its_own() -> None:
    first, second = stage('commands.send("step", { steps: 3 }); commands.send("pause"); return sent;')
    assert first["type"] == second["type"] == "command"
    assert (first["name"], first["arguments"]) == ("step", {"steps": 3})
    assert (second["name"], second["arguments"]) == ("pause", {})
    assert first["number"] != second["number"]


def test_what_was_done_is_told_with_its_step_and_fades() -> None:
    said = stage('commands.send("pause"); answer("paused"); const now = said(); pass(10000); return [now, said()];')
    assert said == [["done", "paused · step 1\u202f284", False], ["done", "paused · step 1\u202f284", True]]


def test_a_refusal_is_told_with_its_reason_and_to_who_asked() -> None:
    script = """
    let refused = null;
    commands.send("add", {}, (answer) => (refused = answer.refused));
    answer("it is there already", { refused: true });
    pass(10000);
    return [said(), refused, commands.pending.size];
    """
    assert stage(script) == [["refused", "Refused: it is there already", False], True, 0]


def test_who_waits_long_is_told_why() -> None:
    script = 'commands.send("pause"); pass(9999); const before = said()[1]; pass(1); return [before, said()];'
    assert stage(script) == ["", ["waits", "Not answered yet: the kernel is busy", False]]
    script = f'status.reach = {json.dumps("when the cell ends")}; commands.send("pause"); pass(500); return said();'
    assert stage(script) == ["waits", "Will be done when the cell ends", False]
    script = 'commands.send("pause"); answer("paused"); pass(9999); pass(1); return said()[0];'
    assert stage(script) == "done"


def test_what_was_asked_for_stands_until_it_has_come() -> None:
    script = """
    const seen = [];
    const look = () => (commands.look(), seen.push(commands.asked));
    commands.send("pause"); look();
    answer("paused"); look();
    status.asked = "pause"; look();
    Object.assign(status, { asked: "", state: "paused" }); look();
    commands.send("stop"); answer("stopped"); look();
    status.state = "finished"; look();
    return seen;
    """
    assert stage(script) == ["pause", "pause", "pause", "", "stop", ""]


def test_a_refused_pause_is_not_waited_for() -> None:
    assert stage('commands.send("pause"); answer("no", { refused: true }); return commands.asked;') == ""


def test_what_python_did_is_told_too() -> None:
    script = (
        'commands.send("add"); answer("resumed", { number: "", origin: "python", name: "resume" }); return said()[1];'
    )
    assert stage(script) == "resumed · step 1\u202f284 · from Python"


WHOLE = """
globalThis.document = { hidden: false, addEventListener: (kind, f) => (heard[kind] = f) };
globalThis.window = { addEventListener: (kind, f) => (heard[kind] = f), setInterval: (f) => (heard.interval = f, 0) };
const heard = {};
let now = 1e6;
Date.now = () => now;
performance.now = () => now;
let count = 0;
const whole = new Whole({ send: () => void count++ });
"""


def whole(script: str) -> Any:
    return page(f"(() => {{ {script} }})()", WHOLE)


def test_a_missing_number_asks_for_the_whole_state_once() -> None:
    script = """
    whole.saw(7, 0); whole.saw(8, 7); whole.saw(undefined, 8);
    const before = count;
    whole.saw(10, 8); whole.saw(12, 10);
    const once = count;
    whole.came(); whole.saw(14, 12);
    return [before, once, count];
    """
    assert whole(script) == [0, 1, 2]


def test_who_comes_back_asks_for_the_whole_state() -> None:
    hidden = "document.hidden = true; heard.visibilitychange(); now += "
    seen = "; document.hidden = false; heard.visibilitychange(); return count;"
    assert whole(f"{hidden}5000{seen}") == 0
    assert whole(f"{hidden}20000{seen}") == 1
    assert whole("heard.online(); return count;") == 1


def test_a_page_that_slept_asks_for_the_whole_state() -> None:
    assert whole(
        "now += 5000; heard.interval(); const awake = count; now += 60000; heard.interval(); return [awake, count];"
    ) == [0, 1]
