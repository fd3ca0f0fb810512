"""Tables in plain text."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version

import torch


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Text of a table: the first column to the left, the others to the right.

    Examples
    --------
    >>> print(table(["variant", "ms"], [["bare", "1.5"], ["ours", "10.25"]]))
    variant     ms
    bare       1.5
    ours     10.25
    """
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    return "\n".join(_line(row, widths) for row in [head, *rows])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]).rstrip()


def number(value: float, digits: int = 2) -> str:
    """A number for a cell; a dash where there is none.

    Examples
    --------
    >>> number(1.234), number(float("nan"))
    ('1.23', '-')
    """
    return "-" if value != value else f"{value:.{digits}f}"


def machine(device: torch.device) -> dict[str, str]:
    """What the figures were made on."""
    return {
        "torch": torch.__version__,
        "numba": "none" if importlib.util.find_spec("numba") is None else version("numba"),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else f"cpu ({_processor()})",
        "threads": str(torch.get_num_threads()),
        "python": platform.python_version(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def command(program: str, given: Sequence[str] | None) -> str:
    """How to run it again; `given` are its arguments where it was not run from the command line."""
    return " ".join(["python -m", program, *(sys.argv[1:] if given is None else given)])


def header(program: str, facts: dict[str, str], given: Sequence[str] | None = None) -> str:
    """The command, and a line of what it ran on."""
    return f"{command(program, given)}\n" + ", ".join(f"{name} {value}" for name, value in facts.items())
