"""What an inspector looks at when nobody says."""

from __future__ import annotations

from monitorch_widgets.lens import (
    AbstractLens,
    LossMetrics,
    OutputActivation,
    OutputGradientGeometry,
    OutputNorm,
    ParameterGradientGeometry,
    ParameterUpdateGeometry,
    ParameterUpdateRatio,
)


def default_lenses() -> list[AbstractLens]:
    """Losses, outputs, output gradients, weight gradients and weight updates, without what takes memory twice.

    The ratio of updates takes no copy of its own beside their norm, and no pass over memory but that of two norms.
    """
    return [
        LossMetrics(),
        OutputActivation(),
        OutputNorm(log_scale=True),
        OutputGradientGeometry(log_scale=True),
        ParameterGradientGeometry(parameters="weight", log_scale=True),
        ParameterUpdateGeometry(parameters="weight", log_scale=True, compute_correlation=False),
        ParameterUpdateRatio(parameters="weight"),
    ]
