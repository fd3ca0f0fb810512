"""The arithmetic: tensor or array in, numbers out, and how the numbers of several ranks merge."""

from .activation import (
    Streaks,
    activation_and_death,
    active_and_dead,
    neuron_rates,
    reduce_activation_to_activation_rates,
)
from .extract import POINTS, RANGES, aggregations, extract_point, extract_range, parse_range_name
from .geometry import ConsecutiveTensors, GeometryComputation
from .quantiles import QuantileSketch
from .ranks import gathered_states, merged_states
from .running import (
    Accumulator,
    RunningMeanVar,
    RunningValue,
    append_finite,
    finish_sync_rmv_or_error,
    number,
    start_sync_rmv_or_error,
)
from .tensors import aside, lengths_of, precise, sample_norm, wide

__all__ = [
    "POINTS",
    "RANGES",
    "Accumulator",
    "ConsecutiveTensors",
    "GeometryComputation",
    "QuantileSketch",
    "RunningMeanVar",
    "RunningValue",
    "Streaks",
    "activation_and_death",
    "active_and_dead",
    "aggregations",
    "append_finite",
    "aside",
    "extract_point",
    "extract_range",
    "finish_sync_rmv_or_error",
    "gathered_states",
    "lengths_of",
    "merged_states",
    "neuron_rates",
    "number",
    "parse_range_name",
    "precise",
    "reduce_activation_to_activation_rates",
    "sample_norm",
    "start_sync_rmv_or_error",
    "wide",
]
