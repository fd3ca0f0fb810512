"""The models that the cost is measured on: five kinds whose steps take between a few and some tens of milliseconds."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

SEED = 0
BATCHES = 4  # made beforehand, and gone round: the loop shall do nothing but train
CLASSES = 10


@dataclass
class Training:
    """A model with all that a step of it needs."""

    model: nn.Module
    loss_fn: nn.Module
    optimizer: torch.optim.Optimizer
    batches: list[tuple[Tensor, Tensor]]
    _round: Iterator[tuple[Tensor, Tensor]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._round = itertools.cycle(self.batches)

    def step(self) -> None:
        """One step, as every training loop makes it."""
        inputs, targets = next(self._round)
        self.optimizer.zero_grad()
        self.loss_fn(self.model(inputs), targets).backward()
        self.optimizer.step()


class Residual(nn.Module):
    """Two convolutions and a way past them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        inner = self.relu1(self.norm1(self.conv1(x)))
        out: Tensor = self.relu2(x + self.norm2(self.conv2(inner)))
        return out


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to the same shape."""
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(B, T, C))
        return out


class Block(nn.Module):
    """Attention, then an MLP, each with a norm before and a way past."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.up, self.gelu, self.down = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to the same shape."""
        x = x + self.attention(self.norm1(x))
        out: Tensor = x + self.down(self.gelu(self.up(self.norm2(x))))
        return out


class GPT(nn.Module):
    """A small GPT; tokens (B, T) to the logits of all places, (B T, vocabulary)."""

    def __init__(self, vocabulary: int, length: int, width: int, heads: int, blocks: int) -> None:
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(blocks)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next tokens."""
        x = self.tokens(tokens) + self.places(torch.arange(tokens.shape[1], device=tokens.device))
        logits: Tensor = self.head(self.norm(self.blocks(x)))
        return logits.flatten(0, 1)


def mlp(layers: int, width: int, device: torch.device, batch: int = 128) -> Training:
    """`layers` hidden layers with ReLU, and a head."""
    hidden = [module for _ in range(layers) for module in (nn.Linear(width, width), nn.ReLU())]
    model = nn.Sequential(*hidden, nn.Linear(width, CLASSES)).to(device)
    batches = [(torch.randn(batch, width), torch.randint(CLASSES, (batch,))) for _ in range(BATCHES)]
    return _trained_by_sgd(model, batches, device)


def resnet(device: torch.device, channels: int = 32, size: int = 16, batch: int = 16, blocks: int = 6) -> Training:
    """Residual blocks on images."""
    stem = [nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES)]
    model = nn.Sequential(*stem, *(Residual(channels) for _ in range(blocks)), *head).to(device)
    batches = [(torch.randn(batch, 3, size, size), torch.randint(CLASSES, (batch,))) for _ in range(BATCHES)]
    return _trained_by_sgd(model, batches, device)


def gpt(device: torch.device, width: int = 128, heads: int = 4, length: int = 64, batch: int = 8) -> Training:
    """Six blocks on random tokens."""
    vocabulary = 256
    model = GPT(vocabulary, length, width, heads, blocks=6).to(device)
    texts = [torch.randint(vocabulary, (batch, length + 1), device=device) for _ in range(BATCHES)]
    batches = [(text[:, :-1].contiguous(), text[:, 1:].flatten()) for text in texts]
    return Training(model, nn.CrossEntropyLoss(), torch.optim.AdamW(model.parameters(), lr=3e-4), batches)


def _trained_by_sgd(model: nn.Module, batches: list[tuple[Tensor, Tensor]], device: torch.device) -> Training:
    there = [(inputs.to(device), targets.to(device)) for inputs, targets in batches]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    return Training(model, nn.CrossEntropyLoss(), optimizer, there)


MODELS: dict[str, tuple[str, Callable[[torch.device], Training]]] = {
    "mlp4x256": ("MLP 4 x 256, batch 128, SGD", lambda device: mlp(4, 256, device)),
    "mlp6x1024": ("MLP 6 x 1024, batch 128, SGD", lambda device: mlp(6, 1024, device)),
    "resnet": ("ResNet, 6 blocks of 32 channels, 16 images of 16 x 16, SGD", lambda device: resnet(device)),
    "gpt": ("GPT, 6 blocks of width 128, 8 texts of 64 tokens, AdamW", lambda device: gpt(device)),
    "mlp14x64": ("MLP 14 x 64, batch 128, SGD", lambda device: mlp(14, 64, device)),
}


def make(name: str, device: torch.device) -> Training:
    """A fresh copy of a model: the same one at every call."""
    torch.manual_seed(SEED)
    return MODELS[name][1](device)
