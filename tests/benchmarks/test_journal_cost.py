"""The program that measures what a journal costs runs and prints its table; what the figures are is not tested."""

from __future__ import annotations

import pytest

from benchmarks import journal


def test_B03_the_journal_program_prints_both_ways_and_the_size(capsys: pytest.CaptureFixture[str]) -> None:
    journal.main(["--steps", "4", "--block", "2"])
    printed = capsys.readouterr().out
    assert printed.startswith("python -m benchmarks.journal --steps 4")
    assert "with a journal" in printed and "MB a million readings" in printed
