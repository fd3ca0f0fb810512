"""The one owner of every hook: one per module, shared by all lenses, and two for all optimizers.

What hangs on the user's modules holds no model, is copied and pickled as something inert from the standard library,
and returns nothing. A callback that raises never reaches the training loop unless ``strict`` says so.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from .outputs import first_input, named_tensors

# Handles of owners that were forgotten without a detach. Their hooks do nothing any more, and go when the next owner
# comes: garbage is collected at any moment, also while torch iterates over its hooks.
_orphans: list[Any] = []

ForwardCallback = Callable[[str, nn.Module, Any, Any], None]
BackwardCallback = Callable[[str, nn.Module, Tensor], None]
StepCallback = Callable[["Optimizer | None"], None]


class Subscription:
    """A callback, and the lens that it belongs to; :meth:`remove` ends it."""

    __slots__ = ("_callbacks", "call", "owner")

    def __init__(self, call: Callable[..., None], owner: object, callbacks: list[Subscription]) -> None:
        self.call = call
        self.owner = owner
        self._callbacks = callbacks
        callbacks.append(self)

    def remove(self) -> None:
        """End the subscription; a second call does nothing."""
        if self in self._callbacks:
            self._callbacks.remove(self)


class Listeners:
    """The callbacks of one module: for its outputs, and for their gradients."""

    __slots__ = ("backward", "forward")

    def __init__(self) -> None:
        self.forward: list[Subscription] = []
        self.backward: list[Subscription] = []


class ModuleHook:
    """The forward hook of one module, and through it the hooks on its outputs.

    It holds no listener: a model keeps no inspector alive.
    """

    def __init__(self, hooks: Hooks, name: str) -> None:
        self._hooks = weakref.ref(hooks)
        self._name = name

    def __reduce__(self) -> tuple[Any, ...]:
        # In a copied or saved model this hook does nothing, and loading it needs no package of ours.
        return getattr, (nullcontext(), "__exit__")

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # torch ships it without types
    def __call__(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        """Tell the subscribers, and return nothing: the output stays as it is."""
        hooks = self._hooks()
        listeners = None if hooks is None or not hooks.listening else hooks.of(module)
        if hooks is None or listeners is None:
            return
        tensors = named_tensors(output, self._name)
        if listeners.backward:
            _watch_gradients(hooks, listeners, module, tensors)
        if listeners.forward and not _recomputing():
            layer_input = first_input(args, kwargs)
            for name, tensor in tensors:
                for subscription in listeners.forward:
                    hooks.run(subscription, name, module, layer_input, tensor)


def _watch_gradients(hooks: Hooks, listeners: Listeners, module: nn.Module, tensors: list[tuple[str, Tensor]]) -> None:
    for name, tensor in tensors:
        if tensor.requires_grad:
            tensor.register_hook(_OutputHook(hooks, listeners, name, module))  # type: ignore[no-untyped-call]


class _OutputHook:
    """Hook on one output tensor; it lives as long as the graph."""

    __slots__ = ("_hooks", "_listeners", "_module", "_name")

    def __init__(self, hooks: Hooks, listeners: Listeners, name: str, module: nn.Module) -> None:
        self._listeners = listeners
        self._hooks = weakref.ref(hooks)
        self._name = name
        self._module = weakref.ref(module)

    def __call__(self, grad: Tensor) -> None:
        hooks, module = self._hooks(), self._module()
        if hooks is None or module is None or not hooks.listening:
            return
        for subscription in self._listeners.backward:
            hooks.run(subscription, self._name, module, grad.detach())


class Hooks:
    """Registers hooks, runs callbacks, and takes everything back.

    Attributes
    ----------
    listening : bool
        Whether callbacks run at all; hooks return at once where not.
    owner : object
        Stamped on subscriptions made now: the lens that is being registered.
    muted : set
        Owners whose callbacks are skipped.
    on_fault : callable
        Called as ``on_fault(owner, name, error)`` when a callback raises; the default raises.
    on_owner : callable
        Called with the owner before each of its callbacks.
    accepts : callable
        Says of an optimizer whether its steps count.
    """

    def __init__(self) -> None:
        self.listening = True
        self.owner: object = None
        self.muted: set[int] = set()
        self.on_fault: Callable[[object, str, Exception], None] = _raise
        self.on_owner: Callable[[object], None] = _ignore
        self._modules: dict[int, Listeners] = {}
        self.accepts: Callable[[Optimizer], bool] = _accept_all
        self._before: list[Subscription] = []
        self._gradients: list[Subscription] = []
        self._after: list[Subscription] = []
        self._always_after: list[Subscription] = []
        self._watching_optimizers = False
        self._handles: list[Any] = []
        _take_back(_orphans)
        weakref.finalize(self, _orphans.extend, self._handles).atexit = False

    def forward(self, module: nn.Module, name: str, callback: ForwardCallback) -> Subscription:
        """Call ``callback(name, module, layer_input, tensor)`` for each output tensor of each forward pass."""
        return Subscription(callback, self.owner, self._listeners(module, name).forward)

    def output_gradient(self, module: nn.Module, name: str, callback: BackwardCallback) -> Subscription:
        """Call ``callback(name, module, gradient)`` when the gradient of an output tensor is known."""
        return Subscription(callback, self.owner, self._listeners(module, name).backward)

    def before_step(self, callback: StepCallback) -> Subscription:
        """Call ``callback(optimizer)`` before each optimizer step."""
        self._watch_optimizers()
        return Subscription(callback, self.owner, self._before)

    def gradients(self, callback: StepCallback) -> Subscription:
        """Call ``callback(optimizer)`` when gradients are as the optimizer uses them.

        That is right before its step; with a closure, which computes them within the step, right after.
        """
        self._watch_optimizers()
        return Subscription(callback, self.owner, self._gradients)

    def after_step(self, callback: StepCallback) -> Subscription:
        """Call ``callback(optimizer)`` after each optimizer step, in the order of subscription."""
        self._watch_optimizers()
        return Subscription(callback, self.owner, self._after)

    def always_after_step(self, callback: StepCallback) -> Subscription:
        """Call ``callback(optimizer)`` after each step and after all others, even while nothing listens."""
        self._watch_optimizers()
        return Subscription(callback, self.owner, self._always_after)

    def run_before_step(self, optimizer: Optimizer | None, *, closure: bool = False) -> None:
        """Tell all that a step is about to be made; None where no optimizer makes it."""
        if self.listening and (optimizer is None or self.accepts(optimizer)):
            for subscription in [*self._before, *(() if closure else self._gradients)]:
                self.run(subscription, optimizer)

    def run_after_step(self, optimizer: Optimizer | None, *, closure: bool = False) -> None:
        """Tell all that a step was made."""
        if optimizer is not None and not self.accepts(optimizer):
            return
        heard = [*(self._gradients if closure else ()), *self._after] if self.listening else []
        for subscription in [*heard, *self._always_after]:
            self.run(subscription, optimizer)

    def run(self, subscription: Subscription, *args: Any) -> None:
        """Run one callback inside the border that faults do not cross."""
        owner = subscription.owner
        if id(owner) in self.muted:
            return
        self.on_owner(owner)
        try:
            subscription.call(*args)
        except Exception as error:
            name = args[0] if args and isinstance(args[0], str) else ""
            self.on_fault(owner, name, error)

    @contextlib.contextmanager
    def owned_by(self, owner: object) -> Iterator[None]:
        """Stamp the subscriptions that are made inside with `owner`."""
        before, self.owner = self.owner, owner
        try:
            yield
        finally:
            self.owner = before

    def remove(self) -> None:
        """Take back every hook."""
        _take_back(self._handles)
        self._modules.clear()
        self._watching_optimizers = False
        self._before.clear()
        self._gradients.clear()
        self._after.clear()
        self._always_after.clear()

    def __len__(self) -> int:
        """Number of hooks that hang on modules and optimizers now."""
        return len(self._handles)

    def of(self, module: nn.Module) -> Listeners | None:
        """The callbacks of a module; None where it has none."""
        return self._modules.get(id(module))

    def _listeners(self, module: nn.Module, name: str) -> Listeners:
        if id(module) not in self._modules:
            self._modules[id(module)] = Listeners()
            self._handles.append(module.register_forward_hook(ModuleHook(self, name), with_kwargs=True))
        return self._modules[id(module)]

    def _watch_optimizers(self) -> None:
        if self._watching_optimizers:
            return
        self._watching_optimizers = True
        me = weakref.ref(self)

        def before(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            hooks = me()
            if hooks is not None:
                hooks.run_before_step(optimizer, closure=_has_closure(args, kwargs))

        def after(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
            hooks = me()
            if hooks is not None:
                hooks.run_after_step(optimizer, closure=_has_closure(args, kwargs))

        self._handles += [register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)]


def _take_back(handles: list[Any]) -> None:
    for handle in handles:
        handle.remove()
    handles.clear()


def _has_closure(args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether ``step`` was given a closure; torch hands hooks the optimizer as its first argument."""
    return (args[1] if len(args) > 1 else kwargs.get("closure")) is not None


def _recomputing() -> bool:
    """Whether this forward pass repeats one for activation checkpointing: it then runs inside backward."""
    current = getattr(torch._C, "_current_graph_task_id", None)
    return current is not None and current() != -1


def _raise(owner: object, name: str, error: Exception) -> None:
    raise error


def _accept_all(optimizer: Optimizer) -> bool:
    return True


def _ignore(owner: object) -> None:
    pass
