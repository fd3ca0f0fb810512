"""What hangs on the user's modules, and on their output tensors.

It holds no model and no listener, is copied and pickled as something inert from the standard library, and returns
nothing: the output stays as it is.
"""

from __future__ import annotations

import weakref
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .outputs import first_input, named_tensors
from .passes import in_backward

if TYPE_CHECKING:
    from .hooks import Hooks

NOT_CALLED = "no forward pass has called it yet"
NO_NUMBERS = "returns no tensor of floating-point or complex numbers"
REPLICA = "runs in copies that nn.DataParallel makes; DistributedDataParallel is watched"
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

    __slots__ = ("__weakref__", "backward", "forward", "hook", "module", "note")

    def __init__(self, hooks: Hooks, module: nn.Module, name: str) -> None:
        self.module = weakref.ref(module)
        self.hook = ModuleHook(hooks, name, id(module))
        self.forward: list[Subscription] = []
        self.backward: list[Subscription] = []
        self.note = NOT_CALLED

    @property
    def always(self) -> bool:
        """Whether one of the callbacks is called even at steps that are not listened to."""
        return any(subscription.always for subscription in self.forward)

    def put_on(self) -> Any:
        """Put the hook on the module; its handle, or None where that can't be done."""
        module = self.module()
        if module is None or not hookable(module):
            return None
        return module.register_forward_hook(self.hook, with_kwargs=True)


class Inert:
    """Base of hooks on modules: in a copied or saved model they do nothing, and need no package of ours."""

    def __init__(self, hooks: Hooks) -> None:
        self._hooks = weakref.ref(hooks)

    def belongs_to(self, hooks: Hooks) -> bool:
        """Whether it was made by this owner."""
        return self._hooks() is hooks

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (nullcontext(), "__exit__")


class ForwardBegins(Inert):
    """Hook on the watched model, before it runs."""

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # torch ships it without types
    def __call__(self, module: nn.Module, args: Any) -> None:
        """Tell that a forward pass begins."""
        hooks = self._hooks()
        if hooks is not None and not _untouchable():
            hooks.passes.forward_begins()


class ModuleHook(Inert):
    """The forward hook of one module, and through it the hooks on its outputs."""

    def __init__(self, hooks: Hooks, name: str, key: int) -> None:
        super().__init__(hooks)
        self._name = name
        self._key = key

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # torch ships it without types
    def __call__(self, module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
        """Tell the subscribers."""
        hooks = self._hooks()
        listeners = None if hooks is None else hooks.by_key(self._key)
        if hooks is None or listeners is None or not (hooks.listening or listeners.always) or _untouchable():
            return
        if listeners.module() is not module:
            listeners.note = REPLICA
        elif torch._C._functorch.peek_interpreter_stack() is not None:
            listeners.note = FUNCTORCH
        else:
            self._tell(hooks, listeners, module, first_input(args, kwargs), output)
            if hooks.is_root(module):
                hooks.passes.forward_ends()

    def _tell(self, hooks: Hooks, listeners: Listeners, module: nn.Module, layer_input: Any, output: Any) -> None:
        repeated = in_backward()
        name = hooks.passes.name_of_call(self._key, self._name, repeated=repeated)
        try:
            tensors = named_tensors(output, name)
        except Exception as error:  # the user's own class, which may do anything
            listeners.note = f"its output can't be looked into: {type(error).__name__}: {error}"
            return
        listeners.note = "" if tensors else listeners.note and NO_NUMBERS
        if listeners.backward:
            _watch_gradients(hooks, listeners, module, tensors)
        if listeners.forward and not repeated:
            _tell_forward(hooks, listeners, module, layer_input, tensors)


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
            tensor.register_hook(_OutputHook(hooks, listeners, name, module))  # type: ignore[no-untyped-call]


class _OutputHook:
    """Hook on one output tensor; it lives as long as the graph."""

    __slots__ = ("_hooks", "_listeners", "_module", "_name")

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


def _untouchable() -> bool:
    """Whether tensors are no numbers now: a program is being recorded, by torch.export or torch.jit.trace."""
    return torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None


def hookable(module: nn.Module) -> bool:
    """Whether torch lets a hook be put on a module: not on one that torch.jit has compiled."""
    return not isinstance(module, torch.jit.ScriptModule)
