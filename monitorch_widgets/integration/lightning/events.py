"""What Lightning's own callbacks did, found by looking at them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Mark = Callable[[str, str], object]


class CallbackEvents:
    """Marks checkpoints, early stops and the answers of finders when they change; nothing is patched.

    Callbacks are known by what they have: those of ``lightning.pytorch`` and ``pytorch_lightning`` are other classes.

    Parameters
    ----------
    callbacks : iterable of Callback
        What they did before does not count.
    """

    def __init__(self, callbacks: Iterable[Any]) -> None:
        self._seen = {id(callback): _state(callback) for callback in callbacks}

    def look(self, callbacks: Iterable[Any], mark: Mark, show_lr_finder: Callable[[Any], object]) -> bool:
        """Mark what is new; whether a finder was at work."""
        tried = False
        for callback in callbacks:
            before, now = self._seen.get(id(callback)), _state(callback)
            self._seen[id(callback)] = now
            if now == before:
                continue
            if _has(callback, "optimal_lr"):
                show_lr_finder(callback.optimal_lr)
            tried |= is_finder(callback)
            for kind, words in _told(callback, now, before):
                mark(kind, words)
        return tried


def is_finder(callback: Any) -> bool:
    """Whether a callback looks for a learning rate or a batch size, by steps that are no training."""
    return _has(callback, "optimal_lr") or _has(callback, "optimal_batch_size")


def _has(callback: Any, *names: str) -> bool:
    return all(hasattr(callback, name) for name in names)


def _state(callback: Any) -> tuple[Any, ...]:
    """What changes when a callback has done something."""
    if _has(callback, "best_model_path", "last_model_path"):
        saved_at = getattr(callback, "_last_global_step_saved", 0)  # `last.ckpt` is written under one name
        return callback.best_model_path, callback.last_model_path, saved_at, *getattr(callback, "best_k_models", ())
    if _has(callback, "stopped_epoch", "wait_count"):
        return callback.stopped_epoch, getattr(callback, "stopping_reason_message", None)
    if _has(callback, "optimal_lr"):
        return (id(callback.optimal_lr),)
    if _has(callback, "optimal_batch_size"):
        return (callback.optimal_batch_size,)
    return ()


def _told(callback: Any, now: tuple[Any, ...], before: tuple[Any, ...] | None) -> list[tuple[str, str]]:
    if _has(callback, "best_model_path", "last_model_path"):
        return [("checkpoint", _saved(callback, now[0] != (before or ("",))[0]))]
    if _has(callback, "stopped_epoch", "wait_count"):
        return [("early stop", now[1] or f"Stopped early: {callback.monitor} did not improve.")]
    if _has(callback, "optimal_batch_size"):
        return [("note", f"The batch size finder found {now[0]}.")]
    return []


def _saved(callback: Any, best: bool) -> str:
    newest = getattr(callback, "_last_checkpoint_saved", "") or callback.best_model_path or callback.last_model_path
    name, monitor, score = Path(newest).name, callback.monitor, callback.best_model_score
    if best and monitor and score is not None:
        return f"Best checkpoint so far, {monitor} {float(score):.4g}: {name}."
    return f"Checkpoint saved: {name}."
