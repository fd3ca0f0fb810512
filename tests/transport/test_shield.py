"""An interrupt waits for the end of a section, and comes once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from monitorch_widgets.transport import Shield


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """Python's own handler, whatever runs the tests; back in place after each."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_it_comes_once_at_the_end() -> None:
    done, caught = [], []
    try:
        with Shield() as shield:
            assert not shield.pending
            interrupt()
            interrupt()
            assert shield.pending
            done.append("body")
        done.append("behind")
    except KeyboardInterrupt:
        caught.append("once")
    assert (done, caught) == (["body"], ["once"])
    with Shield() as again:
        assert not again.pending


def test_nothing_happens_without_an_interrupt() -> None:
    with Shield() as shield:
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert not shield.pending


def test_nested_sections_end_with_the_outer_one() -> None:
    done = []

    def nested() -> None:
        with Shield() as outer:
            with Shield() as inner:
                interrupt()
                assert inner.pending
            done.append("between")
            assert outer.pending

    with pytest.raises(KeyboardInterrupt):
        nested()
    assert done == ["between"]


def test_any_handler_is_called_and_restored() -> None:
    calls: list[int] = []

    def own(number: int, frame: FrameType | None) -> None:
        calls.append(number)

    signal.signal(signal.SIGINT, own)
    with Shield():
        interrupt()
        assert calls == []
    assert calls == [signal.SIGINT]
    assert signal.getsignal(signal.SIGINT) is own
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_ignored_interrupts_stay_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Shield() as shield:
        interrupt()
        assert not shield.pending
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_a_section_that_hangs_can_be_left() -> None:
    done = []

    def hanging() -> None:
        with Shield(patience=0.0):
            interrupt()
            done.append("patient")
            while True:
                interrupt()  # the clock may need a tick

    with pytest.raises(KeyboardInterrupt):
        hanging()
    assert done == ["patient"]


def test_an_error_in_the_section_is_not_lost() -> None:
    def failing() -> None:
        with Shield():
            interrupt()
            raise ValueError("in the section")

    with pytest.raises(KeyboardInterrupt) as caught:
        failing()
    assert isinstance(caught.value.__context__, ValueError)


def test_other_threads_leave_signals_alone() -> None:
    seen = []

    def body() -> None:
        with Shield() as shield:
            seen.append((signal.getsignal(signal.SIGINT), shield.pending))

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert seen == [(signal.default_int_handler, False)]
