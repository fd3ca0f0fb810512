"""An hour of training that is steered all the time: ``python -m benchmarks.hour``.

As many steps of a tiny model as an hour of 200 ms steps has, twice from the same seed: once left alone, and once with a
thousand random commands and changes of the view on their way, as a page and as Python send them. Afterwards the weights
and the history of the lenses that no command named must be the same in both runs, and the memory flat.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
import tracemalloc
import warnings
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import MonitorchWarning
from monitorch_widgets.history.series import Series
from monitorch_widgets.lens import LossMetrics, OutputNorm, ParameterGradientGeometry

from .hands import Hands
from .pushes import wired
from .tables import command, number, table

HOUR = 18_000  # steps of 200 ms
EPOCH = 1000  # steps
HALF = 2  # by then the history keeps older steps in bins, as it does ever after
UNTOUCHED = ("Output Norm", "Weight Gradient Norm", "Weight Gradient Correlation")  # all panels of two lenses
# With fewer modules collected, sums over parameters run in another order: the last bit of a float32 may differ.
ROUNDING = {"Weight Gradient Norm": 1e-6, "Weight Gradient Correlation": 1e-6}
KEPT = ("first", "act")  # modules that every command collects
MB = 1e6

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Outcome:
    """What is left of a run.

    Attributes
    ----------
    steps : int
        Steps that were made.
    numbers : dict of str to list of array
        By tag the history of the lenses that nobody touched; and the weights.
    seconds : float
        What it took.
    half_mb, end_mb : float
        Memory that Python holds after half of the steps, and at the end.
    done : Counter
        What was done in the meantime, and how often.
    refused : int
        How many of the newest commands were refused.
    """

    steps: int
    numbers: dict[str, list[Numbers]]
    seconds: float
    half_mb: float
    end_mb: float
    done: Counter[str] = field(default_factory=Counter)
    refused: int = 0

    def unlike(self, other: Outcome) -> list[str]:
        """In what it differs from another run."""
        return [name for name in self.numbers if not _same(name, self.numbers[name], other.numbers[name])]


def _same(name: str, some: Sequence[Numbers], others: Sequence[Numbers]) -> bool:
    shapes = [numbers.shape for numbers in some] == [numbers.shape for numbers in others]
    margin = ROUNDING.get(name, 0.0)
    return shapes and all(
        np.allclose(a, b, rtol=margin, atol=margin, equal_nan=True) for a, b in zip(some, others, strict=True)
    )


class Hour:
    """A seeded training run of a tiny model, watched by lenses that nobody touches and by those that are.

    Parameters
    ----------
    steps : int
        Optimizer steps.
    acts : int
        Commands and changes of the view; with none the run is left alone, and nothing is shown.
    seed : int
        Of the commands; that of the training is always the same.
    """

    def __init__(self, steps: int, acts: int = 0, seed: int = 0) -> None:
        torch.manual_seed(0)
        self.steps = steps
        self.model = nn.Sequential()
        self.model.add_module("first", nn.Linear(4, 4))
        self.model.add_module("act", nn.Tanh())
        self.model.add_module("block", nn.Sequential(nn.ReLU(), nn.Linear(4, 1)))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)
        self.data = torch.randn(64, 8, 4)
        lenses = [
            LossMetrics(),
            OutputNorm(every=1),
            ParameterGradientGeometry(parameters="weight", every=1, compute_correlation=True),
        ]
        self.inspector = PyTorchInspector(lenses, module=self.model, visualizer="widgets" if acts else "dummy")
        self.hands = Hands(self.inspector, self._plan(acts, seed), seed, UNTOUCHED) if acts else None

    def _plan(self, acts: int, seed: int) -> list[int]:
        """Steps at which something is done, some of them more than once."""
        return sorted(random.Random(seed).choices(range(1, self.steps), k=acts))

    def run(self) -> Outcome:
        """Train, and say what is left."""
        began, half_mb = time.perf_counter(), float("nan")
        tracemalloc.start()
        for step in range(self.steps):
            if step == self.steps // HALF:
                half_mb = _held_mb()
            self._step(step)
            if step % EPOCH == EPOCH - 1:
                self.inspector.tick_epoch()
        self.inspector.detach()
        end_mb = _held_mb()
        tracemalloc.stop()
        return self._outcome(time.perf_counter() - began, half_mb, end_mb)

    def _step(self, step: int) -> None:
        """One step; what is done in the meantime comes before, between or after its passes."""
        hands = self.hands
        due = hands.due(step) if hands else ()
        for act in due[0::3]:
            act()
        self.optimizer.zero_grad()
        loss = self.model(self.data[step % len(self.data)]).pow(2).mean()
        for act in due[1::3]:
            act()
        loss.backward()
        for act in due[2::3]:
            act()
        self.optimizer.step()

    def _outcome(self, seconds: float, half_mb: float, end_mb: float) -> Outcome:
        history = self.inspector.history
        numbers = {tag: _kept(history[tag]) for tag in UNTOUCHED}
        numbers["weights"] = [weight.detach().numpy().copy() for weight in self.model.parameters()]
        done = self.hands.done if self.hands else Counter()
        refused = sum(record.refused for record in history.commands)
        return Outcome(self.inspector.status().step, numbers, seconds, half_mb, end_mb, done, refused)


def _kept(series: Series) -> list[Numbers]:
    """Steps, values and epoch figures of what is always collected."""
    columns = [i for i, name in enumerate(series.modules) if name in KEPT]
    figures = [[list(of.values[name].values()) for name in KEPT if name in of.values] for of in series.epochs.values()]
    return [np.array(series.steps), series.values[:, columns], np.array(list(series.epochs)), np.array(figures)]


def _held_mb() -> float:
    gc.collect()
    return tracemalloc.get_traced_memory()[0] / MB


def trained(steps: int, acts: int = 0, seed: int = 0) -> Outcome:
    """What is left of a run in this process."""
    torch.set_num_threads(1)
    with wired(), warnings.catch_warnings():
        warnings.simplefilter("ignore", MonitorchWarning)  # commands that were refused
        return Hour(steps, acts, seed).run()


def main(given: Sequence[str] | None = None) -> None:
    """Train twice, side by side, compare, and print."""
    options = arguments(given)
    print(command("benchmarks.hour", given), flush=True)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        waits = [pool.submit(trained, options.steps, acts, options.seed) for acts in (0, options.acts)]
        alone, steered = (wait.result() for wait in waits)
    print(table(["", "alone", "steered"], rows(alone, steered)))
    told = ", ".join(f"{name} {count}" for name, count in sorted(steered.done.items()))
    print(f"\n{steered.done.total()} acts, {steered.refused} of them refused: {told}\n")
    unlike = steered.unlike(alone)
    if unlike:
        raise SystemExit(f"differs in: {', '.join(unlike)}")
    print("weights and the history of untouched lenses are the same")


def rows(alone: Outcome, steered: Outcome) -> list[list[str]]:
    """Lines of the table."""
    both = (alone, steered)
    return [
        ["steps", *(str(run.steps) for run in both)],
        ["seconds", *(number(run.seconds, 1) for run in both)],
        ["MB after the half", *(number(run.half_mb) for run in both)],
        ["MB at the end", *(number(run.end_mb) for run in both)],
    ]


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hour", description="An hour of training, steered.")
    parser.add_argument("steps", type=int, nargs="?", default=HOUR)
    parser.add_argument("--acts", type=int, default=1000, help="commands and changes of the view")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
