"""The history: series by tag."""

from __future__ import annotations

import numpy as np
import pytest

from monitorch_widgets.errors import ArgumentError
from monitorch_widgets.history import History
from monitorch_widgets.values import Reading


def test_readings_find_their_tag_step_and_module() -> None:
    history = History()
    history.record(
        [
            Reading("Norm", "b", 0, 2.0),
            Reading("Norm", "a", 0, 1.0),
            Reading("Rate", "a", 0, 0.5),
            Reading("Norm", "a", 1, 3.0),
        ],
        second=1.5,
    )
    assert history.tags == list(history) == ["Norm", "Rate"]
    assert history["Norm"].modules == ["b", "a"]
    np.testing.assert_array_equal(history["Norm"].values, [[2, 1], [np.nan, 3]])
    assert history["Norm"].seconds.tolist() == [1.5, 1.5]
    np.testing.assert_array_equal(history["Rate"].values, [[0.5]])


def test_declared_columns_are_in_model_order_and_stay() -> None:
    history = History()
    series = history.declare("Norm", ["a", "b"])
    history.record([Reading("Norm", "b", 0, 2.0)], second=0.0)
    assert history.declare("Norm", ["b", "c", "a"]) is series
    assert series.modules == ["a", "b", "c"]
    np.testing.assert_array_equal(series.values, [[np.nan, 2, np.nan]])


def test_a_tag_is_listed_once_it_has_something() -> None:
    history = History()
    history.declare("Norm")
    history.declare("Rate")
    assert (history.tags, len(history)) == ([], 0)
    assert "Norm" in history
    history.record_epoch("Rate", 1, {"a": {"mean": 1.0}}, {})
    assert history.tags == ["Rate"]
    assert history["Rate"].epochs[1].values == {"a": {"mean": 1}}


def test_an_unknown_tag_names_the_nearest() -> None:
    history = History()
    history.declare("Output Norm")
    with pytest.raises(ArgumentError, match="Did you mean 'Output Norm'"):
        history["Output norm"]


def test_it_says_what_it_holds() -> None:
    history = History()
    history.record([Reading("Norm", "a", 0, 1.0)], second=0.0)
    assert repr(history) == "History(Series('Norm', 1 modules, 1 steps, 0 epochs))"
