"""A notebook's side of the wire, made of plain lists: what Python published, and a way to answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from comm.base_comm import BaseComm


@dataclass
class Wire:
    """Everything that widgets published since it was laid, as (comm id, message type, data, buffers)."""

    published: list[tuple[str, str, dict[str, Any], list[bytes]]] = field(default_factory=list)
    broken: bool = False

    def open(self, **keys: Any) -> BaseComm:
        return RecordingComm(self, **keys)

    def of(self, widget: Any, kind: str = "comm_msg") -> list[dict[str, Any]]:
        """Contents that were sent for `widget`: custom messages and updates of state."""
        return [data for comm_id, sent, data, _ in self.published if sent == kind and comm_id == widget.model_id]

    def custom(self, widget: Any) -> list[dict[str, Any]]:
        return [data["content"] for data in self.of(widget) if data["method"] == "custom"]

    def updates(self, widget: Any) -> list[dict[str, Any]]:
        return [data["state"] for data in self.of(widget) if data["method"] == "update"]


class RecordingComm(BaseComm):
    """Keeps what it is asked to publish."""

    def __init__(self, wire: Wire, **keys: Any) -> None:
        self.wire = wire
        super().__init__(**keys)

    def _reply_subshell_for(self, data: Any, default: Any) -> Any:  # as ipykernel 7.4 asks when a message comes
        return getattr(self, "_reply_subshell_id", default)

    def publish_msg(self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **_: Any) -> None:
        if self.wire.broken:
            raise ConnectionError("nobody listens")
        self._reply_subshell_id = None  # as ipykernel 7.4 does
        self.wire.published.append((self.comm_id, msg_type, data, list(buffers or [])))


def page_says(widget: Any, content: dict[str, Any]) -> None:
    """A custom message from the page."""
    widget._handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})
