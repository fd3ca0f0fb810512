"""Recorded, and played to another visualizer."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.visualizer import (
    DummyVisualizer,
    MatplotlibVisualizer,
    PlayerVisualizer,
    PrintVisualizer,
    RecorderVisualizer,
)

from .calls import INF, NAN, Listener, calls, feed


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "run.jsonl"
    with RecorderVisualizer(path) as recorder:
        feed(recorder)
    return path


def played(path: Path) -> Listener:
    listener = Listener()
    player = PlayerVisualizer(path, listener)
    assert player.playback() is player
    return listener


def test_every_call_comes_back_as_it_was_made(recording: Path) -> None:
    listener = played(recording)
    assert repr(listener.calls) == repr(calls())  # by text, for NaN differs from itself
    assert listener.finished == 1


def test_a_player_draws_and_prints_what_the_run_did(recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    again = MatplotlibVisualizer()
    PlayerVisualizer(str(recording), again).playback()
    assert again.mimebundle()["image/png"] == feed(MatplotlibVisualizer()).mimebundle()["image/png"]
    feed(PrintVisualizer())
    live = capsys.readouterr().out
    PlayerVisualizer(recording, PrintVisualizer()).playback()
    assert capsys.readouterr().out == live


def test_it_is_plain_text_that_anything_reads(recording: Path) -> None:
    def refuse(word: str) -> Any:
        raise AssertionError(f"{word} is no JSON")

    lines = [json.loads(line, parse_constant=refuse) for line in recording.read_text("ascii").splitlines()]
    assert lines[0] == {"format": "monitorch_widgets recording", "schema": 1}
    assert len(lines) == 1 + len(calls())
    assert lines[1]["method"] == "register_tags"


@pytest.mark.parametrize("number", [NAN, INF, -INF, 0.1, -0.0, 5e-324, 1.7976931348623157e308])
def test_every_number_survives(tmp_path: Path, number: float) -> None:
    with RecorderVisualizer(tmp_path / "r") as recorder:
        values, ranges = {"a": {"mean": number}}, {"a": {("min", "max"): (number, -number)}}
        recorder.plot_numerical_values(1, "N", values, ranges)
    ((_, (_, _, values, ranges)),) = played(tmp_path / "r").calls
    assert repr(values["a"]["mean"]) == repr(number)
    assert repr(ranges["a"]["min", "max"]) == repr((number, -number))


def test_scalars_of_numpy_and_torch_and_odd_names_survive(tmp_path: Path) -> None:
    name = 'σ "quoted"\n<b>\ud800'
    with RecorderVisualizer(tmp_path / "r") as recorder:
        recorder.plot_relations(np.int64(2), name, {name: {name: np.float32(0.5), "": torch.tensor(0.25)}})  # type: ignore[arg-type,dict-item]
    assert played(tmp_path / "r").calls == [("plot_relations", (2, name, {name: {name: 0.5, "": 0.25}}))]


def test_each_epoch_is_on_disk_at_once(tmp_path: Path) -> None:
    code = """
import os, sys
from monitorch_widgets.visualizer import RecorderVisualizer
recorder = RecorderVisualizer(sys.argv[1])
recorder.plot_probabilities(1, "Rate", {"relu": {"r": 0.5}})
os._exit(9)  # killed: nothing is closed or flushed
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "r")]).returncode == 9
    assert played(tmp_path / "r").calls == [("plot_probabilities", (1, "Rate", {"relu": {"r": 0.5}}))]


def test_a_truncated_last_line_is_left_out(recording: Path) -> None:
    whole = recording.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])
    for cut in (2, last // 2, last - 1):  # 1 takes only the line's end, and the call is whole
        recording.write_bytes(whole[:-cut])
        player = PlayerVisualizer(recording, Listener())
        player.playback()
        assert player.truncated
        assert repr(player.visualizer.calls) == repr(calls()[:-1])  # type: ignore[attr-defined]
    recording.write_bytes(whole[:-1])
    player = PlayerVisualizer(recording, Listener()).playback()
    assert not player.truncated
    assert repr(player.visualizer.calls) == repr(calls())  # type: ignore[attr-defined]


class _Bomb:
    def __reduce__(self) -> Any:
        return os.mkdir, ("exploded",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_refused_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: int) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r").write_bytes(pickle.dumps({"method": "register_tags", "kwargs": _Bomb()}, protocol))
    with pytest.raises(ArgumentError, match="pickle" if protocol >= 2 else "RecorderVisualizer writes"):
        played(tmp_path / "r")
    assert not (tmp_path / "exploded").exists()


HEAD = '{"format": "monitorch_widgets recording", "schema": 1}\n'
RATE = '{"method": "plot_probabilities", "epoch": 1, "main_tag": "R", "values": {"a": {"r": 0.5}}}\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a monitorch_widgets recording"),
        ("[1, 2]\n", "expected a monitorch_widgets recording"),
        (RATE, "expected a monitorch_widgets recording"),
        ('{"format": "monitorch_widgets recording", "schema": 2}\n', "expected schema 1; received 2"),
        (HEAD + '{"method": "show_fig"}\n', "line 2: .*received 'show_fig'"),
        (HEAD + '{"method": "__init__"}\n', "line 2: .*received '__init__'"),
        (HEAD + '{"method": "plot_probabilites"}\n', "Did you mean 'plot_probabilities'"),
        (HEAD + '{"method": ["register_tags"]}\n', "line 2: expected a method"),
        (HEAD + "{}\n", "line 2: expected a method"),
        (HEAD + RATE + "no json\n" + RATE, "line 3: expected one JSON object"),
        (HEAD + "[" * 100_000 + "\n", "line 2: expected one JSON object"),
        (HEAD + '{"method": "plot_probabilities", "epoch": 1}\n', "line 2: expected a call of plot_probabilities"),
        (HEAD + RATE.replace("0.5", '"a word"') + RATE, "line 2: expected a call of plot_probabilities"),
        (HEAD + RATE.replace('{"r": 0.5}', "7") + RATE, "line 2: expected a call of plot_probabilities"),
        (HEAD + '{"method": "register_tags", "main_tag": "R", "tag_attr": {"type": "X"}}\n', "line 2: expected a call"),
    ],
)
def test_what_is_no_recording_raises(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "r").write_text(text)
    with pytest.raises(ArgumentError, match=words):
        played(tmp_path / "r")


def test_keys_of_a_later_version_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "r").write_text(HEAD.replace("}", ', "host": "x"}') + RATE.replace("}\n", ', "step": 9}\n'))
    assert played(tmp_path / "r").calls == [("plot_probabilities", (1, "R", {"a": {"r": 0.5}}))]


def test_a_missing_file_and_a_wrong_target_raise(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        PlayerVisualizer(tmp_path / "none", DummyVisualizer()).playback()
    with pytest.raises(OSError, match="none"):
        RecorderVisualizer(tmp_path / "none" / "r")
    with pytest.raises(ArgumentTypeError, match="call it"):
        PlayerVisualizer(tmp_path / "none", DummyVisualizer)  # type: ignore[arg-type]


def test_closing_twice_is_fine_and_an_end_closes(tmp_path: Path) -> None:
    recorder = RecorderVisualizer(tmp_path / "r")
    recorder.close()
    recorder.close()
    with pytest.raises(ValueError, match="closed"):
        recorder.plot_probabilities(1, "R", {})
    RecorderVisualizer(tmp_path / "r")  # dropped at once: a file left open would be a ResourceWarning, an error here
