"""How the page keeps up with a cell that trains, in a real JupyterLab in Chromium: ``python -m benchmarks.page``.

A loop writes readings into a history after steps of some milliseconds of work, and asks the dashboard to refresh after
each, as the inspector does. What it draws is 6 panels of 12 modules with 300 points a line. It then runs on for
``--minutes``, for the growth of the page's memory.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median, quantiles

from benchmarks.notebook import Notebook
from benchmarks.page_lab import heap_bytes, opened
from benchmarks.tables import command, number, table

SETUP = """
import json, math, random, time
import numpy as np, torch
from monitorch_widgets.history import History
from monitorch_widgets.panel.dashboard import Dashboard, Subject
from monitorch_widgets.values import ChartSpec, ModuleInfo, Status

torch.set_num_threads(1)
weights = torch.randn(192, 192)

class Scene:
    def __init__(self, panels, modules):
        names = [f"block{i // 6 + 1}.layer{i % 6 + 1}" for i in range(modules)]
        self.names, self.history, self.step, self.state = names, History(), 0, "waiting"
        self.specs = tuple(ChartSpec(f"Tag {i}", f"Tag {i}", log=i % 2 == 0, bands=("std",)) for i in range(panels))
        infos = tuple(ModuleInfo(name, "Linear", "linear") for name in names)
        self.series = [self.history.declare(spec.tag, names) for spec in self.specs]
        self.noise = np.random.default_rng(0).lognormal(size=(997, panels, modules))
        self.began = time.time()
        self.dashboard = Dashboard(Subject("Scene", self.specs, infos, self.history, self.status))
        self.due, self.not_due = [], []

    def status(self):
        seconds = time.time() - self.began
        return Status(self.state, step=self.step, steps_per_s=self.step / max(seconds, 1), elapsed_s=seconds)

    def train(self, work):
        for _ in range(work):
            weights @ weights
        self.state = "live"
        for series, values in zip(self.series, self.noise[self.step % 997]):
            series.record(self.step, self.step / 100, self.names, values)
        self.step += 1
        sent, began = self.dashboard._flow.number, time.perf_counter()
        self.dashboard.refresh()
        took = time.perf_counter() - began
        (self.not_due if sent == self.dashboard._flow.number else self.due).append(took)

    def run(self, seconds, work=12):
        first, began = self.step, time.time()
        while time.time() < began + seconds:
            self.train(work)
        ended, last = time.time(), self.step
        self.state = "finished"
        self.dashboard.finish()
        return {"steps_per_s": (last - first) / (ended - began), "last": last, "ended": ended}
"""
SHOW = """
scene = Scene({panels}, {modules})
scene.dashboard.set_view({{"window": 10, "shown": scene.names[:12]}})
scene.dashboard
"""
RUN = "print(json.dumps(scene.run({seconds})))"
PUSHES = """
wide = Scene(8, 60)
for _ in range(80):
    time.sleep(0.11)  # so that each push has the readings of one step
    wide.train(1)
for _ in range(2000):
    wide.train(1)
print(json.dumps({"due": wide.due[5:75], "not_due": wide.not_due}))
wide.dashboard
"""
# Watches the page from inside: the time of each frame, and when which step was first seen.
WATCH = """
() => {
  const root = document.querySelector("[data-testid=mw-root]");
  const step = root.querySelector("[data-testid=mw-step]");
  const state = root.querySelector("[data-testid=mw-state]");
  window.__seen = { frames: [], updates: [], drawn: 0 };
  let before = 0;
  const frame = (now) => {
    if (before) window.__seen.frames.push(now - before);
    before = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  let shown = "";
  new MutationObserver(() => {
    const count = Number(step.textContent.replace(/[^0-9]/g, ""));
    const text = count + state.dataset.state;
    if (text === shown) return;
    shown = text;
    requestAnimationFrame(() => setTimeout(() => window.__seen.updates.push([Date.now() / 1000, count])));
  }).observe(root, { attributes: true, attributeFilter: ["data-drawn"] });
}
"""
TAKE = "() => { const seen = window.__seen; window.__seen = { frames: [], updates: [] }; return seen }"


@dataclass(frozen=True)
class Run:
    """What was seen of one run of the loop."""

    steps_per_s: float
    updates_per_s: float
    frames_ms: list[float]
    lag_s: float

    @property
    def slow_frames_ms(self) -> float:
        """The longest of twenty frames, usually."""
        return quantiles(self.frames_ms, n=20)[-1]


def watched_run(notebook: Notebook, cell: int, seconds: float) -> Run:
    """Run the loop, and look at the page meanwhile."""
    notebook.page.evaluate(TAKE)
    told = json.loads(notebook.run(cell, within_s=seconds + 90).strip().splitlines()[-1])
    notebook.page.wait_for_function(
        f"() => window.__seen.updates.some(([, step]) => step >= {told['last']})", timeout=60_000
    )
    seen = notebook.page.evaluate(TAKE)
    during = [at for at, _ in seen["updates"] if at <= told["ended"]]
    lag = next(at for at, step in seen["updates"] if step >= told["last"]) - told["ended"]
    return Run(told["steps_per_s"], len(during) / seconds, seen["frames"], max(lag, 0.0))


def measure(seconds: float, minutes: float) -> str:
    """The table."""
    cells = [SETUP, SHOW.format(panels=6, modules=12), *(RUN.format(seconds=s) for s in (4, seconds, 60))]
    rest = max(60 * (minutes - 1), 0)
    with opened([*cells, RUN.format(seconds=rest), PUSHES]) as notebook:
        notebook.run(0)
        notebook.run(1)
        notebook.page.locator("[data-testid=mw-root]").first.evaluate("(root) => root.scrollIntoView()")
        notebook.page.wait_for_function("() => document.querySelectorAll('.mw-mark-mean').length === 6", timeout=60_000)
        notebook.page.evaluate(WATCH)
        watched_run(notebook, 2, 4)  # warms up
        main = watched_run(notebook, 3, seconds)
        heaps = [watched_heap(notebook, 4, 60), watched_heap(notebook, 5, rest)] if minutes > 1 else []
        pushes = json.loads(notebook.run(6).strip().splitlines()[0])
        errors = notebook.complaints
    return "\n".join([table(["page", "measured", "must", "aim"], rows_of(main, heaps, pushes, minutes)), *errors])


def watched_heap(notebook: Notebook, cell: int, seconds: float) -> float:
    """Run the loop, and give what the page holds when it has drawn the end."""
    watched_run(notebook, cell, seconds)
    return heap_bytes(notebook)


def rows_of(main: Run, heaps: Sequence[float], pushes: dict[str, list[float]], minutes: float) -> list[list[str]]:
    """Rows of the table."""
    rows = [
        ["steps a second in the loop", number(main.steps_per_s, 0), "", ""],
        ["updates a second", number(main.updates_per_s, 1), "5", "10"],
        ["frame time, median, ms", number(median(main.frames_ms), 0), "", ""],
        ["frame time, 95th percentile, ms", number(main.slow_frames_ms, 0), "", ""],
        ["lag after the loop, s", number(main.lag_s), "1", "1"],
        ["push of 480 series, not due, us", number(1e6 * median(pushes["not_due"]), 1), "30", "10"],
        ["push of 480 series, due, ms", number(1e3 * median(pushes["due"])), "1", "0.3"],
    ]
    if heaps:
        first, last = (heap / 2**20 for heap in heaps)
        rows.append(["heap after 1 minute, MB", number(first, 1), "", ""])
        rows.append([f"heap after {minutes:g} minutes, over that", number(last / first), "1.2", "1.05"])
    return rows


def main(given: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="how long updates and frames are counted")
    parser.add_argument(
        "--minutes", type=float, default=1, help="after how long the heap is looked at; 1 leaves it out"
    )
    arguments = parser.parse_args(given)
    print(command("benchmarks.page", given))
    print(measure(arguments.seconds, arguments.minutes))


if __name__ == "__main__":
    main()
