"""What watching adds to a step of training: ``python -m benchmarks.overhead``.

Every variant trains a copy of its own of the same model. Within one process they take turns in blocks of steps, in a
new order every round, so that the machine's mood is the same for all. First come those that do the same at every
step, in short blocks. Then those whose cost differs between steps, beside the bare model again, in long blocks: an
inspector that keeps to a budget goes by the time between its steps, and that is its own within a block only.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from .models import MODELS
from .results import BARE, EXPLAINED, HEAD, Record, add_shares, said, summary
from .tables import header, machine, table
from .timing import Plan, take_turns, warm_up
from .variants import PACED, USUAL, VARIANTS, build, left_out

WHAT = "What watching adds to a step of training."


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=WHAT)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--variants", nargs="+", default=USUAL, choices=list(VARIANTS))
    parser.add_argument("--threads", type=int, default=1, help="threads that torch uses on the host")
    parser.add_argument("--steps", type=int, default=500, help="steps of each variant, at most")
    parser.add_argument("--rounds", type=int, default=8, help="rounds of short blocks, at least")
    parser.add_argument("--seconds", type=float, default=25, help="no new round of short blocks after that, per model")
    parser.add_argument("--block", type=int, help="steps of a short block; 5, on CUDA 20")
    parser.add_argument("--long-block", type=int, default=50, help="steps of a long block")
    parser.add_argument("--warm-up", type=int, default=10, help="steps before anything is measured")
    parser.add_argument("--visualizer", default="dummy", help="where our inspectors show what they read")
    parser.add_argument("--without-numba", action="store_true", help="let torch compute all, as where numba is missing")
    parser.add_argument("--json", type=Path, help="file for all figures")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Measure, and print one table per model as soon as it is there."""
    options = arguments(given)
    # monitorch's way to take gradients of outputs; it happens where the model's input asks for no gradient
    warnings.filterwarnings("ignore", "Full backward hook is firing")
    torch.set_num_threads(options.threads)
    if options.without_numba:
        sys.modules["numba"] = None  # type: ignore[assignment]
    device = torch.device(options.device)
    facts = machine(device)
    print(header("benchmarks.overhead", facts, given))
    missing = left_out(options.variants)
    print("\n".join(missing.values()))
    options.variants = [name for name in options.variants if name not in missing]
    found = {model: _measure_model(model, options, device) for model in options.models}
    print("\n".join([EXPLAINED, "", table(*summary(found))]))
    if options.json:
        records = {model: [asdict(record) for record in records] for model, records in found.items()}
        options.json.write_text(json.dumps({"machine": facts, "models": records}, indent=1))


def _measure_model(model: str, options: argparse.Namespace, device: torch.device) -> list[Record]:
    print(MODELS[model][0], flush=True)
    chosen = [name for name in options.variants if name != BARE]
    steady, paced = ([BARE, *(n for n in chosen if (n in PACED) == long)] for long in (False, True))
    block = options.block or (5 if device.type == "cpu" else 20)
    short = Plan(block, options.steps, options.seconds, options.rounds)
    records = _phase(model, steady, short, options, device) if len(steady) > 1 or len(paced) == 1 else []
    if len(paced) > 1:
        records += _phase(model, paced, Plan(options.long_block, options.steps), options, device)
    add_shares(records)
    print("\n".join([table(HEAD, [record.row for record in records]), *said(records)]) + "\n", flush=True)
    return records


def _phase(
    model: str, names: Sequence[str], plan: Plan, options: argparse.Namespace, device: torch.device
) -> list[Record]:
    variants = {name: build(name, model, device, options.visualizer) for name in names}
    try:
        warm_up(variants, options.warm_up, device)
        times = take_turns(variants, plan, device)
        labels = {name: variant.name for name, variant in variants.items()} | {BARE: f"bare, blocks of {plan.block}"}
        return [Record.of(name, labels[name], variants[name].says(), times[name], times[BARE]) for name in names]
    finally:
        for variant in variants.values():
            with variant.world.entered():
                variant.close()


if __name__ == "__main__":
    main()
