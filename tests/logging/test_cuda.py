"""Logging on a GPU waits for nothing; these tests need one."""

from __future__ import annotations

import pytest
import torch

from .loops import watched

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_B13_N12_logging_never_waits_for_the_device() -> None:
    _, _, inspector = watched(lenses=[])
    values = [torch.tensor(float(i), device="cuda") for i in range(20)]
    torch.cuda.set_sync_debug_mode("error")
    try:
        for value in values:
            for reduce_fx in ("mean", "min", "max", "sum", "median"):
                inspector.log(reduce_fx, value, on_step=True, on_epoch=True, reduce_fx=reduce_fx, batch_size=2)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    inspector.tick_epoch()
    expected = {"mean": 9.5, "min": 0.0, "max": 19.0, "sum": 190.0, "median": 9.0}
    assert {name: inspector.metrics[name] for name in expected} == expected
