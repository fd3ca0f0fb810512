from __future__ import annotations

import threading

import pytest

from monitorch_widgets.panel.flow import (
    BURST_S,
    BYTES_PER_S,
    INTERVAL_S,
    LOST_INTERVAL_S,
    PATIENCE_S,
    PAUSE_S,
    RATE,
    Flow,
)

STEP_S = 0.01


class Loop:
    """A loop of steps of ten milliseconds that sends what it may, on a clock of its own."""

    def __init__(self, size: int = 1000, rate: float = RATE) -> None:
        self.flow, self.now, self.size = Flow(), 1000.0, size
        self.flow.rate = rate
        self.sent: list[float] = []

    def run(self, seconds: float, *pages: Page) -> int:
        """Run for a while; gives the number of messages."""
        before, end = len(self.sent), self.now + seconds
        while self.now < end:
            self.now += STEP_S
            for page in pages:
                page.answer(self)
            if self.now >= self.flow.due and self.flow.ready(self.now):
                number = self.flow.next_number()
                self.flow.sent(self.now, self.now + 0.001, self.size)
                self.sent.append(self.now)
                for page in pages:
                    page.got.append((self.now, number))
        return len(self.sent) - before


class Page:
    """Takes a message `delay` seconds after it came, the newest of those that wait."""

    def __init__(self, name: str, delay: float) -> None:
        self.name, self.delay = name, delay
        self.got: list[tuple[float, int]] = []
        self.most_waiting = 0

    def answer(self, loop: Loop) -> None:
        self.most_waiting = max(self.most_waiting, len(self.got))
        if self.got and loop.now >= self.got[0][0] + self.delay:
            loop.flow.taken(self.name, self.got[-1][1], now=loop.now)
            self.got.clear()


def test_a_page_that_keeps_up_gets_ten_messages_a_second() -> None:
    assert Loop().run(5, Page("a", 0.03)) == pytest.approx(5 / INTERVAL_S, abs=5)


def test_a_slow_page_gets_a_message_when_it_has_taken_the_last_and_nothing_waits_for_it() -> None:
    loop, page = Loop(), Page("a", 0.4)
    loop.run(2, page)  # until it is known that answers are heard
    page.most_waiting = 0
    assert loop.run(10, page) == pytest.approx(10 / 0.41, abs=2)
    assert page.most_waiting == 1


def test_where_no_answer_is_heard_time_alone_says_when() -> None:
    loop, silent = Loop(), Page("a", 1e9)
    assert loop.run(5, silent) == pytest.approx(5 / INTERVAL_S, abs=5)


def test_answers_that_come_between_cells_do_not_stall_the_next_cell() -> None:
    loop, page = Loop(), Page("a", 1e9)
    for _ in range(3):
        assert loop.run(5, page) > 40
        loop.flow.taken("a", loop.flow.number, now=loop.now + 0.1)  # heard when the cell has ended
        loop.now += 10 * PAUSE_S


def test_the_slowest_of_several_pages_sets_the_pace() -> None:
    loop, fast, slow = Loop(), Page("fast", 0.02), Page("slow", 0.5)
    loop.run(2, fast, slow)
    slow.most_waiting = 0
    assert loop.run(10, fast, slow) == pytest.approx(10 / 0.51, abs=3)
    assert slow.most_waiting == 1


def test_a_page_that_was_closed_holds_the_others_up_once() -> None:
    loop, stays, closed = Loop(), Page("stays", 0.02), Page("closed", 0.02)
    loop.run(2, stays, closed)
    before = loop.now
    loop.run(10, stays)
    assert max(b - a for a, b in zip(loop.sent, loop.sent[1:], strict=False)) <= PATIENCE_S + 0.2
    assert len([at for at in loop.sent if at > before + PATIENCE_S + 0.5]) > 60


def test_the_only_page_closed_slows_the_messages_and_one_that_comes_back_gets_all() -> None:
    loop, page = Loop(), Page("a", 0.02)
    loop.run(2, page)
    assert loop.run(10) <= 1 + (10 - PATIENCE_S) / LOST_INTERVAL_S + 1
    loop.run(1, page)
    assert loop.run(5, page) > 40


@pytest.mark.parametrize("pages", [0, 1])
@pytest.mark.parametrize("size", [100, 22_000, 176_000, 3_000_000])
def test_bytes_and_messages_stay_far_below_the_limits_of_a_server(pages: int, size: int) -> None:
    loop = Loop(size)
    loop.run(30, *[Page("a", 0.02)] * pages)
    for at in loop.sent:
        within = [other for other in loop.sent if at <= other < at + 3]
        assert len(within) <= 31
        assert len(within) * size <= max(3 * BYTES_PER_S + size, size)


def test_what_is_forced_is_bounded_too() -> None:
    flow, sent = Flow(), 0
    for epoch in range(1000):  # of a millisecond each
        now = 1000 + epoch / 1000
        if flow.may_be_forced(now):
            flow.sent(now, now, 1000)
            sent += 1
    assert sent <= (1 + BURST_S) / INTERVAL_S + 2


def test_an_answer_to_what_was_never_sent_counts_for_what_was() -> None:
    flow = Flow()
    flow.next_number()
    flow.taken("a", 99)
    assert flow.heard == 1


@pytest.mark.parametrize("heard", [True, False], ids=["heard", "unheard"])
@pytest.mark.parametrize("rate", [0.1, 0.5, 2, 5, 10, 25])
def test_B03_as_many_messages_as_are_asked_for(rate: float, heard: bool) -> None:
    loop = Loop(rate=rate)
    assert loop.run(100, *[Page("a", 0.02)] * heard) == pytest.approx(100 * rate, rel=0.05, abs=2)
    assert loop.flow.rate == rate


def test_B03_a_page_that_cannot_keep_up_gets_fewer_than_are_asked_for() -> None:
    loop, page = Loop(rate=25), Page("a", 0.4)
    loop.run(2, page)
    page.most_waiting = 0
    assert loop.run(10, page) == pytest.approx(10 / 0.41, abs=2)
    assert page.most_waiting == 1


@pytest.mark.parametrize("size", [22_000, 176_000, 3_000_000])
def test_B03_the_bytes_of_a_second_bound_any_rate(size: int) -> None:
    loop = Loop(size, rate=30)
    loop.run(30, Page("a", 0.02))
    for at in loop.sent:
        within = [other for other in loop.sent if at <= other < at + 3]
        assert len(within) * size <= 3 * BYTES_PER_S + size


def test_B03_time_that_was_spent_bounds_any_rate() -> None:
    flow = Flow(share=0.1)
    flow.rate = 30
    flow.sent(1000.0, 1000.5, size=100)
    assert flow.due == pytest.approx(1005.0)
    flow.rate = 20
    assert flow.due == pytest.approx(1005.0)


def test_B03_another_rate_holds_from_the_next_message_on() -> None:
    loop, page = Loop(rate=0.1), Page("a", 0.02)
    assert loop.run(3, page) == 1
    loop.flow.rate = 10
    assert loop.run(3, page) == pytest.approx(30, abs=3)
    loop.flow.rate = 0.5
    assert loop.run(20, page) == pytest.approx(10, abs=1)


def test_B03_after_a_fault_a_new_rate_waits_as_long_as_any() -> None:
    flow = Flow()
    flow.sent(1000.0, 1000.0, size=100)
    flow.hold(until=1005.0)
    flow.rate = 30
    assert flow.due == 1005.0


def test_B03_what_somebody_waits_for_goes_out_of_turn_at_a_low_rate_too() -> None:
    loop = Loop(rate=0.1)
    loop.run(1, Page("a", 0.02))
    assert loop.flow.due > loop.now + 5
    assert loop.flow.may_be_forced(loop.now)


def test_answers_may_come_on_any_thread() -> None:
    flow = Flow()
    flow.number = 500

    def answer(page: str) -> None:
        for number in range(500):
            flow.taken(page, number)
            assert flow.heard <= 500

    threads = [threading.Thread(target=answer, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for _ in range(500):
        flow.ready(1000.0)
    for thread in threads:
        thread.join()
    assert flow.heard == 499
