"""A table of what each epoch has brought."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from monitorch_widgets.errors import NotAttachedError
from monitorch_widgets.lens import AbstractLens, LossMetrics
from monitorch_widgets.preprocessor import ExplicitCall
from monitorch_widgets.values import Card

Cell = float | int | str | None
Row = Mapping[str, Cell]

_KEPT, _SHOWN = 1000, 100
_WORD = 60  # characters of a name in the head


def metrics_table(rows: Sequence[Row], *, header: bool = True) -> str:
    """One line a row, one column a name, in the order that the names come; the epoch is last.

    Parameters
    ----------
    rows : sequence of mapping of str to number or str
        What each epoch has brought; names may be missing.
    header : bool
        Begin with the names and a rule.

    Examples
    --------
    >>> print(metrics_table([{"loss": 1.5, "epoch": 0}, {"loss": 0.25, "val_loss": 1 / 3, "epoch": 1}]))
    loss│val_loss│epoch
    ───────────────────
    1.5 │        │0
    0.25│0.33333 │1
    """
    names = columns_of(rows)
    cells = [[_text(row.get(name)) for name in names] for row in rows]
    heads = [_printable(name) for name in names]
    widths = [max(len(head), *(len(line[i]) for line in cells), 0) for i, head in enumerate(heads)]
    lines = ["│".join(map(str.ljust, line, widths)).rstrip() for line in cells]
    if not header:
        return "\n".join(lines)
    return "\n".join(["│".join(map(str.ljust, heads, widths)), "─" * (sum(widths) + max(len(names) - 1, 0)), *lines])


def columns_of(rows: Iterable[Row]) -> list[str]:
    """Names of the columns, the epoch last."""
    names = dict.fromkeys(name for row in rows for name in row)
    last = ["epoch"] if "epoch" in names else []
    return [name for name in names if name != "epoch"] + last


def _text(cell: Cell) -> str:
    if cell is None or cell != cell:
        return ""
    return f"{cell:.5g}" if isinstance(cell, float) else _printable(str(cell))


def _printable(name: str) -> str:
    plain = name if name.isprintable() else repr(name)[1:-1]
    return plain if len(plain) <= _WORD else plain[: _WORD - 1] + "…"


class RunTable:
    """The newest rows of a run, and the card that shows them."""

    def __init__(self) -> None:
        self._rows: deque[Row] = deque(maxlen=_KEPT)

    @property
    def rows(self) -> list[Row]:
        """The newest 1000 rows, the oldest first."""
        return list(self._rows)

    def add(self, row: Row) -> Card:
        """Keep a row; the card of the newest hundred."""
        self._rows.append(row)
        shown = self.rows[-_SHOWN:]
        names = columns_of(shown)
        lines = [[_finite(row.get(name)) for name in names] for row in shown]
        return Card("metrics", "Run", "report", "Metrics", {"table": {"columns": names, "rows": lines}})


def losses_of(lenses: Iterable[AbstractLens], call: ExplicitCall) -> dict[str, float]:
    """Losses of the epoch that has just ended, under the names that `call` knows."""
    found: dict[str, float] = {}
    for lens in lenses:
        for train, name in ((True, call.train_loss_str), (False, call.non_train_loss_str)):
            with suppress(NotAttachedError):
                if isinstance(lens, LossMetrics):
                    found[name] = lens.loss(train=train)
    return found


def _finite(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and not abs(cell) < float("inf") else cell
