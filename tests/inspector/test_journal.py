"""Whole runs with a journal: what was read is on disk, at every step, and nothing of it holds or breaks the run."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from monitorch_widgets import Journal, PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, JournalFault
from monitorch_widgets.history.journal.places import Local
from monitorch_widgets.lens import LossMetrics, OutputNorm, ParameterGradientGeometry, ParameterNorm

from ..history.stops import Stop

LATEST_S = 60.0
PARTS = ("/history/journal/", "/history/arrivals.py", "/inspector/journaling.py")


class Loop:
    """A small model, its loss and its optimizer."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
        self.loss_fn = nn.MSELoss()
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)

    def inspector(self, journal: Any, **arguments: Any) -> PyTorchInspector:
        lenses = [LossMetrics(loss_fn=self.loss_fn), OutputNorm(), ParameterGradientGeometry()]
        return PyTorchInspector(
            lenses, module=self.model, visualizer="dummy", **{"every": 1, "journal": journal, **arguments}
        )

    def backward(self) -> float:
        self.optimizer.zero_grad()
        loss = self.loss_fn(self.model(torch.randn(5, 3)), torch.zeros(5, 1))
        loss.backward()
        return loss.item()

    def step(self) -> float:
        loss = self.backward()
        self.optimizer.step()
        return loss

    def evaluate(self, passes: int = 3) -> None:
        self.model.eval()
        with torch.no_grad():
            for _ in range(passes):
                self.loss_fn(self.model(torch.randn(5, 3)), torch.zeros(5, 1))
        self.model.train()


def compare(inspector: PyTorchInspector) -> None:
    """The journal of a run that is over has what its history has, bit for bit."""
    assert inspector.journal is not None
    run, history = Journal.read(inspector.journal.path), inspector.history
    assert not run.truncated and not run.lost and set(run.tags) == set(history.tags)
    for tag in history.tags:
        series, recorded = history[tag], run[tag]
        assert recorded.epochs == series.epochs
        if series.rows:
            assert recorded.modules == series.modules
            assert np.array_equal(recorded.steps, series.steps)
            assert np.array_equal(recorded.seconds, series.seconds)
            assert np.array_equal(recorded.values, series.values, equal_nan=True)


# ---------------------------------------------------------------------- what is written


def test_B03_a_run_is_on_disk_as_the_history_has_it(tmp_path: Path) -> None:
    loop = Loop()
    inspector = loop.inspector(tmp_path)
    for _ in range(3):
        for i in range(40):
            loop.step()
            inspector.log("accuracy", i / 7, on_step=True, on_epoch=True)
        loop.evaluate()
        inspector.tick_epoch()
    inspector.detach()
    compare(inspector)


def test_B03_every_step_of_a_run_that_the_history_has_folded(tmp_path: Path) -> None:
    loop = Loop()
    lenses = [LossMetrics(loss_fn=loop.loss_fn), OutputNorm()]
    inspector = PyTorchInspector(lenses, module=loop.model, visualizer="dummy", every=1, journal=str(tmp_path))
    losses = []
    for i in range(4500):
        losses.append(loop.step())
        inspector.log("squares", i**0.5)
    inspector.detach()
    assert len(inspector.history["Loss"].steps) < 4500
    run = Journal.read(tmp_path)
    assert np.array_equal(run["Loss"].steps, np.arange(4500))
    assert run["Loss"].values[:, 0].tolist() == losses
    assert run["Logged"].values.ravel().tolist() == [i**0.5 for i in range(4500)]
    folded = inspector.history["Output Norm"]
    kept = folded.newest()
    whole = run["Output Norm"]
    assert len(whole.steps) == 4500 and not np.isnan(whole.values).any()
    assert np.array_equal(whole.values[kept.steps], kept.values)
    assert np.allclose(whole.values[:8].mean(axis=0), folded.values[0])


def test_B03_what_a_skipped_step_has_left_is_taken_back(tmp_path: Path) -> None:
    loop = Loop()
    inspector = loop.inspector(tmp_path)
    for attempt in range(60):
        if attempt % 3:
            loop.step()
        else:
            loop.backward()
        inspector.history  # noqa: B018  # so that the attempt is there before it is found to be none
    inspector.detach()
    compare(inspector)
    run = Journal.read(tmp_path)
    assert any(event.kind == "skipped" for event in run.events)
    assert run.events == list(inspector.status().events)
    assert b'"withdrawn"' in Path(run.path).read_bytes()


def test_B03_hyperparameters_marks_and_epochs_are_there(tmp_path: Path) -> None:
    loop = Loop()
    inspector = loop.inspector(tmp_path)
    inspector.log_hyperparams({"lr": 0.01, "net": {"width": 4}})
    for _ in range(2):
        for _ in range(3):
            loop.step()
        inspector.tick_epoch()
    inspector.mark("note", "halfway ☃")
    loop.step()
    inspector.detach()
    run = Journal.read(tmp_path)
    assert run.hyperparams == {"lr": 0.01, "net/width": 4}
    assert run.epoch_marks == [(1, 3), (2, 6)]
    assert [(event.kind, event.step, event.words) for event in run.events] == [("note", 6, "halfway ☃")]
    assert run["Output Norm"].epochs == inspector.history["Output Norm"].epochs != {}


def test_B03_what_ended_a_run_is_there(tmp_path: Path) -> None:
    loop = Loop()
    inspector = loop.inspector(tmp_path)
    for _ in range(4):
        loop.step()
    inspector._cell_ended(ValueError("a bad batch"))
    loop.step()
    inspector.detach()
    assert [event.words for event in Journal.read(tmp_path).events] == ["Stopped by ValueError: a bad batch"]


@pytest.mark.parametrize("logger", [True, False])
def test_B07_logger_decides_whether_a_number_is_in_the_journal(logger: bool, tmp_path: Path) -> None:
    loop = Loop()
    inspector = loop.inspector(tmp_path)
    for _ in range(5):
        loop.step()
        inspector.log("group/of_step", 1.0, logger=logger)
        inspector.log("group/of_epoch", 2.0, logger=logger, on_step=False, on_epoch=True)
    inspector.tick_epoch()
    inspector.detach()
    assert inspector.metrics == {"group/of_step": 1.0, "group/of_epoch": 2.0}
    run = Journal.read(tmp_path)
    assert "Loss" in run and ("group" in run) == logger
    assert (b"of_epoch" in Path(run.path).read_bytes()) == logger


def test_B03_a_logged_epoch_replaces_what_its_step_had(tmp_path: Path) -> None:
    loop = Loop()
    inspector = loop.inspector(tmp_path)
    loop.step()
    for score in (0.25, 0.75):
        loop.evaluate()
        inspector._phases.tell("val")
        inspector.log("score", score)
        inspector._phases.tell(None)
        inspector.tick_epoch()
    inspector.detach()
    assert Journal.read(tmp_path)["Logged"].values.tolist() == inspector.history["Logged"].values.tolist()


# ---------------------------------------------------------------------- the argument


def test_B03_without_the_argument_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loop = Loop()
    with loop.inspector(None) as inspector:
        loop.step()
    assert inspector.journal is None and not list(tmp_path.iterdir())


def test_B03_a_journal_is_given_as_it_is_or_by_its_folder(tmp_path: Path) -> None:
    given = Journal(tmp_path, max_queue=4)
    inspector = PyTorchInspector([], visualizer="dummy", journal=given)
    assert inspector.journal is given
    second = PyTorchInspector([], visualizer="dummy", journal=given)
    assert second.journal is not None and second.journal is not given and second.journal.max_queue == 4
    for wrong in (3, True, ["runs"], {"save_dir": "runs"}):
        with pytest.raises(ArgumentTypeError, match="expected journal to be a folder"):
            PyTorchInspector([], visualizer="dummy", journal=wrong)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="Install fsspec"):
        PyTorchInspector([], visualizer="dummy", journal="nosuch://runs")


def test_B16_a_run_is_written_to_a_url(tmp_path: Path) -> None:
    loop = Loop()
    inspector = loop.inspector("memory://runs/of_an_inspector")
    for _ in range(30):
        loop.step()
    inspector.detach()
    compare(inspector)


def test_B03_two_inspectors_of_one_journal_have_a_file_each(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    loops = Loop(), Loop()
    inspectors = [loop.inspector(journal) for loop in loops]
    for steps, loop in zip((3, 5), loops, strict=True):
        for _ in range(steps):
            loop.step()
    for steps, inspector in zip((3, 5), inspectors, strict=True):
        inspector.detach()
        assert inspector.journal is not None
        assert len(Journal.read(inspector.journal.path)["Loss"].steps) == steps


def test_B03_another_rank_writes_nothing(tmp_path: Path) -> None:
    loop = Loop()
    with loop.inspector(tmp_path / "runs", master_rank=1) as inspector:
        loop.step()
    assert inspector.journal is None and not (tmp_path / "runs").exists()


def test_B03_a_rank_that_is_known_only_later_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop()
    inspector = PyTorchInspector([OutputNorm()], visualizer="dummy", every=1, journal=tmp_path)
    monkeypatch.setattr("monitorch_widgets.inspector.inspector.rank", lambda: 1)
    with inspector.attach(loop.model):
        loop.step()
    assert inspector.journal is None and not list(tmp_path.iterdir())


def test_B03_watching_goes_on_in_the_same_file(tmp_path: Path) -> None:
    loop = Loop()
    inspector = loop.inspector(tmp_path)
    for _ in range(2):
        for _ in range(5):
            loop.step()
        inspector.detach()
        inspector.attach(loop.model)
    inspector.add(ParameterNorm())
    loop.step()
    inspector.detach()
    compare(inspector)
    assert len(list(tmp_path.iterdir())) == 1


# ---------------------------------------------------------------------- disks and ends


@pytest.mark.parametrize("strict", [False, True])
def test_B03_a_dead_disk_is_told_once_and_raises_where_it_is_strict(
    strict: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dead(self: Local, name: str, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Local, "append", dead)
    loop = Loop()
    inspector = loop.inspector(tmp_path, strict=strict)
    loop.step()
    inspector.history  # noqa: B018
    assert inspector.journal is not None and not inspector.journal.flush()
    if strict:
        with pytest.raises(OSError, match="No space left"):
            inspector.history  # noqa: B018
    else:
        with pytest.warns(JournalFault, match="No space left on device. The run goes on"):
            inspector.history  # noqa: B018
    for _ in range(20):
        loop.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        inspector.detach()
    assert len(inspector.history["Loss"].steps) == 21


def test_B03_a_hung_disk_does_not_hold_the_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free, append = threading.Event(), Local.append

    def hung(self: Local, name: str, content: bytes) -> None:
        assert free.wait(LATEST_S)
        append(self, name, content)

    monkeypatch.setattr(Local, "append", hung)
    loop = Loop()
    inspector = loop.inspector(tmp_path)
    for _ in range(50):
        loop.step()
        inspector.history  # noqa: B018
    assert inspector.journal is not None and inspector.journal.waiting >= 50
    free.set()
    inspector.detach()
    compare(inspector)


def test_B03_a_disk_that_is_too_slow_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free, append = threading.Event(), Local.append

    def slow(self: Local, name: str, content: bytes) -> None:
        assert free.wait(LATEST_S)
        append(self, name, content)

    monkeypatch.setattr(Local, "append", slow)
    monkeypatch.setattr("monitorch_widgets.history.journal.writer.MOST_BYTES", 1000)
    loop, words = Loop(), list[str]()
    inspector = loop.inspector(tmp_path)
    for _ in range(50):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            loop.step()
            inspector.history  # noqa: B018
        words += [str(warning.message) for warning in told if warning.category is JournalFault]
    free.set()
    inspector.detach()
    assert len(words) == 1 and "too slow" in words[0] and inspector.journal is not None
    assert Journal.read(tmp_path).lost == inspector.journal.lost > 0


ENDS = {
    "end": "",
    "error": "raise ValueError('no more')",
    "killed": "inspector.journal.flush(); import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
}


@pytest.mark.parametrize("end", ENDS)
def test_B03_whatever_ends_the_process_the_run_is_on_disk(end: str, tmp_path: Path) -> None:
    script = f"""
        import torch
        from monitorch_widgets import Journal, PyTorchInspector
        model = torch.nn.Linear(2, 1)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        journal = Journal({str(tmp_path)!r}, max_queue=10**6)
        inspector = PyTorchInspector(module=model, visualizer="dummy", every=1, journal=journal)
        for i in range(30):
            model(torch.randn(2, 2)).sum().backward()
            optimizer.step()
        inspector.history
        {ENDS[end]}
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, timeout=200, check=False)
    run = Journal.read(tmp_path)
    assert not run.truncated and len(run["Output Norm"].steps) == 30


FORK = """
    import os, sys, warnings
    import torch
    from monitorch_widgets import Journal, PyTorchInspector
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    inspector = PyTorchInspector(visualizer="dummy", journal=sys.argv[1])
    for name, value in (("a", 1.0), ("a", 2.0)):
        inspector.log(name, value)
        inspector.history
    assert inspector.journal.flush()
    inspector.log("a", 3.0)
    inspector.history
    assert inspector.journal.waiting == 1
    child = os.fork()
    for i in range(5):
        inspector.log("a", 10.0 + i)
        inspector.history
    assert inspector.journal.flush()
    if child == 0:
        print(inspector.journal.path, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
    print(inspector.journal.path, flush=True)
"""


def test_B03_a_forked_process_writes_to_a_file_of_its_own(tmp_path: Path) -> None:
    script = textwrap.dedent(FORK)
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, timeout=200, check=True
    )
    paths = done.stdout.split()
    assert len(set(paths)) == 2 and len(list(tmp_path.iterdir())) == 2
    child, parent = (Journal.read(path) for path in paths)
    assert not child.truncated and not parent.truncated
    assert child["Logged"].values.tolist() == [[np.mean([10, 11, 12, 13, 14])]]  # not what waited in the parent
    assert np.allclose(parent["Logged"].values, [[np.mean([1, 2, 3, 10, 11, 12, 13, 14])]])


def test_B03_an_interrupt_at_any_line_of_a_run_leaves_a_whole_file(tmp_path: Path) -> None:
    line = interrupts = 0
    while True:
        line += 1
        loop = Loop()
        inspector = PyTorchInspector(
            [OutputNorm()], module=loop.model, visualizer="dummy", every=1, journal=tmp_path / str(line)
        )
        stop, before = (
            Stop(line, "/history/journal/", "/history/arrivals.py", "/inspector/journaling.py"),
            sys.gettrace(),
        )
        sys.settrace(stop)
        try:
            loop.step()
            inspector.mark("note", "here")
            inspector.log("whole", 1.0, on_step=False, on_epoch=True)
            inspector.tick_epoch()
        except KeyboardInterrupt:
            interrupts += 1
        finally:
            sys.settrace(before)
        for _ in range(3):
            loop.step()
        newest = inspector.state.buffer.step - 1
        inspector.detach()
        run = Journal.read(tmp_path / str(line))
        assert not run.truncated and run["Output Norm"].steps[-1] == newest
        if stop.left > 0:
            break
    assert interrupts > 100


# ---------------------------------------------------------------------- other libraries' loops


def test_B07_what_lightning_logs_is_in_the_journal(tmp_path: Path) -> None:
    import lightning as L

    from monitorch_widgets.integration.lightning import InspectorCallback

    class Net(L.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Linear(3, 1)

        def training_step(self, batch: Any, batch_idx: int) -> torch.Tensor:
            loss = self.net(batch[0]).square().mean()
            self.log("loss", loss)
            self.log("hidden", 1.0, logger=False)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    callback = InspectorCallback(visualizer="dummy", every=1, journal=tmp_path)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.randn(40, 3)), batch_size=2)
    trainer = L.Trainer(
        max_epochs=1, callbacks=[callback], logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, accelerator="cpu",
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*num_workers.*")
        warnings.filterwarnings("ignore", message=".*log_every_n_steps.*")
        trainer.fit(Net(), data)
    compare(callback.inspector)
    run = Journal.read(tmp_path)
    assert run["Logged"].modules == ["loss"] and len(run["Logged"].steps) == 20


def test_B03_the_callback_of_transformers_takes_a_journal(tmp_path: Path) -> None:
    from monitorch_widgets.integration.transformers import InspectorTrainerCallback

    callback = InspectorTrainerCallback(visualizer="dummy", journal=tmp_path)
    assert callback.inspector.journal is not None
    assert json.dumps(str(tmp_path))[1:-1] in callback.inspector.journal.path


def test_B03_the_page_about_journals_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "journal.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "page"}
    exec(page.split("```python\n")[1].split("```")[0], names)
    assert len(names["norms"].values) == 100
    assert "Output Norm" in capsys.readouterr().out


PROGRAM = """
import sys, torch
from monitorch_widgets import Journal, PyTorchInspector
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
def train():
    journal = Journal(sys.argv[1], max_queue=10**6)
    inspector = PyTorchInspector(module=model, every=1, visualizer="dummy", journal=journal)
    for _ in range(50):
        optimizer.zero_grad(); model(torch.ones(4, 3)).square().mean().backward(); optimizer.step()
    inspector.tick_epoch()
    return inspector
"""
LEAVES = {
    "plain": "inspector = train()",
    "error": "inspector = train(); 1 / 0",
    "exit": "inspector = train(); sys.exit(3)",
    "child": """
import multiprocessing
def work():
    global inspector
    inspector = train()
child = multiprocessing.get_context("fork").Process(target=work); child.start(); child.join()
""",
}


@pytest.mark.parametrize("end", LEAVES.values(), ids=LEAVES)
def test_B03_what_was_read_is_written_when_python_ends(end: str, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", PROGRAM + end, str(tmp_path)], timeout=120, capture_output=True)
    found = Journal.read(tmp_path)
    assert found["Output Norm"].steps.tolist() == list(range(50)) and [epoch for epoch, _ in found.epoch_marks] == [1]


def test_B03_flush_writes_what_has_only_just_been_read(tmp_path: Path) -> None:
    model = nn.Linear(3, 1)
    inspector = PyTorchInspector(module=model, every=1, visualizer="dummy", strict=True, journal=tmp_path)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(5):
        model(torch.ones(4, 3)).square().mean().backward()
        optimizer.step()
    assert inspector.journal is not None and inspector.journal.flush()
    assert Journal.read(tmp_path)["Output Norm"].steps.tolist() == list(range(5))
    inspector.detach()
