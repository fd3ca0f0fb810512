"""Copies of a watched model carry no hook of ours."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from torch import nn

_KEY = "monitorch_widgets: hooks in copies"


def inert() -> Any:
    """A hook that does nothing, of the standard library: a model that is saved whole can be loaded without us."""
    return nullcontext().__exit__


class CopiedHooks:
    """Takes the hooks off copied modules when the copying is over.

    It lives in the memo of one ``copy.deepcopy``, which goes away with the call. While modules are being copied, a
    hook among them can't be left out.
    """

    def __init__(self) -> None:
        self.hook = inert()
        self._modules: dict[int, nn.Module] = {}

    @staticmethod
    def of(memo: dict[Any, Any]) -> CopiedHooks:
        """The one that lives in this memo."""
        if _KEY not in memo:
            memo[_KEY] = CopiedHooks()
        found: CopiedHooks = memo[_KEY]
        return found

    def note(self, module: object) -> None:
        """Remember a copied module; one hook that is copied by itself has none."""
        if isinstance(module, nn.Module):
            self._modules[id(module)] = module

    def __del__(self) -> None:
        for module in self._modules.values():
            parts = vars(module)  # some may be missing, where the copying failed
            for hooks in (parts.get("_forward_hooks", {}), parts.get("_forward_pre_hooks", {})):
                for key in [key for key, hook in hooks.items() if hook is self.hook]:
                    del hooks[key]
                    parts.get("_forward_hooks_with_kwargs", {}).pop(key, None)
