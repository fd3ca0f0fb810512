"""An hour that is steered, in miniature: commands and views change nothing that they don't name."""

from __future__ import annotations

import pytest

from benchmarks import hour


@pytest.mark.parametrize("seed", [1, 2])
def test_weights_and_untouched_history_are_those_of_the_run_left_alone(seed: int) -> None:
    alone, steered = hour.trained(2000), hour.trained(2000, 100, seed)
    assert steered.unlike(alone) == []
    assert (steered.steps, steered.done.total()) == (2000, 100)
    assert {name.split(":")[0] for name in steered.done} == {"page", "Python", "view"}
    assert 0 < steered.refused < 100
    assert [len(steps) for steps, *_ in (steered.numbers[tag] for tag in hour.UNTOUCHED)] == [2000, 2000, 2000]


def test_a_difference_is_told() -> None:
    one, other = hour.trained(20), hour.trained(30)
    assert set(other.unlike(one)) == {*hour.UNTOUCHED, "weights"}


def test_the_program_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    hour.main(["200", "--acts", "20"])
    printed = capsys.readouterr().out
    assert "MB after the half" in printed and "20 acts" in printed
    assert "weights and the history of untouched lenses are the same" in printed
