"""Pictures as PNG, in the few lines that it takes without a library for pictures."""

from __future__ import annotations

import struct
import zlib
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
_EXPECTED = "expected an image of numbers, a tensor or an array"


def pixels_of(image: Any, dataformats: str = "CHW") -> Pixels:
    """A picture, or a batch of pictures as one, as (H, W, C) bytes of at most 512 pixels a side.

    Parameters
    ----------
    image : torch.Tensor or array
        Bytes 0 to 255, or floating-point numbers 0 to 1, beyond which they are cut off; NaN is black.
    dataformats : str
        What the dimensions are: ``"CHW"``, ``"HWC"``, ``"HW"``, ``"NCHW"``, ``"NHWC"`` or ``"NHW"``.

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
    return _small(_bytes(_in_a_grid(_in_order(array, dataformats))))


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


def _bytes(array: Any) -> Pixels:
    if array.dtype.kind in "fb":
        array = np.rint(np.nan_to_num(array.astype(np.float32), posinf=1.0, neginf=0.0).clip(0, 1) * 255)
    found: Pixels = array.clip(0, 255).astype(np.uint8)
    return found


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
