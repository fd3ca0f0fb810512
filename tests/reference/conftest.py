"""One thread: models here are tiny, and threads that wait for each other take most of the time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, params=["loops", "torch"])
def arithmetic(request: pytest.FixtureRequest) -> None:
    """Each test runs with numba's loops, and as without numba."""
    if request.param == "torch":
        request.getfixturevalue("torch_alone")
