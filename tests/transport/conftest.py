"""Kernels for the tests: one of each version for a whole file, with an inbox and a comm that the page knows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .kernels import ROOT, VERSIONS, Front, printed

PACKAGE = str(ROOT / "monitorch_widgets")

# The room alone: the package around it would import torch in each kernel, and nothing here needs it.
PRELUDE = (
    f"PACKAGE = {PACKAGE!r}"
    + """
import asyncio, os, signal, sys, threading, time, types
package = types.ModuleType("monitorch_widgets")
package.__path__ = [PACKAGE]
sys.modules["monitorch_widgets"] = package
import comm
from monitorch_widgets.transport import Inbox, Shield
inbox = Inbox.get()
got = []
def heard(message):
    data = message["content"]["data"]
    got.append((data.get("n"), threading.current_thread() is threading.main_thread()))
    exec(data.get("do", ""), globals())
    got.append((data.get("n"), "done"))
def opened():
    made = comm.create_comm(target_name="tiny")
    made.on_msg(heard)
    return made
def loop(until):
    deadline = time.monotonic() + 60
    while not until() and time.monotonic() < deadline:
        inbox.pump()
        time.sleep(0.002)
box = opened()
inbox.watch(box.comm_id)
print("comm", box.comm_id)
"""
)


def prepared(front: Front) -> Front:
    """Give the kernel an inbox and a comm."""
    said = printed(front.run(PRELUDE))
    assert said.startswith("comm "), said
    front.comm_id = said.split()[1]
    return front


@pytest.fixture(scope="session", params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def kernel(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A kernel for all tests of a file."""
    with Front(version, tmp_path_factory.mktemp("home")) as front:
        yield prepared(front)


@pytest.fixture
def front(kernel: Front) -> Front:
    """The kernel, with nothing heard yet."""
    kernel.heard.clear()
    kernel.run("got.clear()")
    kernel.heard.clear()
    return kernel


@pytest.fixture
def own(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    """A kernel for one test, which may do to it what it likes."""
    with Front(version, tmp_path_factory.mktemp("home")) as front:
        yield prepared(front)
