"""Tiny language models and data, made in code, and the Trainer's arguments for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    GPT2Config,
    GPT2LMHeadModel,
    Trainer,
    TrainingArguments,
)

WORDS, LENGTH = 32, 8


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Models that are as small as these are faster on one thread, and much where the machine is busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def gpt2(seed: int = 0) -> GPT2LMHeadModel:
    """Two layers, with dropout, so that a random number more or less would show."""
    torch.manual_seed(seed)
    sizes = {"vocab_size": WORDS, "n_positions": LENGTH, "n_embd": 16, "n_layer": 2, "n_head": 2}
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0, loss_type="ForCausalLMLoss"))


def bert(seed: int = 0) -> BertForSequenceClassification:
    """Two layers and two classes."""
    torch.manual_seed(seed)
    sizes = {"vocab_size": WORDS, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BertConfig(**sizes, intermediate_size=16, max_position_embeddings=LENGTH, num_labels=2)
    return BertForSequenceClassification(config)


def sentences(count: int = 16, *, labels: int | None = None) -> list[dict[str, Tensor]]:
    """Random sentences; to be predicted themselves, or with one of so many labels."""
    generator = torch.Generator().manual_seed(1)
    found = []
    for i in range(count):
        words = torch.randint(0, WORDS, (LENGTH,), generator=generator)
        found.append({"input_ids": words, "labels": words if labels is None else torch.tensor(i % labels)})
    return found


def arguments(folder: Path, **more: Any) -> TrainingArguments:
    """Two epochs of four steps with 16 sentences, on the CPU, and nothing is reported anywhere."""
    given = {"num_train_epochs": 2, "per_device_train_batch_size": 4, "logging_steps": 1, "save_strategy": "no", **more}
    return TrainingArguments(output_dir=str(folder), use_cpu=True, report_to=[], disable_tqdm=True, **given)


def trainer(folder: Path, *callbacks: Any, model: Any = None, data: Any = None, **more: Any) -> Trainer:
    """A Trainer of the tiny GPT-2, or of another model."""
    others = {name: more.pop(name) for name in ("eval_dataset", "compute_metrics", "compute_loss_func") if name in more}
    return Trainer(
        gpt2() if model is None else model,
        arguments(folder, **more),
        train_dataset=sentences() if data is None else data,
        callbacks=list(callbacks),
        **others,
    )
