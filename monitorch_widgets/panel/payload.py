"""What the page gets, as plain dictionaries and buffers. Made from the history without any widget."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from monitorch_widgets.history import CAPACITY, FOLD, MAX_BINS, Bins, History, Rows, Series
from monitorch_widgets.history.bins import fold_rows, merge_pairs
from monitorch_widgets.values import ChartSpec, ModuleInfo, Status

SCHEMA = 1
SNAPSHOT_BYTES = 16 * 2**20
"""About how large the whole state may be: it is sent at the end of each cell and saved with the notebook."""
FINEST_ROWS = 256  # rows that a snapshot keeps at full detail, however wide the model

Json = dict[str, Any]


def spec_content(title: str, specs: Sequence[ChartSpec], modules: Sequence[ModuleInfo], history: History) -> Json:
    """Everything that stays as it is while a model is attached: modules, and one entry per panel."""
    return {
        "schema": SCHEMA,
        "title": title,
        "capacity": CAPACITY,
        "max_bins": MAX_BINS,
        "modules": [asdict(module) for module in modules],
        "panels": [{**_plain(asdict(spec)), "series": series_names(history, spec.tag)} for spec in specs],
    }


def status_content(status: Status) -> Json:
    """Where the run stands, with nothing in it that JSON can't say."""
    return {field.name: _finite(getattr(status, field.name)) for field in fields(status)} | {
        "epoch_marks": [list(mark) for mark in status.epoch_marks],
        "faults": _records(status.faults),
        "events": _records(status.events),
        "stages": dict(status.stages),
        "memory_bytes": dict(status.memory_bytes),
        "unwatched": _records(status.unwatched),
    }


def _records(items: Iterable[Any]) -> list[Json]:
    """Records without records in them as dictionaries; this runs ten times a second, where `asdict` is slow."""
    return [{name: getattr(item, name) for name in item.__slots__} for item in items]


def series_names(history: History, tag: str) -> list[str]:
    """Names of the series under `tag`; none when nothing was declared yet."""
    return history[tag].modules if tag in history else []


def _plain(content: Json) -> Json:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in content.items()}


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def float32(values: npt.NDArray[Any]) -> bytes:
    """Bytes of `values` as float32; what is too large for it becomes its largest number, NaN stays NaN."""
    largest = np.finfo(np.float32).max
    return bytes(np.clip(values, -largest, largest).astype(np.float32).data)


def int32(values: npt.NDArray[Any]) -> bytes:
    """Bytes of `values` as int32."""
    return bytes(np.clip(values, 0, np.iinfo(np.int32).max).astype(np.int32).data)


@dataclass(frozen=True, slots=True)
class Whole:
    """All that is kept of one series, taken at one moment.

    `width` is how many rows a bin holds.
    """

    names: list[str]
    bins: Bins
    width: int
    rows: Rows

    @property
    def size(self) -> int:
        """Bytes in a snapshot."""
        return 4 * (self.bins.stats.size + self.rows.values.size)


def whole(series: Series) -> Whole:
    """Read a series completely, also while another thread adds to it.

    A page that is reloaded asks from a thread of its own. What it reads is taken again if a fold came in between.
    """
    for _ in range(50):
        width, bins, rows = series.fold_width, series.bins, series.newest(0)
        names = series.modules[: rows.values.shape[1]]
        taken = Whole(names, bins, width, rows)
        if series.bins is bins and bins.stats.shape[1] == len(names) and _in_order(taken):
            return taken
        time.sleep(0.001)  # lets the other thread finish its fold
    return nothing()


def nothing() -> Whole:
    """A series without columns and rows."""
    return Whole([], Bins.empty(0), FOLD, Rows(0, np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 0))))


def _in_order(taken: Whole) -> bool:
    steps = np.concatenate([taken.bins.last_step[-1:], taken.rows.steps])
    return bool((np.diff(steps) > 0).all())


def coarser(taken: Whole, size: int) -> Whole:
    """The same series in about `size` bytes: older rows in bins, then wider bins."""
    while taken.size > size:
        if len(taken.rows.steps) > FINEST_ROWS + taken.width:
            taken = _folded(taken)
        elif len(taken.bins) > 2:
            taken = Whole(taken.names, merge_pairs(taken.bins), 2 * taken.width, taken.rows)
        else:
            break
    return taken


def _folded(taken: Whole) -> Whole:
    rows, width = taken.rows, taken.width
    n = max((len(rows.steps) - FINEST_ROWS) // 2 // width, 1) * width
    old = fold_rows(rows.steps[:n], rows.seconds[:n], rows.values[:n], width)
    kept = Rows(rows.first + n, rows.steps[n:], rows.seconds[n:], rows.values[n:])
    return Whole(taken.names, taken.bins.then(old), width, kept)


def snapshot_content(history: History, tags: Iterable[str], size: int = SNAPSHOT_BYTES) -> Json:
    """All series of `tags`, one entry per panel, in about `size` bytes at most."""
    taken = [whole(history[tag]) if tag in history else nothing() for tag in tags]
    total = sum(one.size for one in taken)
    if total > size:
        taken = [coarser(one, one.size * size // total) for one in taken]
    return {"schema": SCHEMA, "panels": [panel_content(one) for one in taken]}


def panel_content(taken: Whole) -> Json:
    """One panel of the snapshot."""
    bins, rows = taken.bins, taken.rows
    return {
        "series": taken.names,
        "bins": {
            "n": len(bins),
            "width": taken.width,
            "last_step": int32(bins.last_step),
            "seconds": float32(bins.seconds),
            "stats": float32(bins.stats),
        },
        "rows": {
            "first": rows.first,
            "n": len(rows.steps),
            "steps": int32(rows.steps),
            "seconds": float32(rows.seconds),
            "values": float32(rows.values),
        },
    }
