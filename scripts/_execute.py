"""Executes a notebook, writes it with outputs and widgets, and prints what its summary cell printed.

Usage: ``_execute.py NOTEBOOK WRITTEN``. The summary is the cell that carries the tag ``summary``.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
CELL_TIMEOUT_S = 600


def main(source: Path, written: Path) -> int:
    started = time.monotonic()
    notebook = nbformat.read(source, as_version=4)
    print(f"executing {source} ...", flush=True)
    fault = execute(notebook, source.parent)
    written.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, written)  # after a fault too: it shows where
    if fault:
        print(f"{fault}\n{source} failed; see {written}", file=sys.stderr)
        return 1
    summary = summary_of(notebook)
    if not summary:
        print(f"{source} has no output in a cell tagged 'summary'; see {written}", file=sys.stderr)
        return 1
    print(summary)
    models = len(notebook.metadata.get("widgets", {}).get(WIDGET_STATE, {}).get("state", {}))
    print(f"written {written} ({models} widget models kept, {time.monotonic() - started:.0f} s)")
    return 0


def execute(notebook: nbformat.NotebookNode, folder: Path) -> str:
    """Run all cells in place; '' when all went well, else the words of the fault."""
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",  # the environment's own kernel, whatever the notebook was saved with
        extra_arguments=["--log-level=ERROR"],  # its words on sockets concern nobody here
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return str(error)
    return ""


def summary_of(notebook: nbformat.NotebookNode) -> str:
    """Give what the tagged cell printed or displayed as text."""
    parts = []
    for cell in notebook.cells:
        if cell.cell_type == "code" and "summary" in cell.metadata.get("tags", []):
            for output in cell.outputs:
                parts.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "".join(parts).strip()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
