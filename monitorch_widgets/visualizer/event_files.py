"""Where TensorBoard's event files are written, and how."""

from __future__ import annotations

import re
from os import PathLike
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from monitorch_widgets.errors import ArgumentError, checked_count

_PROTOCOLS = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "adl": "adlfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "hdfs": "pyarrow",
}


def opened(log_dir: str | PathLike[str] | None, **kwargs: Any) -> SummaryWriter:
    """A writer; where there is none for a URL, say what to install."""
    try:
        return SummaryWriter(log_dir=log_dir, **kwargs)
    except (ImportError, ValueError) as error:
        protocol, mark, _ = str(log_dir).partition("://")
        if not mark:
            raise
        packages = "fsspec " + _PROTOCOLS.get(protocol, "and its package for the protocol")
        raise ArgumentError(
            f"expected log_dir to be a folder, or a URL that TensorBoard can write to; received {log_dir!r}: {error}. "
            f"Install {packages}, or log to a local folder and copy it"
        ) from error


def checked_queue(max_queue: object) -> int:
    """Return a length of the queue, at least 1."""
    return checked_count("max_queue", max_queue, "10 is TensorBoard's own; more are faster.")


def checked_seconds(flush_secs: float) -> float:
    """Return a number of seconds, 0 or more."""
    if isinstance(flush_secs, bool) or not isinstance(flush_secs, int | float) or not flush_secs >= 0:
        raise ArgumentError(
            f"expected flush_secs to be a number of seconds, 0 or more; received {flush_secs!r}. Try 120"
        )
    return flush_secs


def file_name(part: str) -> str:
    """Name of the folder of a part: a name from the user must not lead out of the log folder."""
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", part)
