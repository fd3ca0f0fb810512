"""The one owner of every hook: one per module, shared by all lenses, and two for all optimizers.

A callback that raises never reaches the training loop unless ``strict`` says so.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from monitorch_widgets.preprocessor import StepBuffer

from .compiled import compiled_frames, forget_compiled_code
from .module_hooks import ForwardBegins, Inert, Listeners, Subscription, hookable
from .optimizer_hooks import StepReady, follow_optimizers, leave_optimizers
from .passes import Passes, in_backward

# Handles of owners that were forgotten without a detach, or detached within a step. Their hooks do nothing any more,
# and go when the next owner comes: torch may be iterating over its hooks at this moment.
_orphans: list[Any] = []

_HANDLES = 256  # kept at most, where neither a forward pass of the model nor a step ends a pass
_ROOT = -1  # key of the hook on the whole model, before it runs

ForwardCallback = Callable[[str, nn.Module, Any, Any], None]
BackwardCallback = Callable[[str, nn.Module, Tensor], None]
StepCallback = Callable[["Optimizer | None"], None]


class Hooks:
    """Registers hooks, runs callbacks, and takes everything back.

    Parameters
    ----------
    passes : Passes, optional
        Follows the passes of the model.

    Attributes
    ----------
    owner : object
        Stamped on subscriptions made now: the lens that is being registered.
    muted : set
        Owners whose callbacks are skipped.
    stay : bool
        Keep the hooks on the modules even while nothing listens: compiled code calls what was there when it was made.
    on_fault : callable
        Called as ``on_fault(owner, name, error)`` when a callback raises; the default raises.
    on_owner : callable
        Called with the owner before each of its callbacks.
    accepts : callable
        Says of an optimizer whether its steps count.
    closure : bool
        Whether the step that runs now computes gradients itself.
    """

    def __init__(self, passes: Passes | None = None) -> None:
        self.passes = Passes(StepBuffer()) if passes is None else passes
        self.owner: object = None
        self.muted: set[int] = set()
        self.stay = False
        self.on_fault: Callable[[object, str, Exception], None] = _raise
        self.on_owner: Callable[[object], None] = _ignore
        self.accepts: Callable[[Optimizer], bool] = _accept_all
        self.closure = False
        self._listening = True
        self._modules: dict[int, Listeners] = {}
        self._before: list[Subscription] = []
        self._gradients: list[Subscription] = []
        self._after: list[Subscription] = []
        self._always_after: list[Subscription] = []
        self._root: weakref.ref[nn.Module] | None = None
        self._last: list[Any] = []
        self._for_one_pass: list[Any] = []
        self._names: dict[int, str] = {}
        self._frames = 0
        self._handles: dict[int, Any] = {}
        self._follows = False
        _take_back(_orphans)
        leave_optimizers()
        weakref.finalize(self, _forget, self._handles, self._last).atexit = False

    # ------------------------------------------------------------------ subscriptions

    def forward(self, module: nn.Module, name: str, callback: ForwardCallback, *, always: bool = False) -> Subscription:
        """Call ``callback(name, module, layer_input, tensor)`` for each output tensor of each forward pass.

        With `always`, at steps that are not listened to as well.
        """
        listeners = self._of(module, name)
        subscription = Subscription(callback, self.owner, listeners.forward, always)
        self._switch(id(module), self._wanted(listeners, self._listening))
        return subscription

    def output_gradient(self, module: nn.Module, name: str, callback: BackwardCallback) -> Subscription:
        """Call ``callback(name, module, gradient)`` when the gradient of an output tensor is known."""
        listeners = self._of(module, name)
        subscription = Subscription(callback, self.owner, listeners.backward)
        self._switch(id(module), self._wanted(listeners, self._listening))
        return subscription

    def before_step(self, callback: StepCallback) -> Subscription:
        """Call ``callback(optimizer)`` before each optimizer step."""
        return self._step(callback, self._before)

    def gradients(self, callback: StepCallback) -> Subscription:
        """Call ``callback(optimizer)`` when gradients are as the optimizer uses them.

        That is right before its step; with a closure, which computes them within the step, right after.
        """
        return self._step(callback, self._gradients)

    def after_step(self, callback: StepCallback) -> Subscription:
        """Call ``callback(optimizer)`` after each optimizer step, in the order of subscription."""
        return self._step(callback, self._after)

    def always_after_step(self, callback: StepCallback) -> Subscription:
        """Call ``callback(optimizer)`` after each step and after all others, even while nothing listens."""
        return self._step(callback, self._always_after)

    def watch_root(self, model: nn.Module) -> None:
        """Follow the forward and backward passes of the whole model."""
        self._root = weakref.ref(model)
        self._frames = compiled_frames()
        self.passes.watch(model)
        for name, module in [("", model), *model.named_children()]:  # the children, where the model is never called
            if hookable(module):
                self.output_gradient(module, name, _ignore_gradient)
        self._switch_root(self._listening)

    def keep_for_one_pass(self, handle: Any) -> None:
        """Take this handle back when the next forward pass begins, or the step ends."""
        if len(self._for_one_pass) == _HANDLES:
            self._for_one_pass.pop(0).remove()
        self._for_one_pass.append(handle)

    def pass_over(self) -> None:
        """Take back what was put on tensors that outlive their graph."""
        if self._for_one_pass and not in_backward():
            _take_back(self._for_one_pass)

    def name(self, names: Iterable[tuple[nn.Module, str]]) -> None:
        """Give modules their names; another name that a subscription brings is for modules that have none."""
        self._names = {id(module): name for module, name in names}

    def _step(self, callback: StepCallback, callbacks: list[Subscription]) -> Subscription:
        if not self._follows:
            self._follows = True
            follow_optimizers(self)
        return Subscription(callback, self.owner, callbacks)

    def _of(self, module: nn.Module, name: str) -> Listeners:
        listeners = self._modules.get(id(module))
        if listeners is None or listeners.module() is not module:
            known = self._names.get(id(module), name)
            listeners = self._modules[id(module)] = Listeners(self, module, known)
        return listeners

    @contextlib.contextmanager
    def owned_by(self, owner: object) -> Iterator[None]:
        """Stamp the subscriptions that are made inside with `owner`."""
        before, self.owner = self.owner, owner
        try:
            yield
        finally:
            self.owner = before

    # ------------------------------------------------------------------ callbacks

    def run_before_step(self, optimizer: Optimizer | None, *, closure: bool = False) -> None:
        """Tell all that a step is about to be made; None where no optimizer makes it."""
        if self._listening and (optimizer is None or self.accepts(optimizer)):
            self.closure = closure
            self.passes.step_begins(closure)
            self._run_all([*self._before, *(() if closure else self._gradients)], optimizer)

    def run_last(self, optimizer: Optimizer, hook: StepReady) -> None:
        """Let a hook of ours run after those that `optimizer` has itself, in the step that begins."""
        _take_back(self._last)
        self._last.append(optimizer.register_step_pre_hook(hook))

    def run_after_step(self, optimizer: Optimizer | None, *, closure: bool = False) -> None:
        """Tell all that a step was made."""
        _take_back(self._last)
        self.pass_over()
        if optimizer is None or self.accepts(optimizer):
            heard = [*(self._gradients if closure else ()), *self._after] if self._listening else []
            self._run_all(heard, optimizer)
            self._end_step(optimizer)

    def _end_step(self, optimizer: Optimizer | None) -> None:
        """End the step; those that are made within a backward pass, parameter by parameter, are one and end with it."""
        if in_backward():
            self.passes.when_backward_ends(self._end_backward)
        else:
            self._run_all(self._always_after, optimizer)

    def _end_backward(self) -> None:
        self._run_all(self._always_after, None)

    def _run_all(self, subscriptions: list[Subscription], optimizer: Optimizer | None) -> None:
        for subscription in subscriptions:
            self.run(subscription, optimizer)

    def run(self, subscription: Subscription, *args: Any) -> None:
        """Run one callback inside the border that faults do not cross."""
        owner = subscription.owner
        if id(owner) in self.muted:
            return
        self.on_owner(owner)
        enabled = torch.is_grad_enabled()
        try:
            subscription.call(*args)
        except Exception as error:
            name = args[0] if args and isinstance(args[0], str) else ""
            self.on_fault(owner, name, error)
        except BaseException:
            torch.set_grad_enabled(enabled)  # an interrupt may come right where a no_grad block ends
            raise

    # ------------------------------------------------------------------ on and off

    @property
    def listening(self) -> bool:
        """Whether callbacks run at all. While they do not, no hook hangs on the modules."""
        return self._listening

    @listening.setter
    def listening(self, on: bool) -> None:
        if on != self._listening:
            self._mind_compiled_code(on)
            for key, listeners in self._modules.items():
                self._switch(key, self._wanted(listeners, on))
            self._switch_root(on or self.stay)
            self._listening = on

    def _wanted(self, listeners: Listeners, listening: bool) -> bool:
        return listening or self.stay or listeners.always

    def _mind_compiled_code(self, on: bool) -> None:
        """Let hooks stay once something was compiled, for compiled code never sees that they come and go."""
        if self.stay or compiled_frames() == self._frames:
            return
        if on:
            forget_compiled_code()  # what was compiled while they were off is without them for ever
        self.stay = True

    def _switch(self, key: int, on: bool) -> None:
        """Put a module's hook on, or take it off."""
        if not on:
            handle = self._handles.pop(key, None)
            if handle is not None:
                self._modules[key].take_off(handle)
        elif key not in self._handles:
            handle = self._modules[key].put_on()
            if handle is not None:
                self._handles[key] = handle

    def _switch_root(self, on: bool) -> None:
        model = self._root_module()
        if not on and _ROOT in self._handles:
            self._handles.pop(_ROOT).remove()
        elif on and model is not None and _ROOT not in self._handles:
            self._handles[_ROOT] = model.register_forward_pre_hook(ForwardBegins(self, model))

    def _root_module(self) -> nn.Module | None:
        return None if self._root is None else self._root()

    def remove(self) -> None:
        """Take back every hook."""
        self._sweep()
        _take_back(self._last)
        _take_back(self._for_one_pass)
        self._handles.clear()
        self._modules.clear()
        leave_optimizers(self)
        self._follows = False
        self._root = None
        for callbacks in (self._before, self._gradients, self._after, self._always_after):
            callbacks.clear()

    def _sweep(self) -> None:
        """Take the hooks off all modules, those too whose registration an interrupt cut short."""
        modules = [self._root_module(), *(kept.module() for kept in self._modules.values())]
        for module in [known for known in modules if known is not None]:  # an empty nn.Sequential is false
            for hooks in (module._forward_hooks, module._forward_pre_hooks):
                for key in [k for k, hook in hooks.items() if isinstance(hook, Inert) and hook.belongs_to(self)]:
                    del hooks[key]
                    module._forward_hooks_with_kwargs.pop(key, None)

    def __len__(self) -> int:
        """Number of hooks that hang on modules and optimizers now."""
        return len(self._handles) + 2 * self._follows

    def is_root(self, module: nn.Module) -> bool:
        """Whether this is the watched model itself."""
        return self._root is not None and self._root() is module

    def by_key(self, key: int) -> Listeners | None:
        """The callbacks of the module with this ``id``; None where it has none."""
        return self._modules.get(key)


def _take_back(handles: list[Any]) -> None:
    for handle in handles:
        handle.remove()
    handles.clear()


def _forget(of_modules: dict[int, Any], *others: list[Any]) -> None:
    _orphans.extend(of_modules.values())
    for handles in others:
        _orphans.extend(handles)


def _raise(owner: object, name: str, error: Exception) -> None:
    raise error


def _accept_all(optimizer: Optimizer) -> bool:
    return True


def _ignore(owner: object) -> None:
    pass


def _ignore_gradient(name: str, module: nn.Module, grad: Tensor) -> None:
    pass
