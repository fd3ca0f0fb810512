"""Every animal of the zoo: what the inspector shows is what a naive recorder computes from copies in float64."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.lens import AbstractLens
from tests.zoo import ZOO, Scene

from .book import Book, agree
from .recorder import Recorder
from .stage import OUTPUT_TAGS, every_lens, output_lenses, tags_of, threshold

STEPS = 5
LONGER = {"unfrozen": 24, "weights_restored": 12, "discarded": 10, "grad_scaler_skip": 12, "grad_scaler_fused": 12}
"""Animals to which something happens later on."""
KINDS = ("weight", "bias")  # all that is no bias goes by weight
OTHER = {"record_eval": True, "from_grad": True, "rms": True}


def inner(model: nn.Module) -> nn.Module:
    """The model inside a wrapper: its names are those that are shown."""
    if isinstance(model, nn.DataParallel):
        return model.module
    return model._modules.get("_orig_mod", model)


def trained(scene: Scene, tick: Callable[[], None], steps: int) -> None:
    loop = scene.loop(tick)
    for _ in range(steps):
        next(loop)


def watched(scene: Scene, lenses: list[AbstractLens]) -> PyTorchInspector:
    return PyTorchInspector(lenses, module=scene.model, visualizer="dummy", strict=True, every=1)


@pytest.mark.parametrize("name", ZOO)
def test_what_is_shown_is_what_a_naive_recorder_computes(name: str) -> None:
    """Two inspectors look at once: one with every lens, one with lenses of outputs that are set otherwise."""
    steps = LONGER.get(name, STEPS)
    torch.manual_seed(7)
    scene = ZOO[name].build()
    with Recorder(inner(scene.model), KINDS, threshold) as recorder, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The .grad attribute of a Tensor")  # dynamo's, where a hook breaks its graph
        trained(scene, recorder.tick, steps)
    torch.manual_seed(7)
    scene = ZOO[name].build()
    with watched(scene, every_lens(KINDS)) as plain, watched(scene, output_lenses(**OTHER)) as other:
        trained(scene, lambda: (plain.tick_batch(), other.tick_batch())[0], steps)
    for inspector, book, tags in ((plain, Book(), tags_of(KINDS)), (other, Book(**OTHER), OUTPUT_TAGS)):
        recorder.write(book)
        assert inspector.status().step == book.step
        assert sum(event.count for event in inspector.status().events) == recorder.skipped
        agree(inspector.history, book, tags)
