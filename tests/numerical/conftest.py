"""Numbers are the same with compiled loops and without."""

from __future__ import annotations

import pytest


@pytest.fixture(params=["loops", "torch"])
def arithmetic(request: pytest.FixtureRequest) -> None:
    """Each test runs with numba's loops, and as without numba."""
    if request.param == "torch":
        request.getfixturevalue("torch_alone")
