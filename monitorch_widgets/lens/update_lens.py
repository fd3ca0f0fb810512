"""What the lenses of parameter updates share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

from torch.optim import Optimizer

from monitorch_widgets.errors import ArgumentTypeError
from monitorch_widgets.gatherer import InspectorState, ParameterChangesGatherer
from monitorch_widgets.preprocessor import DifferencePreprocessor
from monitorch_widgets.preprocessor.kinds import KindsPreprocessor, of_kind

from .parameter_geometry import ParameterGeometryLens
from .reading_lens import Aggregation

UPDATE_STAGE = "as applied: the parameter after the step minus before"
UPDATE_EMPTY = (
    "No optimizer step yet. Loops without an optimizer call inspector.tick_batch(), which shows the change since the "
    "call before, from the second call on."
)


class UpdateLens(ParameterGeometryLens):
    """Base of lenses of what optimizer steps change. All those of one inspector share one copy of each parameter."""

    def __init__(
        self,
        optimizer: Optimizer | None,
        aggregation: Aggregation,
        log_scale: bool,
        parameters: str | Iterable[str],
    ) -> None:
        if optimizer is not None and not isinstance(optimizer, Optimizer):
            raise ArgumentTypeError(
                f"expected optimizer to be a torch.optim.Optimizer or None; received {type(optimizer).__name__}. "
                "Leave it out to follow every optimizer."
            )
        super().__init__(aggregation, log_scale, parameters)
        self.optimizer = optimizer

    def _gatherer(self, preprocessor: KindsPreprocessor, inspector_state: InspectorState) -> ParameterChangesGatherer:
        return ParameterChangesGatherer([cast(DifferencePreprocessor, preprocessor)], inspector_state, self.optimizer)

    def inspect_update(self) -> None:
        """Measure the change of the parameters since the last measurement, for loops whose steps cannot be seen.

        The first call only remembers them. All lenses of updates of the inspector measure;
        ``inspector.tick_batch()`` does this for all lenses of parameters.
        """
        for gatherer in self._gatherers[:1]:
            cast(ParameterChangesGatherer, gatherer).tell()

    def memory_of(self, tag: str) -> int:
        """Memory that copies of tensors take for one panel, in bytes: those of updates, and those of parameters.

        A copy of a parameter counts at the lens that took it, in the panel of sizes.
        """
        sizes = {chart.spec.tag: chart.preprocessor for chart in self.charts if chart.channel == 0}
        kinds = [kind for kind, preprocessor in self._preprocessors.items() if preprocessor is sizes.get(tag)]
        seen = self._seen
        taken = [seen.memory_under(of_kind(k)) for k in kinds] if isinstance(seen, ParameterChangesGatherer) else []
        return super().memory_of(tag) + sum(taken)
