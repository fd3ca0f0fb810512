"""Every row of the checklist has a test that names it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def counted(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "rows.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_every_row_has_a_test() -> None:
    done = counted()
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("81 of 81 rows have a test")


def test_rows_without_a_test_are_named(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text("def test_A01_A02_b(): ...\nclass TestIt:\n    def test_B21(self): ...\n")
    (tmp_path / "helpers.py").write_text("def test_A03_c(): ...\n")
    (tmp_path / "test_others.py").write_text("def a_B01_b(): ...\ndef test_N44_no_such_row(): ...\n")
    done = counted(str(tmp_path))
    assert done.returncode == 1
    assert done.stdout.startswith("3 of 81 rows have a test (2 tests).\nWithout a test: A03 A04 ")
    assert " B20 N01 " in done.stdout
