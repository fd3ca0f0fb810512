"""Where TensorBoard's event files are written, and how."""

from __future__ import annotations

import re
from collections.abc import Iterable
from os import PathLike
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from monitorch_widgets.errors import ArgumentError
from monitorch_widgets.history.journal.places import packages_for


def opened(log_dir: str | PathLike[str] | None, **kwargs: Any) -> SummaryWriter:
    """A writer; where there is none for a URL, say what to install."""
    try:
        return SummaryWriter(log_dir=log_dir, **kwargs)
    except (ImportError, ValueError) as error:
        if "://" not in str(log_dir):
            raise
        raise ArgumentError(
            f"expected log_dir to be a folder, or a URL that TensorBoard can write to; received {log_dir!r}: {error}. "
            f"Install {packages_for(str(log_dir))}, or log to a local folder and copy it"
        ) from error


def waiting_in(writers: Iterable[Any]) -> int | None:
    """How many events wait in the queues of file writers, which is theirs to tell; None where one doesn't."""
    try:
        return sum(int(writer.event_writer._async_writer._byte_queue.qsize()) for writer in writers)
    except AttributeError:
        return None


def file_name(part: str) -> str:
    """Name of the folder of a part: a name from the user must not lead out of the log folder."""
    return re.sub(r'[/\\:*?"<>|\x00-\x1f]', "_", part)
