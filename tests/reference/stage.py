"""A model, its inspector with all lenses, and its twin: the same model as formulas in float64, without hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from monitorch_widgets import PyTorchInspector, lens
from monitorch_widgets.lens import AbstractLens

from .book import Book, agree
from .definitions import EPS, Array
from .places import NONLINEAR, parameters_of, places

Tensors = dict[str, Tensor]
Arrays = dict[str, Array]
Formula = Callable[[Tensors, Tensor], Tensors]

WINDOW = 3
SMOOTH = (nn.GELU, nn.SiLU, nn.Mish, nn.GLU, nn.Sigmoid, nn.LogSigmoid, nn.Softplus)
SMOOTH_THRESHOLD = 0.01
OUTPUT_TAGS = (
    *("Output Norm", "Output Activations", "Output Death Rate", "Output Lasting Death Rate"),
    *("Output Gradient Norm", "Output Gradient Correlation"),
)
_PARAMETER_TAGS = (
    *("Gradient Norm", "Gradient Correlation"),
    *("Gradient Activation", "Gradient Death Rate", "Gradient Lasting Death Rate"),
    *("Update Norm", "Update Correlation", "Update Ratio", "Norm", "Condition Number"),
)


def tags_of(kinds: Iterable[str]) -> list[str]:
    """Every tag that :func:`every_lens` has, but for the loss."""
    return [*OUTPUT_TAGS, *(f"{kind} {what}".title() for kind in kinds for what in _PARAMETER_TAGS)]


def output_lenses(*, record_eval: bool = False, from_grad: bool = False, rms: bool = False) -> list[AbstractLens]:
    """The lenses that look at outputs and their gradients."""
    outputs = {"record_eval": record_eval, "evaluation_from_grad": from_grad}
    return [
        lens.OutputNorm(normalize_by_size=rms, **outputs),
        lens.OutputActivation(dead_window=WINDOW, **outputs),
        lens.OutputGradientGeometry(normalize_by_size=rms),
    ]


def every_lens(
    kinds: Sequence[str] = ("weight", "bias"), loss_fn: nn.Module | None = None, *, rms: bool = False, **outputs: bool
) -> list[AbstractLens]:
    """Every lens there is, at every step."""
    return [
        lens.LossMetrics(loss_fn=loss_fn),
        *output_lenses(rms=rms, **outputs),
        lens.ParameterGradientGeometry(parameters=kinds, normalize_by_size=rms),
        lens.ParameterGradientActivation(parameters=kinds, dead_window=WINDOW),
        lens.ParameterUpdateGeometry(parameters=kinds, normalize_by_size=rms),
        lens.ParameterUpdateRatio(parameters=kinds),
        lens.ParameterNorm(parameters=kinds, normalize_by_size=rms),
        lens.ParameterCond(parameters=kinds, every=1),
    ]


def threshold(module: nn.Module) -> float:
    """Magnitude up to which an output of this module counts as zero."""
    return SMOOTH_THRESHOLD if isinstance(module, SMOOTH) else EPS


def mlp() -> nn.Sequential:
    """Three layers, each with another nonlinearity."""
    torch.manual_seed(0)
    layers = [nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3), nn.GELU()]
    return nn.Sequential(*layers)


def mlp_formula(p: Tensors, x: Tensor) -> Tensors:
    """Outputs of :func:`mlp` by name, the last one is that of the model."""
    outs = {"0": x @ p["0.weight"].T + p["0.bias"]}
    outs["1"] = 1 - 2 / (torch.exp(2 * outs["0"]) + 1)
    outs["2"] = outs["1"] @ p["2.weight"].T + p["2.bias"]
    outs["3"] = outs["2"] * (outs["2"] > 0)
    outs["4"] = outs["3"] @ p["4.weight"].T + p["4.bias"]
    outs["5"] = outs["4"] * (1 + torch.erf(outs["4"] / 2**0.5)) / 2
    return outs


def batches(n: int, rows: int = 7) -> list[tuple[Tensor, Tensor]]:
    """Inputs and targets for :func:`mlp`."""
    generator = torch.Generator().manual_seed(1)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    return [(draw(rows, 5), draw(rows, 3)) for _ in range(n)]


def array(tensor: Tensor) -> Array:
    """A copy in float64."""
    copied: Array = tensor.detach().double().numpy().copy()
    return copied


def added(total: Arrays, more: Arrays, factor: float = 1.0) -> Arrays:
    """Gradients of several passes, summed as ``backward`` sums them."""
    return {name: total.get(name, 0.0) + factor * more[name] for name in more} | {
        name: total[name] for name in total.keys() - more.keys()
    }


@dataclass
class Stage:
    """One training under the eye of an inspector, and what the inspector must show.

    Attributes
    ----------
    model : torch.nn.Module
        The model that is trained, in float32.
    formula : callable
        Outputs of the model by series name in order, from parameters and input; the last one is the model's.
    quiet : sequence of str
        Series without output gradient: nonlinearities.
    kinds : sequence of str
        Names of parameters.
    lenses : dict
        Arguments of :func:`every_lens`.
    attach : bool
        Watch the model from the beginning.
    depth : int
        Depth of modules that count as leaves.
    rename : dict
        Series name of an output of the formula, where several have the same.
    """

    model: nn.Module = field(default_factory=mlp)
    formula: Formula = mlp_formula
    quiet: Sequence[str] = ("1", "3", "5")
    kinds: Sequence[str] = ("weight", "bias")
    lenses: dict[str, Any] = field(default_factory=dict)
    attach: bool = True
    depth: int = -1
    rename: dict[Any, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loss_fn = nn.MSELoss()
        self.book = Book(record_eval=self.lenses.get("record_eval", False), rms=self.lenses.get("rms", False))
        self.inspector = PyTorchInspector(
            every_lens(self.kinds, self.loss_fn, **self.lenses),
            visualizer="dummy",
            strict=True,
            every=1,
            depth=self.depth,
        )
        self._thresholds = {name: threshold(m) for name, m in self.model.named_modules() if isinstance(m, NONLINEAR)}
        if self.attach:
            self.inspector.attach(self.model)

    def parameters(self) -> Arrays:
        """Copies of all parameters by name."""
        return {name: array(p) for name, p in self.model.named_parameters()}

    def sgd(self, **options: Any) -> Optimizer:
        """The usual optimizer."""
        return torch.optim.SGD(self.model.parameters(), **{"lr": 0.2, **options})

    def backward(self, optimizer: Optimizer, x: Tensor, y: Tensor) -> Arrays:
        """The usual attempt at a step, in the loop and in the book; gradients of the parameters by name."""
        optimizer.zero_grad()
        self.loss_fn(self.model(x), y).backward()
        return self.passes(x, y)

    def passes(self, x: Tensor, y: Tensor, *factors: float, training: bool = True, backward: bool = True) -> Arrays:
        """Write one forward pass, and one backward pass of each factor times the loss; the sum of their gradients."""
        p = {name: torch.tensor(values, requires_grad=True) for name, values in self.parameters().items()}
        outs = self.formula(p, x.detach().double())
        loss = (list(outs.values())[-1] - y.detach().double()).pow(2).mean()
        self._outputs(outs, training)
        self.book.loss(loss.item(), backward)
        total: Arrays = {}
        for factor in (factors or (1.0,)) if backward else ():
            total = added(total, self._gradients(outs, p, factor * loss))
        return total

    def passes_forward(self, x: Tensor) -> None:
        """Write one forward pass in training mode, of which no loss is made."""
        p = {name: torch.tensor(values) for name, values in self.parameters().items()}
        self._outputs(self.formula(p, x.double()), training=True)

    def _outputs(self, outs: Tensors, training: bool) -> None:
        for series, tensor in outs.items():
            self.book.output(
                self.rename.get(series, series), array(tensor), training, self._thresholds.get(series, EPS)
            )

    def _gradients(self, outs: Tensors, p: Tensors, loss: Tensor) -> Arrays:
        heard = {name: out for name, out in outs.items() if name not in self.quiet}
        grads = torch.autograd.grad(loss, [*heard.values(), *p.values()], allow_unused=True, retain_graph=True)
        for name, grad in reversed(list(zip(heard, grads, strict=False))):  # in the order of backward
            if grad is not None:
                self.book.output_gradient(self.rename.get(name, name), array(grad))
        pairs = zip(p, grads[len(heard) :], strict=True)
        return {name: array(g) for name, g in pairs if g is not None and self.model.get_parameter(name).requires_grad}

    def step(self, optimizer: Optimizer | None, grads: Arrays, make: Callable[[], Any] | None = None) -> None:
        """Make a step, and write its row: of the parameters of the optimizer, or of all."""
        used = None if optimizer is None else {id(p) for group in optimizer.param_groups for p in group["params"]}
        own = [name for name, p in self.model.named_parameters() if used is None or id(p) in used]
        before = self.parameters()
        (make or optimizer.step)()
        self.row(own, grads, before)

    def row(self, own: Iterable[str], grads: Arrays, before: Arrays | None) -> None:
        """Write the row of a step that was made."""
        after = self.parameters()
        keys = {id(parameter): key for key, parameter in parameters_of(places(self.model), tuple(self.kinds))}
        for name in own:
            key = keys[id(self.model.get_parameter(name))]
            if name in grads:
                self.book.gradient(*key, grads[name])
            self.book.change(*key, None if before is None else before[name], after[name])
        self.book.finish_step()

    def agree(self, *, without: Iterable[str] = (), **tolerance: Any) -> None:
        """Compare every tag."""
        tags = [tag for tag in ["Loss", *tags_of(self.kinds)] if tag not in without]
        agree(self.inspector.history, self.book, tags, **tolerance)
