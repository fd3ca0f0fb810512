"""Cells of the notebooks that the tests open."""

from __future__ import annotations

# A name that is markup; a module's name can't hold a point.
MARKUP = "<img src=x onerror=__pwned=1>"

NORM, GRADIENT, WEIGHT = "Output Norm", "Output Gradient Norm", "Weight Gradient Norm"

MODEL = f"""
import os, time
from pathlib import Path
from collections import OrderedDict
import torch
from torch import nn
from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import OutputGradientGeometry, OutputNorm, ParameterGradientGeometry

torch.manual_seed(0)
torch.set_num_threads(1)
features, head = nn.Sequential(), nn.Sequential()
for i, channels in enumerate((1, 8, 8), 1):
    features.add_module(f"conv{{i}}", nn.Conv2d(channels, 8, 3, padding=1))
    features.add_module(f"bn{{i}}", nn.BatchNorm2d(8))
    features.add_module(f"relu{{i}}", nn.ReLU())
features.add_module("flatten", nn.Flatten())
head.add_module({MARKUP!r}, nn.Linear(8 * 64, 32))
head.add_module("fc", nn.Linear(32, 10))
model = nn.Sequential(OrderedDict(features=features, head=head))
x = torch.rand(256, 1, 8, 8)
y = (x.mean((1, 2, 3)) * 100).long() % 10
optimizer = torch.optim.SGD(model.parameters(), lr=0.02)

def train_step(i):
    part = slice(i * 32 % 256, i * 32 % 256 + 32)
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x[part]), y[part]).backward()
    optimizer.step()
"""

INSPECTOR = """
inspector = PyTorchInspector(
    lenses=[
        OutputNorm(),
        OutputGradientGeometry(skip_activation=False, compute_correlation=False),
        ParameterGradientGeometry(parameters="weight", compute_correlation=False),
    ],
    module=model,
    every=1,
)
inspector
"""


def training(enough: str) -> str:
    """A cell that trains for 20 s, and on until the file `enough` is there; an epoch has 1000 steps."""
    return f"""
started, step = time.time(), 0
while time.time() < started + 20 or (not Path({enough!r}).exists() and time.time() < started + 120):
    train_step(step)
    step += 1
    if step % 1000 == 0:
        inspector.tick_epoch()
print("trained", step, "steps in", round(time.time() - started, 1), "s")
"""


def layers(count: int) -> str:
    """A cell that trains a chain of as many layers for 150 steps, and shows what was seen."""
    return f"""
import torch
from torch import nn
from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import OutputGradientGeometry, OutputNorm, ParameterGradientGeometry

torch.manual_seed(0)
torch.set_num_threads(1)
kinds = [lambda: nn.Linear(16, 16), lambda: nn.LayerNorm(16), nn.Tanh]
blocks = nn.Sequential()
for i in range({count}):
    if i % 12 == 0:
        blocks.add_module(f"block{{i // 12 + 1}}", nn.Sequential())
    kind = ("linear", "norm", "tanh")[i % 3]
    blocks[-1].add_module(f"{{kind}}{{i % 12 // 3 + 1}}", kinds[i % 3]())
optimizer = torch.optim.SGD(blocks.parameters(), lr=0.01)
shown = PyTorchInspector(
    lenses=[
        OutputNorm(),
        OutputGradientGeometry(skip_activation=False, compute_correlation=False),
        ParameterGradientGeometry(parameters="weight", compute_correlation=False, log_scale=True),
    ],
    module=blocks,
    every=1,
)
for step in range(150):
    optimizer.zero_grad()
    (blocks(torch.randn(32, 16)) - 0.1).pow(2).mean().backward()
    optimizer.step()
    if step % 50 == 49:
        shown.tick_epoch()
shown
"""


def faulty() -> str:
    """A cell where one of two lenses raises in the middle of its training."""
    return """
from monitorch_widgets.lens import AbstractLens
from monitorch_widgets.values import ChartSpec

class OutOfOrder(AbstractLens):
    specs = [ChartSpec("Out Of Order", "Out of order", "", "numerical")]

    def register_leaf_module(self, module, module_name, inspector_state):
        def look(*_):
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls > 20:
                raise ValueError("the lens is out of order")

        inspector_state.hooks.forward(module, module_name, look)

    def detach_from_module(self): pass
    def introduce_tags(self, visualizer): pass
    def finalize_epoch(self): pass
    def vizualize(self, visualizer, epoch): pass
    def reset_epoch(self): pass

model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
failing = PyTorchInspector(lenses=[OutputNorm(), OutOfOrder()], module=model, every=1)
for step in range(60):
    optimizer.zero_grad()
    model(torch.randn(32, 16)).pow(2).mean().backward()
    optimizer.step()
failing
"""
