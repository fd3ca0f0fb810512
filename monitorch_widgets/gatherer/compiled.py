"""What torch.compile has made: it runs the hooks that were there when it was made, and never others."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

F = TypeVar("F", bound=Callable[..., Any])


def not_compiled(hook: F) -> F:
    """Keep a hook out of compiled programs, which break there; where they must not, the error says what to do."""
    reason = "a monitorch_widgets inspector watches this model; call inspector.detach() before exporting it"
    disable: Any = torch.compiler.disable
    if "reason" in inspect.signature(disable).parameters:
        return cast(F, disable(hook, reason=reason))
    return cast(F, disable(hook))


def forget_compiled_code() -> None:
    """Have compiled code made anew at its next call.

    Code that was made before hooks came never runs them, and code that was made with hooks goes on to call them.
    """
    dynamo = sys.modules.get("torch._dynamo")
    if dynamo is not None:
        dynamo.reset()


def compiled_frames() -> int:
    """How many functions ``torch.compile`` has looked at in this process; 0 where it was never used."""
    utils = sys.modules.get("torch._dynamo.utils")
    return 0 if utils is None else int(utils.counters["frames"]["total"])
