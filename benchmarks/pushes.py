"""Python's time to push one step's readings of 480 series to the page: ``python -m benchmarks.pushes``.

A model of 60 layers is trained with 8 panels of weights and gradients on a dashboard. No page listens: messages are
made, packed and signed as a kernel does, counted, and dropped. Every push has the readings of one step.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import comm
import numpy as np
import torch
from comm.base_comm import BaseComm
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import (
    AbstractLens,
    OutputGradientGeometry,
    ParameterGradientGeometry,
    ParameterNorm,
    ParameterUpdateGeometry,
    ParameterUpdateRatio,
)

from .models import Training
from .tables import command, number, table

REST_S = 0.12  # more than there is between two messages at least
TOLD = 3  # pushes after which the page knows all panels and names
TRIES = 10
WORDS = {"due": "a push that is due", "not due": "a push that is not due"}
HEAD = ["", "median us", "Q1", "Q3", "worst"]


class Wire(BaseComm):
    """A comm whose messages end where a kernel would hand them to the network."""

    messages = 0
    size = 0
    packed: Callable[[Any], Sequence[bytes]] = staticmethod(lambda message: [json.dumps(message).encode()])

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        """Pack, sign and count."""
        content = {"data": data, "comm_id": self.comm_id}
        parts = Wire.packed({"header": {"msg_type": msg_type}, "content": content, "metadata": metadata or {}})
        Wire.messages += 1
        Wire.size += sum(map(len, parts)) + sum(memoryview(buffer).nbytes for buffer in buffers or ())


def _packer() -> Callable[[Any], Sequence[bytes]]:
    """What packs and signs a message where Jupyter is installed; JSON alone elsewhere."""
    try:
        from jupyter_client.session import Session
    except ImportError:
        return Wire.packed
    session = Session(key=b"benchmark")

    def packed(message: Any) -> Sequence[bytes]:
        whole = session.msg(message["header"]["msg_type"], content=message["content"], metadata=message["metadata"])
        parts: Sequence[bytes] = session.serialize(whole)
        return parts

    return packed


@contextmanager
def wired() -> Iterator[None]:
    """Widgets that are made within use :class:`Wire`."""
    former, Wire.packed, Wire.messages, Wire.size = comm.create_comm, staticmethod(_packer()), 0, 0
    comm.create_comm = Wire
    try:
        yield
    finally:
        comm.create_comm = former


def training(modules: int, width: int = 4) -> Training:
    """A chain of `modules` small layers."""
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(width, width) for _ in range(modules)))
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    return Training(model, nn.MSELoss(), optimizer, [(torch.randn(8, width), torch.randn(8, width))])


def lenses() -> list[AbstractLens]:
    """Eight panels with a curve for each layer."""
    return [
        OutputGradientGeometry(),
        ParameterGradientGeometry(parameters="weight"),
        ParameterUpdateGeometry(parameters="weight"),
        ParameterUpdateRatio(parameters="weight"),
        ParameterNorm(parameters="weight", comparison_plot=False),
    ]


def push_times(trained: Training, pushes: int) -> tuple[dict[str, list[float]], int]:
    """Seconds of refreshes that were due and of those that were not, and the bytes of a message."""
    times: dict[str, list[float]] = {"not due": [], "due": []}
    with (
        wired(),
        PyTorchInspector(lenses(), module=trained.model, visualizer="widgets", every=1, strict=True) as inspector,
    ):
        inspector.show()
        for count in range(TOLD + pushes):
            if count == TOLD:
                Wire.size = Wire.messages = 0
            idle, due = _step_and_push(trained, inspector)
            if count >= TOLD and due is not None:
                times["not due"].append(idle)
                times["due"].append(due)
        return times, Wire.size // max(Wire.messages, 1)


def _step_and_push(trained: Training, inspector: PyTorchInspector) -> tuple[float, float | None]:
    """One step, and the seconds of a refresh too early and of one in time; None if the step had brought it already."""
    before = Wire.messages
    trained.step()
    idle = _timed(inspector.visualizer.refresh)
    inspector.history  # noqa: B018  # what still waits on the device arrives
    for _ in range(TRIES if Wire.messages == before else 0):
        time.sleep(REST_S)
        seconds = _timed(inspector.visualizer.refresh)
        if Wire.messages > before:
            return idle, seconds
    return idle, None


def _timed(what: Callable[[], object]) -> float:
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pushes", description="Pushing readings to the page.")
    parser.add_argument("--modules", type=int, default=60)
    parser.add_argument("--pushes", type=int, default=100)
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, and print."""
    options = arguments(given)
    print(command("benchmarks.pushes", given), flush=True)
    times, size = push_times(training(options.modules), options.pushes)
    print(f"{options.modules} modules in 8 panels, {options.pushes} pushes, {size} bytes each\n")
    print(table(HEAD, [[WORDS[name], *_row(times[name])] for name in ("not due", "due")]))
    if options.json:
        options.json.write_text(json.dumps({"bytes": size, **times}, indent=1))


def _row(times: Sequence[float]) -> list[str]:
    return [number(1e6 * float(point), 1) for point in np.quantile(times, [0.5, 0.25, 0.75, 1])]


if __name__ == "__main__":
    main()
