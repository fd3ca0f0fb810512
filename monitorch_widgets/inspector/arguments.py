"""The inspector's arguments, checked when it is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import nn

from monitorch_widgets.errors import ArgumentError, ArgumentTypeError, unknown_name
from monitorch_widgets.lens import AbstractLens, LossMetrics
from monitorch_widgets.lens.abstract_lens import checked_steps, checked_stride

from .defaults import default_lenses

if TYPE_CHECKING:
    from monitorch_widgets.visualizer import AbstractVisualizer


SLOWEST, FASTEST = 0.1, 30.0  # updates of the page, a second


def rank() -> int:
    """Rank of this process under ``torch.distributed``; 0 without it."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def made_visualizer(visualizer: str | AbstractVisualizer) -> AbstractVisualizer:
    """The visualizer of a name, or the one that was given."""
    from monitorch_widgets.visualizer import make_visualizer  # late: it may bring the widget libraries

    return make_visualizer(visualizer)


def checked_model(module: object) -> nn.Module:
    """Return `module` if hooks can be put on it."""
    if not isinstance(module, nn.Module):
        raise ArgumentTypeError(
            f"expected a torch.nn.Module to attach to; received {type(module).__name__}. "
            "Pass the model itself, e.g. PyTorchInspector(module=model)."
        )
    if isinstance(module, torch.jit.ScriptModule):
        raise ArgumentTypeError(
            f"expected a model written in Python; received {type(module).__name__}, compiled by torch.jit, which "
            "takes no hooks. Pass the module it was made of."
        )
    return module


def checked_lenses(lenses: object) -> list[AbstractLens]:
    """Return the lenses as a list; the default ones for None."""
    if lenses is None:
        return default_lenses()
    if isinstance(lenses, nn.Module):
        raise ArgumentTypeError(
            f"expected a list of lenses first; received the module {type(lenses).__name__}. "
            "Name it: PyTorchInspector(module=model)."
        )
    if isinstance(lenses, AbstractLens) or not isinstance(lenses, Iterable):
        raise ArgumentTypeError(f"expected a list of lenses; received {lenses!r}. Put it in a list: [OutputNorm()].")
    found: list[AbstractLens] = []
    for lens in lenses:
        if not isinstance(lens, AbstractLens):
            hint = f" Call it: {lens.__name__}()." if isinstance(lens, type) else ""
            raise ArgumentTypeError(f"expected a lens, e.g. lens.OutputNorm(); received {lens!r}.{hint}")
        if any(lens is other for other in found):
            raise ArgumentError(f"expected each lens once; received {type(lens).__name__} twice. Make a second one.")
        found.append(lens)
    return found


def checked_depth(depth: object) -> int:
    """Return the depth at which modules count as leaves."""
    if isinstance(depth, Integral) and not isinstance(depth, bool) and int(depth) >= -1:
        return int(depth)
    raise ArgumentError(f"expected depth to be an integer of at least 0, or -1 for all; received {depth!r}")


def checked_text(argument: str, text: object, usual: str) -> str:
    """Return `text` if it is a string."""
    if isinstance(text, str):
        return text
    raise ArgumentTypeError(f"expected {argument} to be a string; received {text!r}. Use {usual!r}.")


def checked_switch(argument: str, value: object) -> bool:
    """Return `value` if it is True or False."""
    if isinstance(value, bool):
        return value
    raise ArgumentTypeError(f"expected {argument} to be True or False; received {value!r}.")


def checked_overhead(fraction: object) -> float:
    """Return the fraction of the training time that watching may take."""
    if isinstance(fraction, Real) and not isinstance(fraction, bool) and 0 < float(fraction) <= 1:
        return float(fraction)
    raise ArgumentError(f"expected max_overhead to be a fraction in (0, 1]; received {fraction!r}. Use 0.05 for 5 %.")


def checked_refresh_rate(rate: object) -> float:
    """Return how often a second the page is told what is new."""
    usable = isinstance(rate, Real) and not isinstance(rate, bool)
    if usable and SLOWEST <= float(rate) <= FASTEST:  # type: ignore[arg-type]
        return float(rate)  # type: ignore[arg-type]
    raise ArgumentError(
        f"expected refresh_rate to be updates a second, {SLOWEST:g} to {FASTEST:g}; received {rate!r}. "
        "10 is what the eye takes for live; less costs less."
    )


def checked_every(every: object, lenses: list[AbstractLens]) -> int | str | dict[str, int]:
    """Return how often lenses listen: ``"auto"``, a number of steps, or numbers of steps by tag.

    Raises
    ------
    ArgumentError
        For another word, below 1, for a tag that no lens has (the message names the nearest one) or one of losses, and
        for two numbers for one lens.
    ArgumentTypeError
        For anything else.
    """
    if not isinstance(every, Mapping):
        if isinstance(every, str) and every.lower() == "auto" != every:
            raise ArgumentError(f"expected every to be 'auto' or a number of steps; received {every!r}. Use 'auto'.")
        return checked_stride("every", every)
    tags = [spec.tag for lens in lenses for spec in lens.specs]
    for tag in every:
        if tag not in tags:
            raise ArgumentError(unknown_name("tag", tag, tags))
    found = {tag: checked_steps(f"every[{tag!r}]", steps) for tag, steps in every.items()}
    for lens in lenses:
        _check_one_stride(lens, {spec.tag: found[spec.tag] for spec in lens.specs if spec.tag in found})
    return found


def _check_one_stride(lens: AbstractLens, by_tag: Mapping[str, int]) -> None:
    name = type(lens).__name__
    if by_tag and isinstance(lens, LossMetrics):
        raise ArgumentError(
            f"expected no stride for {next(iter(by_tag))!r}: losses are read at every step. Leave the tag out."
        )
    if len(set(by_tag.values())) > 1:
        raise ArgumentError(f"expected one stride for {name}, which reads all its panels at once; received {by_tag}.")


def checked_epoch(epoch: object) -> int | None:
    """Return the number of an epoch, or None."""
    if epoch is None:
        return None
    if isinstance(epoch, Integral):
        return int(epoch)
    raise ArgumentTypeError(
        f"expected epoch to be an integer, the number of the epoch that begins; received {epoch!r}. "
        "Call tick_epoch() to count by one."
    )
