"""What holds for every test: none is told apart by what an earlier one has left behind."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator

import pytest
from torch.nn.modules import module as torch_modules

from monitorch_widgets.numerical import walk


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c() -> Iterator[None]:
    """Ctrl-C interrupts, also where the shell that has begun all this in the background lets it be ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def _no_hook_of_an_earlier_test() -> Iterator[None]:
    """An inspector whose training has failed waits, by a hook of all modules, for its model: until it is collected."""
    yield
    if torch_modules._global_forward_pre_hooks:
        gc.collect()
    assert not torch_modules._global_forward_pre_hooks


@pytest.fixture
def torch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As without numba."""
    monkeypatch.setattr(walk, "_kernels", lambda: None)
