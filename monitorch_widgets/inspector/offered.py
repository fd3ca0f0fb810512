"""Lenses that a person can add from the page."""

from __future__ import annotations

from monitorch_widgets.lens import (
    AbstractLens,
    OutputActivation,
    OutputGradientGeometry,
    OutputNorm,
    ParameterCond,
    ParameterGradientActivation,
    ParameterGradientGeometry,
    ParameterNorm,
    ParameterUpdateGeometry,
    ParameterUpdateRatio,
)

OFFERED: tuple[type[AbstractLens], ...] = (
    OutputActivation,
    OutputGradientGeometry,
    OutputNorm,
    ParameterCond,
    ParameterGradientActivation,
    ParameterGradientGeometry,
    ParameterNorm,
    ParameterUpdateGeometry,
    ParameterUpdateRatio,
)
