"""Compiled loops give the numbers that torch gives in float64, and leave alone what they can't walk over."""

from __future__ import annotations

import math
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from monitorch_widgets import PyTorchInspector
from monitorch_widgets.errors import MonitorchWarning
from monitorch_widgets.numerical import ConsecutiveTensors, count_active, sample_norms, walk
from monitorch_widgets.numerical.counting import count_output
from monitorch_widgets.numerical.scratch import scratch

SHAPES = [(1,), (0,), (3, 0), (1000,), (7, 3), (33, 65), (4, 5, 3, 3), (256, 1024), (2, 3, 5, 7, 11)]
ODD = [0.0, -0.0, 1e-8, math.nan, math.inf, -math.inf, 1e-40, 3e38]


def some(shape: tuple[int, ...], seed: int = 0, odd: bool = False) -> Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(seed + sum(shape)))
    values[values.abs() < 0.3] = 0
    for place, number in enumerate(ODD if odd and values.numel() > 20 else []):
        values.view(-1)[place * (values.numel() // len(ODD))] = number
    return values


def exact(tensors: list[Tensor]) -> list[Any]:
    return [pytest.approx(tensor.double().norm().item(), rel=1e-6) for tensor in tensors]


def test_the_loops_are_there() -> None:
    assert walk.ready(nn.Linear(2, 2)) and not walk.ready(nn.Linear(2, 2).double()) and not walk.ready(nn.ReLU())


def test_norms_of_tensors_of_all_shapes() -> None:
    tensors = [some(shape) for shape in SHAPES]
    assert walk.norms_of(tensors).tolist() == exact(tensors)


def test_what_is_compared_has_the_new_values_afterwards() -> None:
    kept, tensors = [some(shape, 1) for shape in SHAPES], [some(shape) for shape in SHAPES]
    products = [(old.double() * new.double()).sum().item() for old, new in zip(kept, tensors, strict=True)]
    lengths, found = walk.compare(kept, tensors)
    assert lengths.tolist() == exact(tensors) and found.tolist() == pytest.approx(products, rel=1e-5, abs=1e-4)
    assert all(torch.equal(old, new) for old, new in zip(kept, tensors, strict=True))


def test_what_is_taken_leaves_the_difference() -> None:
    copies, tensors = [some(shape, 1) for shape in SHAPES], [some(shape) for shape in SHAPES]
    sizes, left = exact(copies), [old - new for old, new in zip(copies, tensors, strict=True)]
    before, lengths = walk.take(copies, tensors)
    assert before.tolist() == sizes and lengths.tolist() == exact(left)
    assert all(torch.equal(old, new) for old, new in zip(copies, left, strict=True))


@pytest.mark.parametrize("eps", [0.0, 1e-8, 0.5])
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if len(shape) > 1], ids=str)
def test_counts_of_outputs_are_those_of_torch(shape: tuple[int, ...], eps: float, torch_too: Any) -> None:
    values = some(shape)
    for last in (False, True):
        ours = count_output(values, eps, channel_last=last)
        theirs = torch_too(count_output, values, eps, channel_last=last)
        assert torch.equal(ours.counts, theirs.counts) and ours.size == theirs.size
        assert torch.allclose(ours.check, theirs.check, equal_nan=True)


@pytest.mark.parametrize("shape", [shape for shape in SHAPES if math.prod(shape)], ids=str)
def test_counts_of_gradients_are_those_of_torch(shape: tuple[int, ...], torch_too: Any) -> None:
    values = some(shape)
    ours, theirs = count_active(values, 1e-8, batch=False), torch_too(count_active, values, 1e-8, batch=False)
    assert torch.equal(ours.counts, theirs.counts) and ours.size == theirs.size


@pytest.mark.parametrize("shape", [(33, 65), (4, 5, 3, 3)], ids=str)
def test_what_is_not_finite_is_told_by_neuron(shape: tuple[int, ...]) -> None:
    values = some(shape, odd=True)
    rows = values.transpose(0, 1).flatten(1)
    counts, lengths = walk.look_at(values, 1, 0.5)
    fine = rows.isfinite().all(1)
    assert torch.equal(counts.isfinite(), fine) and not fine.all()
    assert torch.equal(counts[fine], (rows[fine].abs() > 0.5).sum(1).float())
    assert torch.equal(lengths.isfinite(), values.flatten(1).isfinite().all(1))


def test_norms_of_samples_are_there_for_who_asks_next() -> None:
    kept, output = scratch(), nn.Linear(3, 4)(some((5, 3)))
    check = count_output(output, 1e-8).check
    assert sample_norms(output) is check
    with torch.no_grad():
        output.mul_(2)
    assert torch.allclose(sample_norms(output), 2 * check) and scratch() is kept


OTHERS = {
    "half": torch.ones(4, 4).bfloat16(),
    "double": torch.ones(4, 4).double(),
    "integer": torch.ones(4, 4).int(),
    "turned": torch.ones(4, 3).t(),
    "expanded": torch.ones(1).expand(4),
    "channels last": torch.ones(2, 3, 4, 4).to(memory_format=torch.channels_last),
    "sparse": torch.eye(3).to_sparse(),
    "negated": torch._neg_view(torch.ones(3)),
    "elsewhere": torch.ones(3, device="meta"),
}


@pytest.mark.parametrize("tensor", OTHERS.values(), ids=OTHERS)
def test_others_are_left_to_torch(tensor: Tensor) -> None:
    assert not walk.walks([torch.ones(2), tensor])


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")  # torch's own
def test_a_compressed_sparse_tensor_is_left_to_torch() -> None:
    assert not walk.walks([torch.eye(3).to_sparse_csr()]) and not walk.walks([torch.ones(3).to_mkldnn()])


def test_more_ones_than_float32_counts_are_left_to_torch() -> None:
    assert walk.counts(torch.ones(8, 2), 1) and not walk.counts(torch.ones(1, 1).expand(1 << 22, 1).contiguous(), 1)


def test_a_default_device_elsewhere_changes_nothing() -> None:
    program = (
        "import torch; from tests.numerical.test_walk import run_on_cpu; torch.set_default_device('meta'); run_on_cpu()"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def run_on_cpu() -> None:
    """Some steps on the CPU, whatever device is the default."""
    cpu = torch.device("cpu")
    model = nn.Sequential(
        nn.Linear(3, 4, device=cpu), nn.ReLU(), nn.Linear(4, 4, device=cpu), nn.Linear(4, 1, device=cpu)
    )
    inspector = PyTorchInspector(module=model, visualizer="dummy", every=1, strict=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(3):
        model(torch.ones(4, 3, device=cpu)).square().mean().backward()
        optimizer.step()
    assert inspector.history["Weight Gradient Correlation"].rows == 3
    inspector.detach()


def test_inside_a_transform_torch_computes() -> None:
    seen: list[bool] = []

    def loss(x: Tensor) -> Tensor:
        seen.append(walk.walks([x]))
        return x.pow(2).sum()

    torch.func.grad(loss)(torch.ones(3))
    assert seen == [False] and walk.walks([torch.ones(3)])


def test_memory_that_was_given_back_is_not_read() -> None:
    tensor = torch.ones(2000)[1000:]
    tensor.untyped_storage().resize_(0)
    with pytest.raises(RuntimeError, match="its memory was given back"):
        walk.norms_of([tensor])


def test_tensors_go_on_by_themselves_where_one_is_of_another_kind() -> None:
    tensors = [some((7, 3)), some((33, 65))]
    together = ConsecutiveTensors(False, correlation=True, eps=1e-8)
    together.measure(["a", "b"], tensors)
    rows = together.measure(["a", "b"], [tensors[0], tensors[1].t().contiguous().t()])
    assert rows[:, 1].tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize("without", ["sys.modules['numba'] = None", "os.environ['NUMBA_DISABLE_JIT'] = '1'"])
def test_without_compiled_loops_torch_computes(without: str) -> None:
    program = (
        f"import os, sys, torch; {without}\n"
        "from monitorch_widgets.numerical import walk; assert not walk.walks([torch.ones(2)])"
    )
    subprocess.run([sys.executable, "-W", "error::UserWarning", "-c", program], check=True, timeout=120)


def test_a_numba_that_does_not_work_is_told_of_once(monkeypatch: pytest.MonkeyPatch, fresh: None) -> None:
    monkeypatch.setitem(sys.modules, "monitorch_widgets.numerical.kernels", None)
    monkeypatch.delattr("monitorch_widgets.numerical.kernels", raising=False)
    with pytest.warns(MonitorchWarning, match="update numba"):
        assert not walk.walks([torch.ones(2)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not walk.walks([torch.ones(2)])


def test_nothing_of_numba_is_imported_before_a_model_is_watched() -> None:
    program = (
        "import sys, torch; from monitorch_widgets import PyTorchInspector\n"
        "inspector = PyTorchInspector(visualizer='dummy'); assert 'numba' not in sys.modules\n"
        "inspector.attach(torch.nn.Linear(2, 2)); assert 'numba' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_a_run_reads_the_same_numbers_either_way(torch_too: Any) -> None:
    ours, theirs = run(), torch_too(run)
    assert ours.keys() == theirs.keys()
    for tag, values in ours.items():
        torch.testing.assert_close(values, theirs[tag], rtol=1e-4, atol=1e-5, equal_nan=True)


def run() -> dict[str, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 64), nn.ReLU(), nn.Linear(64, 3))
    inspector = PyTorchInspector(module=model, visualizer="dummy", every=1, strict=True)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for _ in range(4):
        optimizer.zero_grad()
        model(torch.randn(8, 1, 8, 8)).logsumexp(1).mean().backward()
        optimizer.step()
    history = inspector.history
    inspector.detach()
    return {tag: torch.from_numpy(history[tag].values) for tag in history.tags}


@pytest.fixture
def torch_too(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Calls a function as without numba."""

    def call(function: Any, *arguments: Any, **more: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(walk, "_kernels", lambda: None)
            return function(*arguments, **more)

    return call


@pytest.fixture
def fresh() -> Iterator[None]:
    """As if nobody had asked for the loops yet."""
    walk._kernels.cache_clear()
    yield
    walk._kernels.cache_clear()
