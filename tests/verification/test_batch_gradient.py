"""Does a model mix the samples of a batch?"""

from __future__ import annotations

import dataclasses
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.verification import (
    BatchGradientVerification,
    BatchMixing,
    default_input_mapping,
    default_output_mapping,
)
from monitorch_widgets.verification.batch_mixing import MIXING

from .models import Setting, classifier, trained


class Reshaped(nn.Module):
    """The classical mistake: a reshape in place of a permutation."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        B, T, D = x.shape
        return self.linear(x).reshape(T, B, D).transpose(0, 1)


class Centered(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


class Net(nn.Module):
    """Tokens, or what stands for them, through blocks; one of them may be wrong."""

    def __init__(self, middle: nn.Module, tokens: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(11, 8) if tokens else nn.Identity()
        self.encoder = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), middle)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.embedding(x))).mean(1).softmax(-1)


def checked(model: nn.Module, data: Any, **how: Any) -> BatchMixing:
    verification = BatchGradientVerification(model)
    valid = verification.check(data, **how)
    assert type(valid) is bool and verification.result is not None and valid is bool(verification.result)
    return verification.result


def test_A11_A14_a_model_that_keeps_samples_apart_passes() -> None:
    verification = BatchGradientVerification(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)))
    assert verification.check(input_array=torch.rand(2, 3, 4), sample_idx=1) is True
    result = verification.result
    assert result.sample_idx == 1 and result.mixed == () and result.module is None
    assert result.gradients[0] == 0 and result.gradients[1] > 0


def test_A11_only_the_input_of_the_sample_may_have_a_gradient() -> None:
    """The gradients that are told are those of autograd itself."""
    model, x = Net(nn.Linear(8, 8)), torch.rand(3, 5, 8)
    result = checked(model, x, sample_idx=2, output_mapping=lambda output: output[:, :1])
    x.requires_grad_()
    (model(x)[2, 0]).backward()
    sizes = x.grad.abs().sum((1, 2))
    told = torch.tensor(result.gradients)
    assert sizes[:2].tolist() == [0, 0] == told[:2].tolist()
    ratio = float(told[2] / sizes[2])
    assert 0.5 <= ratio <= 1.5  # the weights of the dummy loss


@pytest.mark.parametrize("middle", [Reshaped, Centered, lambda: nn.BatchNorm1d(5, track_running_stats=False)])
@pytest.mark.parametrize("tokens", [False, True])
def test_A12_the_module_that_mixes_is_named(middle: Callable[[], nn.Module], tokens: bool) -> None:
    data = torch.randint(0, 11, (4, 5)) if tokens else torch.rand(4, 5, 8)
    result = checked(Net(middle(), tokens), data)
    assert not result.valid and result.module == "encoder.2"
    assert result.mixed == (1, 2, 3) and result.words.startswith(MIXING)
    assert all(value > 0 for value in result.gradients)


def test_A12_text() -> None:
    assert MIXING == (
        "Your model is mixing data across the batch dimension. This can lead to wrong gradient updates in the "
        "optimizer. Check the operations that reshape and permute tensor dimensions in your model."
    )


def test_A11_the_forward_of_the_model_itself_is_named() -> None:
    class Wrong(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))

        def forward(self, x: Tensor) -> Tensor:
            return self.inner(x.view(-1, len(x)).T)

    result = checked(Wrong(), torch.rand(3, 6))
    assert result.module == "Wrong" and "the forward of Wrong itself" in result.words
    assert set(result.mixed) <= {1, 2} and result.mixed


def test_A11_two_samples_that_are_mixed_are_told() -> None:
    class Neighbours(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x + x.roll(1, 0)

    result = checked(nn.Sequential(nn.Linear(3, 3), Neighbours()), torch.rand(6, 3), sample_idx=2)
    assert result.mixed == (1,) and result.module == "1"


def test_A11_a_wrong_block_inside_a_module_with_the_batch_elsewhere() -> None:
    class TimeFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Linear(8, 8), Centered())

        def forward(self, x: Tensor) -> Tensor:  # (T, B, D), T other than B
            return self.block(x).transpose(0, 1)

    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.time_first = TimeFirst()

        def forward(self, x: Tensor) -> Tensor:
            return self.time_first(x.transpose(0, 1).roll(1, 1) + x.transpose(0, 1))

    assert checked(Outer(), torch.rand(2, 5, 8)).module == "Outer"


# ---------------------------------------------------------------------- forms and rules


def two_inputs(a: Tensor, b: Tensor, scale: float = 1.0) -> Tensor:
    return (a + b.sum(1, keepdim=True)) * scale


class Two(nn.Module):
    def forward(self, a: Tensor, b: Tensor, scale: float = 1.0) -> Tensor:
        return two_inputs(a, b, scale)


@pytest.mark.parametrize(
    "data",
    [
        (torch.rand(3, 2), torch.rand(3, 4)),
        {"a": torch.rand(3, 2), "b": torch.rand(3, 4)},
        {"b": torch.rand(3, 4), "a": torch.rand(3, 2), "scale": 2.0},
        (torch.rand(3, 2).double(), torch.rand(3, 4).double(), 3.0),
    ],
)
def test_A15_tuples_are_arguments_and_dicts_are_keywords(data: Any) -> None:
    assert checked(Two(), data).valid


def test_A15_every_input_needs_a_gradient() -> None:
    class Ignores(nn.Module):
        def forward(self, a: Tensor, b: Tensor) -> Tensor:
            return a * 2

    result = checked(Ignores(), (torch.rand(3, 2), torch.rand(3, 4)))
    assert not result.valid and result.mixed == () and "does not depend on one of its inputs" in result.words


@pytest.mark.parametrize("cut", [Tensor.detach, Tensor.round, lambda x: x.argmax(1).float()])
def test_A15_no_gradient_at_all_has_words_of_its_own(cut: Callable[[Tensor], Tensor]) -> None:
    class Cuts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return cut(self.first(x))

    result = checked(Cuts(), torch.rand(3, 4))
    assert not result.valid and not result.mixed and result.module is None and "detach()" in result.words


@pytest.mark.parametrize("data", [torch.rand(1, 4), (torch.rand(1, 4),), {"input": torch.rand(1, 4)}])
def test_A15_a_batch_of_one_is_too_small(data: Any) -> None:
    with pytest.raises(ArgumentError, match=r"^Batch size must be greater than 1 to run verification\.$"):
        checked(nn.Linear(4, 4), data)


@pytest.mark.parametrize(
    "norm", [nn.BatchNorm1d(8), nn.BatchNorm2d(8), nn.BatchNorm3d(8), nn.SyncBatchNorm(8), nn.GroupNorm(2, 8)]
)
def test_A15_norms_are_in_evaluation_mode_meanwhile(norm: nn.Module) -> None:
    seen = []
    norm.register_forward_pre_hook(lambda module, args: seen.append(module.training))
    width = {nn.BatchNorm2d: (8, 2, 2), nn.BatchNorm3d: (8, 2, 2, 2)}.get(type(norm), (8,))
    model = nn.Sequential(norm, nn.Flatten(), nn.Dropout(0.1))
    assert checked(model, torch.rand(3, *width)).valid
    assert seen == [False] and norm.training
    if not isinstance(norm, nn.GroupNorm):
        assert int(norm.num_batches_tracked) == 0


def test_A15_the_input_is_copied() -> None:
    class InPlace(nn.Module):
        def forward(self, x: Tensor, notes: dict[str, Tensor]) -> Tensor:
            x += 1
            notes["y"].mul_(2)
            return x * notes["y"]

    x, y = torch.ones(2, 3), torch.ones(2, 3)
    assert checked(InPlace(), (x, {"y": y}), input_mapping=lambda data: [data[0]]).valid
    assert torch.equal(x, torch.ones(2, 3)) and torch.equal(y, torch.ones(2, 3)) and not x.requires_grad


def test_A15_an_input_mapping_may_move_the_batch_to_the_front() -> None:
    rnn = nn.LSTM(4, 5)  # (T, B, F)
    how: dict[str, Any] = {
        "input_mapping": lambda x: [x.transpose(0, 1)],
        "output_mapping": lambda output: output[0].transpose(0, 1),
    }
    assert checked(rnn, torch.rand(7, 3, 4), **how).valid
    assert not checked(rnn, torch.rand(3, 3, 4), sample_idx=2).valid  # the first dimension is taken for the batch


def test_A15_the_output_has_to_have_the_batch_first() -> None:
    with pytest.raises(ArgumentError, match="output_mapping"):
        checked(nn.Linear(4, 4), torch.rand(3, 4), output_mapping=lambda output: output.sum())


# ---------------------------------------------------------------------- integers


def test_A15_token_ids_are_checked_through_the_embedding() -> None:
    ids = torch.randint(0, 11, (3, 5))
    result = checked(Net(nn.Linear(8, 8), tokens=True), ids)
    assert result.valid and result.unchecked == ()
    assert result.gradients[0] > 0 and result.gradients[1:] == (0, 0)


def test_A15_a_frozen_embedding_is_checked_too() -> None:
    model = Net(nn.Linear(8, 8), tokens=True)
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    assert checked(model, torch.randint(0, 11, (3, 5))).valid
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_A15_positions_are_no_samples() -> None:
    """A table of positions, as many as samples, belongs to all of them."""

    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(11, 4), nn.Embedding(5, 4)

        def forward(self, ids: Tensor) -> Tensor:
            return (self.words(ids) + self.places(torch.arange(ids.shape[1]))).tanh()

    assert checked(Positions(), torch.randint(5, 11, (5, 5))).valid


def test_A15_an_integer_mask_is_said_not_to_be_checked() -> None:
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(11, 4)

        def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
            return self.words(input_ids) * attention_mask[..., None]

    data = {"input_ids": torch.randint(0, 11, (3, 5)), "attention_mask": torch.ones(3, 5, dtype=torch.long)}
    result = checked(Masked(), data)
    assert result.valid and result.unchecked == ("attention_mask",) and "Not checked" in result.words


def test_A15_integers_without_an_embedding_cannot_be_checked() -> None:
    class OneHot(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(11, 3)

        def forward(self, ids: Tensor) -> Tensor:
            return self.linear(nn.functional.one_hot(ids, 11).float())

    with pytest.raises(ArgumentError, match=r"input 0 has integers which go through no nn\.Embedding"):
        checked(OneHot(), torch.randint(0, 11, (3, 5)))


# ---------------------------------------------------------------------- mappings


def test_A16_default_input_mapping() -> None:
    x, y = torch.rand(3, 2), torch.rand(3)
    data = {"x": x, "nested": [y, (torch.rand(4, 3), torch.tensor(1.0), "name", None)]}
    assert [id(tensor) for tensor in default_input_mapping(data)] == [id(x), id(y)]
    assert default_input_mapping("nothing") == []


def test_A16_default_output_mapping() -> None:
    output = {"logits": torch.rand(3, 2, 2), "score": torch.rand(3), "hidden": torch.rand(5, 3)}
    mapped = default_output_mapping(output)
    assert mapped.shape == (3, 5)
    assert torch.equal(mapped[:, :4], output["logits"].reshape(3, 4)) and torch.equal(mapped[:, 4], output["score"])


def test_A16_a_recurrent_state_with_the_layers_first_is_left_out() -> None:
    assert checked(nn.GRU(4, 5, batch_first=True), torch.rand(3, 7, 4)).valid


# ---------------------------------------------------------------------- a good guest


@pytest.mark.parametrize("name", ["norms", "counting", "tied"])
@pytest.mark.parametrize("enabled", [True, False])
def test_A15_everything_is_as_before(name: str, enabled: bool) -> None:
    setting = trained(name)
    with torch.set_grad_enabled(enabled):
        before = setting.state
        BatchGradientVerification(setting.model).check(torch.rand(4, 4, generator=torch.Generator()))
        assert setting.state == before


def test_A15_an_error_in_the_model_leaves_everything_as_before() -> None:
    setting = trained("norms")
    before = setting.state
    with pytest.raises(RuntimeError, match="shapes"):
        BatchGradientVerification(setting.model).check(torch.ones(4, 5))
    assert setting.state == before


def test_A15_optimizers_in_the_backward_pass_make_no_step() -> None:
    model = classifier()
    optimizer = torch.optim.Adam(model.parameters())
    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(lambda _: optimizer.step())
    setting = Setting(model, optimizer)
    before = setting.state
    assert checked(model, torch.ones(3, 4)).valid
    assert setting.state == before


@pytest.mark.parametrize("reentrant", [False, True])
def test_A14_activation_checkpointing(reentrant: bool) -> None:
    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.linear, x, use_reentrant=reentrant)

    model = Checkpointed()
    assert checked(model, torch.rand(3, 4)).valid
    assert model.linear.weight.grad is None


def test_A14_under_no_grad_and_inference_mode_of_the_caller() -> None:
    model = Net(Centered())
    with torch.no_grad():
        assert checked(model, torch.rand(3, 5, 8)).module == "encoder.2"
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        assert checked(model, torch.rand(3, 5, 8)).module == "encoder.2"


def test_A14_a_model_in_evaluation_mode_half_precision_and_complex_outputs() -> None:
    assert checked(classifier().eval().bfloat16(), torch.rand(3, 4).bfloat16()).valid

    class Spectrum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.fft.rfft(x)

    assert checked(Spectrum(), torch.rand(3, 8)).valid


def test_A13_a_sample_that_is_not_there() -> None:
    with pytest.raises(ArgumentError, match="sample_idx below the batch size 3; received 3"):
        checked(classifier(), torch.rand(3, 4), sample_idx=3)
    with pytest.raises(ArgumentTypeError, match="sample_idx"):
        checked(classifier(), torch.rand(3, 4), sample_idx="first")
    assert checked(classifier(), torch.rand(3, 4), sample_idx=-1).sample_idx == 2


def test_A14_without_an_input_that_of_the_model_is_taken() -> None:
    model = classifier()
    with pytest.raises(ArgumentError, match="input_array"):
        checked(model, None)
    model.example_input_array = torch.rand(2, 4)
    assert checked(model, None).valid
    with pytest.raises(ArgumentTypeError, match=r"expected a torch\.nn\.Module; received str"):
        BatchGradientVerification("model")


def test_A11_the_answer_is_the_same_each_time() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), Centered())
    random.seed(0)
    first, second = (checked(model, torch.ones(3, 4)) for _ in range(2))
    assert first == second


def test_A17_importable_from_verification_without_optional_libraries() -> None:
    code = (
        "import sys\n"
        "for name in ('ipywidgets', 'bqplot', 'anywidget', 'matplotlib', 'lightning', 'transformers'):\n"
        "    sys.modules[name] = None\n"
        "from monitorch_widgets.verification import BatchGradientVerification, LRFinder, DryRun, OverfitCheck\n"
        "print(BatchGradientVerification.__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "BatchGradientVerification"


def test_A17_importable_from_the_top_of_the_package() -> None:
    import monitorch_widgets
    from monitorch_widgets import verification

    for name in ("BatchGradientVerification", "LRFinder", "DryRun", "OverfitCheck"):
        assert getattr(monitorch_widgets, name) is getattr(verification, name)


@pytest.mark.parametrize("sample", [0, 2, 4, -1])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_A11_what_runs_along_the_batch_is_found_from_each_sample(sample: int, bidirectional: bool) -> None:
    class Recurrent(nn.Module):
        def __init__(self, batch_first: bool) -> None:
            super().__init__()
            self.lstm = nn.LSTM(6, 3, batch_first=batch_first, bidirectional=bidirectional)

        def forward(self, x: Tensor) -> Tensor:
            found: Tensor = self.lstm(x)[0]
            return found

    found = checked(Recurrent(batch_first=False), torch.rand(5, 4, 6), sample_idx=sample)
    assert not found and found.module == "lstm" and found.sample_idx not in found.mixed
    asked = checked(Recurrent(batch_first=True), torch.rand(5, 4, 6), sample_idx=sample)
    assert asked and asked.sample_idx == sample % 5


def test_A15_tokens_whose_batch_comes_second_are_checked() -> None:
    class Turned(nn.Module):
        def __init__(self, mixes: bool) -> None:
            super().__init__()
            self.embedding, self.mixes = nn.Embedding(9, 4), mixes

        def forward(self, ids: Tensor) -> Tensor:
            found: Tensor = self.embedding(ids.T)  # (time, batch, ...)
            return found.cumsum(1 if self.mixes else 0)[-1] if not self.mixes else found.cumsum(1).sum(0)

    ids = torch.arange(12).reshape(3, 4) % 9
    assert checked(Turned(mixes=False), ids, sample_idx=1).gradients[0] == 0
    assert checked(Turned(mixes=True), ids, sample_idx=1).mixed == (0,)


def test_A15_dataclasses_numbers_of_numpy_and_scripted_models() -> None:
    @dataclasses.dataclass(frozen=True)
    class Batch:
        x: Tensor
        name: str = "train"

    class OfBatch(nn.Linear):
        def forward(self, input: Batch) -> Tensor:  # type: ignore[override]
            return super().forward(input.x)

    assert checked(OfBatch(4, 2), Batch(torch.rand(3, 4)), sample_idx=np.int64(1))


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.* is deprecated:DeprecationWarning")
def test_A15_gradients_of_a_scripted_model_stay() -> None:
    model = torch.jit.script(nn.Linear(4, 2))
    model.weight.grad = gradient = torch.ones(2, 4)
    assert checked(model, torch.rand(3, 4))
    assert model.weight.grad is gradient and gradient.eq(1).all()


def test_A16_a_loss_for_an_output_and_arrays_say_what_to_do() -> None:
    with pytest.raises(ArgumentError, match=r"output_mapping.*not the loss"):
        checked(nn.Sequential(nn.Linear(4, 2), Mean()), torch.rand(3, 4))
    with pytest.raises(ArgumentError, match=r"found none in ndarray.*as_tensor"):
        checked(nn.Linear(4, 2), np.ones((3, 4)))


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean()
