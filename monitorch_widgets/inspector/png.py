"""Pictures as PNG, in the few lines that it takes without a library for pictures."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, check_choice

Pixels = npt.NDArray[np.uint8]

LARGEST = 512
"""Pixels of a side at most."""

_COLOR = {1: 0, 2: 4, 3: 2, 4: 6}  # PNG's number for so many channels: grey, grey and alpha, RGB, RGB and alpha
_FORMATS = ("CHW", "HWC", "HW", "NCHW", "NHWC", "NHW")
_TILES = 64  # pictures of a batch at most
_GAP = 2  # pixels between them
_SURELY_BYTES = 16.0  # floating-point numbers above it are bytes: no picture that is 0 to 1 goes so far beyond
_NEAR = 0.5  # what a picture may go beyond 0 and 1, as one that a network makes does, without being told of
_EXPECTED = "expected an image of numbers, a tensor or an array"


def _nobody(words: str) -> None:
    pass


def pixels_of(image: Any, dataformats: str = "CHW", tell: Callable[[str], None] = _nobody) -> Pixels:
    """A picture, or a batch of pictures as one, as (H, W, C) bytes of at most 512 pixels a side.

    Parameters
    ----------
    image : torch.Tensor or array
        Bytes 0 to 255, or floating-point numbers 0 to 1, beyond which they are cut off; NaN is black. Floating-point
        numbers that are bytes, from 0 up to 255, are taken as such.
    dataformats : str
        What the dimensions are: ``"CHW"``, ``"HWC"``, ``"HW"``, ``"NCHW"``, ``"NHWC"`` or ``"NHW"``.
    tell : callable
        Called as ``tell(words)`` where the numbers are not what they should be.

    Raises
    ------
    ArgumentError
        For an unknown order, another number of dimensions, and for a number of channels that no picture has.
    ArgumentTypeError
        For what is no array of numbers.

    Examples
    --------
    >>> pixels_of(np.array([[0.0, 1.0], [0.5, 2.0]]), "HW")[..., 0].tolist()
    [[0, 255], [128, 255]]
    >>> pixels_of(np.array([[0.0, 255.0], [64.0, 128.0]]), "HW", print)[..., 0].tolist()
    numbers from 0 to 255, taken as bytes. Divide by 255, or convert to uint8.
    [[0, 255], [64, 128]]
    """
    check_choice("dataformats", dataformats, _FORMATS)
    array = _array_of(image)
    if not array.size:
        raise ArgumentError(f"expected an image with pixels; received an empty one of shape {array.shape}")
    if array.ndim != len(dataformats):
        raise ArgumentError(
            f"expected an image of {len(dataformats)} dimensions, {dataformats}; received shape {array.shape}. "
            "Say what its dimensions are: dataformats='HWC', 'HW', 'NCHW'."
        )
    return _small(_bytes(_in_a_grid(_in_order(array, dataformats)), tell))


def _array_of(image: Any) -> Any:
    try:
        found = image.detach() if isinstance(image, Tensor) else image
        if isinstance(found, Tensor):
            found = found.to_dense().cpu()
            found = found.float() if found.is_floating_point() else found
        array = np.asarray(found)
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:  # ragged, or without data
        raise ArgumentTypeError(f"{_EXPECTED}; received {image!r:.100}: {error}") from error
    if array.dtype.kind not in "biuf":
        raise ArgumentTypeError(f"{_EXPECTED}; received {image!r:.100}")
    return array


def _in_order(array: Any, dataformats: str) -> Any:
    """The same as (N, H, W, C)."""
    asked = dataformats
    for missing in (kind for kind in "NC" if kind not in dataformats):
        array, dataformats = array[None], missing + dataformats
    array = array.transpose([dataformats.index(kind) for kind in "NHWC"])
    if array.shape[-1] not in _COLOR:
        raise ArgumentError(
            f"expected an image of 1 to 4 channels; received {array.shape[-1]} in {asked}. "
            "Say where they are: dataformats='HWC', or pick some."
        )
    return array


def _in_a_grid(array: Any) -> Any:
    """Pictures of a batch beside and below each other, as (H, W, C)."""
    array = array[:_TILES]
    count, height, width, channels = array.shape
    if count == 1:
        return array[0]
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    grid = np.zeros((rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, channels), array.dtype)
    for place, picture in enumerate(array):
        top, left = place // columns * (height + _GAP), place % columns * (width + _GAP)
        grid[top : top + height, left : left + width] = picture
    return grid


def _bytes(array: Any, tell: Callable[[str], None]) -> Pixels:
    if array.dtype.kind in "fb":
        array = array.astype(np.float32)
        white = _white(array[np.isfinite(array)], tell)
        array = np.rint(np.nan_to_num(array, posinf=white, neginf=0.0).clip(0, white) * (255 / white))
    found: Pixels = array.clip(0, 255).astype(np.uint8)
    return found


def _white(numbers: Any, tell: Callable[[str], None]) -> float:
    """The number that is white: 1, or 255 where floating-point numbers are bytes; what is cut off is told."""
    low, high = (float(numbers.min()), float(numbers.max())) if numbers.size else (0.0, 0.0)
    if low >= 0 and _SURELY_BYTES < high <= 255:
        tell(f"numbers from {low:.3g} to {high:.3g}, taken as bytes. Divide by 255, or convert to uint8.")
        return 255.0
    if low < -_NEAR or high > 1 + _NEAR:
        tell(
            f"numbers from {low:.3g} to {high:.3g}; below 0 is black and above 1 is white. Bring them between 0 and 1, "
            "e.g. (image - image.min()) / (image.max() - image.min())."
        )
    return 1.0


def _small(pixels: Pixels) -> Pixels:
    """Areas of pixels become one, so that no side is longer than the largest."""
    height, width, channels = pixels.shape
    factor = -(-max(height, width) // LARGEST)
    if factor == 1:
        return pixels
    tall, wide = min(factor, height), min(factor, width)
    kept = pixels[: height // tall * tall, : width // wide * wide]
    areas = kept.reshape(height // tall, tall, width // wide, wide, channels)
    found: Pixels = np.rint(areas.mean((1, 3))).astype(np.uint8)
    return found


def png(pixels: Pixels) -> bytes:
    r"""The bytes of a file.

    Examples
    --------
    >>> png(np.zeros((2, 3, 3), np.uint8))[:8]
    b'\x89PNG\r\n\x1a\n'
    """
    height, width, channels = pixels.shape
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOR[channels], 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
