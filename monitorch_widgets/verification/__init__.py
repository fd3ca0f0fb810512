"""Checks that are not curves: batch mixing, a dry run, overfitting on purpose, the learning-rate finder.

All of them leave model, optimizer and random state exactly as they were.
"""

from .batch_gradient import BatchGradientVerification
from .batch_mixing import BatchMixing, MixingWarning
from .batches import default_input_mapping, default_output_mapping
from .coverage import ModuleCoverage
from .dry_run import DryRun, DryRunReport
from .lr_finder import LRFinder, lr_find
from .overfit import OverfitCheck, OverfitReport
from .state import kept

__all__ = [
    "BatchGradientVerification",
    "BatchMixing",
    "DryRun",
    "DryRunReport",
    "LRFinder",
    "MixingWarning",
    "ModuleCoverage",
    "OverfitCheck",
    "OverfitReport",
    "default_input_mapping",
    "default_output_mapping",
    "kept",
    "lr_find",
]
