"""Which rows of the checklist have no test: ``python scripts/rows.py [folder of tests]``.

A row has a test where the name of a test function holds its id, between underscores:
``def test_B17_step_and_epoch_give_two_keys()``, ``def test_B08_B09_defaults()``. Rows without a test are printed, and
the exit status is 1 if there are any.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

GROUPS = {"A": 17, "B": 21, "N": 43}
ROWS = [f"{letter}{number:02}" for letter, count in GROUPS.items() for number in range(1, count + 1)]
_ID = re.compile(rf"(?<=_)[{''.join(GROUPS)}]\d\d(?=_|$)")


def ids(name: str) -> set[str]:
    """Rows that a test names.

    >>> sorted(ids("test_B08_B09_defaults")), ids("test_n1_B7_lower_x9")
    (['B08', 'B09'], set())
    """
    return set(_ID.findall(name)) & set(ROWS)


def names_in(tree: ast.AST) -> Iterator[str]:
    """Names of the test functions in a file, those in classes too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.name


def by_row(folder: Path) -> dict[str, list[str]]:
    """Tests of each row, as ``file::name``."""
    found: dict[str, list[str]] = {row: [] for row in ROWS}
    for file in sorted(folder.rglob("test_*.py")):
        for name in names_in(ast.parse(file.read_text(encoding="utf-8"))):
            for row in ids(name):
                found[row].append(f"{file.relative_to(folder)}::{name}")
    return found


def main(folder: Path) -> int:
    """Print how many tests the rows have; 1 if a row has none."""
    found = by_row(folder)
    missing = [row for row, names in found.items() if not names]
    count = len({name for names in found.values() for name in names})
    print(f"{len(ROWS) - len(missing)} of {len(ROWS)} rows have a test ({count} tests).")
    if missing:
        print("Without a test:", *missing)
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "tests"))
