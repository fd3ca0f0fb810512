"""What is put around a model: compiled code, copies for several devices, and what Fabric's setup makes."""

from __future__ import annotations

from torch import nn
from torch.nn.parallel import DataParallel, DistributedDataParallel


def unwrapped(module: nn.Module) -> nn.Module:
    """The model inside wrappers for several devices, for compilation, and of Fabric."""
    while True:
        if isinstance(module, DistributedDataParallel | DataParallel):
            module = module.module
        else:
            inner = compiled_from(module)
            inner = _set_up_from(module) if inner is None else inner
            if inner is None:
                return module
            module = inner


def _set_up_from(module: nn.Module) -> nn.Module | None:
    """The module inside that of ``Fabric.setup``, told by name and place: its library is not imported for that."""
    return module._modules.get("_forward_module") if type(module).__name__ == "_FabricModule" else None


def compiled_from(module: nn.Module) -> nn.Module | None:
    """The module inside the wrapper that ``torch.compile`` puts around it; None for any other module."""
    if "_orig_mod" not in module._modules:  # told by its place, since the wrapper's class is slow to import
        return None
    return module._modules["_orig_mod"]


def is_compiled(module: nn.Module) -> bool:
    """Whether ``torch.compile`` was told of a module, or of a part of it."""
    return any(
        compiled_from(part) is not None or getattr(part, "_compiled_call_impl", None) is not None
        for part in module.modules()
    )
