"""The readings of the run in scene.py by an own computation: plain hooks, float64 NumPy, no inspector."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from .scene import Network, adam, train

Array = npt.NDArray[np.float64]
ByEpoch = dict[str, list[list[float]]]  # name -> epoch (from 0) -> readings


@dataclass
class Run:
    """Arrays of the whole run: what -> module -> one array a step; and where each epoch ended, in steps."""

    arrays: dict[str, dict[str, list[Array]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    ends: list[int] = field(default_factory=list)
    accuracy: list[float] = field(default_factory=list)

    def norms(self, what: str, normalize: bool) -> ByEpoch:
        """L2 norms, or root mean squares."""
        return self._each(what, lambda array: np.linalg.norm(array) / (np.sqrt(array.size) if normalize else 1))

    def cosines(self, what: str) -> ByEpoch:
        """Cosine of each array with the one before, over the ends of epochs; none for the very first."""
        found = {}
        for module, arrays in self.arrays[what].items():
            pairs = [
                float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in itertools.pairwise(arrays)
            ]
            found[module] = self._split([None, *pairs])
        return found

    def accuracies(self) -> list[list[float]]:
        """The pushed metric."""
        return self._split(self.accuracy)

    def _each(self, what: str, number: object) -> ByEpoch:
        return {m: self._split([float(number(a)) for a in arrays]) for m, arrays in self.arrays[what].items()}  # type: ignore[operator]

    def _split(self, readings: list[float | None]) -> list[list[float]]:
        starts = [0, *self.ends]
        return [
            [reading for reading in readings[start:end] if reading is not None]
            for start, end in itertools.pairwise(starts)
        ]


def own_run() -> Run:
    """Train once, and write down gradients and updates."""
    run, model, loss_fn = Run(), Network(), nn.CrossEntropyLoss()
    optimizer = adam(model)
    for name, module in model.named_children():
        module.register_forward_hook(_output_gradients(run.arrays["output gradient"][name]))
    before: dict[str, Tensor] = {}

    def before_step(*args: object) -> None:
        for name, parameter in model.named_parameters():
            module, what = name.split(".")
            assert parameter.grad is not None
            run.arrays[f"{what} gradient"][module].append(parameter.grad.numpy().copy())
            before[name] = parameter.detach().clone()

    def after_step(*args: object) -> None:
        for name, parameter in model.named_parameters():
            module, what = name.split(".")
            run.arrays[f"{what} update"][module].append((parameter.detach() - before[name]).numpy())

    optimizer.register_step_pre_hook(before_step)
    optimizer.register_step_post_hook(after_step)
    train(
        model,
        optimizer,
        loss_fn,
        push=lambda name, value: run.accuracy.append(value),
        end_epoch=lambda: run.ends.append(len(run.accuracy)),
    )
    return run


def _output_gradients(kept: list[Array]) -> object:
    def hook(module: nn.Module, inputs: object, output: Tensor) -> None:
        if output.requires_grad:
            output.register_hook(lambda grad: kept.append(grad.numpy().copy()))

    return hook


def figure(readings: list[float], aggregation: str) -> float:
    """One number of an epoch; median, IQR and bands take the closest observation, quartiles lie between."""
    closest = {"median": 0.5, "closest Q1": 0.25, "closest Q3": 0.75}
    if aggregation in closest:
        return float(np.quantile(readings, closest[aggregation], method="closest_observation"))
    if aggregation in ("Q1", "Q3"):
        return float(np.quantile(readings, {"Q1": 0.25, "Q3": 0.75}[aggregation]))
    if aggregation == "IQR":
        return figure(readings, "closest Q3") - figure(readings, "closest Q1")
    return float({"mean": np.mean, "max": np.max, "min": np.min, "std": np.std}[aggregation](readings))


def band(readings: list[float], ends: str) -> list[float]:
    """Both ends of a band, named as scene.py writes them."""
    if ends == "Q1 | Q3":
        return [figure(readings, "closest Q1"), figure(readings, "closest Q3")]
    if ends == "min | max":
        return [min(readings), max(readings)]
    mean, sigma = np.mean(readings), np.std(readings)
    return [float(mean - sigma), float(mean + sigma)]
