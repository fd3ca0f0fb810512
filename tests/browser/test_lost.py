"""Messages lost on their way to the page while a cell trains: it asks for the whole state, and has every step."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, WebSocketRoute

from tests.browser.board import Board
from tests.browser.lab import Notebook, Server, until
from tests.browser.test_commands import NORM, SETUP, SHOW

pytestmark = pytest.mark.browser

TRAIN = """
began = time.time()
while time.time() < began + 120:
    train_step()
    time.sleep(0.03)
"""


@dataclass
class Line:
    """What runs between the kernel and the page: it can lose the readings that Python sends."""

    losing: bool = False
    lost: int = 0
    asked: list[str] = field(default_factory=list)

    def join(self, page_side: WebSocketRoute) -> None:
        server_side = page_side.connect_to_server()

        def to_page(message: str | bytes) -> None:
            if self.losing and _has(message, '"delta"'):
                self.lost += 1
            else:
                page_side.send(message)

        def to_server(message: str | bytes) -> None:
            if _has(message, '"whole"'):
                self.asked.append("whole")
            server_side.send(message)

        server_side.on_message(to_page)
        page_side.on_message(to_server)


def _has(message: str | bytes, words: str) -> bool:
    return words.encode() in (message.encode() if isinstance(message, str) else message)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def notebook(server: Server, browser: Browser, line: Line) -> Iterator[Notebook]:
    context = browser.new_context(viewport={"width": 1600, "height": 1200})
    page = context.new_page()
    page.route_web_socket(re.compile("/channels"), line.join)
    yield Notebook(page, server, "lost.ipynb", [SETUP, SHOW, TRAIN])
    context.close()


def test_a_page_that_missed_messages_gets_every_step(notebook: Notebook, line: Line) -> None:
    notebook.run(0)
    notebook.run(1)
    board = Board(notebook.page)
    board.part("mw-window").select_option("1")
    notebook.start(2)
    board.root.scroll_into_view_if_needed()
    board.until(lambda now: NORM in now and now[NORM].points() > 10, "nothing was drawn", within_s=30)
    line.losing = True
    until(lambda: board.state == "live" and line.lost >= 2, "nothing was sent")  # to look lets the line work
    assert line.asked == []
    line.losing = False
    until(lambda: board.state == "live" and line.asked == ["whole"], "the page did not ask")
    board.part("mw-pause").click()
    board.wait_state("paused")
    steps = int(re.sub(r"\D", "", board.part("mw-step").inner_text()))
    board.until(lambda now: now[NORM].points() == steps, f"not all of {steps} steps are drawn")
    board.part("mw-stop").click()
    notebook.wait_end(2)
    assert notebook.complaints == []
