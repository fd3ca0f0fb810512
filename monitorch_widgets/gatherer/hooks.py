"""The one owner of every hook: one per module, shared by all lenses, and two for all optimizers.

A callback that raises never reaches the training loop unless ``strict`` says so.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from monitorch_widgets.preprocessor import Ear, StepBuffer

from .gate import Gate
from .module_hooks import Subscription, hookable
from .optimizer_hooks import StepReady, follow_optimizers, leave_optimizers
from .passes import Passes, in_backward
from .rest import Rest
from .worn import Worn

# Handles of owners that were forgotten without a detach, or detached within a step. Their hooks do nothing any more,
# and go when the next owner comes: torch may be iterating over its hooks at this moment.
_orphans: list[Any] = []

_HANDLES = 256  # kept at most, where neither a forward pass of the model nor a step ends a pass

ForwardCallback = Callable[[str, nn.Module, Any, Any], None]
BackwardCallback = Callable[[str, nn.Module, Tensor], None]
StepCallback = Callable[["Optimizer | None"], None]


class Hooks:
    """Registers hooks, runs callbacks, and takes everything back.

    Parameters
    ----------
    passes : Passes, optional
        Follows the passes of the model.
    buffer : StepBuffer, optional
        Told whose callback runs.

    Attributes
    ----------
    ear : Ear
        Stamped on subscriptions made now: that of the lens that is being registered, or the inspector's own.
    own : Ear
        The inspector's own, on at every step that a lens follows; what it hears belongs to no lens.
    worn : Worn
        Which of the hooks hang on modules now.
    listening : bool
        Whether any ear is on. While none is, no hook hangs on the modules.
    on_fault : callable
        Called as ``on_fault(lens, name, error)`` when a callback raises; the default raises.
    accepts : callable
        Says of an optimizer whether its steps count.
    on_evaluation, on_returned : callable
        Called when the model is called in an evaluation that nobody follows, which may :meth:`listen`; and when it
        returns from a pass that somebody followed.
    on_boundary : callable
        Called when an optimizer's step is over and its time is counted; what it raises ends the loop.
    gate : Gate
        Where the loop can be held and ended.
    rest : Rest
        Takes everything off the model until it is called again.
    closure : bool
        Whether the step that runs now computes gradients itself.
    skipped_at : list of float
        When the newest steps ended that were only counted; whoever takes them empties it.
    spent_s : float
        Seconds that all hooks have taken so far, on the host, with the callbacks in them.
    """

    def __init__(self, passes: Passes | None = None, buffer: StepBuffer | None = None) -> None:
        self._buffer = StepBuffer() if buffer is None else buffer
        self.passes = Passes(self._buffer) if passes is None else passes
        self.own = self.ear = Ear()
        self.listening = True
        self.on_fault: Callable[[object, str, Exception], None] = _raise
        self.accepts: Callable[[Optimizer], bool] = _accept_all
        self.on_evaluation: Callable[[], None] = _nobody
        self.on_returned: Callable[[], None] = _nobody
        self.on_boundary: Callable[[], None] = _nobody
        self.gate = Gate()
        self.rest = Rest()
        self.closure = False
        self.spent_s = 0.0
        self._entered: float | None = None
        self._skipped: Callable[[], Optimizer | None] = _nobody
        self._skips, self._until = 0, 0.0
        self.skipped_at: list[float] = []
        self._ears: dict[int, Ear] = {}
        self._before: list[Subscription] = []
        self._gradients: list[Subscription] = []
        self._after: list[Subscription] = []
        self._always_after: list[Subscription] = []
        self._last: list[Any] = []
        self._for_one_pass: list[Any] = []
        self._follows = False
        self.worn = Worn()
        _take_back(_orphans)
        leave_optimizers()
        weakref.finalize(self, _forget, self.worn.handles, self._last).atexit = False

    # ------------------------------------------------------------------ subscriptions

    def forward(self, module: nn.Module, name: str, callback: ForwardCallback) -> Subscription:
        """Call ``callback(name, module, layer_input, tensor)`` for each output tensor of each forward pass."""
        return self._subscribe(module, callback, self.worn.listeners(self, module, name).forward)

    def output_gradient(self, module: nn.Module, name: str, callback: BackwardCallback) -> Subscription:
        """Call ``callback(name, module, gradient)`` when the gradient of an output tensor is known."""
        return self._subscribe(module, callback, self.worn.listeners(self, module, name).backward)

    def before_step(self, callback: StepCallback) -> Subscription:
        """Call ``callback(optimizer)`` before each optimizer step."""
        return self._step(callback, self._before)

    def gradients(self, callback: StepCallback) -> Subscription:
        """Call ``callback(optimizer)`` when gradients are as the optimizer uses them.

        That is right before its step; with a closure, which computes them within the step, right after.
        """
        return self._step(callback, self._gradients)

    def after_step(self, callback: StepCallback) -> Subscription:
        """Call ``callback(optimizer)`` after each optimizer step, in the order of subscription."""
        return self._step(callback, self._after)

    def always_after_step(self, callback: StepCallback) -> Subscription:
        """Call ``callback(optimizer)`` after each step and after all others, even while nothing listens."""
        return self._step(callback, self._always_after)

    def watch_root(self, model: nn.Module) -> None:
        """Follow the forward and backward passes of the whole model."""
        self.passes.watch(model)
        for name, module in [("", model), *model.named_children()]:  # the children, where the model is never called
            if hookable(module):
                self.output_gradient(module, name, _ignore_gradient)
        self.worn.watch_root(self, model)

    def keep_for_one_pass(self, handle: Any) -> None:
        """Take this handle back when the next forward pass begins, or the step ends."""
        if len(self._for_one_pass) == _HANDLES:
            self._for_one_pass.pop(0).remove()
        self._for_one_pass.append(handle)

    def pass_over(self) -> None:
        """Take back what was put on tensors that outlive their graph."""
        if self._for_one_pass and not in_backward():
            _take_back(self._for_one_pass)

    def name(self, names: Iterable[tuple[nn.Module, str]]) -> None:
        """Give modules their names; another name that a subscription brings is for modules that have none."""
        self.worn.names = {id(module): name for module, name in names}

    def _subscribe(self, module: nn.Module, callback: Any, callbacks: list[Subscription]) -> Subscription:
        subscription = Subscription(callback, self.ear, callbacks)
        self.worn.need(self.ear, id(module))
        return subscription

    def _step(self, callback: StepCallback, callbacks: list[Subscription]) -> Subscription:
        if not self._follows:
            self._follows = True
            follow_optimizers(self)
        return Subscription(callback, self.ear, callbacks)

    def ear_of(self, lens: object) -> Ear:
        """The ear of a lens, the same at each call."""
        ear = self._ears.get(id(lens))
        if ear is None or ear.lens is not lens:
            ear = self._ears[id(lens)] = Ear(lens)
        return ear

    @contextlib.contextmanager
    def owned_by(self, lens: object) -> Iterator[None]:
        """Stamp the subscriptions that are made inside with the ear of `lens`."""
        before, self.ear = self.ear, self.ear_of(lens)
        try:
            yield
        finally:
            self.ear = before

    # ------------------------------------------------------------------ callbacks

    def run_before_step(self, optimizer: Optimizer | None, *, closure: bool = False) -> None:
        """Tell all that a step is about to be made; None where no optimizer makes it."""
        if self.own.on and (optimizer is None or self.accepts(optimizer)):
            self.closure = closure
            self.passes.step_begins(closure)
            self._run_all([*self._before, *(() if closure else self._gradients)], optimizer)

    def run_last(self, optimizer: Optimizer, hook: StepReady) -> None:
        """Let a hook of ours run after those that `optimizer` has itself, in the step that begins."""
        _take_back(self._last)
        self._last.append(optimizer.register_step_pre_hook(hook))

    def run_after_step(self, optimizer: Optimizer | None, *, closure: bool = False) -> None:
        """Tell all that a step was made."""
        _take_back(self._last)
        self.pass_over()
        if optimizer is None or self.accepts(optimizer):
            if self.own.on:
                self._run_all([*(self._gradients if closure else ()), *self._after], optimizer)
            self._end_step(optimizer)

    def _end_step(self, optimizer: Optimizer | None) -> None:
        """Let the step end; when the backward pass is over, for a step that is made within one."""
        if in_backward():
            self.passes.when_backward_ends(self._end_backward)
        else:
            self._step_is_over(optimizer)

    def _end_backward(self) -> None:
        self._step_is_over(None)

    def _step_is_over(self, optimizer: Optimizer | None) -> None:
        for subscription in list(self._always_after):
            self.run(subscription, optimizer)

    def _run_all(self, subscriptions: list[Subscription], optimizer: Optimizer | None) -> None:
        for subscription in subscriptions:
            if subscription.ear.on:
                self.run(subscription, optimizer)

    def run(self, subscription: Subscription, *args: Any) -> None:
        """Run one callback inside the border that faults do not cross."""
        ear = subscription.ear
        if ear.muted:
            return
        self._buffer.ear = ear
        enabled = torch.is_grad_enabled()
        began = perf_counter()
        try:
            subscription.call(*args)
        except Exception as error:
            name = args[0] if args and isinstance(args[0], str) else ""
            self.on_fault(ear.lens, name, error)
        except BaseException:
            torch.set_grad_enabled(enabled)  # an interrupt may come right where a no_grad block ends
            raise
        ear.spent_s += perf_counter() - began

    # ------------------------------------------------------------------ steps that nobody follows

    def skip(self, steps: int, optimizer: Optimizer | None, until: float) -> None:
        """Do nothing at the ends of the next `steps` steps of an optimizer but count them, at most `until` a time."""
        some = optimizer is not None and steps > 0
        self._skipped, self._skips = (weakref.ref(optimizer), steps) if some else (_nobody, 0)
        self._until = until

    def skips(self, optimizer: Optimizer) -> bool:
        """Whether the step of this optimizer that ends is one that nobody follows; it is counted then."""
        if not self._skips or self.own.on or self.gate.called or self._skipped() is not optimizer:
            return False
        now = perf_counter()
        if now >= self._until:
            return False
        self._skips -= 1
        self._buffer.step += 1
        self.skipped_at.append(now)
        return True

    def forward_begins(self, *, training: bool, evaluation: bool) -> None:
        """Note that the model is called; in training, an evaluation that was listened to is over."""
        self._buffer.note_pass(training)
        if training:
            self.on_returned()
        elif evaluation:
            self.on_evaluation()

    # ------------------------------------------------------------------ what it takes

    def enter(self, began: float) -> None:
        """Begin to count the time of hooks that run for a while, as of `began`."""
        self._entered = began

    def tally(self) -> float:
        """Bring the time that has passed since :meth:`enter` into :attr:`spent_s`; the time now, in seconds."""
        now = perf_counter()
        if self._entered is not None:
            self.spent_s += now - self._entered
            self._entered = now
        return now

    def leave(self) -> float:
        """Count no further; the time now."""
        now, self._entered = self.tally(), None
        return now

    def note_outside(self, took_s: float) -> None:
        """Count time that was spent outside of all hooks; within them it is counted anyway."""
        if self._entered is None:
            self.spent_s += took_s

    # ------------------------------------------------------------------ on and off

    def listen(self, ears: Iterable[Ear] = ()) -> None:
        """Listen with these ears to the step that begins; with no other one."""
        chosen = {id(ear) for ear in ears}
        for ear in (self.own, *self._ears.values()):
            ear.on = id(ear) in chosen
        self.listening = bool(chosen)
        self.worn.change(self.own.on)
        self.worn.follow_parts(self, self.own.on and self.passes.parts_only)

    def listen_all(self) -> None:
        """Listen with every ear."""
        self.listen([self.own, *self._ears.values()])

    def remove(self) -> None:
        """Take back every hook."""
        self.rest.end()
        self.worn.remove(self)
        _take_back(self._last)
        _take_back(self._for_one_pass)
        leave_optimizers(self)
        self._follows = False
        for callbacks in (self._before, self._gradients, self._after, self._always_after):
            callbacks.clear()

    def forget_ear(self, lens: object) -> None:
        """Forget the ear of one lens."""
        self._ears.pop(id(lens), None)

    def forget_ears(self) -> None:
        """Forget the ears of lenses: another model is watched."""
        self._ears.clear()

    def __len__(self) -> int:
        """Number of hooks that hang on modules and optimizers now."""
        return len(self.worn) + 2 * self._follows


def _take_back(handles: list[Any]) -> None:
    for handle in handles:
        handle.remove()
    handles.clear()


def _forget(*kept: list[Any]) -> None:
    for handles in kept:
        _orphans.extend(handles)


def _nobody() -> None:
    """Nothing: no optimizer, nothing to do."""


def _raise(lens: object, name: str, error: Exception) -> None:
    raise error


def _accept_all(optimizer: Optimizer) -> bool:
    return True


def _ignore_gradient(name: str, module: nn.Module, grad: Tensor) -> None:
    pass
