"""Which of Lightning's two packages is taken, and what is said where neither is there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import monitorch_widgets
from monitorch_widgets.integration.lightning.library import PACKAGES

STANDALONE = """
import warnings
import pytorch_lightning as pl
import torch
from monitorch_widgets.integration.lightning import InspectorCallback, InspectorProgressBar, WidgetLogger

assert issubclass(InspectorCallback, pl.Callback) and issubclass(WidgetLogger, pl.loggers.Logger)
assert issubclass(InspectorProgressBar, pl.callbacks.ProgressBar)

class Lit(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = torch.nn.Linear(4, 1)

    def training_step(self, batch, batch_idx):
        loss = self.net(batch).pow(2).mean()
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)

callback = InspectorCallback(every=1, visualizer="dummy", strict=True)
warnings.simplefilter("ignore")
trainer = pl.Trainer(
    max_epochs=2, accelerator="cpu", callbacks=[callback, InspectorProgressBar()], logger=WidgetLogger(),
    enable_checkpointing=False, enable_model_summary=False,
)
trainer.fit(Lit(), torch.utils.data.DataLoader(torch.randn(12, 4), 4))
history = callback.inspector.history
print(callback.inspector.status().step, history["Output Norm"].values.shape, len(history["Logged"].steps))
"""

MISSING = """
import sys
import monitorch_widgets
import monitorch_widgets.integration
assert not {"lightning", "pytorch_lightning"} & sys.modules.keys()
sys.modules.update(dict.fromkeys(["lightning", "lightning.pytorch", "pytorch_lightning"]))
try:
    import monitorch_widgets.integration.lightning
except ImportError as error:
    print(error)
"""


def said(program: str, folder: Path) -> str:
    """What a program of its own prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, cwd=folder, env=environment()
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(monitorch_widgets.__file__).parents[1])}


def test_A09_the_standalone_package_is_taken_where_it_was_imported_first(tmp_path: Path) -> None:
    assert said(STANDALONE, tmp_path).splitlines()[-1] == "6 (6, 1) 6"


def test_where_lightning_is_missing_the_error_says_what_to_install(tmp_path: Path) -> None:
    assert PACKAGES == ("lightning.pytorch", "pytorch_lightning")
    assert "pip install 'monitorch_widgets[lightning]'" in said(MISSING, tmp_path)
