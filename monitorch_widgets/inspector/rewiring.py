"""Changes of an inspector while it watches: other lenses, other modules, other strides."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from monitorch_widgets.lens import AbstractLens
from monitorch_widgets.lens.histogram_lens import HistogramLens
from monitorch_widgets.lens.settings import changed

from .namesakes import take_over
from .schedule import Every
from .shelf import CardShelf

if TYPE_CHECKING:
    from .inspector import PyTorchInspector


class Rewiring:
    """Makes the changes that :class:`~.instrument.Changes` has checked. What was read stays.

    Parameters
    ----------
    inspector : PyTorchInspector
        Whose parts are changed.
    """

    def __init__(self, inspector: PyTorchInspector) -> None:
        self._inspector = inspector

    def introduce(self, lenses: Iterable[AbstractLens]) -> None:
        """Make new lenses known to everybody."""
        inspector, lenses = self._inspector, list(lenses)
        take_over(lenses, inspector)
        for lens in lenses:
            lens.change = partial(_ask_to_change, weakref.ref(inspector), weakref.ref(lens))
            lens.shelf = CardShelf(inspector)
            self._pace(lens)
            lens.register_foreign_preprocessor(inspector._call_preprocessor, inspector.state)
            lens.introduce_tags(inspector._record)

    def _pace(self, lens: AbstractLens) -> None:
        if isinstance(lens, HistogramLens):
            lens.log_every(self._inspector.log_every_n_steps)

    def take_pace(self, log_every_n_steps: int) -> None:
        """Do what is heavy at other steps."""
        self._inspector.log_every_n_steps = log_every_n_steps
        for lens in self._inspector.lenses:
            self._pace(lens)
        self.take_schedule()

    def take_lenses(self, lenses: list[AbstractLens]) -> None:
        """Watch with these lenses, the same or others."""
        inspector = self._inspector
        inspector._settle()
        new = [lens for lens in lenses if not _holds(inspector.lenses, lens)]
        for lens in inspector.lenses:
            if not _holds(lenses, lens):
                self._let_go(lens)
        inspector.lenses[:] = lenses  # the same list: others hold it too
        self.introduce(new)
        self._rewire()

    def replace(self, lens: AbstractLens, fresh: AbstractLens) -> None:
        """Make a lens what `fresh` is."""
        self._inspector._settle()
        self._let_go(lens)
        lens.become(fresh)
        self.introduce([lens])
        self._rewire()

    def take_modules(self, **how: Any) -> None:
        """Watch modules at another `depth`, or those only that are `collected`."""
        inspector = self._inspector
        inspector._settle()
        inspector.depth = how.get("depth", inspector.depth)
        inspector._watch.choose(**how)
        self._rewire()

    def take_schedule(self, *, every: Every | None = None, max_overhead: float | None = None) -> None:
        """Listen at other steps, or within another budget."""
        inspector = self._inspector
        inspector.max_overhead = inspector.max_overhead if max_overhead is None else max_overhead
        inspector._schedule.change(inspector._schedule.every if every is None else every, inspector.max_overhead)
        inspector._changes.renew()
        inspector.visualizer.attached()

    def take_refresh_rate(self, rate: float) -> None:
        """Bring what is new to the page at another pace, from the next step on."""
        inspector = self._inspector
        inspector.refresh_rate, inspector._due_s = rate, 0.0
        inspector._changes.renew()
        inspector.visualizer.attached()

    def _let_go(self, lens: AbstractLens) -> None:
        faults = self._inspector._faults
        with faults.border(lens):
            lens.detach_from_module()
        faults.forgive(lens)

    def _rewire(self) -> None:
        """Let the lenses listen to the model as they are now."""
        inspector = self._inspector
        model = inspector._watch.model if inspector.state.attached else None
        if model is not None:
            inspector._attachment.renew(model)
            inspector._schedule.renew()
        inspector._changes.renew()
        inspector._declare()
        inspector._show_layout()


def _holds(lenses: Iterable[AbstractLens], lens: AbstractLens) -> bool:
    return any(lens is other for other in lenses)


def _ask_to_change(
    inspector: weakref.ref[PyTorchInspector], lens: weakref.ref[AbstractLens], changes: Mapping[str, Any]
) -> None:
    """Have the inspector of a lens change it; without one it changes at once."""
    user, used = inspector(), lens()
    if used is not None and user is not None and _holds(user.lenses, used):
        user._ask("set", lens=used, changes=changes)
    elif used is not None:
        used.become(changed(used, changes))
