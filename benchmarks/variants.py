"""The ways of watching that are compared. Each one watches a copy of the model of its own."""

from __future__ import annotations

import importlib
import importlib.util
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from monitorch_widgets import PyTorchInspector, lens

from .models import Training, make
from .worlds import World


@dataclass
class Variant:
    """A model under one way of watching.

    `after_step` is what the user of that way writes into the loop, `close` ends it, `says` is what it says of itself.
    """

    name: str
    training: Training
    after_step: Callable[[], None] | None = None
    close: Callable[[], object] = lambda: None
    says: Callable[[], str] = lambda: ""
    world: World = field(default_factory=World)

    def step(self) -> None:
        """One step of training, watched."""
        self.training.step()
        if self.after_step is not None:
            self.after_step()


def all_lenses(lenses: Any, training: Training) -> list[Any]:
    """The eight lenses of monitorch, from `lenses`, and the ninth of this package where it is there."""
    chosen = [
        lenses.LossMetrics(loss_fn=training.loss_fn),
        lenses.OutputActivation(),
        lenses.OutputNorm(),
        lenses.OutputGradientGeometry(),
        lenses.ParameterGradientActivation(),
        lenses.ParameterGradientGeometry(),
        lenses.ParameterNorm(),
        lenses.ParameterUpdateGeometry(training.optimizer),
    ]
    return [*chosen, lenses.ParameterUpdateRatio()] if hasattr(lenses, "ParameterUpdateRatio") else chosen


def bare(name: str, training: Training, visualizer: str) -> Variant:
    """Nothing watches."""
    return Variant(name, training)


def _inspected(name: str, training: Training, visualizer: str, lenses: list[Any] | None, **arguments: Any) -> Variant:
    # strict: a lens that faults is muted otherwise, and costs nothing from then on
    inspector = PyTorchInspector(lenses, module=training.model, visualizer=visualizer, strict=True, **arguments)
    if visualizer == "widgets":
        inspector.show()
    return Variant(name, training, close=inspector.detach, says=lambda: costs(inspector))


def every_step(name: str, training: Training, visualizer: str) -> Variant:
    """All lenses, at every step."""
    return _inspected(name, training, visualizer, all_lenses(lens, training), every=1)


def automatic(name: str, training: Training, visualizer: str) -> Variant:
    """As it comes: the default lenses within the default budget."""
    return _inspected(name, training, visualizer, None)


def automatic_all(name: str, training: Training, visualizer: str) -> Variant:
    """All lenses within the default budget."""
    return _inspected(name, training, visualizer, all_lenses(lens, training))


def paused(name: str, training: Training, visualizer: str) -> Variant:
    """Attached, with all lenses, in epochs that are not watched."""
    return _inspected(name, training, visualizer, all_lenses(lens, training), is_active_fn=lambda epoch: False)


def costs(inspector: PyTorchInspector) -> str:
    """What the inspector says that it costs; nothing where it does not measure itself."""
    overhead = getattr(inspector, "overhead", None)
    if overhead is None or overhead.fraction != overhead.fraction:
        return ""
    low, high = overhead.every_steps
    words = f"says {100 * overhead.fraction:.1f} %, every {low if low == high else f'{low} to {high}'} steps"
    return f"{words}; {rows(inspector)}"


def rows(inspector: PyTorchInspector) -> str:
    """How many steps each lens has read so far."""
    history = inspector.history
    read = [(lens, [history[spec.tag].rows for spec in lens.specs if spec.tag in history]) for lens in inspector.lenses]
    counts = ", ".join(f"{type(lens).__name__} {max(found)}" for lens, found in read if found)
    return f"of {inspector.status().step} steps read: {counts}"


def monitorch(name: str, training: Training, visualizer: str) -> Variant:
    """Eight lenses of monitorch 0.1.0.7."""
    lenses = importlib.import_module("monitorch.lens")
    inspector = importlib.import_module("monitorch.inspector").PyTorchInspector
    attached = inspector(all_lenses(lenses, training), module=training.model, visualizer="dummy")
    return Variant(name, training, close=attached.detach)


def tensorboard(name: str, training: Training, visualizer: str) -> Variant:
    """TensorBoard histograms of all parameters and gradients."""
    folder = tempfile.TemporaryDirectory(prefix="benchmark-tensorboard-")
    writer = importlib.import_module("torch.utils.tensorboard").SummaryWriter(folder.name)
    parameters, steps = dict(training.model.named_parameters()), iter(range(10**9))

    def write() -> None:
        step = next(steps)
        for parameter_name, parameter in parameters.items():
            writer.add_histogram(parameter_name, parameter, step)
            writer.add_histogram(f"{parameter_name}.grad", parameter.grad, step)

    def close() -> None:
        writer.close()
        folder.cleanup()

    return Variant(name, training, write, close)


def wandb(name: str, training: Training, visualizer: str) -> Variant:
    """Histograms of gradients by ``wandb.watch``, offline."""
    package = importlib.import_module("wandb")
    folder = tempfile.TemporaryDirectory(prefix="benchmark-wandb-")
    settings = package.Settings(silent=True, console="off")
    run = package.init(project="overhead", mode="offline", dir=folder.name, settings=settings)
    run.watch(training.model, log="gradients", log_freq=1)

    def close() -> None:
        run.unwatch(training.model)
        run.finish()
        folder.cleanup()

    return Variant(name, training, lambda: run.log({}), close)


Builder = Callable[[str, Training, str], Variant]
VARIANTS: dict[str, tuple[str, Builder]] = {
    "none": ("bare", bare),
    "full": ("ours, every=1, all lenses", every_step),
    "auto": ("ours, every='auto', default lenses", automatic),
    "auto-all": ("ours, every='auto', all lenses", automatic_all),
    "paused": ("ours, attached but paused", paused),
    "monitorch": ("monitorch 0.1.0.7, eight lenses", monitorch),
    "wandb": ("wandb.watch, gradients", wandb),
    "tensorboard": ("TensorBoard histograms", tensorboard),
}
NEEDS = {"monitorch": "monitorch==0.1.0.7", "wandb": "wandb", "tensorboard": "tensorboard"}
USUAL = [name for name in VARIANTS if name != "auto-all"]
PACED = ("auto", "auto-all", "paused")  # in long blocks: what the budget does shows over many steps in a row


def left_out(names: Iterable[str]) -> dict[str, str]:
    """The variants that need what is not installed, and how to install it."""
    missing = [name for name in names if name in NEEDS and importlib.util.find_spec(name) is None]
    return {name: f"{VARIANTS[name][0]}: left out; it needs: pip install {NEEDS[name]}" for name in missing}


def build(name: str, model: str, device: torch.device, visualizer: str) -> Variant:
    """The variant `name` of a model, in a world of its own."""
    world, training = World(), make(model, device)
    with world.entered():
        variant = VARIANTS[name][1](VARIANTS[name][0], training, visualizer)
    variant.world = world
    return variant
