"""The functions that are running."""

from __future__ import annotations

from collections.abc import Iterator
from types import FrameType


def upwards(frame: FrameType | None) -> Iterator[FrameType]:
    """`frame`, its caller, the caller's caller, and so on."""
    while frame is not None:
        yield frame
        frame = frame.f_back
