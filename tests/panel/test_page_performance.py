"""Parts of the tab "Performance" that need no document, run by node where there is one."""

from __future__ import annotations

import pytest

from tests.panel.test_page_parts import page, pytestmark

__all__ = ["pytestmark"]

TRAFFIC = """
let now = 1000;
const traffic = new Traffic(() => now);
const text = "x".repeat(98); // 100 bytes as JSON
const come = (times, every_ms, bytes = 0, update = true) => {
  for (let i = 0; i < times; i++) {
    now += every_ms;
    traffic.saw(text, [{ byteLength: bytes }], update);
  }
};
const told = (asked) => Object.values(traffic.rates(asked)).map((rate) => (rate === rate ? rate : "none"));
"""


def told(script: str, asked: float = 10) -> list[float | str]:
    """Updates and bytes a second, after what came."""
    found: list[float | str] = page(f"(() => {{ {script}; return told({asked}); }})()", TRAFFIC)
    return found


def test_B21_updates_and_bytes_a_second_are_those_of_the_last_seconds() -> None:
    assert told("come(100, 100, 900)") == pytest.approx([10, 10_000], rel=0.05)
    assert told("come(100, 100); come(40, 200)") == pytest.approx([5, 500], rel=0.05)
    assert told("come(100, 100); now += 60000") == [0, 0]


def test_B21_before_there_is_something_to_count_nothing_is_told() -> None:
    assert told("") == told("come(1, 100)") == ["none", "none"]


def test_B21_rare_updates_are_counted_over_a_longer_time() -> None:
    assert told("come(10, 10000)", asked=0.1)[0] == pytest.approx(0.1, rel=0.35)


def test_B21_cards_are_bytes_but_no_updates() -> None:
    updates, size = told("come(60, 50, 900, false); come(30, 100)")
    assert updates == pytest.approx(10, rel=0.05)
    assert told("come(60, 50, 900, false)") == [0, pytest.approx(20_000, rel=0.05)] and size == pytest.approx(
        1000, rel=0.05
    )
    assert page("(() => { come(1, 100); now += 500; come(1, 100, 0, false); return traffic.age_s; })()", TRAFFIC) == 0.6


def test_B21_what_was_acknowledged_stays_so_when_python_waits_no_longer_for_a_page() -> None:
    heard = "[0, 3, 7, 0].map((heard) => (traffic.saw({ heard }, [], true), traffic.heard))"
    assert page(heard, TRAFFIC) == [0, 3, 7, 7]


def test_B21_what_came_long_ago_is_forgotten() -> None:
    assert page("(() => { come(10000, 1); return traffic.seen.length; })()", TRAFFIC) <= page("MOST")


@pytest.mark.parametrize(("value", "stop"), [(50, 5), (1, 0), (7, 2), (70, 5), (10**6, 9), (0, 0)])
def test_B02_a_slider_stands_at_the_stop_that_is_nearest_by_ratio(value: float, stop: int) -> None:
    assert page(f"nearestStop(LOG_STOPS, {value})") == stop


def test_B02_B03_the_sliders_have_the_usual_values_among_their_stops() -> None:
    assert page("LOG_STOPS") == [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
    stops = page("REFRESH_STOPS")
    assert (stops[0], stops[-1]) == (0.1, 30) and 10 in stops


@pytest.mark.parametrize(("rate", "every_ms"), [(10, 90), (30, 30), (5, 180), (2, 450), (0.1, 450)])
def test_B03_drawing_keeps_pace_with_what_is_asked_for(rate: float, every_ms: float) -> None:
    pace = "const pace = new Pace(() => {}, () => {});"
    assert page("pace.every_ms", pace) == 90
    assert page("pace.every_ms", f"{pace} pace.keep({rate});") == pytest.approx(every_ms)


def test_B03_a_notebook_that_was_saved_before_has_the_usual_rate() -> None:
    assert page("[refreshRate(null), refreshRate({}), refreshRate({ refresh_rate: 2 })]") == [10, 10, 2]
