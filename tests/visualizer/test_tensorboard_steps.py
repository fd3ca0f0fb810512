"""What is logged step by step, queues and flushing, and event files behind a URL, read back by TensorBoard's reader."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from monitorch_widgets import ArgumentError, PyTorchInspector
from monitorch_widgets.visualizer import TensorBoardVisualizer


def read(place: object) -> EventAccumulator:
    accumulator = EventAccumulator(str(place))
    accumulator.Reload()
    return accumulator


def scalars(place: object) -> dict[str, list[tuple[int, float]]]:
    found = read(place)
    return {tag: [(e.step, e.value) for e in found.Scalars(tag)] for tag in found.Tags()["scalars"]}


def queue_of(visualizer: TensorBoardVisualizer) -> tuple[int, float]:
    """Length of the queue of the writer's thread, and seconds between its flushes."""
    writer = visualizer.writer._get_file_writer().event_writer._async_writer  # type: ignore[no-untyped-call]
    return writer._byte_queue.maxsize, writer._worker._flush_secs


# ---------------------------------------------------------------------- queue and flush


def test_B03_ten_events_and_two_minutes_by_default(tmp_path: Path) -> None:
    with TensorBoardVisualizer(str(tmp_path)) as visualizer:
        assert queue_of(visualizer) == (10, 120)
        assert (visualizer.max_queue, visualizer.flush_secs) == (10, 120)


def test_B03_other_queues_reach_the_writer_and_those_of_relations(tmp_path: Path) -> None:
    with TensorBoardVisualizer(str(tmp_path), max_queue=100, flush_secs=1) as visualizer:
        visualizer.plot_relations(1, "Share", {"Share": {"conv": 0.5}})
        assert queue_of(visualizer) == (100, 1)
        (relations,) = [w for place, w in visualizer.writer.all_writers.items() if place != str(tmp_path)]
        assert relations.event_writer._async_writer._byte_queue.maxsize == 100


def test_B03_without_waiting_each_number_is_on_disk_soon(tmp_path: Path) -> None:
    with TensorBoardVisualizer(str(tmp_path), max_queue=1, flush_secs=0) as visualizer:
        for step in itertools.count():
            visualizer.log_scalar("loss", 0.5, step)
            if scalars(tmp_path).get("loss"):
                break  # and nothing was flushed by hand


def test_B03_both_change_while_it_runs_and_nothing_is_lost(tmp_path: Path) -> None:
    with TensorBoardVisualizer(str(tmp_path), filename_suffix=".0") as visualizer:
        visualizer.log_scalar("loss", 1.0, 0)
        visualizer.max_queue, visualizer.flush_secs = 1, 3
        visualizer.log_scalar("loss", 0.5, 1)
        assert queue_of(visualizer) == (1, 3)
        visualizer.finish()
    numbers = [number for file in tmp_path.iterdir() for number in scalars(file).get("loss", [])]
    assert sorted(numbers) == [(0, 1.0), (1, 0.5)]


@pytest.mark.parametrize("arguments", [{"max_queue": 0}, {"max_queue": 1.5}, {"flush_secs": -1}, {"flush_secs": "2"}])
def test_B03_wrong_queues_raise_at_construction(tmp_path: Path, arguments: dict[str, Any]) -> None:
    (name,) = arguments
    with pytest.raises((ArgumentError, TypeError), match=name):
        TensorBoardVisualizer(str(tmp_path / "runs"), **arguments)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------------- elsewhere


@pytest.fixture
def memory() -> Iterator[str]:
    """A folder in fsspec's memory."""
    filesystem = fsspec.filesystem("memory")
    yield "memory://bucket/logs"
    filesystem.rm("/bucket", recursive=True)


@pytest.mark.parametrize("argument", ["log_dir", "save_dir"])
def test_B16_event_files_go_to_a_url_of_fsspec(memory: str, argument: str) -> None:
    with TensorBoardVisualizer(**{argument: memory}) as visualizer:
        visualizer.log_scalar("loss", 0.5, 3)
        visualizer.plot_relations(1, "Share", {"Share": {"conv": 0.25}})
        assert memory in visualizer.where
    assert scalars(memory) == {"loss": [(3, 0.5)]}
    assert scalars(f"{memory}/share_share_conv") == {"share/share": [(1, 0.25)]}


def test_B16_a_whole_run_is_written_to_a_url(memory: str) -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inspector = PyTorchInspector(module=model, visualizer=TensorBoardVisualizer(save_dir=memory), every=1, strict=True)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.ones(3, 2)).sum().backward()
        optimizer.step()
        inspector.tick_epoch()
    inspector.detach()
    assert [step for step, _ in scalars(memory)["weight_update_norm/linear/mean"]] == [1, 2]


@pytest.mark.parametrize(
    ("url", "package"), [("s3://my_bucket/logs/", "s3fs"), ("gs://my_bucket/logs", "gcsfs"), ("nowhere://x", "fsspec")]
)
def test_B16_a_url_that_nothing_can_write_to_says_what_to_install(
    url: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(protocol: str) -> None:
        raise ImportError(f"Please install {package} for {protocol}")

    monkeypatch.setattr(fsspec.core, "url_to_fs", missing)  # the packages may be there on some machines
    with pytest.raises(ArgumentError, match=f"(?s){url}.*Install .*{package}"):
        TensorBoardVisualizer(save_dir=url)


def test_B16_one_place_only(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="either log_dir or save_dir"):
        TensorBoardVisualizer(tmp_path, save_dir=tmp_path)


# ---------------------------------------------------------------------- step by step


def test_N40_numbers_keep_their_names_and_steps(tmp_path: Path) -> None:
    with TensorBoardVisualizer(tmp_path) as visualizer:
        for step in range(3):
            visualizer.log_scalar("hp/metric_1", step / 2, step)
        visualizer.log_scalar("Val Loss", float("nan"), 5)
    found = scalars(tmp_path)
    assert found["hp/metric_1"] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    ((step, value),) = found["Val Loss"]
    assert step == 5 and np.isnan(value)


def test_N40_hyper_parameters_are_in_the_hparams_tab(tmp_path: Path) -> None:
    with TensorBoardVisualizer(tmp_path) as visualizer:
        visualizer.log_hyperparams({"lr": 0.1, "layers": [2, 3], "fast": True}, {"hp/metric_1": 0.0})
    found = read(tmp_path)
    data = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    started = HParamsPluginData.FromString(data).session_start_info.hparams
    assert started["lr"].number_value == 0.1
    assert started["layers"].string_value == "[2, 3]"
    assert started["fast"].number_value == 1
    data = found.SummaryMetadata("_hparams_/experiment").plugin_data.content
    (metric,) = HParamsPluginData.FromString(data).experiment.metric_infos
    assert metric.name.tag == "hp/metric_1"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64])
def test_N40_histograms_leave_out_what_is_not_finite(tmp_path: Path, dtype: torch.dtype) -> None:
    values = torch.tensor([1, 2, 3, 4]).to(dtype)
    with TensorBoardVisualizer(tmp_path) as visualizer:
        visualizer.add_histogram("weights", values.requires_grad_(dtype.is_floating_point), 7)
        visualizer.add_histogram("bad", torch.tensor([1.0, float("nan"), float("inf")]), 7)
        visualizer.add_histogram("none", torch.tensor([float("nan")]), 7)
    found = read(tmp_path)
    (event,) = found.Histograms("weights")
    assert (event.step, event.histogram_value.num, event.histogram_value.sum) == (7, 4, 10)
    assert found.Histograms("bad")[0].histogram_value.num == 1
    assert "none" not in found.Tags()["histograms"]


def test_N40_histograms_that_are_counted_already(tmp_path: Path) -> None:
    raw = {"min": 0.0, "max": 2.0, "num": 3, "sum": 3.0, "sum_squares": 5.0}
    with TensorBoardVisualizer(tmp_path) as visualizer:
        visualizer.add_histogram_raw("input/0", 4, **raw, bucket_limits=[1.0, 2.0], bucket_counts=[1, 2])
    (event,) = read(tmp_path).Histograms("input/0")
    assert (event.step, list(event.histogram_value.bucket)) == (4, [1, 2])


def test_N40_images_and_figures(tmp_path: Path) -> None:
    figure = Figure(figsize=(1, 1))
    figure.add_subplot()
    with TensorBoardVisualizer(tmp_path) as visualizer:
        visualizer.add_image("digit", torch.rand(3, 4, 5), 1)
        visualizer.add_image("digit", np.zeros((4, 5, 3), np.uint8), 2, dataformats="HWC")
        visualizer.add_figure("curve", figure, 3)
    found = read(tmp_path)
    assert [(e.step, e.width, e.height) for e in found.Images("digit")] == [(1, 5, 4), (2, 5, 4)]
    assert [e.step for e in found.Images("curve")] == [3]
    assert figure.axes  # it is still the user's


def test_N40_what_the_inspector_logs_reaches_tensorboard_by_steps(tmp_path: Path) -> None:
    visualizer = TensorBoardVisualizer(tmp_path)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    inspector = PyTorchInspector([], module=model, visualizer=visualizer, strict=True)
    inspector.log_hyperparams({"lr": 0.1}, {"hp/best": 1.0})
    for step in range(3):
        optimizer.zero_grad()
        model(torch.ones(3, 2)).sum().backward()
        optimizer.step()
        inspector.log("train/loss", torch.tensor(float(step)))
        inspector.log("hidden", 1.0, logger=False)
    inspector.detach()
    visualizer.close()
    found = scalars(tmp_path)
    assert found["train/loss"] == [(0, 0.0), (1, 1.0), (2, 2.0)]
    assert found["hp/best"] == [(0, 1.0)]
    assert "hidden" not in found


def test_N40_what_is_logged_is_not_written_a_second_time_at_the_epoch_s_end(tmp_path: Path) -> None:
    inspector = PyTorchInspector([], visualizer=TensorBoardVisualizer(tmp_path), strict=True)
    for _ in inspector.range(2):
        inspector.log("loss", 1.0, on_step=True, on_epoch=True, batch_size=1)
        inspector.log("acc/top", 0.5, on_step=False, on_epoch=True, batch_size=1)
    inspector.visualizer.finish()
    assert sorted(scalars(tmp_path)) == ["acc/top", "loss_epoch", "loss_step"]
