"""Where there is no kernel, or a strange one, the inbox is there and does nothing."""

from __future__ import annotations

import os
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from monitorch_widgets.transport import Inbox
from monitorch_widgets.transport.doors import stranger_because
from monitorch_widgets.transport.sieve import Sieve


@pytest.fixture(autouse=True)
def not_in_vs_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the tests are run from its terminal."""
    for name in [name for name in os.environ if name.startswith("VSCODE_")]:
        monkeypatch.delenv(name)


def does_nothing(inbox: Inbox) -> bool:
    inbox.watch("comm")
    inbox.unwatch("comm")
    inbox.uninstall()
    return inbox.mode == "none" and inbox.pump() == inbox.pump(force=True) == inbox.wait(0.0) == 0


def test_in_a_script() -> None:
    inbox = Inbox.get()
    assert does_nothing(inbox)
    assert (inbox.reach, inbox.why, inbox.faults) == ("", "no notebook kernel", [])


def test_in_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "emscripten")
    inbox = Inbox.get()
    assert does_nothing(inbox)
    assert (inbox.reach, inbox.why) == ("when the cell ends", "a kernel in the browser has no sockets")


@pytest.mark.parametrize("kernel", [object(), SimpleNamespace(session=None), SimpleNamespace(shell_stream=1)])
def test_with_a_strange_kernel(kernel: Any) -> None:
    inbox = Inbox(kernel)
    assert does_nothing(inbox)
    assert inbox.reach == "when the cell ends" and "unknown" in inbox.why


def test_a_kernel_derived_from_the_known_one_is_strange() -> None:
    kinds = [type("Kernel", (), {"__module__": module}) for module in ("google.colab._kernel", "ipykernel.ipkernel")]
    assert [stranger_because(kind()) for kind in kinds] == [
        "an unknown kind of kernel: google.colab._kernel.Kernel",
        "an ipykernel built in an unknown way",
    ]


def test_a_kernel_that_breaks_on_touch_breaks_nothing() -> None:
    class Broken:
        def __getattr__(self, name: str) -> Any:
            raise OSError(name)

    Broken.__module__ = "ipykernel.ipkernel"
    inbox = Inbox(Broken())
    assert does_nothing(inbox)
    assert "OSError" in inbox.why and len(inbox.faults) == 1


def test_waiting_on_another_thread_ends_in_time() -> None:
    inbox, handled = Inbox(None), []
    thread = threading.Thread(target=lambda: handled.append(inbox.wait(0.01)))
    thread.start()
    thread.join()
    assert handled == [0]


class Session:
    """Reads messages that are made of plain dicts."""

    def feed_identities(self, message: list[Any], copy: bool) -> tuple[list[Any], list[Any]]:
        return [], message

    def deserialize(self, frames: list[Any], content: bool, copy: bool) -> dict[str, Any]:
        return {"header": frames[2], "content": frames[3]}

    def unpack(self, content: Any) -> Any:
        return content


def message(kind: str, subshell: str | None = None, **content: Any) -> list[Any]:
    header = SimpleNamespace(bytes=kind.encode())
    return [b"signature", header, {"msg_type": kind, "subshell_id": subshell}, content]


def sieve() -> Sieve:
    made = Sieve(Session())
    made.watch("ours")
    return made


CONTROL = {"target_name": "jupyter.widget.control", "comm_id": "asking"}


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (message("comm_msg", comm_id="ours"), True),
        (message("comm_msg", "subshell", comm_id="ours"), True),
        (message("comm_close", comm_id="ours"), True),
        (message("comm_msg", comm_id="theirs"), False),
        (message("comm_close", comm_id="theirs"), False),
        (message("comm_open", comm_id="new", target_name="theirs"), False),
        (message("comm_open", **CONTROL), True),
        (message("comm_open", "subshell", **CONTROL), False),
        (message("comm_info_request"), True),
        (message("kernel_info_request"), True),
        (message("kernel_info_request", "subshell"), False),
        (message("execute_request", code="'comm_msg'"), False),
        (message("complete_request"), False),
    ],
)
def test_what_is_taken_while_a_cell_runs(given: list[Any], taken: bool) -> None:
    assert sieve().takes(given, in_cell=True) is taken


def test_a_page_that_asks_is_answered_to_the_end() -> None:
    made = sieve()
    assert not made.takes(message("comm_msg", comm_id="asking"), in_cell=True)
    assert made.takes(message("comm_open", **CONTROL), in_cell=True)
    assert made.takes(message("comm_msg", comm_id="asking"), in_cell=False)
    assert made.takes(message("comm_close", comm_id="asking"), in_cell=False)
    assert not made.takes(message("comm_msg", comm_id="asking"), in_cell=True)


def test_requests_need_no_help_between_cells_nor_where_nothing_is_watched() -> None:
    made = sieve()
    assert not made.takes(message("kernel_info_request"), in_cell=False)
    made.unwatch("ours")
    assert not made.takes(message("kernel_info_request"), in_cell=True)
    assert not made.takes(message("comm_msg", comm_id="ours"), in_cell=True)
