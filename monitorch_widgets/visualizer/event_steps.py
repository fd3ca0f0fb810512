"""What is logged step by step, as TensorBoard takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class EventSteps:
    """Numbers, histograms and pictures with the step as TensorBoard's, under the names that they were given."""

    writer: SummaryWriter
    _by_step: set[str]  # names of the numbers that were logged

    def log_scalar(self, name: str, value: float, step: int) -> None:
        """Write a number that was logged, under its own name.

        Parameters
        ----------
        name : str
            Name of the scalar, as it is.
        value : float
            The number; NaN and infinity are written as they are.
        step : int
            Step of TensorBoard.
        """
        self._by_step.add(name)
        self.writer.add_scalar(name, value, global_step=step)

    def log_hyperparams(self, params: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Write hyper-parameters for the HParams tab, and the names of the metrics that belong to them.

        Parameters
        ----------
        params : mapping of str to object
            What is no number, text or bool is written as text.
        metrics : mapping of str to float
            Metrics by the names under which they are logged; their values come by :meth:`log_scalar`.
        """
        plain = {
            name: value if isinstance(value, bool | int | float | str) else str(value) for name, value in params.items()
        }
        for summary in hparams(plain, dict(metrics)):  # type: ignore[no-untyped-call]
            self.writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]

    def add_histogram(self, tag: str, value: Any, step: int | None = None, **kwargs: Any) -> None:
        """Write the distribution of a tensor's finite values.

        Parameters
        ----------
        tag : str
            Name.
        value : torch.Tensor, numpy.ndarray or sequence of float
            The values; where none is finite, nothing is written.
        step : int, optional
            Step of TensorBoard.
        **kwargs
            Further arguments of ``SummaryWriter.add_histogram``.
        """
        values = array_of(value).ravel()
        finite = values[np.isfinite(values)]
        if finite.size:
            self.writer.add_histogram(tag, finite, global_step=step, **kwargs)

    def add_histogram_raw(self, tag: str, step: int | None = None, **raw: Any) -> None:
        """Write a distribution that is counted already.

        Parameters
        ----------
        tag : str
            Name.
        step : int, optional
            Step of TensorBoard.
        **raw
            ``min``, ``max``, ``num``, ``sum``, ``sum_squares``, ``bucket_limits`` and ``bucket_counts``, as
            ``SummaryWriter.add_histogram_raw`` takes them.
        """
        self.writer.add_histogram_raw(tag, global_step=step, **raw)

    def add_image(self, tag: str, value: Any, step: int | None = None, **kwargs: Any) -> None:
        """Write a picture.

        Parameters
        ----------
        tag : str
            Name.
        value : torch.Tensor or numpy.ndarray
            The picture, (C, H, W) unless ``dataformats`` says otherwise.
        step : int, optional
            Step of TensorBoard.
        **kwargs
            Further arguments of ``SummaryWriter.add_image``, like ``dataformats="HWC"``.
        """
        self.writer.add_image(tag, array_of(value), global_step=step, **kwargs)

    def add_figure(self, tag: str, value: Figure, step: int | None = None, **kwargs: Any) -> None:
        """Write a figure of matplotlib, which stays open.

        Parameters
        ----------
        tag : str
            Name.
        value : matplotlib.figure.Figure
            The figure.
        step : int, optional
            Step of TensorBoard.
        **kwargs
            Further arguments of ``SummaryWriter.add_figure``.
        """
        self.writer.add_figure(tag, value, global_step=step, **{"close": False, **kwargs})


def array_of(value: Any) -> np.ndarray[Any, Any]:
    """The values as numpy knows them; bfloat16 is widened."""
    if not isinstance(value, Tensor):
        return np.asarray(value)
    value = value.detach().cpu()
    array: np.ndarray[Any, Any] = (value.float() if value.dtype is torch.bfloat16 else value).numpy()
    return array
