"""Nothing hangs on the model after a run that an error has ended, and everything again when it is called."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from .compiled import not_compiled

if TYPE_CHECKING:
    from .hooks import Hooks


class Rest:
    """Takes the hooks off a model until one of its watched modules runs, which torch tells for all modules at once."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._gate_was_closed = False

    def begin(self, hooks: Hooks) -> None:
        """Take the hooks off; compiled code never sees that they come and go, and keeps them."""
        if hooks.worn.stay or self._handle is not None:
            return
        self._gate_was_closed = hooks.gate.is_closed(hooks)
        self._handle = register_module_forward_pre_hook(_Called(hooks))
        weakref.finalize(hooks, self._handle.remove).atexit = False
        hooks.worn.take_off()
        hooks.gate.open(hooks)

    def end(self) -> bool:
        """Wait no longer; whether it did."""
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.remove()
        return handle is not None

    def over(self, hooks: Hooks) -> None:
        """The model is called again."""
        if self.end():
            hooks.worn.change(hooks.own.on)
            if self._gate_was_closed:
                hooks.gate.close(hooks)


class _Called:
    """Hook before every module's forward pass, in the whole process."""

    def __init__(self, hooks: Hooks) -> None:
        self._owner = weakref.ref(hooks)

    @not_compiled
    def __call__(self, module: nn.Module, args: Any) -> None:
        hooks = self._owner()
        if hooks is not None and (hooks.worn.is_root(module) or hooks.worn.by_key(id(module)) is not None):
            hooks.rest.over(hooks)
            if hooks.worn.is_root(module):
                hooks.gate.ask(module)
                hooks.worn.root_begins(module, args)
