from __future__ import annotations

from collections.abc import Iterator

import comm
import pytest
from ipywidgets import Widget

from .wire import Wire


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    laid = Wire()
    monkeypatch.setattr(comm, "create_comm", laid.open)
    yield laid
    laid.broken = False
    Widget.close_all()
