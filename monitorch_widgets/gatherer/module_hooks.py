"""What hangs on the user's modules, and on their output tensors.

It holds no model and no listener, is copied and pickled as something inert from the standard library, and returns
nothing: the output stays as it is.
"""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

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
    """A callback, and the lens that it belongs to; :meth:`remove` ends it.

    One that is `always` heard is called even at steps that are not listened to.
    """

    __slots__ = ("_callbacks", "always", "call", "owner")

    def __init__(self, call: Any, owner: object, callbacks: list[Subscription], always: bool = False) -> None:
        self.call = call
        self.owner = owner
        self.always = always
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

    __slots__ = ("__weakref__", "_ahead", "backward", "forward", "hook", "module", "note")

    def __init__(self, hooks: Hooks, module: nn.Module, name: str) -> None:
        self.module = weakref.ref(module)
        self.hook = ModuleHook(hooks, module, name)
        self.forward: list[Subscription] = []
        self.backward: list[Subscription] = []
        self.note = NOT_CALLED
        self._ahead: set[int] = set(module._forward_hooks) if hookable(module) else set()

    @property
    def always(self) -> bool:
        """Whether one of the callbacks is called even at steps that are not listened to."""
        return any(subscription.always for subscription in self.forward)

    def put_on(self) -> Any:
        """Put the hook on the module, at its former place; its handle, or None where that can't be done."""
        module = self.module()
        if module is None or not hookable(module):
            return None
        handle = module.register_forward_hook(self.hook, with_kwargs=True)
        for key in [key for key in module._forward_hooks if key not in self._ahead and key != handle.id]:
            module._forward_hooks.move_to_end(key)  # type: ignore[attr-defined]  # an OrderedDict
        return handle

    def take_off(self, handle: Any) -> None:
        """Take the hook off, and remember which of the others were ahead of it."""
        module = self.module()
        keys = [] if module is None else list(module._forward_hooks)
        self._ahead = set(keys[: keys.index(handle.id)] if handle.id in keys else keys)
        handle.remove()


class Inert:
    """Base of hooks on modules: copies of a model have none, and in a saved one they do nothing."""

    def __init__(self, hooks: Hooks, module: nn.Module) -> None:
        self._hooks = weakref.ref(hooks)
        self._module = weakref.ref(module)

    def belongs_to(self, hooks: Hooks) -> bool:
        """Whether it was made by this owner."""
        return self._hooks() is hooks

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
        hooks = self._hooks()
        if hooks is not None and not untouchable():
            hooks.pass_over()
            hooks.passes.forward_begins(
                training=module.training and torch.is_grad_enabled(),
                nested=hooks.passes.inside and _calls_itself(module),
            )


class ModuleHook(Inert):
    """The forward hook of one module, and through it the hooks on its outputs."""

    def __init__(self, hooks: Hooks, module: nn.Module, name: str) -> None:
        super().__init__(hooks, module)
        self._name = name
        self._key = id(module)

    @not_compiled
    def __call__(self, module: nn.Module, args: Any, *others: Any) -> None:
        """Tell the subscribers; `others` are keyword inputs and output, or the output alone."""
        kwargs, output = others if len(others) == 2 else ({}, others[0])
        hooks = self._hooks()
        listeners = None if hooks is None else hooks.by_key(self._key)
        if hooks is None or listeners is None or not (hooks.listening or listeners.always) or untouchable():
            return
        if listeners.module() is not module:
            listeners.note = listeners.note and REPLICA
        elif torch._C._functorch.peek_interpreter_stack() is not None:
            listeners.note = FUNCTORCH
        else:
            self._tell(hooks, listeners, module, first_input(args, kwargs), output)
            if hooks.is_root(module):
                hooks.passes.forward_ends()

    def _tell(self, hooks: Hooks, listeners: Listeners, module: nn.Module, layer_input: Any, output: Any) -> None:
        repeated = in_backward()
        hooks.passes.begun = hooks.passes.begun or (module.training and torch.is_grad_enabled())
        name = hooks.passes.name_of_call(self._key, self._name, repeated=repeated)
        try:
            tensors = named_tensors(output, name)
        except Exception as error:  # the user's own class, which may do anything
            listeners.note = f"its output can't be looked into: {type(error).__name__}: {error}"
            return
        known, pushes = listeners.note, hooks.passes.pushes
        if listeners.backward:
            _watch_gradients(hooks, listeners, module, tensors)
        if listeners.forward and not repeated:
            _tell_forward(hooks, listeners, module, layer_input, tensors)
        if known and not tensors:
            listeners.note = NO_NUMBERS
        elif known and not repeated:
            unread = listeners.forward and hooks.passes.pushes == pushes and not module.training
            listeners.note = DECLINED if unread else ""


def _tell_forward(
    hooks: Hooks, listeners: Listeners, module: nn.Module, layer_input: Any, tensors: list[tuple[str, Tensor]]
) -> None:
    heard = [s for s in listeners.forward if hooks.listening or s.always]
    for name, tensor in tensors:
        for subscription in heard:
            hooks.run(subscription, name, module, layer_input, tensor)


def _watch_gradients(hooks: Hooks, listeners: Listeners, module: nn.Module, tensors: list[tuple[str, Tensor]]) -> None:
    for name, tensor in tensors:
        if tensor.requires_grad:
            handle = tensor.register_hook(_OutputHook(hooks, listeners, name, module))  # type: ignore[no-untyped-call]
            if tensor.is_leaf:  # a parameter that is handed through outlives its graph
                hooks.keep_for_one_pass(handle)


class _OutputHook:
    """Hook on one output tensor; it lives as long as the graph."""

    __slots__ = ("_hooks", "_listeners", "_module", "_name")
    __torch_unserializable__ = True  # torch.save() of the output leaves it out without a warning

    def __init__(self, hooks: Hooks, listeners: Listeners, name: str, module: nn.Module) -> None:
        self._listeners = weakref.ref(listeners)
        self._hooks = weakref.ref(hooks)
        self._name = name
        self._module = weakref.ref(module)

    def __call__(self, grad: Tensor) -> None:
        hooks, listeners, module = self._hooks(), self._listeners(), self._module()
        if hooks is None or listeners is None or module is None or not hooks.listening:
            return
        hooks.passes.backward_runs()
        for subscription in listeners.backward:
            hooks.run(subscription, self._name, module, grad.detach())


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
        or torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE) is not None
    )


def _capturing() -> bool:
    """Whether kernels are being recorded into a CUDA graph, where no copy to the host may be."""
    return torch.cuda._initialized and torch.cuda.is_current_stream_capturing()


def hookable(module: nn.Module) -> bool:
    """Whether torch lets a hook be put on a module: not on one that torch.jit has compiled."""
    return not isinstance(module, torch.jit.ScriptModule)
