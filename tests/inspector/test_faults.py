"""A lens that raises is muted and reported once; training and the other lenses go on."""

from __future__ import annotations

import warnings

import pytest
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import OutputActivation, OutputGradientGeometry, OutputNorm

from ..zoo.watching import Broken, hooks_on, run


class BrokenThird(Broken):
    nth = 3


def test_a_fault_mutes_its_lens_and_nothing_else() -> None:
    model = nn.Linear(2, 2)
    inspector = PyTorchInspector([BrokenThird(), OutputGradientGeometry()], module=model, visualizer="dummy", every=1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(model)
        inspector.tick_epoch()
    words = [str(warning.message) for warning in caught]
    assert len(words) == 1
    assert all(part in words[0] for part in ("Broken", "'Linear'", "step 2", "no such number", "strict=True"))
    assert inspector.history["Output Norm"].rows == 3
    assert inspector.history["Output Gradient Norm"].rows == 4
    fault = inspector.status().faults[0]
    assert (fault.lens, fault.tag, fault.module, fault.step) == ("BrokenThird", "Output Norm", "Linear", 2)
    assert "ZeroDivisionError" in fault.traceback and inspector.status().state == "fault"


def test_strict_raises() -> None:
    model = nn.Linear(2, 2)
    inspector = PyTorchInspector([BrokenThird()], module=model, visualizer="dummy", strict=True, every=1)
    with pytest.raises(ZeroDivisionError):
        run(model)
    inspector.detach()
    assert hooks_on(model) == 0


def test_a_fault_at_the_end_of_an_epoch_stays_inside() -> None:
    class Late(OutputNorm):
        def finalize_epoch(self) -> None:
            raise RuntimeError("late")

    model = nn.Linear(2, 2)
    inspector = PyTorchInspector([Late(), OutputActivation()], module=model, visualizer="dummy", every=1)
    run(model)
    with pytest.warns(UserWarning, match="Late"):
        inspector.tick_epoch()
    assert inspector.history["Output Activations"].epochs
