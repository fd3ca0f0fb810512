"""A number of one's own: a function of a module's output, or of a parameter and its gradient."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError
from monitorch_widgets.gatherer import AbstractGatherer, FeedForwardGatherer, InspectorState
from monitorch_widgets.gatherer.parameters_seen import ParametersGatherer
from monitorch_widgets.preprocessor import AbstractForwardPreprocessor, DeferredPreprocessor
from monitorch_widgets.values import About, ChartSpec

from .abstract_lens import Emit, Stride, checked_lens_stride
from .parameter_lens import own_parameters
from .reading_lens import Aggregation, Chart, GeometryLens

Watched = Callable[..., Any]
"""``function(module, input, output)`` or ``function(parameter, gradient)``: one number, as tensor or plain."""

_ABOUT = About(
    "A number of your own, for each module or parameter.",
    "You know best.",
    "Click another line to compare modules; inspector.remove(tag) takes the panel away.",
)


class Expression(GeometryLens):
    """One number per module or parameter, by a function of one's own.

    The function runs under ``torch.no_grad`` on what is there, not on copies: it must change nothing. A tensor stays
    on its device until the step's one copy, so leave ``.item()`` out. One that raises is muted like any lens.

    Parameters
    ----------
    function : callable
        ``function(module, input, output)`` is called at each forward pass in training, `input` being the first
        argument (or None); ``function(parameter, gradient)`` at each optimizer step, with the gradient as the optimizer
        uses it. Returns one number: a tensor of one element, or what ``float`` takes. NaN and infinity leave a gap.
    name : str, optional
        Title and tag of the panel; by default the function's name.
    log_scale : bool
        Start with a logarithmic axis.
    include : type or iterable of type
        Watch only modules of these classes; by default every leaf module.
    every : int or "auto", optional
        Listen to every n-th step, or as the budget allows; by default as the inspector does.

    Raises
    ------
    ArgumentTypeError
        If `function` can't be called with three arguments or with two.

    Examples
    --------
    >>> Expression(lambda module, input, output: output.abs().max(), "Largest output").tag
    'Largest output'
    """

    def __init__(
        self,
        function: Watched,
        name: str | None = None,
        log_scale: bool = False,
        include: type[nn.Module] | Iterable[type[nn.Module]] = (),
        every: Stride = None,
    ) -> None:
        super().__init__(Aggregation.of("mean", "min-max"), log_scale)
        of_output = _takes(function) == 3
        self.tag = checked_name(name or getattr(function, "__name__", type(function).__name__))
        self.every = checked_lens_stride(every)
        self._include = (include,) if isinstance(include, type) else tuple(include)
        self._numbers = _OfOutput(function) if of_output else _OfGradient(function)
        self._walk: _GradientsGatherer | None = None
        spec = ChartSpec(
            self.tag,
            self.tag,
            log=log_scale,
            moment="forward" if of_output else "gradient",
            stage="each forward pass" if of_output else "as the optimizer uses the gradient",
            about=_ABOUT,
            empty="No step yet." if of_output else "No optimizer step yet.",
            **self._aggregation.shown,
        )
        self.charts = [Chart(spec, self._numbers)]

    @property
    def called(self) -> str:
        """What it goes by in tables: there may be several."""
        return self.tag

    def prepare(self, inspector_state: InspectorState, emit: Emit) -> None:
        """Get ready to watch a model."""
        super().prepare(inspector_state, emit)
        if isinstance(self._numbers, _OfGradient):
            self._walk = _GradientsGatherer(self._numbers, inspector_state)
            self._gatherers = [self._walk]

    def register_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Watch the module's output, or its parameters."""
        if self._include and not isinstance(module, self._include):
            return
        if isinstance(self._numbers, _OfOutput):
            gatherer: AbstractGatherer = FeedForwardGatherer(module, [self._numbers], module_name, inspector_state)
            self._gatherers.append(gatherer)
            self._note_series(self._numbers, module_name)
        else:
            self._watch_parameters(module, module_name)

    def register_non_leaf_module(self, module: nn.Module, module_name: str, inspector_state: InspectorState) -> None:
        """Watch parameters that the module has itself."""
        if isinstance(self._numbers, _OfGradient) and (not self._include or isinstance(module, self._include)):
            self._watch_parameters(module, module_name)

    def _watch_parameters(self, module: nn.Module, module_name: str) -> None:
        for own in own_parameters(module, module_name):
            if self._walk is not None and own.parameter.requires_grad:
                self._walk.watch(own.path, own.holder, own.name)
                self._note_series(self._numbers, own.path)

    def release(self) -> None:
        """Stop watching; figures of the epoch stay."""
        super().release()
        self._walk = None


class _OfOutput(DeferredPreprocessor, AbstractForwardPreprocessor):
    """Calls a function of module, input and output."""

    def __init__(self, function: Watched) -> None:
        super().__init__(1, inplace=True)
        self._function = function

    def process_fw(self, name: str, module: nn.Module, layer_input: Any, layer_output: Any) -> None:
        """Take the number of one output."""
        if module.training:
            with torch.no_grad():
                number = self._function(module, _detached(layer_input), layer_output.detach())
            self._push([name], _one(number, layer_output.device))


class _OfGradient(DeferredPreprocessor):
    """Calls a function of a parameter and its gradient."""

    def __init__(self, function: Watched) -> None:
        super().__init__(1, inplace=True)
        self._function = function

    def process(self, names: list[str], parameters: list[Tensor]) -> None:
        """Take the numbers of all parameters that have a gradient."""
        for name, parameter in zip(names, parameters, strict=True):
            if parameter.grad is not None:
                with torch.no_grad():
                    number = self._function(parameter.detach(), parameter.grad.detach())
                self._push([name], _one(number, parameter.device))


class _GradientsGatherer(ParametersGatherer):
    """Sees parameters with their gradients, right before the optimizer steps."""

    def __init__(self, numbers: _OfGradient, inspector_state: InspectorState) -> None:
        numbers.buffer = inspector_state.buffer
        super().__init__([], inspector_state)
        self._numbers = numbers
        self.subscriptions = [inspector_state.hooks.gradients(self)]

    @AbstractGatherer.requires_active_inspector_state
    def __call__(self, optimizer: Optimizer | None = None) -> None:
        """Hand on the parameters that `optimizer` steps."""
        names, _, parameters = self._places.now(optimizer)
        self._numbers.process(names, parameters)


def _one(number: Any, device: torch.device) -> Tensor:
    """A tensor (1,) of what a function returned; it may be a view of what the loop goes on with."""
    if not isinstance(number, Tensor):
        return torch.full((1,), float(number), device=device)
    if number.numel() != 1:
        raise ArgumentError(
            f"expected one number; the function returned a tensor of shape {tuple(number.shape)}. "
            "Reduce it, e.g. with .mean() or .abs().max()."
        )
    return number.detach().reshape(1).to(torch.float32, copy=True)


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def function_of(text: str) -> Watched:
    """A function out of an expression in `module`, `input` and `output`, or in `parameter` and `gradient`.

    Raises
    ------
    ArgumentError
        If the text is no single expression.

    Examples
    --------
    >>> function_of("gradient.abs().max()")(None, torch.tensor([1.0, -2.0]))
    tensor(2.)
    """
    text = text.strip()
    try:
        used = {node.id for node in ast.walk(ast.parse(text, mode="eval")) if isinstance(node, ast.Name)}
        names = _OF_GRADIENT if used & {*_OF_GRADIENT} and not used & {*_OF_OUTPUT} else _OF_OUTPUT
        function: Watched = eval(f"lambda {', '.join(names)}: (\n{text}\n)", {"torch": torch})
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        words = getattr(error, "msg", None) or str(error) or type(error).__name__
        raise ArgumentError(
            f"expected an expression in {', '.join(_OF_OUTPUT)} or in {', '.join(_OF_GRADIENT)}; "
            f"received {text[:200]!r}: {words}"
        ) from None
    return function


_OF_OUTPUT = ("module", "input", "output")
_OF_GRADIENT = ("parameter", "gradient")


def _takes(function: object) -> int:
    """How many arguments a function takes, 3 or 2."""
    if not callable(function):
        raise ArgumentTypeError(f"expected a function to watch; received {function!r}. {_HOW}")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a builtin that does not tell
        return 3
    for count in (3, 2):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return count
    raise ArgumentTypeError(f"expected a function of three arguments or of two; received one with {signature}. {_HOW}")


_HOW = "Write (module, input, output) -> number, or (parameter, gradient) -> number."


def checked_name(name: object) -> str:
    """Return `name` if a panel can go by it."""
    if isinstance(name, str) and name.strip():
        return name
    raise ArgumentTypeError(f"expected name to be the title of the panel; received {name!r}")
