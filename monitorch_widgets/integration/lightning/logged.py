"""What ``self.log`` has logged since the last look, each number once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


class Logged:
    """Tells new numbers among Lightning's ``logged_metrics`` from those that were there before.

    Lightning keeps the newest value of every name, and makes a new tensor each time something is logged. So a number is
    new where its tensor has another place in memory; the old one is kept meanwhile, its place can't be given again.

    Examples
    --------
    >>> import torch
    >>> logged, loss = Logged(), torch.tensor(0.5)
    >>> logged.new({"loss": loss}), logged.new({"loss": loss.detach()}), logged.new({"loss": loss.clone()})
    ({'loss': tensor(0.5000)}, {}, {'loss': tensor(0.5000)})
    """

    def __init__(self) -> None:
        self._seen: dict[str, Tensor] = {}

    def new(self, metrics: Mapping[str, Any]) -> dict[str, Tensor]:
        """The numbers that were not there at the last call; they stay on their device."""
        tensors = {name: value.detach() for name, value in metrics.items() if isinstance(value, Tensor)}
        found = {name: value for name, value in tensors.items() if self._is_new(name, value)}
        self._seen.update(found)
        return found

    def _is_new(self, name: str, value: Tensor) -> bool:
        before = self._seen.get(name)
        return before is None or before.data_ptr() != value.data_ptr()
