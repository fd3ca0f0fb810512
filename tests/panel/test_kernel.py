"""With a real kernel: the page is heard while a cell trains, and a saved notebook has the final picture."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from jupyter_client import BlockingKernelClient, KernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
MODEL = """
import time, torch
from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import OutputNorm
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
def train_step():
    optimizer.zero_grad()
    model(torch.ones(8, 4)).pow(2).mean().backward()
    optimizer.step()
inspector = PyTorchInspector([OutputNorm()], module=model, every=1)
"""
TRAIN = """
deadline = time.monotonic() + 30
while inspector.visualizer.view["smooth"] != 0.5 and time.monotonic() < deadline:
    train_step()
print("heard", inspector.visualizer.view["smooth"])
"""


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel imports this checkout and leaves nothing in the home folder."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))


@pytest.fixture
def kernel() -> Iterator[BlockingKernelClient]:
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def said_until_idle(kernel: BlockingKernelClient, request: str) -> list[dict[str, Any]]:
    """Messages about `request`, up to its end."""
    messages = []
    while True:
        message = kernel.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") == request:
            messages.append(message)
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return messages


def subshell(kernel: BlockingKernelClient) -> str:
    """A new subshell, as JupyterLab makes one for the messages of widgets."""
    request = kernel.session.msg("create_subshell_request", {})
    kernel.control_channel.send(request)
    reply = kernel.get_control_msg(timeout=30)
    found: str = reply["content"]["subshell_id"]
    return found


def click(kernel: BlockingKernelClient, comm_id: str, shell: str) -> None:
    """What the page sends when somebody smooths the lines."""
    view = {"type": "view", "view": {"seq": 1, "smooth": 0.5}}
    data = {"method": "custom", "content": view}
    message = kernel.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
    message["header"]["subshell_id"] = shell
    kernel.shell_channel.send(message)


@pytest.mark.parametrize("cells", [[MODEL + "inspector.show()\n", TRAIN], [MODEL + "inspector.show()\n" + TRAIN]])
def test_python_hears_the_page_while_the_cell_trains(kernel: BlockingKernelClient, cells: list[str]) -> None:
    shell = subshell(kernel)
    for cell in cells[:-1]:
        opened = [m for m in said_until_idle(kernel, kernel.execute(cell)) if m["msg_type"] == "comm_open"]
    request = kernel.execute(cells[-1])
    comm_id = None if len(cells) == 1 else dashboard_of(opened)
    said, deltas = "", 0
    while True:
        message = kernel.get_iopub_msg(timeout=60)
        if message["msg_type"] == "comm_open" and "snapshot" in message["content"]["data"]["state"]:
            comm_id = message["content"]["comm_id"]
        if message["msg_type"] == "comm_msg" and message["content"]["data"]["method"] == "custom":
            deltas += 1
            if deltas == 2:  # the loop has published on this comm, and is busy
                assert comm_id is not None
                click(kernel, comm_id, shell)
        if message["msg_type"] == "stream":
            said += message["content"]["text"]
        if message["parent_header"].get("msg_id") == request and message["content"].get("execution_state") == "idle":
            break
    assert "heard 0.5" in said
    assert deltas >= 2


def dashboard_of(opened: list[dict[str, Any]]) -> str:
    (found,) = [m["content"]["comm_id"] for m in opened if "snapshot" in m["content"]["data"]["state"]]
    return str(found)


@pytest.mark.parametrize("together", [False, True])
def test_an_executed_notebook_holds_the_final_picture(tmp_path: Path, together: bool) -> None:
    train = "for _ in range(25):\n    train_step()\n"
    sources = [MODEL + "from IPython.display import display\ndisplay(inspector)\n", train]
    sources = ["".join(sources)] if together else sources
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": tmp_path}}).execute()
    shown = notebook.cells[0].outputs[0]["data"]
    model_id = shown["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert "PyTorchInspector" in shown["text/plain"] or "Dashboard" in shown["text/plain"]
    states = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    saved = states[model_id]
    assert saved["state"]["status"]["state"] == "finished"
    assert saved["state"]["status"]["step"] == 25
    assert saved["state"]["snapshot"]["panels"][0]["rows"]["n"] == 25
    (values,) = [b for b in saved["buffers"] if b["path"] == ["snapshot", "panels", 0, "rows", "values"]]
    numbers = np.frombuffer(base64.b64decode(values["data"]), np.float32).reshape(25, 3)
    assert np.isfinite(numbers).all()
    references = saved["state"]["models"][0]
    assert all(reference.removeprefix("IPY_MODEL_") in states for reference in references.values())
