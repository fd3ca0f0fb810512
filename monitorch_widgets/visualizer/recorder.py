"""Record what a run shows into a file, and play it to another visualizer later."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from os import PathLike, fspath
from typing import TYPE_CHECKING

from monitorch_widgets.errors import ArgumentError
from monitorch_widgets.values import TagAttributes

from . import recording
from .abstract import AbstractVisualizer, Ranges, Values, check_visualizer

if TYPE_CHECKING:
    from typing_extensions import Self


class RecorderVisualizer(AbstractVisualizer):
    """Writes every epoch's figures to a file, for :class:`PlayerVisualizer`.

    The file is plain text, one JSON object per line (the format is told in ``recording.py``). Each line is on disk
    before training goes on, so the recording of a killed run can be played up to its last epoch.

    Parameters
    ----------
    filepath : str or os.PathLike
        File to write; an existing one is replaced.

    Raises
    ------
    OSError
        At construction, if the file cannot be written.
    """

    def __init__(self, filepath: str | PathLike[str]) -> None:
        self.filepath = filepath
        self._file = open(filepath, "w", encoding="ascii", newline="\n")  # noqa: SIM115 - open as long as the run
        self._close = weakref.finalize(self, self._file.close)
        self._write(recording.header_line())

    def register_tags(self, main_tag: str, tag_attr: TagAttributes) -> None:
        """Record the call; see base class."""
        fields = recording.attributes_fields(tag_attr)
        self._write(recording.call_line("register_tags", main_tag=main_tag, tag_attr=fields))

    def plot_numerical_values(
        self, epoch: int, main_tag: str, values_dict: Values, ranges_dict: Ranges | None = None
    ) -> None:
        """Record the call; see base class."""
        ranges = recording.ranges_fields(ranges_dict)
        self._record("plot_numerical_values", epoch, main_tag, values_dict, ranges=ranges)

    def plot_probabilities(self, epoch: int, main_tag: str, values_dict: Values) -> None:
        """Record the call; see base class."""
        self._record("plot_probabilities", epoch, main_tag, values_dict)

    def plot_relations(self, epoch: int, main_tag: str, values_dict: Values) -> None:
        """Record the call; see base class."""
        self._record("plot_relations", epoch, main_tag, values_dict)

    def _record(self, method: str, epoch: int, main_tag: str, values_dict: Values, **more: object) -> None:
        values = recording.values_fields(values_dict)
        line = recording.call_line(method, epoch=int(epoch), main_tag=main_tag, values=values, **more)
        self._write(line)

    def _write(self, line: str) -> None:
        self._file.write(line)
        self._file.flush()

    def close(self) -> None:
        """Close the file; nothing can be recorded afterwards. May be called again."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def where(self) -> str:
        """Where the numbers can be seen."""
        path = fspath(self.filepath)
        return f"recorded to {path}; PlayerVisualizer({path!r}, another visualizer).playback() shows them"


class PlayerVisualizer:
    """Plays a recording to a visualizer, which cannot tell it from a run.

    Parameters
    ----------
    source_filepath : str or os.PathLike
        File that a :class:`RecorderVisualizer` wrote. It may come from a stranger: it is read as text, and can
        call nothing but the four methods that a recorder records.
    target_visualizer : AbstractVisualizer
        Where it is played to.

    Attributes
    ----------
    truncated : bool
        After :meth:`playback`, whether the last line was cut off (the recorded run was killed) and left out.

    Raises
    ------
    ArgumentTypeError
        If `target_visualizer` is no visualizer.

    Examples
    --------
    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "run.jsonl")
    >>> with RecorderVisualizer(path) as recorder:
    ...     recorder.plot_relations(1, "Share", {"Share": {"conv": 0.25, "head": 0.75}})
    >>> from monitorch_widgets.visualizer import PrintVisualizer
    >>> player = PlayerVisualizer(path, PrintVisualizer()).playback()
    (1) Share: Share - {'conv': 0.25, 'head': 0.75}
    """

    def __init__(self, source_filepath: str | PathLike[str], target_visualizer: AbstractVisualizer) -> None:
        self.source_filepath = source_filepath
        self.visualizer = check_visualizer(target_visualizer)
        self.truncated = False

    def playback(self) -> PlayerVisualizer:
        """Make every recorded call on the target, in order, and its ``finish()`` at the end.

        Returns
        -------
        PlayerVisualizer
            Itself.

        Raises
        ------
        OSError
            If the file cannot be read.
        ArgumentError
            If it is no recording (a pickle above all), has a newer schema, or has a line that is no call of a
            visualizer; lines before that one have been played.
        """
        for number, line in self._lines():
            method, arguments = recording.parse_call(line, number)
            getattr(self.visualizer, method)(*arguments)
        self.visualizer.finish()
        return self

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        self.truncated = False
        with open(self.source_filepath, "rb") as source:
            try:
                recording.parse_header(source.readline())
            except ArgumentError as error:
                raise ArgumentError(f"{fspath(self.source_filepath)}: {error}") from None
            for number, line in enumerate(source, start=2):
                if recording.is_complete(line):
                    yield number, line
                else:
                    self.truncated = True
