"""Histograms, images and figures that the loop logs."""

from __future__ import annotations

import io
import struct
import sys
import warnings
from collections.abc import Callable
from functools import cached_property, partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from monitorch_widgets.errors import ArgumentTypeError, MonitorchWarning
from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.lens.histogram_cards import HistogramCards
from monitorch_widgets.lens.histogram_lens import checked_bins
from monitorch_widgets.numerical import BINS, Histogram
from monitorch_widgets.preprocessor import Histograms, Seen
from monitorch_widgets.preprocessor.nested import has_numbers

from .arguments import checked_text
from .cards import Cards
from .control import Control
from .faults import Faults
from .gallery import Gallery, Picture
from .png import pixels_of, png

if TYPE_CHECKING:
    from monitorch_widgets.visualizer import AbstractVisualizer

_GROUP = "logged"
_LARGEST_FIGURE = 1024  # pixels of a side
_SHOWN_S = 0.1  # between two times that the page is told while nothing trains


class Media:
    """Histograms, images and figures that the loop logs.

    What is logged is kept whatever `log_every_n_steps` says: who calls, wants it. The page has the newest; where the
    visualizer is TensorBoard, all go there too.
    """

    state: InspectorState
    cards: Cards
    visualizer: AbstractVisualizer
    is_main_process: bool
    _control: Control
    _faults: Faults
    _shown_at = 0.0
    _told_of_image = False

    def add_histogram(self, tag: str, values: Any, step: int | None = None, bins: int = BINS) -> None:
        """Show how values are spread, among the histograms of the data.

        Nothing waits for the device: the values are counted there, and reach the page with the numbers of the step.

        Parameters
        ----------
        tag : str
            Name; a newer one of the same name joins its history.
        values : torch.Tensor or array
            Any shape; NaN and infinity are counted apart.
        step : int, optional
            By default the number of finished optimizer steps.
        bins : int
            Bins between the smallest and the largest value; of a name, those of its first histogram are drawn.

        Raises
        ------
        ArgumentTypeError
            For what is no array of numbers.

        Examples
        --------
        >>> import torch
        >>> from monitorch_widgets import PyTorchInspector
        >>> inspector = PyTorchInspector(visualizer="dummy")
        >>> inspector.add_histogram("weights", torch.tensor([0.0, 1.0, 1.0]), step=3)
        >>> inspector.cards["histogram/logged/weights"].content["count"]
        3
        """
        name, tensor, at = _checked_name(tag), _as_tensor(values), self._step(step)
        histograms = self._histograms(checked_bins(bins))

        def show() -> None:
            self.state.buffer.ear = self.state.hooks.own
            histograms.process_tensor(_GROUP, name, tensor, step=at)
            self._export("add_histogram", name, tensor, at)

        self._show(show)

    def add_image(self, tag: str, image: Any, step: int | None = None, dataformats: str = "CHW") -> None:
        """Show a picture, or a batch of pictures beside each other, in the gallery.

        Parameters
        ----------
        tag : str
            Name; the gallery has the newest pictures of each.
        image : torch.Tensor or array
            Bytes 0 to 255, or floating-point numbers 0 to 1; where these are something else, a warning tells once how
            they are shown. One on a device is waited for. The page gets it with at most 512 pixels a side.
        step : int, optional
            By default the number of finished optimizer steps.
        dataformats : str
            What the dimensions are: ``"CHW"``, ``"HWC"``, ``"HW"``, ``"NCHW"``, ``"NHWC"`` or ``"NHW"``.

        Raises
        ------
        ArgumentError
            For dimensions that are not as `dataformats` says, and for a number of channels that no picture has.
        ArgumentTypeError
            For what is no array of numbers.
        """
        name, at = _checked_name(tag), self._step(step)
        pixels = pixels_of(image, dataformats, partial(self._tell_of_image, name))

        def show() -> None:
            self._hang(name, png(pixels), at)
            self._export("add_image", name, pixels, at, dataformats="HWC")

        self._show(show)

    def add_figure(self, tag: str, figure: Any, step: int | None = None, close: bool = True) -> None:
        """Show a figure of matplotlib in the gallery.

        Parameters
        ----------
        tag : str
            Name; the gallery has the newest pictures of each.
        figure : matplotlib.figure.Figure
            The figure.
        step : int, optional
            By default the number of finished optimizer steps.
        close : bool
            Close it, so that a notebook doesn't show it once more and its memory goes.

        Raises
        ------
        ArgumentTypeError
            For anything else.
        """
        name, at = _checked_name(tag), self._step(step)
        if not all(callable(getattr(figure, method, None)) for method in ("savefig", "get_size_inches")):
            raise ArgumentTypeError(
                f"expected a figure of matplotlib; received {figure!r:.100}. Of axes, give their figure: axes.figure; "
                "plt.gcf() is the current one."
            )

        def show() -> None:
            self._hang(name, _drawn(figure), at)
            self._export("add_figure", name, figure, at)

        self._show(show)
        if close and "matplotlib.pyplot" in sys.modules:
            sys.modules["matplotlib.pyplot"].close(figure)

    # ------------------------------------------------------------------ where they go

    @cached_property
    def _gallery(self) -> Gallery:
        return Gallery(self.cards)

    @cached_property
    def _logged_cards(self) -> HistogramCards:
        return HistogramCards(remedy="give those that belong together one name, without the step in it")

    @cached_property
    def _counting(self) -> dict[int, Histograms]:
        return {}

    def _histograms(self, bins: int) -> Histograms:
        """Who counts in so many bins."""
        if bins not in self._counting:
            self._counting[bins] = Histograms(self._counted, bins)
            self._counting[bins].buffer = self.state.buffer
        return self._counting[bins]

    def _counted(self, seen: Seen, histogram: Histogram, step: int) -> None:
        self._logged_cards.show(self.cards, seen, histogram, step)

    def _hang(self, name: str, file: bytes, step: int) -> None:
        width, height = struct.unpack(">II", file[16:24])
        self._gallery.add(name, Picture(file, width, height, step, self.state.counter))

    def _tell_of_image(self, name: str, words: str) -> None:
        """Tell how numbers are shown that are no picture's, once: a loop that logs one logs many."""
        if self.is_main_process and not self._told_of_image:
            self._told_of_image = True
            warnings.warn(f"add_image({name!r}) received {words}", MonitorchWarning, stacklevel=6)

    def _export(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Hand it to the visualizer too, if that takes such things."""
        add = getattr(self.visualizer, method, None)
        if add is not None:
            add(*args, **kwargs)

    def _step(self, step: int | None) -> int:
        if step is None:
            return self.state.buffer.step
        try:
            return int(step)
        except (TypeError, ValueError, OverflowError) as error:
            raise ArgumentTypeError(f"expected step to be a whole number; received {step!r:.100}") from error

    def _show(self, action: Callable[[], None]) -> None:
        """Show something on the rank that shows; what fails there must not end the training."""
        if self.is_main_process:
            with self._faults.border(None):
                action()
                self._bring_to_page()

    def _bring_to_page(self) -> None:
        """Where nothing trains, nobody else would."""
        if self._control.running or self._control.in_background:
            return
        self.state.buffer.flush()
        if perf_counter() >= self._shown_at:
            self._shown_at = perf_counter() + _SHOWN_S
            self.visualizer.refresh(force=True)


def _drawn(figure: Any) -> bytes:
    """The figure as a file, its own size at most."""
    file = io.BytesIO()
    width, height = figure.get_size_inches()
    dpi = max(min(float(figure.dpi), _LARGEST_FIGURE / max(width, height)), 1 / min(width, height))  # a pixel at least
    figure.savefig(file, format="png", dpi=dpi)
    return file.getvalue()


def _checked_name(tag: object) -> str:
    return checked_text("tag", tag, "weights")


def _as_tensor(values: Any) -> Tensor:
    try:
        tensor = values if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError) as error:
        raise ArgumentTypeError(f"expected a tensor or an array of numbers; received {values!r:.100}") from error
    if not has_numbers(tensor):
        raise ArgumentTypeError(
            f"expected a tensor whose values can be counted, not on the device 'meta', nested or quantized; "
            f"received {values!r:.100}"
        )
    return tensor
