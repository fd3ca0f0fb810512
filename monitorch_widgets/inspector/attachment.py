"""The wiring between an inspector and one model: put on at attach, looked at again at refresh, taken off at detach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from monitorch_widgets.gatherer import InspectorState
from monitorch_widgets.gatherer.compiled import forget_compiled_code
from monitorch_widgets.lens import AbstractLens
from monitorch_widgets.lens.abstract_lens import Emit
from monitorch_widgets.lens.parameter_lens import ParameterLens, warn_of_unknown
from monitorch_widgets.numerical import walk

from .clock import Clock
from .faults import Faults
from .modules import Place
from .schedule import Schedule
from .watch import Watch
from .wrappers import is_compiled, unwrapped


class Attachment:
    """Registers lenses with a model, and takes everything back.

    Parameters
    ----------
    state : InspectorState
        Of the inspector; its hooks and its buffer are used.
    lenses : list of AbstractLens
        What is to be read.
    watch, clock, faults, schedule
        Told of the model; faults of lenses end at the border.
    emit : callable
        Where readings go.

    Attributes
    ----------
    before_step, after_step, saw_training : callable
        Called around each step of the model, and when it has run forward: whether it trains.
    """

    def __init__(
        self,
        state: InspectorState,
        lenses: list[AbstractLens],
        watch: Watch,
        clock: Clock,
        faults: Faults,
        schedule: Schedule,
        emit: Emit,
    ) -> None:
        self._state = state
        self._lenses = lenses
        self._watch = watch
        self._clock = clock
        self._faults = faults
        self._schedule = schedule
        self._emit = emit
        self.before_step: Callable[[Optimizer | None], None] = _ignore
        self.after_step: Callable[[Optimizer | None], None] = _ignore
        self.saw_training: Callable[[bool], None] = _ignore

    def begin(self, module: nn.Module) -> None:
        """Watch the model inside `module`; call :meth:`end` if it raises."""
        hooks, model = self._state.hooks, unwrapped(module)
        hooks.worn.begin(stay=is_compiled(module))
        if hooks.worn.stay:
            forget_compiled_code()
        self._faults.clear()
        hooks.forget_ears()
        self._clock.watch(model)
        walk.ready(model)
        self._schedule.begin()
        self._register(model)
        self._state.attached = True

    def renew(self, model: nn.Module) -> None:
        """Look at the same model again; lenses keep what they have read."""
        self._state.hooks.remove()
        for lens in self._lenses:
            with self._faults.border(lens):
                lens.release()
        self._clock.look_again(model)
        self._register(model)

    def end(self) -> None:
        """Take back every hook, and drop what has not arrived."""
        hooks = self._state.hooks
        self._watch.end()
        hooks.remove()
        if hooks.worn.stay:
            forget_compiled_code()
        for lens in self._lenses:
            with self._faults.border(lens):
                lens.detach_from_module()
        self._state.buffer.drop()
        self._state.attached = False

    def _register(self, model: nn.Module) -> None:
        hooks = self._state.hooks
        hooks.before_step(self.before_step)
        places = self._watch.begin(model)
        hooks.name((place.module, place.name) for place in places)
        for lens in self._lenses:
            with hooks.owned_by(lens), self._faults.border(lens):
                self._register_lens(lens, model, places)
        hooks.watch_root(model)
        hooks.gradients(self._saw_gradients)
        hooks.forward(model, places[0].name, self._saw_forward)
        hooks.always_after_step(self.after_step)

    def _register_lens(self, lens: AbstractLens, model: nn.Module, places: list[Place]) -> None:
        lens.prepare(self._state, self._emit)
        for place in [place for place in places if place.collected]:
            register = lens.register_leaf_module if place.leaf else lens.register_non_leaf_module
            register(place.module, place.name, self._state)
        if isinstance(lens, ParameterLens):
            warn_of_unknown(lens, model)
        lens.registered(model, self._state)

    def _saw_gradients(self, optimizer: Optimizer | None) -> None:
        self._watch.saw_gradients()

    def _saw_forward(self, name: str, module: nn.Module, layer_input: Any, output: Any) -> None:
        self.saw_training(module.training and torch.is_grad_enabled())


def _ignore(argument: Any) -> None:
    pass
