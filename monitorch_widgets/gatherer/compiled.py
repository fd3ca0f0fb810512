"""What torch.compile has made: it runs the hooks that were there when it was made, and never others."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch

F = TypeVar("F", bound=Callable[..., Any])

_REASON = "a monitorch_widgets inspector watches this model; call inspector.detach() before exporting it"


def not_compiled(hook: F) -> F:
    """Keep a hook out of compiled programs, which break there; where they must not, the error says what to do.

    ``torch.compiler.disable`` does so too; it takes a second to import, and two microseconds at each call.
    """
    known = torch._C._dynamo.eval_frame
    if not hasattr(known, "set_code_exec_strategy"):  # an older torch
        return cast(F, _disabled(hook))
    skip = known._FrameAction.SKIP
    known.set_code_exec_strategy(hook.__code__, known._FrameExecStrategy(skip, skip))  # it, and what it calls
    hook._torchdynamo_disable = True  # type: ignore[attr-defined]
    hook._torchdynamo_disable_msg = _REASON  # type: ignore[attr-defined]
    return hook


def _disabled(hook: Any) -> Any:
    disable: Any = torch.compiler.disable
    known = "reason" in inspect.signature(disable).parameters
    return disable(hook, reason=_REASON) if known else disable(hook)


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
