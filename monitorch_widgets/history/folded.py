"""The older rows of a series in a bounded number of bins, with little work at a time."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from weakref import ReferenceType, ref

from .bins import Bins, fold_rows, merge_pairs
from .ring import CAPACITY, Rows

MAX_BINS = 512
FOLD = 8  # rows in a bin at first; twice as many each time that all have merged
UNIT = 64  # rows that are folded at once


@dataclass(frozen=True, slots=True)
class _Bin:
    """One bin of `width` rows, the first of which has the number `start`."""

    start: int
    width: int
    held: Bins


class Folded:
    """Rows in bins: wide ones of the oldest, then narrow ones, at most twice as many.

    When there are too many bins, only the oldest two of the narrow ones merge: each step does a little, none does all.

    Parameters
    ----------
    width : int
        Number of columns.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._narrow = FOLD
        self._parts: list[_Bin] = []  # never changed, always replaced: another thread may be reading
        self._shown: tuple[list[_Bin], ReferenceType[Bins]] | None = None

    @property
    def bins(self) -> Bins:
        """All bins, the oldest first; as long as somebody holds them, the same object until something is folded."""
        parts, shown = self._parts, self._shown
        bins = shown[1]() if shown and shown[0] is parts else None
        if bins is None:
            bins = Bins.empty(self._width).then(*(part.held for part in parts))
            self._shown = parts, ref(bins)
        return bins

    @property
    def rows_in_bin(self) -> int:
        """Rows in the widest bin, as far as so many can be folded at once."""
        return min(self._parts[0].width if self._parts else FOLD, CAPACITY // 2)

    def widen(self, width: int) -> None:
        """Make room for more columns."""
        self._width = width
        self._parts = [replace(part, held=part.held.widened(width)) for part in self._parts]

    def take(self, rows: Rows) -> None:
        """Fold :data:`UNIT` rows, those that follow the ones taken last."""
        parts = self._parts
        if parts and parts[-1].start + parts[-1].width > rows.first:
            return  # an interrupt came between this and the rows' being forgotten
        if len(parts) + UNIT // min(self._narrow, UNIT) > MAX_BINS and self._merged(parts) + 2 > len(parts):
            self._narrow *= 2
        parts = _carried(parts + _folded(rows, min(self._narrow, UNIT)), self._narrow)
        while len(parts) > MAX_BINS:
            parts = self._thinned(parts)
        self._parts = parts

    def _merged(self, parts: list[_Bin]) -> int:
        """How many of the oldest bins are wide."""
        return bisect_left(parts, True, key=lambda part: part.width <= self._narrow)

    def _thinned(self, parts: list[_Bin]) -> list[_Bin]:
        """Merge as many of the oldest narrow bins as there are too many."""
        start = self._merged(parts)
        stop = start + 2 * (len(parts) - MAX_BINS)
        ready = [part for part in parts[start:stop] if part.width == self._narrow]
        if len(ready) < 2:
            self._narrow *= 2
            return parts
        ready = ready[: len(ready) // 2 * 2]
        return parts[:start] + _in_pairs(ready) + parts[start + len(ready) :]


def _folded(rows: Rows, width: int) -> list[_Bin]:
    held = fold_rows(rows.steps, rows.seconds, rows.values, width, rows.first // width)
    return _apart(held, rows.first, width)


def _in_pairs(parts: list[_Bin]) -> list[_Bin]:
    """Neighbours of equal width merged, all at once."""
    start, width = parts[0].start, 2 * parts[0].width
    turn = start // width + width.bit_length()
    return _apart(merge_pairs(parts[0].held.then(*(part.held for part in parts[1:])), turn), start, width)


def _carried(parts: list[_Bin], width: int) -> list[_Bin]:
    """The newest bins, narrower than `width` still, merged as soon as two are equally wide."""
    while len(parts) > 1 and parts[-2].width == parts[-1].width < width:
        parts = parts[:-2] + _in_pairs(parts[-2:])
    return parts


def _apart(bins: Bins, start: int, width: int) -> list[_Bin]:
    return [_Bin(start + i * width, width, bins[i : i + 1]) for i in range(len(bins))]
