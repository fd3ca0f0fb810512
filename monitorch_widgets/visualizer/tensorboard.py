"""Event files for TensorBoard. Imported only by who asks for it."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

from monitorch_widgets.errors import ArgumentError, checked_queue, checked_seconds
from monitorch_widgets.values import TagAttributes

from .abstract import AbstractVisualizer, Ranges, Values
from .event_files import file_name, opened, waiting_in
from .event_steps import EventSteps

if TYPE_CHECKING:
    from typing_extensions import Self


class TensorBoardVisualizer(EventSteps, AbstractVisualizer):
    """Writes every epoch's figures as scalars of TensorBoard, the epoch as their step.

    A number is the scalar ``main_tag/module/number`` in lower case with underscores (``output_norm/conv1/mean``), the
    ends of a band are two of them (``.../-std`` and ``.../+std``). Relations are runs of their own, one per part, so
    that TensorBoard draws them into one chart. Names that differ only in case or spaces get ``_2``, ``_3``, ..., rather
    than being mixed in one curve. NaN and infinity are written as they are; TensorBoard marks them.

    Numbers, pictures and histograms that are logged step by step keep their names, with the step as TensorBoard's.

    Parameters
    ----------
    log_dir : str or os.PathLike, optional
        Folder of the event files; by default ``runs/<date>_<time>_<host><comment>``. A URL of fsspec works too, like
        ``"s3://bucket/logs"`` or ``"gs://bucket/logs"``: it needs fsspec, and what that needs for the protocol.
    comment : str
        End of the default folder's name.
    max_queue : int
        Numbers that may wait for the thread that writes them. While the queue is full, who logs waits: more are faster,
        and take more memory.
    flush_secs : float
        Seconds after which what was written is flushed to the file. Both may be set later, see the attributes.
    save_dir : str or os.PathLike, optional
        Another name of `log_dir`.
    **kwargs
        Further arguments of ``torch.utils.tensorboard.SummaryWriter``.

    Attributes
    ----------
    writer : torch.utils.tensorboard.SummaryWriter
        The writer. Closed by :meth:`close`, with the visualizer, or at exit.

    Raises
    ------
    ArgumentError
        For both `log_dir` and `save_dir`, a queue of nothing, and a URL that nothing installed can write to.
    ImportError
        At import, if tensorboard is missing.
    """

    def __init__(
        self,
        log_dir: str | PathLike[str] | None = None,
        comment: str = "",
        *,
        max_queue: int = 10,
        flush_secs: float = 120,
        save_dir: str | PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        if log_dir and save_dir:
            raise ArgumentError(
                f"expected either log_dir or save_dir, which mean the same; received {log_dir!r} and {save_dir!r}. "
                "Leave one of them out"
            )
        kwargs.update(max_queue=checked_queue(max_queue), flush_secs=checked_seconds(flush_secs))
        # The writer makes the default folder itself, from None but not from "".
        self.writer = opened(log_dir or save_dir or None, comment=comment, **kwargs)
        weakref.finalize(self, self.writer.close)
        self._by_step = set()
        self._given: dict[str, dict[tuple[str, ...], str]] = {}

    @property
    def max_queue(self) -> int:
        """Numbers that may wait for the thread that writes them; another one begins a new event file."""
        return int(self.writer.max_queue)

    @max_queue.setter
    def max_queue(self, max_queue: int) -> None:
        self.writer.max_queue = checked_queue(max_queue)
        self.writer.close()

    @property
    def flush_secs(self) -> float:
        """Seconds after which what was written is flushed; others begin a new event file."""
        return float(self.writer.flush_secs)

    @flush_secs.setter
    def flush_secs(self, flush_secs: float) -> None:
        self.writer.flush_secs = checked_seconds(flush_secs)
        self.writer.close()

    @property
    def waiting(self) -> int | None:
        """How many numbers wait for the threads that write them; None where this TensorBoard doesn't tell."""
        return waiting_in((self.writer.all_writers or {}).values())

    def register_tags(self, main_tag: str, tag_attr: TagAttributes) -> None:
        """Do nothing, TensorBoard draws every scalar alike; see base class."""

    def plot_numerical_values(
        self, epoch: int, main_tag: str, values_dict: Values, ranges_dict: Ranges | None = None
    ) -> None:
        """Write each number and both ends of each band as scalars; see base class."""
        ranges = ranges_dict or {}
        for tag in dict.fromkeys([*values_dict, *ranges]):
            # One mapping, for 'min' may be a line and an end: a scalar has one value a step.
            scalars = {name: end for ends in ranges.get(tag, {}).items() for name, end in zip(*ends, strict=True)}
            self._add(epoch, main_tag, tag, {**scalars, **values_dict.get(tag, {})})

    def plot_probabilities(self, epoch: int, main_tag: str, values_dict: Values) -> None:
        """Write each rate as a scalar; see base class."""
        for tag, rates in values_dict.items():
            self._add(epoch, main_tag, tag, rates)

    def plot_relations(self, epoch: int, main_tag: str, values_dict: Values) -> None:
        """Write each part as a scalar of a run of its own; see base class."""
        for tag, parts in values_dict.items():
            name = self._own("relations", self.transform_tag_str(main_tag, tag), (main_tag, tag))
            runs = {self._own(name, file_name(part), (part,)): value for part, value in parts.items()}
            self.writer.add_scalars(name, runs, global_step=epoch)

    def _add(self, epoch: int, main_tag: str, tag: str, numbers: Mapping[str, float]) -> None:
        for name, number in numbers.items():
            if tag == main_tag and name in self._by_step:
                continue  # it is there already, step by step
            scalar = self.transform_tag_str(self.transform_tag_str(main_tag, tag), name)
            scalar = self._own("scalars", scalar, (main_tag, tag, name))
            self.writer.add_scalar(scalar, number, global_step=epoch)

    def _own(self, scope: str, wanted: str, original: tuple[str, ...]) -> str:
        """Return `wanted`, or with a number behind it if another original of the scope has taken it."""
        given = self._given.setdefault(scope, {})
        if original not in given:
            numbered = (f"{wanted}_{count}" for count in itertools.count(2))
            taken = set(given.values())
            given[original] = next(name for name in itertools.chain([wanted], numbered) if name not in taken)
        return given[original]

    def finish(self) -> None:
        """Flush, so that TensorBoard sees everything; the run may go on."""
        self.writer.flush()

    def close(self) -> None:
        """Flush and close the event files; numbers that come later begin new ones. May be called again."""
        self.writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def where(self) -> str:
        """Where the numbers can be seen."""
        return f"written for TensorBoard: tensorboard --logdir {self.writer.log_dir}"

    @staticmethod
    def transform_tag_str(general_tag: str, subtag: str, delimiter: str = "/") -> str:
        """Name of a scalar: lower case, underscores for spaces, ``std`` for sigma.

        Parameters
        ----------
        general_tag, subtag : str
            What is joined.
        delimiter : str
            What stands between.

        Examples
        --------
        >>> TensorBoardVisualizer.transform_tag_str("Output Norm", "+σ")
        'output_norm/+std'
        """
        joined = f"{general_tag}{delimiter}{subtag}".lower()
        return joined.replace(" ", "_").replace("σ", "std")
