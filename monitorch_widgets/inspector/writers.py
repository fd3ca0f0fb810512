"""What writes a run down beside the page: how much waits there, and how it is set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from monitorch_widgets.errors import ArgumentError, check_choice
from monitorch_widgets.values import Writer

if TYPE_CHECKING:
    from .inspector import PyTorchInspector


def writers_of(inspector: PyTorchInspector) -> dict[str, Any]:
    """Everything that has a queue, by name: the journal, and a visualizer that writes."""
    visualizer = inspector.visualizer
    name = type(visualizer).__name__.removesuffix("Visualizer") or "visualizer"
    found = {"journal": inspector.journal, name: visualizer}
    return {name: writer for name, writer in found.items() if hasattr(writer, "max_queue")}


def described(inspector: PyTorchInspector) -> tuple[Writer, ...]:
    """How full the queues are; asked for some times a second."""
    return tuple(
        Writer(name, getattr(writer, "waiting", None), writer.max_queue, writer.flush_secs)
        for name, writer in writers_of(inspector).items()
    )


def set_writers(inspector: PyTorchInspector, name: str | None, **settings: Any) -> str:
    """Set one writer, or all of them; what was done is told in words."""
    writers = writers_of(inspector)
    check_writers(inspector)
    chosen = writers if name is None else {name: writers[check_choice("writer", name, writers)]}
    for writer in chosen.values():
        for setting, value in settings.items():
            setattr(writer, setting, value)
    return f"{', '.join(chosen)}: {', '.join(f'{setting}={value}' for setting, value in settings.items())}"


def check_writers(inspector: PyTorchInspector, value: object = None) -> None:
    """Raise where nothing is written."""
    if not writers_of(inspector):
        raise ArgumentError(
            "expected an inspector that writes the run down, and so has a queue to set; this one doesn't. "
            "Make it with journal='runs', or with visualizer='tensorboard'."
        )
