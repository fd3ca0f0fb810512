"""Histograms, images and figures that the loop logs."""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, LensFault, MonitorchWarning, NotWatched
from monitorch_widgets.inspector import media as media_file
from monitorch_widgets.inspector.gallery import NAMES
from monitorch_widgets.inspector.png import pixels_of, png
from monitorch_widgets.values import Card
from monitorch_widgets.visualizer import DummyVisualizer, TensorBoardVisualizer

from .commanded import batches, inspected, net, train


def inspector(**more: Any) -> PyTorchInspector:
    return PyTorchInspector([], **{"visualizer": "dummy", **more})


def decoded(file: bytes) -> npt.NDArray[np.uint8]:
    """A PNG read by its own rules, check sums and all."""
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(file):
        (size,) = struct.unpack(">I", file[at : at + 4])
        kind, data = file[at + 4 : at + 8], file[at + 8 : at + 8 + size]
        assert struct.unpack(">I", file[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + data)
        chunks[kind], at = data, at + 12 + size
    width, height, depth, color, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert depth == 8 and rest == [0, 0, 0] and list(chunks) == [b"IHDR", b"IDAT", b"IEND"]
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not lines[:, 0].any()  # no filter
    return lines[:, 1:].reshape(height, width, {0: 1, 4: 2, 2: 3, 6: 4}[color])


def shown(of: PyTorchInspector, name: str) -> list[npt.NDArray[np.uint8]]:
    card = of.cards[f"gallery/{name}"]
    return [decoded(card.buffers[item["buffer"]]) for item in card.content["items"]]


# ---------------------------------------------------------------------- histograms


def test_N19_a_histogram_that_is_logged_stands_among_the_data_with_its_history() -> None:
    model = net()
    watching = inspected(model, [])

    def log(step: int) -> None:
        watching.add_histogram("weights/first", model[0].weight)

    train(model, batches(4), log)
    assert watching.history is not None
    card = watching.cards["histogram/logged/weights/first"]
    content = card.content
    assert (card.tab, card.kind, content["group"], content["name"]) == ("Data", "histogram", "logged", "weights/first")
    assert content["count"] == 12 and content["shape"] == "[4, 3]" and content["map"]["steps"] == [1, 2, 3, 4]
    assert content["max"] == model[0].weight.max() and content["step"] == 4


def test_N19_nothing_waits_for_the_device_and_numbers_are_of_the_moment() -> None:
    model = net()
    watching = inspected(model, [])
    values = torch.ones(5)

    def log(step: int) -> None:
        before = watching.state.buffer.transfers
        watching.add_histogram("h", values)
        assert watching.state.buffer.transfers == before
        values.zero_()

    train(model, batches(1), log)
    assert watching.history is not None and watching.cards["histogram/logged/h"].content["max"] == 1


def test_N19_arrays_lists_steps_bins_and_nan() -> None:
    watching = inspector()
    watching.add_histogram("h", np.array([1, 2, 2, 7]), step=3, bins=6)
    assert watching.cards["histogram/logged/h"].content["counts"] == [1, 2, 0, 0, 0, 1]
    watching.add_histogram("h", [0.5, float("nan"), float("inf")], step=np.int64(9))
    content = watching.cards["histogram/logged/h"].content
    assert (content["nan"], content["inf"], content["map"]["steps"], content["step"]) == (1, 1, [3, 9], 9)
    for wrong in ("cat", ["cat"], object(), [[1], [1, 2]]):
        with pytest.raises(ArgumentTypeError, match="expected a tensor or an array of numbers"):
            watching.add_histogram("h", wrong)
    with pytest.raises(ArgumentTypeError, match="expected tag to be a string; received 3"):
        watching.add_histogram(3, [1.0])  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="bins to be at least 1"):
        watching.add_histogram("h", [1.0], bins=0)


def test_N19_what_is_logged_is_kept_whatever_the_stride() -> None:
    model = net()
    watching = inspected(model, [])
    watching.set(log_every_n_steps=100)
    train(model, batches(5), lambda step: watching.add_histogram("h", [1.0]))
    assert watching.history is not None
    assert watching.cards["histogram/logged/h"].content["map"]["steps"] == [1, 2, 3, 4, 5]


# ---------------------------------------------------------------------- images


def test_N19_an_image_is_in_the_gallery_as_it_was() -> None:
    watching = inspector()
    picture = torch.randint(0, 256, (3, 7, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    watching.add_image("samples", picture, step=4)
    card = watching.cards["gallery/samples"]
    assert (card.tab, card.kind, card.title, card.content["name"]) == ("Gallery", "gallery", "samples", "samples")
    [item] = card.content["items"]
    caption = item.pop("caption")
    assert caption == "" and item == {
        "step": 4, "epoch": 1, "mime": "image/png", "buffer": 0, "width": 5, "height": 7,
    }  # fmt: skip
    np.testing.assert_array_equal(shown(watching, "samples")[0], picture.permute(1, 2, 0).numpy())


@pytest.mark.parametrize(
    ("dataformats", "shape", "expected"),
    [
        ("CHW", (3, 4, 6), (4, 6, 3)),
        ("HWC", (4, 6, 4), (4, 6, 4)),
        ("HW", (4, 6), (4, 6, 1)),
        ("NCHW", (5, 1, 4, 6), (10, 22, 1)),
        ("NHWC", (2, 4, 6, 3), (4, 14, 3)),
        ("NHW", (1, 4, 6), (4, 6, 1)),
        ("CHW", (2, 4, 6), (4, 6, 2)),
    ],
)
def test_N19_images_of_any_order_and_batches_beside_each_other(
    dataformats: str, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    image = np.random.default_rng(0).random(shape)
    pixels = pixels_of(image, dataformats)
    assert pixels.shape == expected
    np.testing.assert_array_equal(decoded(png(pixels)), pixels)
    first = image[0] if "N" in dataformats else image
    inner = dataformats.replace("N", "")
    upright = first[..., None] if inner == "HW" else first.transpose([inner.index(kind) for kind in "HWC"])
    np.testing.assert_array_equal(pixels[:4, :6], np.rint(upright.astype(np.float32) * 255))


def test_N19_numbers_become_bytes() -> None:
    values = torch.tensor([[-1.0, 0.0, 0.5, 1.0, 9.0, float("nan"), float("inf")]])
    expected = [0, 0, 128, 255, 255, 0, 255]
    for image in (values, values.bfloat16(), values.double().numpy(), values.requires_grad_()):
        assert pixels_of(image, "HW").ravel().tolist() == expected
    assert pixels_of(torch.tensor([[True, False]]), "HW").ravel().tolist() == [255, 0]
    assert pixels_of(np.array([[300, 7, -2]]), "HW").ravel().tolist() == [255, 7, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_N19_floats_that_are_bytes_are_shown_as_they_are_and_told_once(dtype: torch.dtype) -> None:
    watching, values = inspector(), torch.tensor([[[0.0, 64.0], [128.0, 255.0]]], dtype=dtype)
    with pytest.warns(MonitorchWarning, match=r"add_image\('digits'\) received numbers from 0 to 255, taken") as told:
        watching.add_image("digits", values)
    watching.add_image("digits", values)  # told once: another warning would be an error
    assert len(told) == 1 and told[0].filename == __file__
    assert shown(watching, "digits")[0][..., 0].tolist() == [[0, 64], [128, 255]]


@pytest.mark.parametrize(
    ("values", "expected", "words"),
    [
        ([-1.0, 0.0, 1.0], [0, 0, 255], "from -1 to 1; below 0 is black"),
        ([0.0, 0.5, 3.0], [0, 128, 255], "from 0 to 3; below 0 is black and above 1 is white"),
        ([0.0, 0.5, 65535.0], [0, 128, 255], r"from 0 to 6.55e\+04; below"),
        ([-2.0, 0.5, 200.0], [0, 128, 255], "from -2 to 200; below"),
    ],
)
def test_N19_what_is_cut_off_is_told_with_a_remedy(values: list[float], expected: list[int], words: str) -> None:
    watching = inspector()
    with pytest.warns(MonitorchWarning, match=rf"{words}.*\(image - image.min\(\)\) / "):
        watching.add_image("x", torch.tensor([values]), dataformats="HW")
    assert shown(watching, "x")[0][..., 0].tolist() == [expected]


def test_N19_pictures_that_go_a_little_beyond_are_no_word_worth() -> None:
    watching = inspector()
    for values in ([-0.2, 1.3], [math.nan, math.inf], [-math.inf, 0.5], [0.0, 0.0]):
        watching.add_image("x", torch.tensor([values]), dataformats="HW")
    watching.add_image("ints", torch.tensor([[0, 255]]), dataformats="HW")
    assert shown(watching, "ints")[0][..., 0].tolist() == [[0, 255]]


def test_N19_large_images_become_smaller_by_areas() -> None:
    image = np.zeros((1100, 30, 1))
    image[0:3, 0:3] = 1
    pixels = pixels_of(image, "HWC")
    assert pixels.shape == (366, 10, 1) and pixels[0, 0] == 255 and pixels.sum() == 255
    assert pixels_of(np.ones((1, 9000)), "HW").shape == (1, 500, 1)
    assert pixels_of(np.ones((512, 512)), "HW").shape == (512, 512, 1)


def test_N19_wrong_images_say_what_to_do() -> None:
    watching = inspector()
    wrong: list[tuple[Any, str, type[Exception], str]] = [
        (torch.ones(4, 4), "CHW", ArgumentError, "3 dimensions, CHW; received shape .4, 4.. Say what"),
        (torch.ones(5, 4, 4), "CHW", ArgumentError, "1 to 4 channels; received 5"),
        (torch.ones(5, 4, 4), "CHW", ArgumentError, "received 5 in CHW"),
        (torch.ones(0, 4), "HW", ArgumentError, "empty one of shape .0, 4."),
        (torch.ones(4, 4), "WH", ArgumentError, "expected a dataformats among"),
        ([["a"]], "HW", ArgumentTypeError, "expected an image of numbers"),
        ([[1], [1, 2]], "HW", ArgumentTypeError, "expected an image of numbers"),
        (torch.ones(3, 4, 4, device="meta"), "CHW", ArgumentTypeError, "expected an image of numbers"),
    ]
    for image, dataformats, error, words in wrong:
        with pytest.raises(error, match=words):
            watching.add_image("x", image, dataformats=dataformats)
    assert not len(watching.cards)


def test_N19_the_newest_dozen_of_a_name_and_some_names() -> None:
    watching = inspector()
    for step in range(20):
        watching.add_image("same", torch.full((1, 2, 2), step / 20), step)
    assert [item["step"] for item in watching.cards["gallery/same"].content["items"]] == list(range(8, 20))
    assert [int(pixels[0, 0, 0]) for pixels in shown(watching, "same")] == [round(255 * s / 20) for s in range(8, 20)]
    for number in range(NAMES - 1):
        watching.add_image(f"name{number}", torch.ones(1, 2, 2))
    with pytest.warns(NotWatched, match="pictures of 32 names already, so 'one/more' is left out") as told:
        watching.add_image("one/more", torch.ones(1, 2, 2))
    watching.add_image("and/more", torch.ones(1, 2, 2))  # told once
    assert len(told) == 1 and told[0].filename == __file__ and len(watching.cards) == NAMES
    watching.add_image("same", torch.ones(1, 2, 2), 20)
    assert watching.cards["gallery/same"].content["items"][-1]["step"] == 20


# ---------------------------------------------------------------------- figures


def test_N19_a_figure_is_in_the_gallery_and_closed() -> None:
    watching = inspector()
    figure, axes = plt.subplots(figsize=(4, 2), dpi=50)
    axes.plot([1, 2], [3, 4])
    watching.add_figure("curves", figure, step=2)
    [item] = watching.cards["gallery/curves"].content["items"]
    assert (item["width"], item["height"], item["step"]) == (200, 100, 2) and figure.number not in plt.get_fignums()
    kept = plt.figure()
    watching.add_figure("curves", kept, close=False)
    assert kept.number in plt.get_fignums()
    plt.close(kept)
    watching.add_figure("large", Figure(figsize=(100, 1), dpi=100))
    assert watching.cards["gallery/large"].content["items"][0]["width"] == 1024
    with pytest.raises(ArgumentTypeError, match="expected a figure of matplotlib; received 3"):
        watching.add_figure("x", 3)


def test_N19_what_holds_a_figure_says_how_to_get_it() -> None:
    watching, (figure, axes) = inspector(), plt.subplots(1, 2)
    for wrong in (axes[0], axes, (figure, axes), plt):
        with pytest.raises(ArgumentTypeError, match=r"give their figure: axes\.figure; plt\.gcf\(\) is"):
            watching.add_figure("x", wrong)
    watching.add_figure("x", axes[0].figure)
    assert "gallery/x" in watching.cards


# ---------------------------------------------------------------------- where they go


def test_N19_tensorboard_gets_all_of_it(tmp_path: Any) -> None:
    watching = inspector(visualizer=TensorBoardVisualizer(str(tmp_path)))
    watching.add_histogram("h", torch.tensor([1.0, 2.0, float("nan")]), step=3)
    for step in (4, 5):
        watching.add_image("i", torch.rand(3, 4, 6), step=step)
    watching.add_figure("f", Figure(figsize=(1, 1)), step=6)
    watching.visualizer.finish()
    events = EventAccumulator(str(tmp_path), size_guidance={"images": 0, "histograms": 0})
    events.Reload()
    [histogram] = events.Histograms("h")
    assert histogram.step == 3 and histogram.histogram_value.num == 2
    assert [image.step for image in events.Images("i")] == [4, 5]
    assert (events.Images("i")[0].width, events.Images("i")[0].height) == (6, 4)
    assert [image.step for image in events.Images("f")] == [6]


class Page(DummyVisualizer):
    """Counts how often it is told to look."""

    def __init__(self) -> None:
        self.looks = 0

    def refresh(self, force: bool = False) -> None:
        self.looks += force


def test_where_nothing_trains_the_page_is_told_but_not_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(media_file, "perf_counter", lambda: now[0])
    page = Page()
    watching = inspector(visualizer=page)
    for _ in range(50):
        watching.add_image("i", torch.ones(1, 2, 2))
    assert page.looks == 1
    now[0] += 1
    watching.add_histogram("h", torch.ones(2))
    assert page.looks == 2 and "histogram/logged/h" in watching.cards


def test_other_ranks_show_nothing_and_their_mistakes_raise_too() -> None:
    watching = inspector(master_rank=1)
    watching.add_image("i", torch.ones(1, 2, 2))
    watching.add_histogram("h", torch.ones(2))
    watching.add_figure("f", Figure())
    assert not len(watching.cards)
    with pytest.raises(ArgumentTypeError):
        watching.add_histogram("h", "cat")


def test_names_are_text() -> None:
    watching = inspector()
    watching.add_image("<b>a/../b</b>", torch.ones(1, 2, 2))
    watching.add_histogram("a\0b", [1.0])
    found: tuple[Card, ...] = watching.cards.all
    assert [card.key for card in found] == ["gallery/<b>a/../b</b>", "histogram/logged/a b"]


def test_what_fails_behind_it_does_not_end_a_run_unless_strict() -> None:
    class Full(DummyVisualizer):
        def add_image(self, *args: Any, **kwargs: Any) -> None:
            raise OSError("no room")

    with pytest.warns(LensFault, match="OSError: no room"):
        inspector(visualizer=Full()).add_image("i", torch.ones(1, 2, 2))
    with pytest.raises(OSError, match="no room"):
        inspector(visualizer=Full(), strict=True).add_image("i", torch.ones(1, 2, 2))


def test_N19_wrong_steps_and_tensors_without_values_are_told_at_once() -> None:
    watching = inspector()
    for step in ("x", float("nan")):
        with pytest.raises(ArgumentTypeError, match="expected step to be a whole number"):
            watching.add_image("x", torch.ones(1, 4, 4), step=step)  # type: ignore[arg-type]
    with pytest.raises(ArgumentTypeError, match="whose values can be counted"):
        watching.add_histogram("x", torch.ones(3, device="meta"))
    assert not len(watching.cards)


def test_N19_a_figure_smaller_than_a_pixel_is_a_pixel() -> None:
    watching = inspector()
    watching.add_figure("x", plt.figure(figsize=(0.001, 0.002)))
    (item,) = watching.cards["gallery/x"].content["items"]
    assert item["width"] == 1 and item["height"] in (1, 2)
