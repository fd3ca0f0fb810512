"""The README's picture: the quickstart's dashboard while the network learns: ``python -m benchmarks.picture``."""

from __future__ import annotations

from pathlib import Path

import nbformat

from benchmarks.jupyter import PROJECT, until
from benchmarks.page_lab import opened

QUICKSTART = PROJECT / "notebooks" / "quickstart.ipynb"
PICTURE = PROJECT / "docs" / "dashboard.png"
TRAINING = 7  # the code cell that trains the mended network
STEPS = 900  # as many as before it was mended; every panel has something to show


def quickstart() -> list[str]:
    """Code of the cells up to that training, which is made longer, so that it still runs when the picture is taken."""
    document = nbformat.read(QUICKSTART, as_version=4)
    cells = [cell.source for cell in document.cells if cell.cell_type == "code"][: TRAINING + 1]
    return [*cells[:-1], cells[-1].replace("epochs=10", "epochs=30")]


def take(to: Path) -> None:
    """Run the notebook, and keep its dashboard as it is after some steps."""
    with opened(quickstart(), width=1600, height=1500) as notebook:
        for cell in range(TRAINING):
            notebook.run(cell)
        notebook.start(TRAINING)
        root = notebook.page.get_by_test_id("mw-root").last  # right above the cell
        root.evaluate("(root) => root.scrollIntoView({ block: 'start' })")
        step = root.get_by_test_id("mw-step")
        until(lambda: int("".join(filter(str.isdigit, step.inner_text())) or 0) >= STEPS, "it did not come so far")
        root.screenshot(path=str(to))


if __name__ == "__main__":
    take(PICTURE)
