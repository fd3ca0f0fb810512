"""Which hooks hang on the modules of a model now: those that an ear which listens needs, and no other.

Putting one on again costs less than a microsecond, since it goes back under the number that torch once gave it.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from torch import nn

from monitorch_widgets.preprocessor import Ear

from .compiled import compiled_frames, forget_compiled_code
from .module_hooks import ForwardBegins, Inert, Listeners
from .part_hooks import PartHooks

if TYPE_CHECKING:
    from .hooks import Hooks

_NOTHING: frozenset[int] = frozenset()


class Worn:
    """The hooks of one owner on the modules of one model.

    Attributes
    ----------
    names : dict of int to str
        Names of modules by ``id``.
    stay : bool
        Keep all hooks on even while nothing listens: compiled code calls what was there when it was made.
    root_stays : bool
        Keep the hook before the whole model on: evaluations are found by it between steps that nobody follows.
    handles : list
        Handles of torch, with which everything can be taken off when the owner is gone.
    """

    def __init__(self) -> None:
        self.names: dict[int, str] = {}
        self.stay = False
        self.root_stays = False
        self.handles: list[Any] = []
        self._modules: dict[int, Listeners] = {}
        self._keys: dict[int, tuple[Ear, set[int]]] = {}
        self._now: frozenset[int] = _NOTHING
        self._sets: dict[tuple[bool, ...], frozenset[int]] = {}
        self._root: weakref.ref[nn.Module] | None = None
        self._begins: ForwardBegins | None = None
        self._handle: Any = None
        self._parts = PartHooks()
        self._frames = 0

    def begin(self, stay: bool) -> None:
        """Begin with a model, which is compiled if hooks have to `stay`."""
        self.stay = stay
        self._frames = compiled_frames()

    def listeners(self, hooks: Hooks, module: nn.Module, name: str) -> Listeners:
        """The callbacks of a module, made where there are none yet."""
        known = self._modules.get(id(module))
        if known is None or known.module() is not module:
            known = self._modules[id(module)] = Listeners(hooks, module, self.names.get(id(module), name))
        return known

    def need(self, ear: Ear, key: int) -> None:
        """Note that an ear needs the hook of the module with this key, and put it on if the ear is."""
        self._keys.setdefault(id(ear), (ear, set()))[1].add(key)
        self._sets.clear()
        if ear.on or self.stay:
            self._put_on([key])
            self._now = self._now | {key}

    def watch_root(self, hooks: Hooks, model: nn.Module) -> None:
        """Follow the forward passes of the whole model, with the inspector's own ear."""
        self._root = weakref.ref(model)
        self._begins, self._handle = ForwardBegins(hooks, model), None
        if hooks.own.on or self.stay or self.root_stays:
            self._put_on_root()

    def change(self, own: bool) -> None:
        """Put on what the ears need that are on now, and take off the rest; `own` says it of the inspector's."""
        wanted, own = self._wanted(), own or self.root_stays
        if wanted != self._now or own != self.root_is_on:
            self._mind_compiled_code(bool(wanted - self._now))
            if self.stay:
                wanted, own = frozenset(self._modules), True
            self._take_off(self._now - wanted)
            self._put_on(wanted - self._now)
            self._now = wanted
            (self._put_on_root if own else self._take_off_root)()

    def take_off(self) -> None:
        """Take everything off until the next :meth:`change`."""
        self._take_off(self._now)
        self._now = _NOTHING
        self._take_off_root()
        self._parts.take_off()

    def _wanted(self) -> frozenset[int]:
        which = tuple(ear.on for ear, _ in self._keys.values())
        found = self._sets.get(which)
        if found is None:
            needed = [keys for ear, keys in self._keys.values() if ear.on]
            found = self._sets[which] = frozenset().union(*needed)
        return found

    def _mind_compiled_code(self, growing: bool) -> None:
        """Let hooks stay once something was compiled, for compiled code never sees that they come and go."""
        if self.stay or compiled_frames() == self._frames:
            return
        if growing:
            forget_compiled_code()  # what was compiled while they were off is without them for ever
        self.stay = True

    def _put_on(self, keys: Iterable[int]) -> None:
        for key in keys:
            handle = self._modules[key].put_on()
            if handle is not None:
                self.handles.append(handle)

    def _take_off(self, keys: Iterable[int]) -> None:
        for key in keys:
            self._modules[key].take_off()

    # ------------------------------------------------------------------ the whole model

    @property
    def root(self) -> nn.Module | None:
        """The watched model, while it is there."""
        return None if self._root is None else self._root()

    @property
    def root_is_on(self) -> bool:
        """Whether the hook before the whole model is on."""
        model = self.root
        return model is not None and self._handle is not None and self._handle.id in model._forward_pre_hooks

    def root_begins(self, module: nn.Module, args: Any) -> None:
        """Tell that the model is about to run, where its hook came on too late for this pass."""
        if self.root_is_on and self._begins is not None and self.is_root(module):
            self._begins(module, args)

    def follow_parts(self, hooks: Hooks, on: bool) -> None:
        """Follow where a pass begins of a model whose parts are called, but not itself; or do so no longer.

        Compiled code would have to be made anew for it, so such a model's passes have no beginning.
        """
        model = self.root
        if on == bool(self._parts) or model is None or self.stay or compiled_frames() != self._frames:
            return
        if on:
            self.handles += self._parts.put_on(hooks, model)
        else:
            self._parts.take_off()

    def _put_on_root(self) -> None:
        model = self.root
        if model is None or self._begins is None or self.root_is_on:
            return
        if self._handle is None:
            self._handle = model.register_forward_pre_hook(self._begins)
            self.handles.append(self._handle)
        else:
            model._forward_pre_hooks[self._handle.id] = self._begins

    def _take_off_root(self) -> None:
        if self._handle is not None:
            self._handle.remove()

    # ------------------------------------------------------------------ the end

    def remove(self, hooks: Hooks) -> None:
        """Take the hooks off all modules, those too whose registration an interrupt cut short."""
        modules = [self.root, *(kept.module() for kept in self._modules.values())]
        for module in [known for known in modules if known is not None]:  # an empty nn.Sequential is false
            for registered in (module._forward_hooks, module._forward_pre_hooks):
                for key in [k for k, hook in registered.items() if isinstance(hook, Inert) and hook.belongs_to(hooks)]:
                    del registered[key]
                    module._forward_hooks_with_kwargs.pop(key, None)
        self._modules.clear()
        self._keys.clear()
        self._sets.clear()
        self.handles.clear()
        self._now, self._root, self._begins, self._handle = _NOTHING, None, None, None
        self._parts.take_off()
        self._parts = PartHooks()

    def __len__(self) -> int:
        """Number of hooks that hang on modules now."""
        return len(self._now) + self.root_is_on + len(self._parts)

    def is_root(self, module: nn.Module) -> bool:
        """Whether this is the watched model itself."""
        return self.root is module

    def by_key(self, key: int) -> Listeners | None:
        """The callbacks of the module with this ``id``; None where it has none."""
        return self._modules.get(key)
