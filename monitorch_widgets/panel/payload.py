"""What the page gets, as plain dictionaries and buffers. Made from the history without any widget."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from monitorch_widgets.history import CAPACITY, FOLD, MAX_BINS, STATS, Bins, History, Rows, Series
from monitorch_widgets.history.bins import fold_rows, merge_pairs
from monitorch_widgets.values import ChartSpec, Cost, Instrument, ModuleInfo, Overhead, Status

SCHEMA = 1
SNAPSHOT_BYTES = 16 * 2**20
"""About how large the whole state may be: it is sent at the end of each cell and saved with the notebook."""
FINEST_ROWS = 256  # rows that a snapshot keeps at full detail, however wide the model
_MOST = np.iinfo(np.int32).max

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
    return {name: status_part(status, name) for name in STATUS_PARTS}


def status_part(status: Status, name: str) -> Any:
    """One field of :func:`status_content`."""
    value = getattr(status, name)
    write = _WRITERS.get(name)
    return _finite(value) if write is None else write(value)


def overhead_content(overhead: Overhead) -> Json:
    """What watching costs; what was not measured yet is None."""
    return {
        "fraction": _finite(overhead.fraction),
        "max_fraction": overhead.max_fraction,
        "every_steps": list(overhead.every_steps),
        "costs": [_cost_content(cost) for cost in overhead.costs],
    }


def _cost_content(cost: Cost) -> Json:
    return {
        "name": cost.name,
        "tags": list(cost.tags),
        "every_steps": cost.every_steps,
        "pairs": cost.pairs,
        "once_s": _finite(cost.once_s),
        "fraction": _finite(cost.fraction),
    }


def _records(items: Iterable[Any]) -> list[Json]:
    """Records without records in them as dictionaries; this runs ten times a second, where `asdict` is slow."""
    return [{name: _finite(getattr(item, name)) for name in item.__slots__} for item in items]


def instrument_content(instrument: Instrument) -> Json:
    """What is collected, and how."""
    return {name: _plainly(value) for name, value in asdict(instrument).items()}


def _plainly(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plainly(inner) for key, inner in value.items()}
    return [_plainly(inner) for inner in value] if isinstance(value, tuple | list) else value


STATUS_PARTS = tuple(field.name for field in fields(Status))
_WRITERS: dict[str, Callable[[Any], Any]] = {
    "epoch_marks": lambda marks: [list(mark) for mark in marks],
    "faults": _records,
    "events": _records,
    "stages": dict,
    "memory_bytes": dict,
    "unwatched": _records,
    "learning_rates": _records,
    "instrument": instrument_content,
    "overhead": overhead_content,
    "items": lambda items: [list(item) for item in items],
    "writers": _records,
}


def series_names(history: History, tag: str) -> list[str]:
    """Names of the series under `tag`; none when nothing was declared yet."""
    return history[tag].modules if tag in history else []


def _plain(content: Json) -> Json:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in content.items()}


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def float32(values: npt.NDArray[Any]) -> bytes:
    """Bytes of `values` as float32; what is too large for it becomes its largest number, NaN stays NaN."""
    with np.errstate(over="ignore"):
        narrow = values.astype(np.float32)
    if np.isinf(narrow).any():  # seldom, and to look for it is cheaper than to clip
        narrow = np.nan_to_num(narrow, nan=np.nan)
    return bytes(narrow.data)


def int32(values: npt.NDArray[Any]) -> bytes:
    """Bytes of `values`, from 0 up, as int32; what is too large becomes its largest number."""
    return bytes(np.minimum(values, _MOST).astype(np.int32).data)


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
    """The same series in about `size` bytes: wider bins, and all but the newest rows in bins of that width."""
    if taken.size <= size:
        return taken
    bins, width, rows = taken.bins, taken.width, taken.rows
    extra = max(len(rows.steps) - FINEST_ROWS, 0)
    kept = len(rows.steps) - extra
    room = (size // 4 // max(len(taken.names), 1) - kept) // len(STATS)  # for bins
    while len(bins) + extra // width > room and (len(bins) > 2 or width < extra):
        bins, width = merge_pairs(bins), 2 * width
    n = extra // width * width
    old = fold_rows(rows.steps[:n], rows.seconds[:n], rows.values[:n], width)
    newer = Rows(rows.first + n, rows.steps[n:], rows.seconds[n:], rows.values[n:])
    return Whole(taken.names, bins.then(old), width, newer)


def snapshot_content(history: History, tags: Iterable[str], size: int = SNAPSHOT_BYTES) -> Json:
    """All series of `tags`, one entry per panel, in about `size` bytes at most."""
    taken = [whole(history[tag]) if tag in history else nothing() for tag in tags]
    total = sum(one.size for one in taken)
    if total > size:
        taken = [coarser(one, one.size * size // total) for one in taken]
    return {"schema": SCHEMA, "panels": [panel_content(one) for one in taken]}


def content_size(content: Json) -> int:
    """Bytes of all buffers in the content of a snapshot."""
    parts = (panel[part] for panel in content["panels"] for part in ("bins", "rows"))
    return sum(len(value) for part in parts for value in part.values() if isinstance(value, bytes))


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
