"""Where the plots of a figure stand, in inches from its lower left corner. Knows no matplotlib.

Big plots come first, in rows; below them a column per tag with small plots, one module under the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEFT, RIGHT = 0.75, 0.25  # room for tick labels, and between columns
TITLE, LEGEND_ROW, BELOW = 0.5, 0.24, 0.55  # heading of a tag; a row of its legend; tick labels and 'epoch'
BIG_WIDTH, BIG_HEIGHT = 5.6, 2.8
SMALL_WIDTH, SMALL_HEIGHT, SMALL_TITLE = 4.4, 0.9, 0.3
COLUMNS = 6  # columns of small plots side by side, before a new row of columns begins
TALLEST = 500.0  # Agg draws at most 65,535 pixels in a direction: this is safe up to 130 dots per inch


@dataclass(frozen=True)
class Box:
    """A rectangle, in inches."""

    left: float
    bottom: float
    width: float
    height: float

    def relative(self, size: tuple[float, float]) -> tuple[float, float, float, float]:
        """Left, bottom, width and height as fractions of a figure of that size."""
        return self.left / size[0], self.bottom / size[1], self.width / size[0], self.height / size[1]


@dataclass(frozen=True)
class Column:
    """A tag with small plots: where its heading is centred, and its plots from top to bottom."""

    heading: tuple[float, float]
    legend: tuple[float, float]
    plots: tuple[Box, ...]


@dataclass(frozen=True)
class Layout:
    """Size of a figure, its big plots, and its columns of small plots."""

    size: tuple[float, float]
    big: tuple[Box, ...]
    columns: tuple[Column, ...]


def lay_out(big_count: int, small_counts: Sequence[int], legend_rows: Sequence[int]) -> Layout:
    """Place the plots of a figure.

    Parameters
    ----------
    big_count : int
        Number of big plots.
    small_counts : sequence of int
        For each tag with small plots, how many there are.
    legend_rows : sequence of int
        For each of them, the rows of its legend; 0 for none.
    """
    width = max(min(len(small_counts), COLUMNS) * SMALL_WIDTH, min(big_count, 3) * BIG_WIDTH, BIG_WIDTH)
    per_row = max(1, int(width // BIG_WIDTH))
    big_tops = [index // per_row * (TITLE + BIG_HEIGHT + BELOW) for index in range(big_count)]
    top = -(-big_count // per_row) * (TITLE + BIG_HEIGHT + BELOW)
    blocks = [range(start, len(small_counts))[:COLUMNS] for start in range(0, len(small_counts), COLUMNS)]
    tallest = [max(small_counts[index] for index in block) for block in blocks]
    pitch = min(SMALL_TITLE + SMALL_HEIGHT, TALLEST / max(1, sum(tallest)))
    tops = []
    for block, rows in zip(blocks, tallest, strict=True):
        head = TITLE + max(legend_rows[index] for index in block) * LEGEND_ROW
        tops.append((top, head))
        top += head + rows * pitch + BELOW
    height = max(top, TITLE + BIG_HEIGHT)
    big = tuple(_big(index % per_row, height - big_tops[index], width / per_row) for index in range(big_count))
    columns = tuple(
        _column(place, width / min(len(small_counts), COLUMNS), height - start, head, small_counts[index], pitch)
        for (start, head), block in zip(tops, blocks, strict=True)
        for place, index in enumerate(block)
    )
    return Layout((width, height), big, columns)


def _big(place: int, top: float, width: float) -> Box:
    return Box(place * width + LEFT, top - TITLE - BIG_HEIGHT, width - LEFT - RIGHT, BIG_HEIGHT)


def _column(place: int, width: float, top: float, head: float, count: int, pitch: float) -> Column:
    title = SMALL_TITLE * pitch / (SMALL_TITLE + SMALL_HEIGHT)
    left, middle = place * width + LEFT, place * width + LEFT + (width - LEFT - RIGHT) / 2
    boxes = (Box(left, top - head - (row + 1) * pitch, width - LEFT - RIGHT, pitch - title) for row in range(count))
    return Column((middle, top - 0.18), (middle, top - 0.4), tuple(boxes))
