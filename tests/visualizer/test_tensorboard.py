"""Scalars, read back from the event files."""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monitorch_widgets.visualizer import TensorBoardVisualizer

from .calls import EPOCHS, INF, MODULES, NAN, feed


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    accumulator = EventAccumulator(str(folder))
    accumulator.Reload()
    return {tag: [(e.step, e.value) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("events")
    with TensorBoardVisualizer(log_dir=str(folder)) as visualizer:
        feed(visualizer)
    return folder


def test_numbers_and_ends_of_bands_are_scalars_by_epoch(folder: Path) -> None:
    found = scalars(folder)
    for name, first in (("mean", 1.0), ("-std", 0.5), ("+std", 1.5)):
        assert dict(found[f"loss/loss/train_loss_{name}"]) == pytest.approx({e: first / e for e in EPOCHS})
    assert found["output_activation/features.conv1/death_rate"] == [(e, 0.125 * e) for e in EPOCHS]
    assert found["gradient_norm/features.conv1/max"] == [(e, 3.0 * e) for e in EPOCHS]
    assert len(found) == 3 + 1 + 3 * 4 + 3 + 2 * 2


def test_nan_and_infinity_are_written(folder: Path) -> None:
    found = scalars(folder)
    np.testing.assert_array_equal([value for _, value in found["gradient_norm/features.conv2/mean"]], [2.0, 2.0, INF])
    third = found[f"gradient_norm/{MODULES[2].replace(' ', '_').lower()}/mean"]
    np.testing.assert_array_equal([value for _, value in third], [0.25, NAN, 0.25])


def test_relations_are_runs_of_their_own(folder: Path) -> None:
    name = "norm_comparison/norm_comparison"
    runs = {path.name: scalars(path) for path in folder.iterdir() if path.is_dir()}
    prefix = name.replace("/", "_") + "_"
    assert set(runs) == {prefix + part for part in ("features.conv1", "features.conv2", "_img src=x onerror=alert(1)_")}
    assert runs[prefix + "features.conv1"] == {name: [(e, 0.5) for e in EPOCHS]}


def test_parts_of_two_comparisons_keep_their_names(tmp_path: Path) -> None:
    with TensorBoardVisualizer(str(tmp_path)) as visualizer:
        for tag in ("Weight", "Bias"):
            visualizer.plot_relations(1, tag, {tag: {"conv": 0.5, "head": 0.5}})
    runs = {path.name for path in tmp_path.iterdir() if path.is_dir()}
    assert runs == {f"{tag}_{tag}_{part}" for tag in ("weight", "bias") for part in ("conv", "head")}


def test_a_name_does_not_lead_out_of_the_folder(tmp_path: Path) -> None:
    with TensorBoardVisualizer(str(tmp_path / "in")) as visualizer:
        visualizer.plot_relations(1, "../../T", {"../../T": {"/../../../out": 0.5, "a/b": 0.5, "a:b": 0.25}})
        visualizer.plot_probabilities(1, "../T", {"../..": {"rate": 0.5}})
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
    runs = sorted(path for path in (tmp_path / "in").rglob("*") if path.is_dir())
    assert len(runs) == 3
    assert all(path.parent == tmp_path / "in" for path in runs)


def test_names_that_differ_only_in_case_are_not_mixed(tmp_path: Path) -> None:
    with TensorBoardVisualizer(str(tmp_path)) as visualizer:
        for epoch in (1, 2):
            visualizer.plot_probabilities(epoch, "Rate", {"Conv": {"r": 0.25}, "conv": {"r": 0.5}, "CONV": {"r": 0.75}})
    assert scalars(tmp_path) == {
        "rate/conv/r": [(1, 0.25), (2, 0.25)],
        "rate/conv/r_2": [(1, 0.5), (2, 0.5)],
        "rate/conv/r_3": [(1, 0.75), (2, 0.75)],
    }


def test_a_line_that_is_also_an_end_is_written_once(tmp_path: Path) -> None:
    with TensorBoardVisualizer(str(tmp_path)) as visualizer:
        visualizer.plot_numerical_values(1, "N", {"a": {"min": 1.0}}, {"a": {("min", "max"): (1.0, 2.0)}})
    assert scalars(tmp_path) == {"n/a/min": [(1, 1.0)], "n/a/max": [(1, 2.0)]}


def test_finish_brings_everything_to_disk_and_the_run_may_go_on(tmp_path: Path) -> None:
    visualizer = TensorBoardVisualizer(str(tmp_path))
    visualizer.plot_probabilities(1, "Rate", {"relu": {"r": 0.5}})
    visualizer.finish()
    assert scalars(tmp_path) == {"rate/relu/r": [(1, 0.5)]}
    visualizer.plot_probabilities(2, "Rate", {"relu": {"r": 0.25}})
    visualizer.close()
    visualizer.close()
    assert scalars(tmp_path) == {"rate/relu/r": [(1, 0.5), (2, 0.25)]}


def test_the_writer_is_closed_with_the_visualizer(tmp_path: Path) -> None:
    before = threading.active_count()
    visualizer = TensorBoardVisualizer(str(tmp_path))
    visualizer.plot_probabilities(1, "Rate", {"relu": {"r": 0.5}})
    assert threading.active_count() > before  # the writer's own
    del visualizer
    gc.collect()
    assert threading.active_count() == before
    assert scalars(tmp_path) == {"rate/relu/r": [(1, 0.5)]}


def test_the_default_folder_and_the_writers_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with TensorBoardVisualizer(comment="_mine", filename_suffix=".end") as visualizer:
        visualizer.plot_probabilities(1, "Rate", {"relu": {"r": 0.5}})
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.endswith("_mine")
    assert str(Path("runs") / run.name) in visualizer.where
    assert all(path.name.endswith(".end") for path in run.iterdir())
