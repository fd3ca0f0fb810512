"""Does a model mix the samples of a batch? Gradients tell: those of one sample's output have to end at its input."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from numbers import Integral
from typing import Any, cast

import torch
from torch import Tensor, nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError

from .batch_mixing import TOO_SMALL, BatchMixing, told
from .batches import default_input_mapping, dummy_loss, is_float, output_of, per_sample, tensors_in
from .call_tree import first_mixing, recorded_calls
from .state import kept
from .token_inputs import TokenInputs
from .training import device_of, mapped

InputMapping = Callable[[Any], list[Tensor]]
OutputMapping = Callable[[Any], Tensor]

# They mix samples on purpose while they train.
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.GroupNorm)


class BatchGradientVerification:
    """Checks that a model does not mix the samples of a batch.

    It computes the gradient of one sample's output with respect to all inputs: only that sample's may be other than
    zero. Where that is so, a sample at the other end of the batch is looked at too: of what runs along the batch, like
    an LSTM with the wrong ``batch_first``, the first sample knows no other.

    Model, gradients, buffers, modes and random state are then exactly as before. Batch and group norms are in
    evaluation mode meanwhile, since they mix on purpose.

    Parameters
    ----------
    model : torch.nn.Module
        The model.

    Attributes
    ----------
    result : BatchMixing or None
        What the last check has found.

    Examples
    --------
    >>> verification = BatchGradientVerification(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)))
    >>> verification.check(input_array=torch.rand(2, 3, 4), sample_idx=1)
    True
    >>> verification = BatchGradientVerification(nn.Flatten(start_dim=0))
    >>> verification.check(torch.rand(2, 3), output_mapping=lambda output: output.view(3, 2).T)
    False
    >>> verification.result.mixed
    (1,)
    """

    def __init__(self, model: nn.Module) -> None:
        if not isinstance(model, nn.Module):
            raise ArgumentTypeError(f"expected a torch.nn.Module; received {type(model).__name__}")
        self.model = model
        self.result: BatchMixing | None = None

    def check(
        self,
        input_array: Any = None,
        input_mapping: InputMapping | None = None,
        output_mapping: OutputMapping | None = None,
        sample_idx: int = 0,
    ) -> bool:
        """Whether the model keeps the samples apart; :attr:`result` says more.

        Parameters
        ----------
        input_array : tensor, tuple or dict
            An example batch, also a random one. A tuple goes to the model as positional arguments, a dict by
            keywords; by default the model's ``example_input_array``. It is copied to the device of the model.
        input_mapping : callable, optional
            Takes the input and returns a list of its tensors, each with the batch first; by default all that share
            the batch size.
        output_mapping : callable, optional
            Takes the output and returns one tensor with the batch first; by default all numbers of each sample.
        sample_idx : int
            The sample whose output is looked at first.

        Raises
        ------
        ArgumentError
            For a batch of one sample, a sample that is not there, and where no input can be checked: integers that go
            through no ``nn.Embedding``.
        """
        if input_array is None:
            input_array = getattr(self.model, "example_input_array", None)
        if input_array is None:
            raise ArgumentError("expected an input for the model; received none. Pass input_array=torch.rand(2, ...).")
        model = cast(nn.Module, getattr(self.model, "_orig_mod", self.model))  # what torch.compile runs takes no hooks
        plain = torch.backends.cudnn.flags(enabled=False)  # cuDNN has no gradients of an RNN in evaluation mode
        with kept(self.model), torch.enable_grad(), plain, _norms_in_eval(model):
            for parameter in model.parameters():
                parameter.grad = None
            trial = _Trial(model, input_array, input_mapping or default_input_mapping, sample_idx)
            self.result = trial.result(output_mapping)
        return self.result.valid


class _Trial:
    """One forward and one backward pass, on a copy of the input."""

    def __init__(self, model: nn.Module, data: Any, mapping: InputMapping, sample: int) -> None:
        self._model, self._mapping = model, mapping
        device = device_of(model)
        self._data = mapped(data, lambda tensor: _fresh(tensor, device))
        batch = list(mapping(self._data))
        if not batch:
            raise ArgumentError(
                f"expected an input with tensors whose first dimension is the batch; found none in "
                f"{type(data).__name__}. Pass tensors, which torch.as_tensor makes of arrays."
            )
        self._size = int(batch[0].shape[0])
        self._sample = _checked_sample(sample, self._size)
        self._tokens = TokenInputs(model, [tensor for tensor in batch if not is_float(tensor)], self._size)
        self._names = _names(self._data)

    def result(self, output_mapping: OutputMapping | None) -> BatchMixing:
        """Run, and judge."""
        with self._tokens, recorded_calls(self._model, self._size) as calls:
            output = _called(self._model, self._data)
        chosen = output_of(output, self._size) if output_mapping is None else output_mapping(output)
        if not isinstance(chosen, Tensor) or not chosen.ndim or len(chosen) != self._size:
            raise ArgumentError(
                f"expected an output with {self._size} samples in its first dimension; received "
                f"{tuple(chosen.shape) if isinstance(chosen, Tensor) else type(chosen).__name__}. "
                "Pass output_mapping= that returns such a tensor."
            )
        found = self._looked_at(chosen, calls, self._sample)
        if not found.valid:
            return found
        other = self._looked_at(chosen, calls, 0 if self._sample >= self._size / 2 else self._size - 1)
        return other if other.mixed else found

    def _looked_at(self, output: Tensor, calls: Any, sample: int) -> BatchMixing:
        """What the output of one sample depends on."""
        if output.requires_grad:
            self._go_back(dummy_loss(output, sample))
        return self._judged(calls, sample)

    def _go_back(self, loss: Tensor) -> None:
        """Compute gradients of the inputs alone: what hangs on the gradients of parameters may make steps."""
        floats = [tensor for tensor in tensors_in(self._data) if is_float(tensor)]
        inputs = [*floats, *self._tokens.caught]
        if not inputs:
            return
        for tensor in inputs:
            tensor.grad = None
        try:
            loss.backward(retain_graph=True, inputs=inputs)  # type: ignore[no-untyped-call]
        except RuntimeError as error:
            if "checkpoint" not in str(error).lower():
                raise
            loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]  # reentrant checkpoints know only this

    def _judged(self, calls: Any, sample: int) -> BatchMixing:
        sizes, unchecked = self._sizes()
        total = torch.stack(sizes).sum(0)
        mixed = tuple(int(i) for i in total.nonzero().flatten() if i != sample)
        silent = not all(bool(size[sample]) for size in sizes)
        module = first_mixing(calls, sample) or type(self._model).__name__ if mixed else None
        model = type(self._model).__name__
        words = told(sample, self._size, mixed, module, model, silent=silent, dead=not bool(total.any()))
        if unchecked:
            words += f" Not checked, since gradients don't reach integers: {', '.join(unchecked)}."
        numbers = tuple(float(size) for size in total)
        return BatchMixing(not mixed and not silent, sample, mixed, numbers, module, words, unchecked)

    def _sizes(self) -> tuple[list[Tensor], tuple[str, ...]]:
        """The gradient's size for each sample, for each input that can be checked; and the names of the others."""
        batch = list(self._mapping(self._data))
        kinds = [is_float(tensor) for tensor in batch]
        gradients = list(self._mapping(mapped(self._data, _gradient)))
        sizes = [per_sample(gradient).cpu() for gradient, floats in zip(gradients, kinds, strict=True) if floats]
        sizes += [per_sample(gradient).cpu() for gradient in self._tokens.gradients]
        unchecked = tuple(self._name(tensor) for tensor in self._tokens.unseen)
        if not sizes:
            raise ArgumentError(
                f"expected an input that gradients can reach; {', '.join(unchecked)} has integers which go through no "
                "nn.Embedding, so samples can't be told apart. Check the part of the model that comes after them."
            )
        return sizes, unchecked

    def _name(self, tensor: Tensor) -> str:
        return next((name for name, known in self._names if known is tensor), "an input")


@contextlib.contextmanager
def _norms_in_eval(model: nn.Module) -> Iterator[None]:
    for module in model.modules():
        if isinstance(module, _NORMS):
            module.training = False  # the caller puts it back
    yield


def _fresh(tensor: Tensor, device: torch.device) -> Tensor:
    """A copy on a device that gradients reach, where they can."""
    copy = tensor.detach().to(device, copy=True)
    return copy.requires_grad_() if is_float(copy) else copy


def _gradient(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor) if tensor.grad is None else tensor.grad


def _called(model: nn.Module, data: Any) -> Any:
    copies = mapped(data, lambda tensor: tensor.clone() if is_float(tensor) else tensor)  # leaves can't be changed
    if isinstance(copies, Mapping):
        return model(**copies)
    return model(*copies) if isinstance(copies, tuple) else model(copies)


def _checked_sample(sample: int, size: int) -> int:
    if size < 2:
        raise ArgumentError(TOO_SMALL)
    if not isinstance(sample, Integral) or isinstance(sample, bool):
        raise ArgumentTypeError(f"expected sample_idx to be an integer; received {sample!r}")
    sample = int(sample)
    if not -size <= sample < size:
        raise ArgumentError(f"expected sample_idx below the batch size {size}; received {sample}")
    return sample % size


def _names(data: Any) -> list[tuple[str, Tensor]]:
    if isinstance(data, Mapping):
        return [(str(key), cast(Tensor, value)) for key, value in data.items()]
    parts = data if isinstance(data, tuple | list) else (data,)
    return [(f"input {i}", part) for i, part in enumerate(parts)]
