"""Everything that can be asked of a run, by name: what the panel sends and what the methods of the inspector send."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from monitorch_widgets.errors import ArgumentTypeError, CommandRefused, MonitorchError, check_choice, checked_count

from .control import Command

if TYPE_CHECKING:
    from .inspector import PyTorchInspector

_LONGEST = 200  # characters of a name

Action = Callable[..., str]


def _pause(inspector: PyTorchInspector) -> str:
    inspector._control.pause()
    return "paused"


def _resume(inspector: PyTorchInspector) -> str:
    inspector._control.resume()
    return "went on"


def _step(inspector: PyTorchInspector, steps: int = 1) -> str:
    inspector._control.go(checked_count("steps", steps, "Use 1 for the next step."))
    return f"stepped {steps}" if steps > 1 else "stepped"


def _step_epoch(inspector: PyTorchInspector) -> str:
    inspector._control.go(epoch=True)
    return "went on to the epoch's end"


def _stop(inspector: PyTorchInspector) -> str:
    if not (inspector._control.running or inspector._control.in_background):
        raise CommandRefused("nothing trains now, so there is nothing to stop")
    inspector._control.stop()
    return "stopped"


def _scale_lr(
    inspector: PyTorchInspector, factor: float, group: int | None = None, optimizer: int | None = None
) -> str:
    if not inspector.control:
        raise CommandRefused("learning rates are not to be changed: allow it with PyTorchInspector(control=True)")
    return inspector._rates.scale(factor, group, optimizer)


def _card(inspector: PyTorchInspector, key: object, action: object, arguments: object) -> str:
    if not (_is_name(key) and _is_name(action) and isinstance(arguments or {}, dict)):
        raise ArgumentTypeError(
            f"expected the key of a card, an action and its arguments; received {key!r:.80}, {action!r:.80}"
        )
    return inspector.cards.act(key, action, cast("dict[str, Any]", arguments or {}))


FROM_PAGE: dict[str, Action] = {
    "pause": _pause,
    "resume": _resume,
    "step": _step,
    "step_epoch": _step_epoch,
    "stop": _stop,
    "scale_lr": _scale_lr,
    "add": lambda inspector, name, arguments=None: inspector._changes.add_from_page(name, arguments),
    "remove": lambda inspector, tag: inspector._changes.remove(tag),
    "set": lambda inspector, tag, arguments: inspector._changes.set_from_page(tag, arguments),
    "watch": lambda inspector, name: inspector._changes.watch_registered(name),
    "watch_text": lambda inspector, text, name=None: inspector._changes.watch_text(text, name),
    "collect": lambda inspector, patterns: inspector._changes.collect(patterns),
    "depth": lambda inspector, depth: inspector._changes.depth(depth),
    "every": lambda inspector, every, tag=None: inspector._changes.every(every, tag),
    "budget": lambda inspector, max_overhead: inspector._changes.budget(max_overhead),
    "card": lambda inspector, key, action, arguments=None: _card(inspector, key, action, arguments),
    "log_every": lambda inspector, steps: inspector._changes.log_every(steps),
    "refresh_rate": lambda inspector, rate: inspector._changes.refresh_rate(rate),
    "max_queue": lambda inspector, max_queue, writer=None: inspector._changes.max_queue(max_queue, writer),
    "flush_secs": lambda inspector, flush_secs, writer=None: inspector._changes.flush_secs(flush_secs, writer),
}
"""What the page may ask for. Its arguments are plain values; they are checked where they are used."""

FROM_PYTHON: dict[str, Action] = {
    **FROM_PAGE,
    "add": lambda inspector, lens: inspector._changes.add(lens),
    "set": lambda inspector, lens, changes: inspector._changes.set(lens, changes),
    "watch": lambda inspector, function, name: inspector._changes.watch(function, name),
}
"""The same with Python's own objects for arguments."""

COMMANDS: Mapping[str, Mapping[str, Action]] = {"page": FROM_PAGE, "python": FROM_PYTHON}


def carry_out(inspector: PyTorchInspector, command: Command) -> str:
    """Do what a command says; what was done is told in words.

    Raises
    ------
    MonitorchError
        For what can't be done, with the reason.
    """
    actions = COMMANDS[command.origin]
    action = actions[check_choice("command", command.name, actions)]
    try:
        inspect.signature(action).bind(inspector, **command.arguments)
    except TypeError as error:
        raise ArgumentTypeError(f"{command.name}: {error}") from None
    try:
        return action(inspector, **command.arguments)
    except MonitorchError:
        raise
    except Exception as error:
        if inspector.strict:
            raise
        raise CommandRefused(f"{command.name} failed: {type(error).__name__}: {error}") from error


def made(content: Mapping[str, Any]) -> Command:
    """A command out of what a page sent; anything may stand in there.

    Raises
    ------
    ArgumentTypeError
        If it is none.
    """
    name, arguments, number = content.get("name"), content.get("arguments", {}), content.get("number", "")
    if _is_name(name) and isinstance(arguments, dict) and _is_name(number):
        return Command(name, {str(key): value for key, value in arguments.items()}, "page", number)
    raise ArgumentTypeError(f"expected a command with a name and arguments; received {str(content)[:200]}")


def _is_name(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= _LONGEST
