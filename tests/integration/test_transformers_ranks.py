"""The Trainer in two processes: both are watched, the first one shows, and nobody waits for ever."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

RANK = """
import json, sys, warnings
from pathlib import Path
import torch
from monitorch_widgets.integration.transformers import InspectorTrainerCallback
from monitorch_widgets.lens import LossMetrics, OutputNorm
from tests.integration.tiny import sentences, trainer

warnings.simplefilter("ignore")
torch.set_num_threads(1)
folder = Path(sys.argv[1])
callback = InspectorTrainerCallback(visualizer="print", every=1, strict=True)  # before the processes know each other
more = {"eval_dataset": sentences(4), "eval_strategy": "epoch", "ddp_backend": "gloo"}
bare = trainer(folder, per_device_train_batch_size=2, **more)
bare.train()
run = trainer(folder, callback, per_device_train_batch_size=2, **more)
run.train()
rank, inspector = run.args.process_index, callback.inspector
found = {
    "same": all(map(torch.equal, bare.model.parameters(), run.model.parameters())),
    "steps": inspector.status().step,
    "main": inspector.is_main_process,
    "loss": inspector.history["Loss"].rows,
    "logged": inspector.metrics.get("eval_loss"),
    "eval_loss": [entry["eval_loss"] for entry in run.state.log_history if "eval_loss" in entry],
    "batch": dict(inspector.status().items).get("batch"),
}
(folder / f"{rank}.json").write_text(json.dumps(found))
torch.distributed.destroy_process_group()
"""


def ranks(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """What two processes found, and what each has printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    surroundings = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", RANK, str(folder)],
            env={**os.environ, **surroundings, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    printed = [run.communicate(timeout=200) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], printed
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)], [out for out, _ in printed]


def test_N35_two_processes_are_watched_and_the_first_one_shows(tmp_path: Path) -> None:
    found, printed = ranks(tmp_path)
    assert [each["same"] for each in found] == [True, True]
    assert [(each["steps"], each["loss"]) for each in found] == [(8, 8), (8, 8)]
    assert [each["main"] for each in found] == [True, False]
    assert "(2) Output Norm: " in printed[0] and "(2) Output Norm: " not in printed[1]
    assert found[0]["logged"] == found[0]["eval_loss"][-1]
    assert found[1]["logged"] is None
    assert found[0]["batch"] == "2 x 2 = 4"
