"""Awkward models and loops, for tests that must hold for all of them. A new bug begins as a new animal."""

from __future__ import annotations

from . import evaluation, layers, loops, names, optimizers, outputs, outputs_odd, parameters, precision, reuse, wrappers
from .base import ZOO, Animal, Scene

__all__ = ["ZOO", "Animal", "Scene"]
assert all((evaluation, layers, loops, names, optimizers, outputs, outputs_odd, parameters, precision, reuse, wrappers))
