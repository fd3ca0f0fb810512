"""The journal writes what comes, when it should, and what it wrote is read again: no more and no less."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.history import History, Journal
from monitorch_widgets.history.arrivals import Arrivals
from monitorch_widgets.history.journal import writer as writer_file
from monitorch_widgets.history.journal.places import Local

from .stops import Stop

LATEST_S = 60.0


def until(there: Callable[[], bool]) -> None:
    """Wait for another thread."""
    latest = time.monotonic() + LATEST_S
    while not there():
        assert time.monotonic() < latest
        time.sleep(0.001)


def take(journal: Journal, step: int, value: float = 1.0, tag: str = "Norm", names: tuple[str, ...] = ("fc",)) -> None:
    """One step of one tag."""
    count = len(names)
    journal.take(tag, names, np.full(count, step), np.full(count, step / 10), np.full(count, value))
    journal.settle()


def second_of(step: int) -> float:
    return step / 7


def compare(history: History, journal: Journal) -> None:
    """The journal has what the history has, bit for bit."""
    assert journal.flush()
    run = Journal.read(journal.path)
    assert not run.truncated and not run.lost
    assert set(run.tags) == set(history.tags)
    for tag in history.tags:
        series, recorded = history[tag], run[tag]
        assert recorded.modules == series.modules
        assert np.array_equal(recorded.steps, series.steps)
        assert np.array_equal(recorded.seconds, series.seconds)
        assert np.array_equal(recorded.values, series.values, equal_nan=True)


# ---------------------------------------------------------------------- what was read


@pytest.mark.parametrize("seed", range(30))
def test_B03_whatever_comes_in_whatever_order_is_read_again_as_the_history_has_it(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    journal = Journal(tmp_path, max_queue=chance.choice([1, 5, 1000]))
    history = History()
    arrivals = Arrivals(history, journal)
    history.declare("a", ["second", "first"])
    step = 0
    for _ in range(120):
        tags = chance.sample(["a", "b", "c"], chance.randint(0, 3))
        for tag in tags:
            names = chance.choices(["first", "second", "third ☃\n"], k=chance.randint(1, 4))
            values = [chance.choice([chance.gauss(0, 1e3), np.nan, np.inf, 5e-324]) for _ in names]
            arrivals.emit(tag, names, values, step)
        if "c" in tags and chance.random() < 0.3:  # a row of the step is there
            arrivals.put("c", chance.choice(["whole", "first"]), chance.random(), step)
        if chance.random() < 0.3:
            arrivals.settle(second_of)
            journal.settle()
        if chance.random() < 0.1 and (not arrivals._results or arrivals.settle(second_of)):
            arrivals.withdraw(step)
        step += chance.random() < 0.7
    arrivals.settle(second_of)
    compare(history, journal)


def test_B03_a_reading_that_comes_late_has_its_true_step(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    arrivals = Arrivals(History(), journal)
    for step in (2, 5, 3, 5):
        arrivals.emit("Norm", ["fc"], [step], step)
        arrivals.settle(second_of)
    arrivals.put("Norm", "fc", 0.5, 4)
    arrivals.settle(second_of)
    journal.flush()
    series = Journal.read(tmp_path)["Norm"]
    assert series.steps.tolist() == [2, 3, 4, 5] and series.values.ravel().tolist() == [2, 3, 0.5, 5]
    assert series.seconds.tolist() == [step / 7 for step in (2, 3, 4, 5)]


def test_B03_every_bit_of_every_reading_comes_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    bits = np.random.default_rng(0).integers(0, 2**63, 40_000).view(np.float64)
    for start in range(0, len(bits), 400):
        steps = np.repeat(np.arange(start // 4, start // 4 + 100), 4)
        journal.take("Norm", list("abcd") * 100, steps, steps / 3, bits[start : start + 400], 100)
    journal.flush()
    series = Journal.read(tmp_path)["Norm"]
    expected = np.where(np.isfinite(bits), bits, np.nan).reshape(-1, 4)
    assert series.values.tobytes() == expected.tobytes()
    assert np.array_equal(series.steps, np.arange(10_000)) and np.array_equal(series.seconds, np.arange(10_000) / 3)
    assert sum(1 for _ in series.readings()) == np.isfinite(expected).sum()


def test_B03_a_regular_run_takes_little_more_than_its_numbers(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_queue=1000)
    names = [f"layers.{i}" for i in range(20)]
    for start in range(0, 10_000, 100):
        steps = np.repeat(np.arange(start, start + 100), 20)
        journal.take("Norm", names * 100, steps, steps / 3, np.ones(2000), 100)
    journal.flush()
    assert 8 * 200_000 < Path(journal.path).stat().st_size < 9 * 200_000


def test_B03_a_data_frame_has_steps_and_modules(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    take(journal, 3, 0.5, names=("a", "b"))
    journal.flush()
    frame = Journal.read(journal.path)["Norm"].to_pandas()
    assert list(frame.index) == [3] and frame.index.name == "step" and list(frame.columns) == ["a", "b"]


def test_B03_an_unknown_tag_is_told_with_the_nearest(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    take(journal, 0)
    journal.flush()
    run = Journal.read(tmp_path)
    assert "Norm" in run and list(run) == ["Norm"] and len(run) == 1
    with pytest.raises(ArgumentError, match="Did you mean 'Norm'"):
        run["norm"]


# ---------------------------------------------------------------------- when it is written


def test_B03_nothing_is_written_before_there_are_max_queue_events(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_queue=3, flush_secs=1e9)
    take(journal, 0)
    take(journal, 1)
    assert journal.waiting == 2 and not list(tmp_path.iterdir())
    take(journal, 2)
    until(lambda: journal.waiting == 0)
    assert list(Journal.read(tmp_path)["Norm"].steps) == [0, 1, 2]


def test_B03_a_block_of_many_steps_counts_as_many_events(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_queue=10, flush_secs=1e9)
    journal.take("Norm", ["fc"] * 9, np.arange(9), np.arange(9) / 2, np.ones(9), 9)
    assert journal.waiting == 9 and not list(tmp_path.iterdir())
    take(journal, 9)
    until(lambda: journal.waiting == 0)


def test_B03_what_waits_is_written_after_flush_secs(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_queue=1000, flush_secs=0)
    take(journal, 0)
    until(lambda: journal.waiting == 0)
    assert Journal.read(tmp_path)["Norm"].values.tolist() == [[1.0]]


def test_B03_both_are_set_while_it_runs(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert (journal.max_queue, journal.flush_secs) == (10, 120)
    journal.max_queue, journal.flush_secs = 1000, 1e9
    for step in range(100):
        take(journal, step)
    assert journal.waiting == 100 and not list(tmp_path.iterdir())
    journal.max_queue = 101
    take(journal, 100)
    until(lambda: journal.waiting == 0)
    take(journal, 101)
    journal.flush_secs = 0
    until(lambda: journal.waiting == 0)
    assert len(Journal.read(tmp_path)["Norm"].steps) == 102


@pytest.mark.parametrize("wrong", [{"max_queue": 0}, {"flush_secs": -1}, {"flush_secs": "1"}, {"flush_secs": True}])
def test_B03_wrong_settings_raise_when_made_and_when_set(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=f"expected {next(iter(wrong))}"):
        Journal(tmp_path, **wrong)
    journal = Journal(tmp_path)
    for name, value in wrong.items():
        with pytest.raises(ArgumentError, match=f"expected {name}"):
            setattr(journal, name, value)
    assert (journal.max_queue, journal.flush_secs) == (10, 120)
    with pytest.raises(ArgumentTypeError):
        Journal(tmp_path, max_queue=1.5)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- where it is written


def test_B03_a_new_run_never_writes_over_an_older_one(tmp_path: Path) -> None:
    journals = [Journal(tmp_path) for _ in range(12)]
    for step, journal in enumerate(journals):
        take(journal, step)
        assert journal.flush()
    assert len({journal.path for journal in journals}) == len(list(tmp_path.iterdir())) == 12
    for step, journal in enumerate(journals):
        assert list(Journal.read(journal.path)["Norm"].steps) == [step]
    assert Journal.read(tmp_path).path == max(journals, key=lambda journal: _age(journal.path)).path


def _age(path: str) -> tuple[str, int]:
    day, second, *count = Path(path).stem.split("-")
    return f"{day}-{second}", int(count[0]) if count else 1


def test_B03_a_journal_without_readings_leaves_no_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "folder")
    assert journal.flush() and not list((tmp_path / "new" / "folder").iterdir())
    with pytest.raises(ArgumentError, match="has none"):
        Journal.read(tmp_path / "new" / "folder")


def test_B03_a_folder_that_can_not_be_made_raises(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArgumentError, match="expected a folder"):
        Journal(tmp_path / "file" / "folder")
    for wrong in (3, b"runs"):
        with pytest.raises((ArgumentError, ArgumentTypeError), match="expected a path"):
            Journal(wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="expected a path"):
        Journal("")
    with pytest.raises(FileNotFoundError):
        Journal.read(tmp_path / "nothing.journal")


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A folder, as fsspec names it."""
    if request.param == "file":
        yield f"file://{tmp_path}/runs"
        return
    from fsspec.implementations.memory import MemoryFileSystem

    yield f"memory://{request.node.name}/runs"
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


@pytest.mark.parametrize("url", ["file", "memory"], indirect=True)
def test_B16_a_journal_goes_to_a_url_of_fsspec(url: str) -> None:
    journals = [Journal(url, max_queue=4), Journal(url)]
    for step in range(50):
        take(journals[0], step, step / 3)
    take(journals[1], 7)
    assert all(journal.flush() for journal in journals) and journals[0].path.startswith(f"{url}/")
    series = Journal.read(journals[0].path)["Norm"]
    assert series.values.ravel().tolist() == [step / 3 for step in range(50)]
    newest = max(journals, key=lambda journal: _age(journal.path))
    assert Journal.read(url).path == newest.path


def test_B16_a_url_that_nothing_knows_says_what_to_install() -> None:
    with pytest.raises(ArgumentError, match="Install fsspec gcsfs"):
        Journal("gs://bucket/runs")
    with pytest.raises(ArgumentError, match="Install fsspec and its package"):
        Journal("nosuch://bucket/runs")


def test_B16_without_fsspec_a_folder_works_and_a_url_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "fsspec"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(ArgumentError, match="Install fsspec"):
        Journal("memory://runs")
    journal = Journal(tmp_path)
    take(journal, 0)
    assert journal.flush() and "Norm" in Journal.read(tmp_path)


@pytest.mark.parametrize("way", ["refuses", "overwrites"])
def test_B16_a_file_system_that_can_not_append_is_told_at_once(way: str) -> None:
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Stiff(MemoryFileSystem):
        protocol = "stiff"
        store: dict[str, Any] = {}  # noqa: RUF012  # as its base has it

        def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
            if mode == "ab" and way == "refuses":
                raise NotImplementedError("append")
            return super()._open(path, "wb" if mode == "ab" else mode, **kwargs)

    fsspec.register_implementation("stiff", Stiff, clobber=True)
    with pytest.raises(ArgumentError, match="can be appended to"):
        Journal("stiff://runs")
    assert not Stiff.store


# ---------------------------------------------------------------------- files that are not whole, or not ours


def small(tmp_path: Path) -> tuple[bytes, list[int]]:
    """A journal, and where its blocks end."""
    journal = Journal(tmp_path, max_queue=1000)
    ends = []
    for step in range(4):
        take(journal, step, step / 3, names=("a", "b"))
        journal.note("hyperparams", values={"step": step})
        journal.flush()
        ends.append(Path(journal.path).stat().st_size)
    return Path(journal.path).read_bytes(), ends


def test_B03_a_file_that_was_cut_has_all_that_was_whole(tmp_path: Path) -> None:
    whole, ends = small(tmp_path / "whole")
    first = whole.index(b"\n") + 1
    cut = tmp_path / "cut.journal"
    told = 0
    for length in range(first, len(whole)):
        cut.write_bytes(whole[:length])
        run = Journal.read(cut)
        told += run.truncated
        done = sum(end <= length for end in ends)
        steps = list(run["Norm"].steps) if "Norm" in run else []
        assert steps[:done] == list(range(done)) and len(steps) <= done + 1
    assert told > 0.9 * (len(whole) - first)


def test_B03_a_changed_byte_is_never_believed(tmp_path: Path) -> None:
    whole, _ = small(tmp_path / "whole")
    changed = tmp_path / "changed.journal"
    for place in range(whole.index(b"\n") + 1, len(whole)):
        changed.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        run = Journal.read(changed)
        assert run.truncated
        values = run["Norm"].values if "Norm" in run else np.zeros((0, 2))
        assert values.tolist() == [[step / 3] * 2 for step in range(len(values))] and len(values) < 5


def block(line: bytes, payload: bytes = b"") -> bytes:
    import zlib

    return b"%08x %s\n" % (zlib.crc32(payload, zlib.crc32(line)), line) + payload


LIES = [
    b'{"kind":"rows","tag":"a","rows":1000000000000,"columns":1,"bytes":0}',
    b'{"kind":"rows","tag":"a","rows":-1,"columns":4,"bytes":0}',
    b'{"kind":"rows","tag":7,"rows":0,"columns":0,"bytes":0}',
    b'{"kind":"rows","tag":"a","rows":1,"columns":1,"bytes":99999999999999}',
    b'{"kind":"readings","tag":"a","readings":3,"parts":[1e9],"bytes":0}',
    b'{"kind":"readings","tag":"a","readings":0,"parts":7,"bytes":0}',
    b'{"kind":"columns","tag":"a","names":[1,2],"bytes":0}',
    b'{"kind":"columns","bytes":0}',
    b'{"kind":"columns","tag":"a","names":["x"]}',
    b'{"bytes":true}',
    b"[1]",
    b"[" * 100_000,
    b"9" * 10_000,
]


@pytest.mark.parametrize("lie", range(len(LIES)))
def test_B03_a_block_that_lies_about_itself_ends_the_reading(lie: int, tmp_path: Path) -> None:
    whole, _ = small(tmp_path / "whole")
    (tmp_path / "lie.journal").write_bytes(whole + block(LIES[lie]))
    run = Journal.read(tmp_path / "lie.journal")
    assert run.truncated and len(run["Norm"].steps) == 4


WRONG = [
    b'{"kind":"event","bytes":0}',
    b'{"kind":"hyperparams","values":3,"bytes":0}',
    b'{"kind":"withdrawn","step":"x","bytes":0}',
    b'{"kind":"withdrawn","step":99999999999999999999999,"bytes":0}',
    b'{"kind":"epoch","epoch":1,"step":1,"figures":{"Norm":3},"bytes":0}',
]


@pytest.mark.parametrize("wrong", range(len(WRONG)))
def test_B03_a_block_of_another_kind_is_refused(wrong: int, tmp_path: Path) -> None:
    whole, _ = small(tmp_path / "whole")
    (tmp_path / "wrong.journal").write_bytes(whole + block(WRONG[wrong]))
    with pytest.raises(ArgumentError, match="blocks of another kind"):
        Journal.read(tmp_path / "wrong.journal")["Norm"]


def test_B03_a_column_that_was_never_named_is_refused(tmp_path: Path) -> None:
    whole, _ = small(tmp_path / "whole")
    numbers = np.array([9], "<i4").tobytes() + bytes(24)
    line = b'{"kind":"rows","tag":"Norm","rows":1,"columns":1,"bytes":28}'
    (tmp_path / "wrong.journal").write_bytes(whole + block(line, numbers))
    with pytest.raises(ArgumentError, match="blocks of another kind"):
        Journal.read(tmp_path / "wrong.journal")["Norm"]


def test_B03_a_table_that_would_be_nearly_empty_is_not_made(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_queue=10**6)
    names = [str(i) for i in range(20_000)]
    steps = np.arange(20_000)
    journal.take("sparse", names, steps, steps / 2, steps.astype(float), 20_000)
    journal.flush()
    series = Journal.read(tmp_path)["sparse"]
    with pytest.raises(ArgumentError, match=r"Go through readings\(\)"):
        series.values  # noqa: B018
    assert [reading.value for reading in series.readings()] == list(range(20_000))


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n", b"[]\n", pickle.dumps({"format": 1}), b'{"format":"x"}\n'])
def test_B03_another_file_is_no_journal(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "other.journal").write_bytes(content)
    with pytest.raises(ArgumentError, match="expected a journal, a file that"):
        Journal.read(tmp_path / "other.journal")


def test_B03_a_newer_version_is_told(tmp_path: Path) -> None:
    (tmp_path / "other.journal").write_bytes(b'{"format":"monitorch_widgets journal","version":99}\n')
    with pytest.raises(ArgumentError, match="Update monitorch_widgets"):
        Journal.read(tmp_path)


# ---------------------------------------------------------------------- disks


def test_B03_a_slow_disk_holds_nobody_and_what_waits_is_bounded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ready, append = threading.Event(), Local.append

    def slow(self: Local, name: str, content: bytes) -> None:
        assert ready.wait(LATEST_S)
        append(self, name, content)

    monkeypatch.setattr(Local, "append", slow)
    monkeypatch.setattr(writer_file, "MOST_BYTES", 32_000)
    journal = Journal(tmp_path)
    for step in range(5000):
        take(journal, step)
    kept = 5000 - journal.lost
    assert 1000 <= kept <= 1002 and journal.waiting == kept
    ready.set()
    assert journal.flush()
    take(journal, 5000)
    assert journal.flush()
    run = Journal.read(tmp_path)
    assert run.lost == journal.lost == 5000 - kept
    assert list(run["Norm"].steps) == [*range(kept), 5000]


def test_B03_a_dead_disk_ends_the_journal_and_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    take(journal, 0)
    assert journal.flush()

    def dead(self: Local, name: str, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Local, "append", dead)
    for step in range(1, 1000):
        take(journal, step)
    until(lambda: journal.fault is not None)
    assert "No space left" in str(journal.fault) and not journal.flush() and journal.waiting == 0
    take(journal, 1000)
    until(lambda: not journal._writer._pending)
    assert list(Journal.read(tmp_path)["Norm"].steps) == [0]


def test_B03_a_file_that_was_taken_away_is_not_begun_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    take(journal, 0)
    journal.flush()
    Path(journal.path).unlink()
    take(journal, 1)
    assert not journal.flush()
    assert isinstance(journal.fault, FileNotFoundError) and not list(tmp_path.iterdir())


# ---------------------------------------------------------------------- copies, and ends


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda journal: pickle.loads(pickle.dumps(journal))])
def test_B03_a_copy_has_a_file_of_its_own(copied: Callable[[Journal], Journal], tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_queue=3, flush_secs=7)
    take(journal, 0)
    other = copied(journal)
    assert (other.max_queue, other.flush_secs, other.waiting) == (3, 7, 0)
    take(other, 1)
    assert journal.flush() and other.flush()
    assert list(Journal.read(journal.path)["Norm"].steps) == [0]
    assert list(Journal.read(other.path)["Norm"].steps) == [1]


def test_B03_what_waits_is_written_when_nobody_holds_the_journal_any_more(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_queue=1000)
    take(journal, 5)
    thread = journal._writer._thread
    del journal
    gc.collect()
    until(lambda: thread is not None and not thread.is_alive())
    assert list(Journal.read(tmp_path)["Norm"].steps) == [5]


def test_B03_an_interrupt_at_any_line_leaves_a_journal_that_goes_on(tmp_path: Path) -> None:
    interrupts, line, step = 0, 0, 0
    journal = Journal(tmp_path / "0", max_queue=2)
    while True:
        line += 1
        journal = Journal(tmp_path / str(line), max_queue=2)
        stop, before = Stop(line, "/history/journal/"), sys.gettrace()
        sys.settrace(stop)
        try:
            for step in range(4):
                journal.declare("Norm", ["fc"])
                take(journal, step)
            journal.withdraw(3)
            journal.flush()
        except KeyboardInterrupt:
            interrupts += 1
        finally:
            sys.settrace(before)
        if stop.left > 0:
            break
        take(journal, 10)
        assert journal.flush(LATEST_S)
        run = Journal.read(journal.path)
        assert not run.truncated and list(run["Norm"].steps)[-1] == 10
    assert interrupts > 100
