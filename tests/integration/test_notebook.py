"""The dashboard comes by itself when training begins, in a notebook that does not show it yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from monitorch_widgets.integration.notebook import display
from monitorch_widgets.integration.transformers import InspectorTrainerCallback

from .tiny import one_thread, trainer

__all__ = ["one_thread"]
pytestmark = pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")  # torch, on machines without a GPU

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    """IPython's own shell, as a kernel has it."""
    made = InteractiveShell.instance()
    made.kernel = object()
    yield made
    made.history_manager.end_session()
    InteractiveShell.clear_instance()


def test_the_dashboard_is_shown_once(shell: InteractiveShell, tmp_path: Path) -> None:
    run = trainer(tmp_path, InspectorTrainerCallback(every=1, strict=True), max_steps=2)
    with capture_output() as captured:
        run.train()
        run.train()
    assert [VIEW in output.data for output in captured.outputs if VIEW in output.data] == [True]


def test_it_is_not_shown_where_nobody_wants_it(shell: InteractiveShell, tmp_path: Path) -> None:
    with capture_output() as captured:
        trainer(tmp_path, InspectorTrainerCallback(show=False), max_steps=1).train()
    assert not [output for output in captured.outputs if VIEW in output.data]


def test_outside_of_a_notebook_nothing_is_shown(tmp_path: Path) -> None:
    assert display(InspectorTrainerCallback().inspector) is False
