"""What hangs on the user's modules, and on their output tensors.

It holds no model and no listener, is copied and pickled as something inert from the standard library, and returns
nothing: the output stays as it is.
"""

from __future__ import annotations

import sys
import weakref
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from monitorch_widgets.preprocessor import Ear

from .compiled import not_compiled
from .copies import CopiedHooks, inert
from .outputs import first_input, named_tensors
from .passes import in_backward
from .stack import upwards

if TYPE_CHECKING:
    from .hooks import Hooks

_CALL = nn.Module._call_impl.__code__

NOT_CALLED = "no forward pass has called it yet"
DECLINED = "has run, but in evaluation only: record_eval=True or evaluation_from_grad=True reads it"
NO_NUMBERS = "returns no tensor of floating-point or complex numbers"
REPLICA = "runs in copies that share its hooks, as nn.DataParallel makes them; DistributedDataParallel is watched"
FUNCTORCH = "runs inside a transformation of torch.func, whose tensors exist only there"


class Subscription:
    """A callback, and the ear that hears it; :meth:`remove` ends it."""

    __slots__ = ("_callbacks", "call", "ear")

    def __init__(self, call: Any, ear: Ear, callbacks: list[Subscription]) -> None:
        self.call = call
        self.ear = ear
        self._callbacks = callbacks
        callbacks.append(self)

    def remove(self) -> None:
        """End the subscription; a second call does nothing."""
        if self in self._callbacks:
            self._callbacks.remove(self)


class Listeners:
    """The callbacks of one module: for its outputs, and for their gradients.

    Attributes
    ----------
    note : str
        Why nothing was read of the module so far; empty once something was.
    """

    __slots__ = ("__weakref__", "_ahead", "_handle", "backward", "forward", "hook", "me", "module", "note")

    def __init__(self, hooks: Hooks, module: nn.Module, name: str) -> None:
        self.module = weakref.ref(module)
        self.me = weakref.ref(self)
        self.hook = ModuleHook(hooks, module, name)
        self.forward: list[Subscription] = []
        self.backward: list[Subscription] = []
        self.note = NOT_CALLED
        self._handle: Any = None
        self._ahead: set[int] = set(module._forward_hooks) if hookable(module) else set()

    def put_on(self) -> Any:
        """Put the hook on the module, at its former place; torch's handle the first time, otherwise None."""
        module = self.module()
        if module is None or not hookable(module):
            return None
        known, handle = self._handle is not None, self._handle
        if known:
            module._forward_hooks_with_kwargs[handle.id] = True
            module._forward_hooks[handle.id] = self.hook
        else:
            handle = self._handle = module.register_forward_hook(self.hook, with_kwargs=True)
        if len(module._forward_hooks) > 1:
            self._keep_place(module, handle.id)
        return None if known else handle

    def _keep_place(self, module: nn.Module, own: int) -> None:
        for key in [key for key in module._forward_hooks if key not in self._ahead and key != own]:
            module._forward_hooks.move_to_end(key)  # type: ignore[attr-defined]  # an OrderedDict

    def take_off(self) -> None:
        """Take the hook off, and remember which of the others were ahead of it."""
        module, handle = self.module(), self._handle
        if module is None or handle is None:
            return
        if len(module._forward_hooks) > 1:
            keys = list(module._forward_hooks)
            self._ahead = set(keys[: keys.index(handle.id)] if handle.id in keys else keys)
        else:
            self._ahead = set()
        module._forward_hooks.pop(handle.id, None)
        module._forward_hooks_with_kwargs.pop(handle.id, None)


class Inert:
    """Base of hooks on modules: copies of a model have none, and in a saved one they do nothing."""

    def __init__(self, hooks: Hooks, module: nn.Module) -> None:
        self.owner = weakref.ref(hooks)
        self._module = weakref.ref(module)

    def belongs_to(self, hooks: Hooks) -> bool:
        """Whether it was made by this owner."""
        return self.owner() is hooks

    def __reduce__(self) -> tuple[Any, ...]:
        reduced: tuple[Any, ...] = inert().__reduce__()
        return reduced

    def __deepcopy__(self, memo: dict[Any, Any]) -> Any:
        copies = CopiedHooks.of(memo)
        copies.note(memo.get(id(self._module())))
        return copies.hook


class ForwardBegins(Inert):
    """Hook on the watched model, before it runs."""

    @not_compiled
    def __call__(self, module: nn.Module, args: Any) -> None:
        """Tell that a forward pass begins."""
        hooks = self.owner()
        if hooks is None or hooks.gate.holds or not (hooks.own.on or hooks.worn.root_stays) or untouchable():
            return
        began, training = perf_counter(), module.training and torch.is_grad_enabled()
        either = module.training or torch.is_grad_enabled()  # which some lenses take for training
        hooks.forward_begins(training=training, evaluation=not (hooks.own.on and either))
        if not hooks.own.on:
            return
        hooks.pass_over()
        hooks.passes.forward_begins(
            training=training,
            nested=hooks.passes.inside and _calls_itself(module),
        )
        hooks.spent_s += perf_counter() - began


class ModuleHook(Inert):
    """The forward hook of one module, and through it the hooks on its outputs."""

    def __init__(self, hooks: Hooks, module: nn.Module, name: str) -> None:
        super().__init__(hooks, module)
        self._name = name
        self._key = id(module)

    @not_compiled
    def __call__(self, module: nn.Module, args: Any, *others: Any) -> None:
        """Tell the subscribers; `others` are keyword inputs and output, or the output alone."""
        hooks = self.owner()
        if hooks is None or not hooks.listening or hooks.gate.holds:
            return
        if not hooks.own.on and type(others[-1]) is Tensor:
            self._tell_losses(hooks, module, others[-1])
            return
        began, listeners = perf_counter(), hooks.worn.by_key(self._key)
        if listeners is None or untouchable():
            return
        if listeners.module() is not module:
            listeners.note = listeners.note and REPLICA
        elif torch._C._functorch.peek_interpreter_stack() is not None:
            listeners.note = FUNCTORCH
        else:
            kwargs, output = others if len(others) == 2 else ({}, others[0])
            self._tell(hooks, listeners, module, first_input(args, kwargs), output)
            if hooks.worn.is_root(module):
                hooks.passes.forward_ends()
                hooks.on_returned()
        hooks.spent_s += perf_counter() - began

    def _tell_losses(self, hooks: Hooks, module: nn.Module, loss: Tensor) -> None:
        """Tell of a loss at a step that nothing else of the model is read at: as few lines as can be."""
        began, listeners = perf_counter(), hooks.worn.by_key(self._key)
        if listeners is None or untouchable() or listeners.module() is not module or in_backward():
            return
        if torch._C._functorch.peek_interpreter_stack() is None:
            for subscription in listeners.forward:
                if subscription.ear.on:
                    hooks.run(subscription, self._name, module, None, loss)
        hooks.spent_s += perf_counter() - began

    def _tell(self, hooks: Hooks, listeners: Listeners, module: nn.Module, layer_input: Any, output: Any) -> None:
        passes, repeated = hooks.passes, in_backward()
        passes.begun = passes.begun or (module.training and torch.is_grad_enabled())
        name = passes.name_of_call(self._key, self._name, repeated=repeated)
        tensors = _looked_into(listeners, output, name)
        if tensors is None:
            return
        before = passes.pushes
        if listeners.backward:
            _watch_gradients(hooks, listeners, module, tensors)
        if listeners.forward and not repeated:
            _tell_forward(hooks, listeners, module, layer_input, tensors)
        if listeners.note:
            _take_note(listeners, module, read=bool(tensors), repeated=repeated, pushed=passes.pushes != before)


def _looked_into(listeners: Listeners, output: Any, name: str) -> list[tuple[str, Tensor]] | None:
    try:
        return named_tensors(output, name)
    except Exception as error:  # the user's own class, which may do anything
        listeners.note = f"its output can't be looked into: {type(error).__name__}: {error}"
        return None


def _take_note(listeners: Listeners, module: nn.Module, *, read: bool, repeated: bool, pushed: bool) -> None:
    """Note that something was read of a module, or why not."""
    if not read:
        listeners.note = NO_NUMBERS
    elif not repeated:
        listeners.note = DECLINED if listeners.forward and not pushed and not module.training else ""


def _tell_forward(
    hooks: Hooks, listeners: Listeners, module: nn.Module, layer_input: Any, tensors: list[tuple[str, Tensor]]
) -> None:
    heard = [subscription for subscription in listeners.forward if subscription.ear.on]
    for name, tensor in tensors:
        for subscription in heard:
            hooks.run(subscription, name, module, layer_input, tensor)


def _watch_gradients(hooks: Hooks, listeners: Listeners, module: nn.Module, tensors: list[tuple[str, Tensor]]) -> None:
    if not any(subscription.ear.on for subscription in listeners.backward):
        return
    for name, tensor in tensors:
        if tensor.requires_grad:
            handle = tensor.register_hook(_OutputHook(listeners, name))  # type: ignore[no-untyped-call]
            if tensor.is_leaf:  # a parameter that is handed through outlives its graph
                hooks.keep_for_one_pass(handle)


class _OutputHook:
    """Hook on one output tensor; it lives as long as the graph."""

    __slots__ = ("_listeners", "_name")
    __torch_unserializable__ = True  # torch.save() of the output leaves it out without a warning

    def __init__(self, listeners: Listeners, name: str) -> None:
        self._listeners = listeners.me
        self._name = name

    def __call__(self, grad: Tensor) -> None:
        began, listeners = perf_counter(), self._listeners()
        if listeners is None:
            return
        hooks, module = listeners.hook.owner(), listeners.module()
        if hooks is None or module is None or not hooks.listening or torch._C._functorch.is_legacy_batchedtensor(grad):
            return
        grad = grad.detach()
        hooks.passes.backward_runs()
        for subscription in listeners.backward:
            if subscription.ear.on:
                hooks.run(subscription, self._name, module, grad)
        hooks.spent_s += perf_counter() - began


def _calls_itself(module: nn.Module) -> bool:
    """Whether a module that is called now is running already."""
    calls = (frame for frame in upwards(sys._getframe(1)) if frame.f_code is _CALL)
    return sum(frame.f_locals.get("self") is module for frame in calls) > 1


def untouchable() -> bool:
    """Whether tensors are no numbers now: a program is being recorded, or run without any."""
    return (
        torch.compiler.is_compiling()
        or torch._C._get_tracing_state() is not None
        or _capturing()
        or (torch._C._len_torch_dispatch_stack() > 0 and _fake())
    )


def _fake() -> bool:
    return torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None


def _capturing() -> bool:
    """Whether kernels are being recorded into a CUDA graph, where no copy to the host may be."""
    return torch.cuda._initialized and torch.cuda.is_current_stream_capturing()


def hookable(module: nn.Module) -> bool:
    """Whether torch lets a hook be put on a module: not on one that torch.jit has compiled."""
    return not isinstance(module, torch.jit.ScriptModule)
