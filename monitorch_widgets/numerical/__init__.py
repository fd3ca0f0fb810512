"""The arithmetic: tensor or array in, numbers out, and how the numbers of several ranks merge."""

from .activation import (
    Streaks,
    activation_and_death,
    active_and_dead,
    neuron_rates,
    poison_of,
    rates_of,
    reduce_activation_to_activation_rates,
)
from .binned import BINS, FIGURES, histogram_row
from .counting import Counted, count_active, count_output
from .extract import POINTS, RANGES, aggregations, extract_point, extract_range, parse_range_name
from .geometry import ConsecutiveTensors, GeometryComputation, Look
from .histogram import Histogram
from .histogram_map import HistogramMap
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
from .scratch import Scratch, scratch
from .tensors import (
    aside,
    in_order,
    lengths_of,
    precise,
    same_layout,
    sample_norm,
    sample_norms,
    some_rows,
    wide,
)

__all__ = [
    "BINS",
    "FIGURES",
    "POINTS",
    "RANGES",
    "Accumulator",
    "ConsecutiveTensors",
    "Counted",
    "GeometryComputation",
    "Histogram",
    "HistogramMap",
    "Look",
    "QuantileSketch",
    "RunningMeanVar",
    "RunningValue",
    "Scratch",
    "Streaks",
    "activation_and_death",
    "active_and_dead",
    "aggregations",
    "append_finite",
    "aside",
    "count_active",
    "count_output",
    "extract_point",
    "extract_range",
    "finish_sync_rmv_or_error",
    "gathered_states",
    "histogram_row",
    "in_order",
    "lengths_of",
    "merged_states",
    "neuron_rates",
    "number",
    "parse_range_name",
    "poison_of",
    "precise",
    "rates_of",
    "reduce_activation_to_activation_rates",
    "same_layout",
    "sample_norm",
    "sample_norms",
    "scratch",
    "some_rows",
    "start_sync_rmv_or_error",
    "wide",
]
