"""The gatherer of what each step changes."""

from __future__ import annotations

from collections.abc import Sequence

from torch.optim import Optimizer

from monitorch_widgets.preprocessor import DifferencePreprocessor

from .abstract import AbstractGatherer
from .parameters_seen import StepsGatherer
from .state import InspectorState


class ParameterChangesGatherer(StepsGatherer):
    """Sees by how much each step changes parameters.

    Parameters
    ----------
    preprocessors : sequence of DifferencePreprocessor
        Get the changes of the step at once.
    inspector_state : InspectorState
        Of the inspector; gatherers of one inspector share the copies of parameters.
    optimizer : torch.optim.Optimizer, optional
        Follow only this one; by default every optimizer is followed.
    """

    def __init__(
        self,
        preprocessors: Sequence[DifferencePreprocessor],
        inspector_state: InspectorState,
        optimizer: Optimizer | None = None,
    ) -> None:
        super().__init__(preprocessors, inspector_state, optimizer)
        self._differences = preprocessors
        self.needs_sizes = any(preprocessor.needs_sizes for preprocessor in preprocessors)
        self._changes = inspector_state.changes
        self._changes.gatherers.append(self)

    def tell(self) -> None:
        """Say that a step was made that no optimizer shows, to all gatherers of changes of the inspector."""
        if self.inspector_state is not None:
            self._changes.tell(self.inspector_state.hooks)

    @property
    def memory_bytes(self) -> int:
        """Memory of the copies that count as this gatherer's, in bytes."""
        return self.memory_under("")

    def memory_under(self, prefix: str) -> int:
        """The same, of parameters whose names begin so."""
        return self._changes.memory_of(self, prefix)

    @AbstractGatherer.requires_active_inspector_state
    def begin(self, optimizer: Optimizer | None = None) -> None:
        """Note what the parameters that `optimizer` is about to step are before."""
        if self._follows(optimizer):
            self._changes.begin(self, self._places.now(optimizer), optimizer, self._step())

    @AbstractGatherer.requires_active_inspector_state
    def __call__(self, optimizer: Optimizer | None = None) -> None:
        """Hand on by how much the parameters changed that `optimizer` stepped."""
        if not self._follows(optimizer):
            return
        moved = self._changes.end(self._places.now(optimizer), optimizer, self)
        try:
            if moved.names:
                for preprocessor in self._differences:
                    preprocessor.process_changes(moved)
        finally:
            self._changes.leave(self, self._step())

    def detach(self) -> None:
        """Stop watching, and drop the copies."""
        super().detach()
        self._changes.forget(self)

    def _step(self) -> int:
        return 0 if self.inspector_state is None else self.inspector_state.buffer.step
