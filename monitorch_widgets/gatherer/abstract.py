"""Base of gatherers: where a tensor is seen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from monitorch_widgets.preprocessor import AbstractPreprocessor, DeferredPreprocessor

from .state import InspectorState


class AbstractGatherer(ABC):
    """Hands what it sees to preprocessors, while the inspector watches the epoch.

    Parameters
    ----------
    inspector_state : InspectorState
        Of the inspector; its hooks are used, so that all gatherers share one per module.
    """

    def __init__(self, inspector_state: InspectorState) -> None:
        self.inspector_state: InspectorState | None = inspector_state

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Take what was seen."""

    @abstractmethod
    def detach(self) -> None:
        """Stop; a second call does nothing."""
        self.inspector_state = None

    @staticmethod
    def requires_active_inspector_state(fn: Callable[..., None]) -> Callable[..., None]:
        """Decorate a ``__call__`` to do nothing in epochs that are not watched, and after detaching."""

        @wraps(fn)
        def wrapper(self: AbstractGatherer, *args: Any, **kwargs: Any) -> None:
            if self.inspector_state is not None and self.inspector_state.is_active:
                fn(self, *args, **kwargs)

        return wrapper


def share_buffer(preprocessors: Iterable[AbstractPreprocessor], inspector_state: InspectorState) -> None:
    """Let numbers of these preprocessors join the step's one transfer."""
    for preprocessor in preprocessors:
        if isinstance(preprocessor, DeferredPreprocessor):
            preprocessor.buffer = inspector_state.buffer
