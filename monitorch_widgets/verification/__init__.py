"""Checks that are not curves: batch mixing, a dry run, overfitting on purpose, the learning-rate finder."""
