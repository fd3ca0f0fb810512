"""Cards made by hand, as lenses, checks and finders make them. The text of this file is also a cell of notebooks."""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from monitorch_widgets.values import Card

MARKUP = "<img src=x onerror=__pwned=1>"
BINS, LOW, HIGH = 64, -4.0, 4.0
NOT_MIXED = "No sample's output depends on another sample of the batch."
MIXED = "Your model is mixing data across the batch dimension. This can lead to wrong gradient updates."


def spread(step: int, shift: float) -> npt.NDArray[np.float64]:
    """How values are spread at a step, as a bell that moves and widens."""
    centres = np.linspace(LOW, HIGH, BINS)
    return np.exp(-(((centres - shift - math.sin(step / 90)) / (0.5 + step / 900)) ** 2))


def histogram(group: str, name: str, step: int, shape: str = "[64]", *, bad: int = 0, shift: float = 0.0) -> Card:
    """A tensor of which a histogram was made at every fifth step, the last ones with `bad` NaN."""
    steps = list(range(max(step % 5, step - 295), step + 1, 5))
    rows = np.stack([np.round(255 * spread(s, shift) / spread(s, shift).max()) for s in steps]).astype(np.uint8)
    newest = np.round(3000 * spread(step, shift)).astype(int)
    flags = [bad * (i >= len(steps) - 3) for i in range(len(steps))]
    content = {
        "group": group, "name": f"{name}/{shape}", "shape": shape, "dtype": "float32", "step": step,
        "low": LOW, "high": HIGH, "counts": newest.tolist(), "nan": bad, "inf": bad // 4, "count": int(newest.sum()),
        "mean": 0.1234, "std": 0.987, "min": -3.21, "max": 3.9,
        "map": {"steps": steps, "bins": BINS, "low": LOW, "high": HIGH, "bad": flags, "buffer": 0},
    }  # fmt: skip
    return Card(f"histogram/{group}/{name}", "Data", "histogram", f"{group}/{name}", content, (rows.tobytes(),))


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    """A picture (height, width, 3) as a file."""
    height, width, _ = picture.shape
    lines = b"".join(b"\0" + row.tobytes() for row in picture)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def waves(step: int, size: int) -> npt.NDArray[np.uint8]:
    """A picture that is another one at each step."""
    y, x = np.mgrid[0:size, 0:size] / size
    return np.stack([128 + 127 * np.sin(6 * x + step / 9), 255 * y, 255 * x * y], -1).astype(np.uint8)


def gallery(name: str, steps: list[int], size: int = 28) -> Card:
    """Pictures of some steps."""
    same = {"mime": "image/png", "width": size, "height": size}
    items = [
        {"step": s, "epoch": 1 + s // 100, "buffer": i, "caption": f"batch {s} {MARKUP}", **same}
        for i, s in enumerate(steps)
    ]
    pictures = tuple(png(waves(s, size)) for s in steps)
    return Card(f"gallery/{name}", "Gallery", "gallery", name, {"name": name, "items": items}, pictures)


def mixing(state: str) -> Card:
    """What the check of batch mixing says."""
    failed = state == "failed"
    values = [0.3 if failed and i in (1, 5, 9) else float(i == 1) for i in range(16)]
    content: dict[str, Any] = {
        "state": state,
        "words": {"failed": MIXED, "passed": NOT_MIXED}.get(state, "Press the button to run it."),
        "facts": [["sample", "1"], *([["first module that mixes", MARKUP]] if failed else [])],
        "actions": [{"action": "run", "label": "Run again" if failed else "Run", "arguments": {"sample_idx": 1}}],
    }
    if state in ("failed", "passed"):
        lit = [5, 9] if failed else []
        content["bars"] = {"labels": [str(i) for i in range(16)], "values": values, "lit": lit, "unit": "gradient"}
    return Card("check/batch", "Checks", "report", "Batch mixing", content)


def overfit(steps: int) -> Card:
    """A check whose curve falls to zero."""
    y = [2.3 * math.exp(-i / 12) for i in range(steps)]
    content = {
        "state": "running" if steps < 60 else "passed",
        "words": "Two samples of each class must be learnt by heart.",
        "facts": [["samples", "20"], ["loss", f"{y[-1]:.3g}"]],
        "curve": {"x": list(range(steps)), "y": y, "x_label": "step", "y_label": "loss", "log": True},
    }
    return Card("check/overfit", "Checks", "report", "Overfit a few samples", content)


def dry_run() -> Card:
    """A check with a table."""
    columns = ["module", "type", "forward", "backward", "norm"]
    names = [MARKUP, *(f"features.conv{i}" for i in range(1, 24))]
    rows = [[name, "Conv2d", 4, 4 if i % 3 else 0, None if i % 5 else 1.5e-4] for i, name in enumerate(names)]
    content = {"state": "passed", "words": "Every hook fires.", "table": {"columns": columns, "rows": rows}}
    return Card("check/dry_run", "Checks", "report", "Dry run", content)


def loss_at(lr: float) -> float:
    """The loss falls around 6e-4 and explodes above 0.05."""
    return 2.3 - 1.4 / (1 + math.exp(-2.2 * (math.log10(lr) + 3.2))) + (40 * lr**2 if lr > 0.05 else 0)


def finder(count: int, state: str = "running") -> Card:
    """A search that has made so many of 100 steps."""
    lrs = [10 ** (-8 + 8 * i / 99) for i in range(count)]
    smoothed = [loss_at(lr) for lr in lrs]
    content = {
        "state": state, "words": "", "mode": "exponential", "num_training": 100, "lrs": lrs, "smoothed": smoothed,
        "losses": [loss + 0.05 * math.sin(7 * i) for i, loss in enumerate(smoothed)],
        "suggestion": 59 if count > 65 else None, "target": "the learning rate of SGD",
        "can_apply": state == "finished",
    }  # fmt: skip
    return Card("lr_finder", "LR finder", "lr", "Learning-rate finder", content)


def run_cards(epochs: int = 5) -> list[Card]:
    """Hyper-parameters, metrics by epoch, times."""
    facts = [["lr", "0.001"], ["batch_size", "64"], ["optimizer", "Adam"], ["hidden", "128, 64"], ["note", MARKUP]]
    newest = {"columns": ["metric", "newest"], "rows": [["hp/metric_1", 0.91], ["hp/metric_2", 0.123456]]}
    columns = ["epoch", "loss", "train_loss", "val_loss", "accuracy"]
    rows = [[e, 2 / (1 + e), 1.9 / (1 + e), None if e % 2 else 2.1 / (1 + e), 1 - 0.5 / (1 + e)] for e in range(epochs)]
    labels = ["data", "forward", "backward", "optimizer step", "inspector"]
    bars = {"labels": labels, "values": [1.2, 4.3, 8.1, 0.9, 0.3], "unit": "ms"}
    return [
        Card("hparams", "Run", "report", "Hyper-parameters", {"facts": facts, "table": newest}),
        Card("metrics", "Run", "report", "Metrics", {"table": {"columns": columns, "rows": rows}}),
        Card("timing", "Performance", "report", "Time of a step", {"words": "Mean of a step, by part.", "bars": bars}),
    ]
