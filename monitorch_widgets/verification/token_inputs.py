"""Integer inputs, which have no gradients: the outputs of the embeddings that they go through stand for them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class TokenInputs:
    """Catches what embeddings return for integer inputs, while it is entered.

    Parameters
    ----------
    model : torch.nn.Module
        Its ``nn.Embedding`` and ``nn.EmbeddingBag`` modules are followed.
    inputs : list of Tensor
        Integer inputs with the batch first.
    batch_size : int
        Number of samples.

    Attributes
    ----------
    caught : list of Tensor
        What the embeddings returned.
    """

    def __init__(self, model: nn.Module, inputs: list[Tensor], batch_size: int) -> None:
        self._embeddings = [module for module in model.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]
        self._inputs = inputs
        self._size = batch_size
        self.caught: list[Tensor] = []
        self._batch_dims: list[int] = []  # of each
        self._seen: set[int] = set()
        self._handles: list[Any] = []

    @property
    def gradients(self) -> list[Tensor]:
        """Gradients that came back to what the embeddings returned, the batch first."""
        found = [caught.new_zeros(caught.shape) if caught.grad is None else caught.grad for caught in self.caught]
        return [gradient.movedim(dim, 0) for gradient, dim in zip(found, self._batch_dims, strict=True)]

    @property
    def unseen(self) -> list[Tensor]:
        """Inputs that went through no embedding."""
        return [tensor for i, tensor in enumerate(self._inputs) if i not in self._seen]

    def __enter__(self) -> TokenInputs:
        if self._inputs:
            self._handles = [module.register_forward_hook(self._catch) for module in self._embeddings]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self._handles:
            handle.remove()

    def _catch(self, module: nn.Module, args: Any, output: Any) -> Any:
        """Let the graph begin at what an embedding returns; also a frozen one."""
        if not (args and isinstance(args[0], Tensor) and isinstance(output, Tensor)):
            return None
        place, dim = self._place(args[0])
        if place is None or output.shape[dim] != self._size:
            return None
        self._seen.add(place)
        caught = output.detach().clone().requires_grad_()
        self.caught.append(caught)
        self._batch_dims.append(dim)
        return caught.clone()  # a leaf can't be changed in place

    def _place(self, ids: Tensor) -> tuple[int | None, int]:
        """Which input the ids are, and where they have the batch: the same numbers, in whatever shape, or turned."""
        for i, known in enumerate(self._inputs):
            if known.numel() == ids.numel() and bool((known.reshape(-1) == ids.reshape(-1)).all()):
                return i, 0
        for i, known in enumerate(self._inputs):
            if known.ndim == 2 and torch.equal(known.T, ids):
                return i, 1
        return None, 0
