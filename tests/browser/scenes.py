"""Cells that show a dashboard of made-up readings and a made-up status, as no short training would bring them."""

from __future__ import annotations

NORM, GRADIENT, RATIO, LOSS = "Output Norm", "Output Gradient Norm", "Update Ratio", "Loss"
STAGE = "as the optimizer used it, accumulated over 4 backward passes, unscaled, clipped to a norm of 1"
MARKUP = "head.<b>x</b>"
STEPS = 100


def scene(count: int, unwatched: int, events: str = "EVENTS") -> str:
    """A cell that shows `count` layers after 100 steps, beside modules that are not watched.

    Output norms are zero in one module; output gradients come at every other step, as in a GAN; nothing is read for the
    update ratio; the first layer is called three times.
    """
    return f"""
import math, random
from dataclasses import replace
from monitorch_widgets.history import History
from monitorch_widgets.panel.dashboard import Dashboard, Subject
from monitorch_widgets.values import About, ChartSpec, Event, ModuleInfo, Reading, Status

rng = random.Random(1)
kinds = [("linear", "Linear"), ("norm", "LayerNorm"), ("activation", "GELU")]
names = [f"block{{i // 12 + 1}}.{{kinds[i % 3][0]}}{{i % 12 // 3 + 1}}" for i in range({count})]
modules = [ModuleInfo(n, kinds[i % 3][1], kinds[i % 3][0]) for i, n in enumerate(names)]
calls = [names[0], *(names[0] + end for end in ("#2", "#3"))]
modules[1:1] = [ModuleInfo(n, "Linear", "linear") for n in calls[1:]]
about = About("How large the gradient at each module's output is.", "Lines lie close together.", "Look at the lowest.")
specs = (
    ChartSpec("Loss", "Loss", kind="loss", bands=()),
    ChartSpec("{NORM}", "Output norm", "L2", log=True, bands=("min-max",), stage="per micro-batch"),
    ChartSpec("{GRADIENT}", "Output gradient norm", "L2", bands=("min-max",), about=about),
    ChartSpec("{RATIO}", "Update ratio", "share", empty="No parameter of the chosen modules was stepped so far."),
)
history = History()
for step in range({STEPS}):
    here = [Reading("Loss", "train_loss", step, 2 / (1 + step / 20) + rng.random() / 10)]
    for i, name in enumerate([*calls, *names[1:]]):
        size = (1 + i) * math.exp(-step / 80) * (1 + rng.random() / 5)
        here.append(Reading("{NORM}", name, step, 0.0 if i == 4 and step % 10 < 3 else size))
        if step % 2 == i % 2:
            here.append(Reading("{GRADIENT}", name, step, size / 50))
    history.record(here, second=step / 20)
EVENTS = (
    Event("skipped", 0, 3, 4, "The gradients held inf or NaN, so that GradScaler made no step"),
    Event("skipped", 40, 60, 12, "Gradients were set to zero before a step was made of them"),
    Event("model", 80, 80, 1, "2 modules were added: <b>head</b>, tail"),
)
CROWD = tuple(Event("skipped", s, s, 1, f"Attempt {{s}} made no step") for s in range(0, {STEPS}))
reasons = [
    "torch.jit hides what it computes from hooks: keep this module in plain Python to watch it",
    "never called on its own: its parent uses the parameters directly",
    "lives inside parametrizations",
]
lost = tuple(
    ModuleInfo("{MARKUP}" if i == 0 else f"decoder.layers.{{i}}.self_attention.out_proj", "ScriptModule", "other",
               note=reasons[i % len(reasons)])
    for i in range({unwatched})
)
now = Status(
    "finished", epoch=3, step={STEPS}, elapsed_s=5.0, steps_per_s=20.0, epoch_marks=((1, 33), (2, 66)),
    events={events}, stages=(("{GRADIENT}", "{STAGE}"),), memory_bytes=(("{GRADIENT}", 1_234_567),), unwatched=lost,
)
dashboard = Dashboard(Subject("Generator", specs, tuple(modules), history, lambda: now))
dashboard
"""


CHANGE = f"""
now = replace(now, events=EVENTS[1:2], stages=(("{GRADIENT}", "per micro-batch, later"),), unwatched=lost[:1])
dashboard.finish()
"""
