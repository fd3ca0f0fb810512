"""Cells of notebooks with cards of every kind."""

from __future__ import annotations

from pathlib import Path

MAKERS = Path(__file__).with_name("made_cards.py").read_text(encoding="utf-8")


def scene(tensors: int) -> str:
    """A cell that shows a run with cards of every kind, and histograms of so many tensors; some hold NaN."""
    return f"""{MAKERS}

from monitorch_widgets.history import History
from monitorch_widgets.inspector.cards import Cards
from monitorch_widgets.panel.dashboard import Dashboard, Subject
from monitorch_widgets.values import ChartSpec, Instrument, ModuleInfo, Reading, Status

cards = Cards()
GROUPS = ("training_step", "input", "output", "batch") if {tensors} > 3 else ("training_step",)
for i in range({tensors}):
    name = f"features.block{{i // 4}}.{{i % 3}}" if i > 1 else str(i)
    shape = "[64, 1, 28, 28]" if i % 2 else "[64]"
    cards.put(histogram(GROUPS[i % len(GROUPS)], name, 500, shape, bad=12 * (i % 7 == 1), shift=(i % 5 - 2) / 2))
cards.put(gallery("samples", list(range(40, 160, 10))))
cards.put(gallery("confusion matrix", [100], size=400))
cards.put(gallery(MARKUP, [1, 2]))
for card in (mixing("failed"), overfit(40), dry_run(), finder(100, "finished"), *run_cards()):
    cards.put(card)
history = History()
for step in range(50):
    history.record([Reading("Loss", "train_loss", step, 2 / (1 + step))], second=step / 20)
items = (("v_num", "3"), ("val_acc", "0.914"), (MARKUP, "1"))
now = Status(
    "live", epoch=2, step=50, elapsed_s=65.0, steps_per_s=20.0, reach="live control",
    instrument=Instrument(log_every_n_steps=50), items=items, eta_s=130.0,
)
specs = (ChartSpec("Loss", "Loss", kind="loss", bands=()),)
dashboard = Dashboard(Subject("Net", specs, (ModuleInfo("fc", "Linear", "linear"),), history, lambda: now, cards))
dashboard
"""
