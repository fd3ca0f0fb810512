"""What the arguments of a ``transformers.Trainer`` say about a run, in plain values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import TrainingArguments

_ALWAYS = (
    *("learning_rate", "lr_scheduler_type", "optim", "weight_decay", "max_grad_norm", "seed"),
    *("per_device_train_batch_size", "gradient_accumulation_steps", "num_train_epochs"),
)
_NEVER = (
    *("output_dir", "report_to", "logging_dir", "run_name", "hub_token", "push_to_hub_token", "local_rank"),
    "transformers_version",  # of the configuration
)

Plain = bool | int | float | str


def hyperparameters(args: TrainingArguments, model: object) -> dict[str, Plain]:
    """What was set, and what matters anyway; of the model's configuration, what differs from its defaults."""
    config = getattr(model, "config", None)
    differing = {} if config is None or not hasattr(config, "to_diff_dict") else config.to_diff_dict()
    return {**dict(_arguments(args)), **{f"model.{name}": value for name, value in _plain(differing)}}


def _arguments(args: TrainingArguments) -> Iterator[tuple[str, Plain]]:
    fields = {field.name: field.default for field in dataclasses.fields(args) if field.init}
    given = {name: getattr(args, name) for name in (*_ALWAYS, *fields) if hasattr(args, name)}
    yield from _plain({name: value for name, value in given.items() if name in _ALWAYS or value != fields.get(name)})


def _plain(values: Mapping[str, Any]) -> Iterator[tuple[str, Plain]]:
    for name, value in values.items():
        value = getattr(value, "value", value)  # of an Enum
        if name not in _NEVER and isinstance(value, Plain):
            yield name, value


def batch_in_words(args: TrainingArguments) -> str:
    """The batch that a step is made of: of a device, times accumulation, times processes.

    >>> from types import SimpleNamespace
    >>> batch_in_words(SimpleNamespace(train_batch_size=4, gradient_accumulation_steps=2, world_size=1))
    '4 x 2 = 8'
    """
    factors = [args.train_batch_size, args.gradient_accumulation_steps, args.world_size]
    told = [factor for i, factor in enumerate(factors) if not i or factor > 1]
    whole = factors[0] * factors[1] * factors[2]
    return " x ".join(map(str, told)) + (f" = {whole}" if len(told) > 1 else "")
