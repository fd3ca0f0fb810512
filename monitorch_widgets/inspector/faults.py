"""The border that faults of lenses don't cross."""

from __future__ import annotations

import contextlib
import traceback
import warnings
from collections.abc import Callable, Iterator

from monitorch_widgets.errors import LensFault
from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.lens import AbstractLens
from monitorch_widgets.values import Fault

_GOES_ON = "The run goes on; PyTorchInspector(strict=True) raises instead."
_SHORT = 300  # characters of an error's words


class Faults:
    """Mutes a lens that raises, warns once, and keeps what happened for its panel.

    Parameters
    ----------
    state : InspectorState
        Of the inspector; muted lenses are skipped by its hooks.
    strict : bool
        Raise instead.
    """

    def __init__(self, state: InspectorState, strict: bool) -> None:
        self._state = state
        self._strict = strict
        self._seen: dict[int, list[Fault]] = {}
        state.hooks.on_fault = self.report
        state.buffer.on_fault = self._report_late
        state.on_fault = self._report_epoch
        self._told_of_epochs = False

    @property
    def all(self) -> tuple[Fault, ...]:
        """Every fault so far, one for each tag of a muted lens."""
        return tuple(fault for faults in self._seen.values() for fault in faults)

    def muted(self, lens: AbstractLens) -> bool:
        """Whether a lens raised."""
        return id(lens) in self._seen

    @contextlib.contextmanager
    def border(self, lens: AbstractLens | None) -> Iterator[None]:
        """Run something of a lens that may raise."""
        try:
            yield
        except Exception as error:
            self.report(lens, "", error)

    def each(self, lenses: list[AbstractLens], action: Callable[[AbstractLens], None]) -> None:
        """Do something with every lens that is not muted."""
        for lens in lenses:
            if not self.muted(lens):
                with self.border(lens):
                    action(lens)

    def report(self, owner: object, module: str, error: Exception) -> None:
        """Mute the owner, and warn once; raise in strict mode.

        Without an owner it is a fault of the inspector itself, which goes on as well as it can.
        """
        if self._strict:
            raise error
        if id(owner) in self._seen:
            return
        if owner is None:
            self._seen[id(owner)] = []
            warnings.warn(
                f"the inspector lost numbers of step {self._state.buffer.step}: {_words(error)}. {_GOES_ON}",
                LensFault,
                stacklevel=2,
            )
            return
        self._state.hooks.ear_of(owner).muted = True
        self._seen[id(owner)] = _faults(owner, module, self._state.buffer.step, error)
        where = f"at module {module!r}, " if module else ""
        warnings.warn(
            f"lens {type(owner).__name__} raised {where}step {self._state.buffer.step}, and is muted: "
            f"{_words(error)}. {_GOES_ON}",
            LensFault,
            stacklevel=2,
        )

    def _report_epoch(self, error: Exception) -> None:
        """Warn, once, that the user's function of the epoch raised; raise in strict mode."""
        if self._strict:
            raise error
        if not self._told_of_epochs:
            self._told_of_epochs = True
            epoch = self._state.counter
            words = f"is_active_fn raised for epoch {epoch}, which is watched: {_words(error)}. {_GOES_ON}"
            warnings.warn(words, LensFault, stacklevel=2)

    def forgive(self, lens: AbstractLens) -> None:
        """Forget what a lens did: it is another one now, or gone."""
        self._seen.pop(id(lens), None)
        self._state.hooks.forget_ear(lens)

    def clear(self) -> None:
        """Forget all faults: a new attachment begins."""
        self._seen.clear()

    def _report_late(self, lens: object, error: Exception) -> None:
        self.report(lens, "", error)


def _faults(owner: object, module: str, step: int, error: Exception) -> list[Fault]:
    trace = "".join(traceback.format_exception(error))
    tags = [spec.tag for spec in owner.specs] if isinstance(owner, AbstractLens) else []
    return [Fault(type(owner).__name__, tag, module, step, _words(error), trace) for tag in tags or [""]]


def _words(error: Exception) -> str:
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return words if len(words) <= _SHORT else words[:_SHORT] + "…"
