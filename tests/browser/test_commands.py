"""Commands from the page, while a cell trains: in JupyterLab and in Notebook 7, each confirmed where it was given."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import pytest
from playwright.sync_api import Locator

from tests.browser.board import Board
from tests.browser.conftest import SHOTS, Open
from tests.browser.lab import Notebook, until

pytestmark = pytest.mark.browser

NORM, GRADIENT, ADDED = "Output Norm", "Weight Gradient Norm", "Weight Norm"
ROUNDS = 5
EPOCH = 40

SETUP = """
import time
import torch
from torch import nn
from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import OutputNorm, ParameterGradientGeometry

torch.manual_seed(0)
torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
x = torch.randn(64, 8)

def train_step():
    optimizer.zero_grad()
    model(x).pow(2).mean().backward()
    optimizer.step()
    time.sleep(0.01)

def watched(control):
    lenses = [OutputNorm(), ParameterGradientGeometry(parameters="weight", compute_correlation=False)]
    inspector = PyTorchInspector(lenses=lenses, module=model, every=1, control=control)
    inspector.register("largest output", lambda module, input, output: output.abs().max())
    return inspector
"""
SHOW = "inspector = watched(control=True)\ninspector"
TRAIN = f"""
began = time.time()
while time.time() < began + 200:
    train_step()
    if inspector.status().step % {EPOCH} == 0:
        inspector.tick_epoch()
"""
AFTER = "print('after', [record.name for record in inspector.history.commands if not record.refused][-1])"
TRAIN_ROUNDS = """
for epoch in inspector.range(3):
    for batch in inspector.iter(range(1000)):
        train_step()
print('rounds ended in epoch', epoch)
"""
SHOW_STRICT = "inspector = watched(control=False)\ninspector"
PID = "import os\nprint(os.getpid())"
CELLS = [SETUP, SHOW, TRAIN, AFTER, TRAIN_ROUNDS, SHOW_STRICT, TRAIN, PID]
SETUP_CELL, SHOW_CELL, TRAIN_CELL, AFTER_CELL, ROUNDS_CELL, STRICT_CELL, LAST_CELL, PID_CELL = range(8)

# Time from a click or a key, by the event's own clock, to the first change of the page after which something holds.
TIMED = """
(root, condition) => {
  const holds = new Function("root", `return ${condition}`);
  let began = (window.__took = 0);
  const observer = new MutationObserver(() => {
    if (!began || !holds(root)) return;
    observer.disconnect();
    window.__took = performance.now() - began;
  });
  observer.observe(root, { subtree: true, childList: true, attributes: true, characterData: true });
  const begin = (event) => (began ||= event.timeStamp);
  for (const kind of ["click", "keydown", "change"]) root.addEventListener(kind, begin, { capture: true, once: true });
}
"""


def part(testid: str) -> str:
    return f'root.querySelector("[data-testid={testid}]")'


def is_state(state: str) -> str:
    return f'{part("mw-state")}.dataset.state === "{state}"'


def is_said(words: str) -> str:
    return f'{part("mw-said")}.textContent.startsWith("{words}")'


@dataclass
class Bench:
    """A notebook whose training is steered from its first dashboard, and how long each effect took."""

    app: str
    notebook: Notebook
    board: Board
    took: dict[str, list[float]] = field(default_factory=dict)

    def timed(self, what: str, do: Callable[[], object], condition: str) -> None:
        self.board.root.evaluate(TIMED, condition)
        do()
        milliseconds = until(lambda: self.board.page.evaluate("window.__took"), f"{what}: no effect", within_s=20)
        self.took.setdefault(what, []).append(milliseconds)

    def part(self, testid: str) -> Locator:
        return self.board.part(testid)

    def wait_said(self, words: str) -> str:
        said = self.part("mw-said")
        until(lambda: words in said.inner_text(), f"{words!r} is not said", within_s=20)
        return said.inner_text()

    @property
    def step(self) -> int:
        return int(re.sub(r"\D", "", self.part("mw-step").inner_text()))

    def wait_training(self, cell: int) -> None:
        self.notebook.start(cell)
        self.wait_drawn()

    def wait_drawn(self) -> None:
        self.board.wait_state("live")
        self.board.root.scroll_into_view_if_needed()
        self.board.until(lambda now: NORM in now and now[NORM].points() > 3, "nothing was drawn", within_s=30)

    def focus(self) -> None:
        """Click on a place of the panel where nothing is."""
        self.board.root.locator(".mw-title").click()

    def field(self, name: str, within: Locator | None = None) -> Locator:
        return (within or self.part("mw-drawer")).locator(f"[data-testid=mw-field][data-name='{name}']")

    def lens(self, name: str) -> Locator:
        return self.board.root.locator(f"[data-testid=mw-lens][data-name='{name}']")


@pytest.fixture(scope="module", params=["lab", "notebook"])
def bench(request: pytest.FixtureRequest, open_notebook: Open) -> Bench:
    app = request.param
    notebook = open_notebook(f"commands-{app}.ipynb", CELLS, 1600, 1400, app=app)
    notebook.run(SETUP_CELL)
    notebook.run(SHOW_CELL)
    made = Bench(app, notebook, Board(notebook.page))
    assert made.board.state == "waiting"
    assert made.part("mw-stop").get_attribute("aria-disabled") == "true"
    assert "nothing was trained yet" in (made.part("mw-stop").get_attribute("title") or "")
    assert made.part("mw-pause").get_attribute("aria-disabled") == "false"
    made.part("mw-pause").click()  # before training: held before its first step
    made.wait_said("will pause")
    notebook.start(TRAIN_CELL)
    made.board.wait_state("paused")
    made.part("mw-pause").click()
    made.wait_drawn()
    return made


def test_the_strip_says_that_control_is_live(bench: Bench) -> None:
    assert bench.part("mw-reach").inner_text() == "live control"
    assert bench.part("mw-reach").get_attribute("title")
    for act in ("pause", "step-once", "stop"):
        assert bench.part(f"mw-{act}").get_attribute("aria-disabled") == "false"


def test_pause_holds_the_loop_and_the_panel_answers(bench: Bench) -> None:
    bench.timed("pause, by click", bench.part("mw-pause").click, is_state("paused"))
    assert "paused · step" in bench.wait_said("paused")
    step = bench.step
    name = bench.board.modules[0]
    for shown in (False, True):
        bench.board.row(name).get_by_test_id("mw-check").click()
        bench.board.until(lambda now: (name in now[NORM].names()) is shown, "the view did not answer")  # noqa: B023
    assert bench.notebook.busy(TRAIN_CELL)
    assert bench.step == step
    until(lambda: bench.part("mw-command-mark").count() > 0, "the pause has no mark on the axis")


def test_one_step_is_one_step(bench: Bench) -> None:
    step = bench.step
    for done in range(1, ROUNDS + 1):
        wanted = f'{part("mw-step")}.textContent.replace(/\\D/g, "") === "{step + done}" && {is_state("paused")}'
        bench.timed("one step, by click", bench.part("mw-step-once").click, wanted)
    assert bench.step == step + ROUNDS


def test_keys_stand_for_buttons_while_the_focus_is_in_the_panel(bench: Bench) -> None:
    page, step = bench.board.page, bench.step
    cells = page.locator(".jp-Notebook .jp-CodeCell").count()
    bench.focus()
    wanted = f'{part("mw-step")}.textContent.replace(/\\D/g, "") === "{step + 1}" && {is_state("paused")}'
    bench.timed("one step, by key", lambda: page.keyboard.press("s"), wanted)
    page.keyboard.press("e")
    until(lambda: bench.step % EPOCH == 0 and bench.board.state == "paused", "not held at the epoch's end", within_s=20)
    page.keyboard.press("p")
    bench.board.wait_state("live")
    bench.timed("pause, by key", lambda: page.keyboard.press("p"), is_state("paused"))
    page.keyboard.press("?")
    until(bench.part("mw-keys-box").is_visible, "the list of keys is not shown")
    assert "Shift+S" in bench.part("mw-keys-box").inner_text()
    page.keyboard.press("Escape")
    assert page.locator(".jp-Notebook .jp-CodeCell").count() == cells


def test_letters_that_are_typed_are_no_commands(bench: Bench) -> None:
    search = bench.part("mw-search")
    search.click()
    bench.board.page.keyboard.type("sep")
    assert search.input_value() == "sep"
    search.fill("")
    assert bench.board.state == "paused"


def test_pause_and_resume_again_and_again(bench: Bench) -> None:
    for _ in range(ROUNDS):
        bench.timed("resume, by click", bench.part("mw-pause").click, is_state("live"))
        bench.timed("pause, by click", bench.part("mw-pause").click, is_state("paused"))
    bench.part("mw-pause").click()
    bench.board.wait_state("live")


# ------------------------------------------------------------------ the instrument


def test_a_lens_is_added_set_and_taken_away_while_the_cell_trains(bench: Bench) -> None:
    board = bench.board
    bench.part("mw-instrument").click()
    bench.part("mw-lens-offered").select_option("ParameterNorm")
    added = f'root.querySelector("[data-testid=mw-panel][data-tag=\\"{ADDED}\\"]") !== null'
    bench.timed("add a lens, to its panel", bench.part("mw-lens-add").click, added)
    bench.wait_said("added ParameterNorm")
    lens = bench.lens("ParameterNorm")
    until(lens.is_visible, "the lens is not listed")
    assert bench.part("mw-drawer").is_visible()  # panels came, and the drawer stayed
    lens.get_by_test_id("mw-lens-head").click()
    switch = bench.field("normalize_by_size", lens).locator("input")
    bench.timed("set an argument", switch.click, is_said("ParameterNorm: normalize_by_size=True"))
    until(switch.is_checked, "the argument was not set")
    board.panel(ADDED).scroll_into_view_if_needed()
    board.until(lambda now: ADDED in now and now[ADDED].points() > 3, "the new lens reads nothing")
    bench.timed("remove a lens", lens.get_by_test_id("mw-lens-remove").click, f"!({added})")
    bench.wait_said("removed ParameterNorm")
    assert lens.count() == 0
    assert bench.notebook.busy(TRAIN_CELL)


def test_what_is_typed_stays_while_the_status_changes(bench: Bench) -> None:
    every = bench.field("every", bench.part("mw-drawer").locator("[aria-label='How often']")).locator("input")
    every.fill("7")
    step = bench.step
    until(lambda: bench.step > step + 20, "no status came")
    assert every.input_value() == "7"
    every.press("Enter")
    bench.wait_said("every=7")
    every.fill("1")
    every.press("Enter")
    bench.wait_said("every=1")


def test_a_lens_that_is_there_already_is_refused_with_the_reason(bench: Bench) -> None:
    bench.part("mw-lens-offered").select_option("OutputNorm")
    bench.part("mw-lens-add").click()
    assert "is there already" in bench.wait_said("Refused")
    assert bench.part("mw-said").get_attribute("data-kind") == "refused"
    bench.board.root.screenshot(path=str(SHOTS / f"refused-{bench.app}.png"))


def test_a_registered_function_is_watched(bench: Bench) -> None:
    bench.part("mw-watch-name").select_option("largest output")
    bench.part("mw-watch").click()
    bench.wait_said("watching largest output")
    panel = bench.board.panel("largest output")
    until(lambda: panel.count() == 1, "the watched function has no panel")
    panel.scroll_into_view_if_needed()
    bench.board.until(lambda now: now["largest output"].points() > 3, "the watched function gives no number")


def test_only_chosen_modules_are_collected(bench: Bench) -> None:
    patterns = bench.part("mw-collect-patterns").locator("input")
    patterns.fill("0, 2")
    patterns.press("Enter")
    bench.wait_said("collecting 0, 2")
    until(lambda: "2 patterns" in bench.part("mw-collected").inner_text(), "the drawer does not say so")
    bench.part("mw-collect-all").click()
    bench.wait_said("collecting all modules")
    until(lambda: patterns.input_value() == "", "the patterns stay")
    bench.part("mw-collect-shown").click()
    bench.wait_said("collecting 0, 1, 2, 3, 4")
    bench.part("mw-collect-all").click()
    bench.wait_said("collecting all modules")


def test_a_learning_rate_is_nudged(bench: Bench) -> None:
    value = bench.part("mw-rate-value")
    assert value.inner_text() == "0.01"
    half = bench.part("mw-rate").locator("[data-factor='0.5']")
    bench.timed("halve a learning rate", half.click, f'{part("mw-rate-value")}.textContent === "0.005"')
    assert "0.01 → 0.005" in bench.wait_said("learning rate of SGD")
    bench.part("mw-drawer").press("Escape")
    assert not bench.part("mw-drawer").is_visible()
    assert bench.part("mw-instrument").evaluate("(button) => button === document.activeElement")


# ------------------------------------------------------------------ the end


def test_stop_ends_the_cell_with_a_quiet_line_and_the_next_cell_runs(bench: Bench) -> None:
    bench.timed("stop, by click", bench.part("mw-stop").click, is_state("finished"))
    said = bench.notebook.wait_end(TRAIN_CELL)
    assert said.strip() == "Training was stopped, as asked."
    assert bench.part("mw-stop").get_attribute("aria-disabled") == "true"
    assert "after stop" in bench.notebook.run(AFTER_CELL)


def test_a_loop_over_the_inspector_just_ends(bench: Bench) -> None:
    bench.wait_training(ROUNDS_CELL)
    bench.focus()
    bench.board.page.keyboard.press("Shift+S")
    assert bench.notebook.wait_end(ROUNDS_CELL).strip() == "rounds ended in epoch 0"
    bench.board.wait_state("finished")


def test_without_leave_no_learning_rate_is_nudged(bench: Bench) -> None:
    bench.notebook.run(STRICT_CELL)
    strict = Bench(bench.app, bench.notebook, Board(bench.notebook.page, 1))
    strict.wait_training(LAST_CELL)
    strict.part("mw-instrument").click()
    half = strict.part("mw-rate").locator("[data-factor='0.5']")
    assert half.get_attribute("aria-disabled") == "true"
    assert "control=True" in (half.get_attribute("title") or "")
    half.click(force=True)
    assert "control=True" in strict.wait_said("Learning rates")
    assert strict.part("mw-rate-value").inner_text() == "0.005"
    strict.part("mw-stop").click()
    assert "stopped" in bench.notebook.wait_end(LAST_CELL)


def test_times_from_click_to_effect(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """No bound is asserted: machines differ."""
    with capsys.disabled():  # figures to read, whatever pytest captures
        print(f"\n{bench.app}: click or key to effect on the page, steps of 10 ms and more, in ms")
        for what, times in bench.took.items():
            print(f"  {what:28} median {median(times):6.0f}  worst {max(times):6.0f}  of {len(times)}")
    assert bench.took


def test_the_console_had_no_error_from_start_to_end(bench: Bench) -> None:
    assert bench.notebook.complaints == []


def test_without_a_kernel_nothing_can_be_asked_for(bench: Bench) -> None:
    os.kill(int(bench.notebook.run(PID_CELL)), signal.SIGKILL)
    until(lambda: bench.part("mw-reach").inner_text() == "no kernel", "the chip does not say so")
    for act in ("pause", "step-once", "stop"):
        assert bench.part(f"mw-{act}").get_attribute("aria-disabled") == "true"
        assert "kernel" in (bench.part(f"mw-{act}").get_attribute("title") or "")
