"""The same run under monitorch 0.1.0.7 and under this package: equal figures, and a reason for each that is not.

monitorch's figures were written by make_reference.py. Where it is wrong, the figure is held against own.py instead,
which computes it from the arrays of the run, and a test shows that monitorch's is what the reason says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from monitorch_widgets import PyTorchInspector, lens
from monitorch_widgets.visualizer import AbstractVisualizer

from .make_reference import REFERENCE
from .own import ByEpoch, Run, band, figure, own_run
from .scene import CASES, EPOCHS, Call, watched

# The scene pushes a metric to every inspector, whatever its lenses.
pytestmark = pytest.mark.filterwarnings("ignore:.* was pushed, and no lens takes it")

RTOL = 1e-4
NEAR = {"rel": RTOL, "abs": 1e-7}


@pytest.fixture(scope="module")
def reference() -> dict[str, list[Call]]:
    return json.loads(REFERENCE.read_text())


@pytest.fixture(scope="module")
def ours() -> dict[str, list[Call]]:
    def inspector(lenses: Any, **arguments: Any) -> PyTorchInspector:
        return PyTorchInspector(lenses, strict=True, **{"every": 1, **arguments})

    return {name: watched(case, inspector, lens, AbstractVisualizer) for name, case in CASES.items()}


@pytest.fixture(scope="module")
def own() -> Run:
    return own_run()


def plots(calls: list[Call]) -> list[Call]:
    return [call for call in calls if call["call"] != "register_tags"]


def why_not(case: str, call: Call, figure: str) -> str:
    """Why monitorch's figure is not the one to compare with; empty where it is."""
    if call["tag"].endswith("Correlation"):
        return "the first correlation of an epoch is 0, and eps is added to the product of the lengths"
    if " in lists" in case and figure in ("min", "Q3"):
        return "extract_point(list, 'min') gives the maximum, 'Q3' the first quartile"
    if "Update" in call["tag"] and call["epoch"] == 1:
        return "the first step's update is missing: its parameter is remembered only after the step"
    if "accuracy" in figure and "σ" in figure:
        return "metrics_range is never computed"
    return ""


def paired(ours: list[Call], theirs: list[Call]) -> Iterator[tuple[Call, Call]]:
    """Calls of both, which must be the same ones in the same order.

    But for one thing: a metric that was pushed without having been announced is shown, where monitorch says nothing.
    """
    announced = {call["tag"] for call in theirs}
    mine = [call for call in plots(ours) if call["tag"] in announced or call["tag"] != "Metrics"]
    assert [(c["call"], c["epoch"], c["tag"]) for c in mine] == [
        (c["call"], c["epoch"], c["tag"]) for c in plots(theirs)
    ]
    return zip(mine, plots(theirs), strict=True)


@pytest.mark.parametrize("case", CASES)
def test_figures_are_those_of_monitorch(
    case: str, ours: dict[str, list[Call]], reference: dict[str, list[Call]]
) -> None:
    compared = 0
    for mine, theirs in paired(ours[case], reference[case]):
        for part in ("values", "ranges"):
            assert set(mine[part]) == set(theirs[part])
            for module, figures in mine[part].items():
                chosen = [name for name in figures if not why_not(case, mine, name)]
                assert set(chosen) <= set(theirs[part][module])
                for name in chosen:
                    assert figures[name] == pytest.approx(theirs[part][module][name], **NEAR), (module, name)
                    compared += 1
    assert compared > 0


@pytest.mark.parametrize("case", CASES)
def test_nothing_that_monitorch_tells_is_missing(
    case: str, ours: dict[str, list[Call]], reference: dict[str, list[Call]]
) -> None:
    for mine, theirs in paired(ours[case], reference[case]):
        for part in ("values", "ranges"):
            for module, figures in theirs[part].items():
                assert set(figures) <= set(mine[part][module])


@pytest.mark.parametrize("case", CASES)
def test_tags_are_introduced_as_monitorch_does(
    case: str, ours: dict[str, list[Call]], reference: dict[str, list[Call]]
) -> None:
    mine, theirs = (
        {call["tag"]: call for call in calls if call["call"] == "register_tags"}
        for calls in (ours[case], reference[case])
    )
    assert {tag: call for tag, call in mine.items() if tag in theirs} == theirs


@pytest.mark.parametrize("case", CASES)
def test_modules_come_in_model_order_in_every_epoch(case: str, ours: dict[str, list[Call]]) -> None:
    for call in plots(ours[case]):
        modules = [name for name in call["values"] if name.isdigit()]
        assert modules == sorted(modules)


# ---------------------------------------------------------------- where monitorch is wrong: own computation

GEOMETRY = [name for name in CASES if "Geometry" in name]


def readings(own: Run, tag: str, normalize: bool) -> ByEpoch:
    """Readings of a tag such as 'Weight Update Norm'."""
    what, kind = tag.lower().rsplit(" ", 1)
    return own.cosines(what) if kind == "correlation" else own.norms(what, normalize)


@pytest.mark.parametrize("case", GEOMETRY)
def test_geometry_is_that_of_the_arrays(case: str, ours: dict[str, list[Call]], own: Run) -> None:
    """All of it, with the figures that the comparison leaves out."""
    left_out = 0
    for call in plots(ours[case]):
        truth = readings(own, call["tag"], normalize="RMS" in case)
        for module, figures in call["values"].items():
            held = truth[module][call["epoch"] - 1]
            assert figures == pytest.approx({name: figure(held, name) for name in figures}, **NEAR)
            left_out += sum(bool(why_not(case, call, name)) for name in figures)
        for module, bands in call["ranges"].items():
            held = truth[module][call["epoch"] - 1]
            for ends, found in bands.items():
                assert found == pytest.approx(band(held, ends), **NEAR)
    assert left_out > 0 or case in ("OutputGradientGeometry, norm alone",)


def test_output_norms_in_lists_have_their_minimum_and_third_quartile(
    ours: dict[str, list[Call]], reference: dict[str, list[Call]]
) -> None:
    """monitorch's band from the minimum to the maximum is right: the minimum in it is the one to find."""
    case = "OutputNorm in lists, RMS, every module"
    for mine, theirs in paired(ours[case], reference[case]):
        if mine["call"] != "plot_numerical_values":
            continue
        for module, figures in mine["values"].items():
            assert figures["min"] == pytest.approx(theirs["ranges"][module]["min | max"][0], **NEAR)
            assert figures["Q1"] <= figures["median"] <= figures["Q3"] <= figures["max"]
            assert theirs["values"][module]["min"] == theirs["values"][module]["max"]
            assert theirs["values"][module]["Q3"] == theirs["values"][module]["Q1"]


def test_the_bands_of_metrics_are_there(
    ours: dict[str, list[Call]], reference: dict[str, list[Call]], own: Run
) -> None:
    case = "LossMetrics in one panel, metrics with bands"
    found = 0
    for mine, theirs in paired(ours[case], reference[case]):
        name = "accuracy -σ | accuracy +σ"
        bands = mine["ranges"]["Loss & Metrics"]
        assert name not in theirs["ranges"]["Loss & Metrics"]
        if name in bands:
            assert bands[name] == pytest.approx(band(own.accuracies()[mine["epoch"] - 1], "-σ | +σ"), **NEAR)
            found += 1
    assert found == EPOCHS


def test_a_metric_that_nobody_announced_is_shown(ours: dict[str, list[Call]], own: Run) -> None:
    shown = [call for call in plots(ours["LossMetrics in lists"]) if call["tag"] == "Metrics"]
    assert [call["values"] for call in shown] == [
        {"Metrics": {"accuracy mean": pytest.approx(figure(held, "mean"), **NEAR)}} for held in own.accuracies()
    ]


# ---------------------------------------------------------------- and what monitorch's figures are instead


def test_monitorchs_first_correlation_of_an_epoch_is_zero(reference: dict[str, list[Call]], own: Run) -> None:
    truth = own.cosines("weight gradient")
    for call in plots(reference["ParameterGradientGeometry"]):
        if call["tag"] != "Weight Gradient Correlation":
            continue
        for module, figures in call["values"].items():
            held = truth[module][call["epoch"] - 1]
            assert figures["mean"] == pytest.approx(np.mean([0.0, *held[-3:]]), rel=1e-3, abs=1e-5)


def test_monitorchs_first_update_is_missing(reference: dict[str, list[Call]], own: Run) -> None:
    truth = own.norms("weight update", normalize=False)
    for call in plots(reference["ParameterUpdateGeometry"]):
        if call["tag"] != "Weight Update Norm":
            continue
        for module, figures in call["values"].items():
            held = truth[module][call["epoch"] - 1]
            assert figures["mean"] == pytest.approx(np.mean(held[1:] if call["epoch"] == 1 else held), **NEAR)


def test_monitorchs_modules_change_their_order(reference: dict[str, list[Call]]) -> None:
    orders = [
        list(call["values"])
        for call in plots(reference["OutputGradientGeometry"])
        if call["tag"] == "Output Gradient Norm"
    ]
    assert orders == [["0", "2", "4"], ["4", "2", "0"], ["0", "2", "4"]]
