"""Parts of the page that have to do with cards and need no document, run by node where there is one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitorch_widgets.inspector.cards import Cards
from monitorch_widgets.panel.cards import CardFeed, cards_content

from .test_cards import gallery, picture, report
from .test_page_parts import NODE, page

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

SEEN = """cards => [...cards.all.values()].map((card) =>
  [card.key, card.tab, card.buffers.map((bytes) => bytes && [bytes[0], bytes.length])])"""


def state(cards: Cards, most_bytes: int = 10**6) -> str:
    """All cards as the page gets them: bytes as an ArrayBuffer."""
    content = cards_content(cards, most_bytes)
    data = list(content.pop("bytes", b""))
    return f"({{ ...{json.dumps(content)}, bytes: Uint8Array.from({data}).buffer }})"


def messages(feed: CardFeed) -> str:
    """Calls of what is due now."""
    calls = [
        f"cards.take({json.dumps(message.content)}, {[list(buffer) for buffer in message.buffers]}"
        ".map((bytes) => Uint8Array.from(bytes).buffer));"
        for message in feed.due()
    ]
    return "".join(calls)


def seen(setup: str) -> Any:
    return page(f"({SEEN})(cards)", setup)


def test_the_page_puts_pictures_together_from_what_it_has_and_what_comes() -> None:
    cards = Cards()
    cards.put(gallery("samples", picture(1, 10), picture(2, 10)))
    cards.put(report())
    feed = CardFeed(cards)
    feed.seen()
    setup = f"const cards = new Cards({state(cards)});"
    first = [["gallery/samples", "Gallery", [[1, 10], [2, 10]]], ["hparams", "Run", []]]
    assert seen(setup) == first
    cards.put(gallery("samples", picture(2, 10), picture(3, 20), first=1))
    setup += messages(feed)
    assert seen(setup)[0][2] == [[2, 10], [3, 20]]
    cards.remove("hparams")
    assert len(seen(setup + f"cards.drop({json.dumps(feed.gone())});")) == 1


def test_the_whole_state_keeps_pictures_that_it_leaves_out_and_the_page_has() -> None:
    cards = Cards()
    cards.put(gallery("samples", picture(1, 10), picture(2, 10), picture(3, 10)))
    setup = f"const cards = new Cards({state(cards)});"
    cards.put(report())
    again = f"cards.adopt({state(cards, 20)});"
    assert seen(setup + again)[0][2] == [[1, 10], [2, 10], [3, 10]]
    assert seen(f"const cards = new Cards({state(cards, 20)});")[0][2] == [None, [2, 10], [3, 10]]
    cards.remove("gallery/samples")
    assert [card[0] for card in seen(setup + f"cards.adopt({state(cards)});")] == ["hparams"]


def test_tabs_stand_in_one_order_whatever_came_first() -> None:
    cards = Cards()
    for tab in ("Run", "Own", "Checks", "Data"):
        cards.put(report(tab, tab=tab))
    assert page("cards.tabs", f"const cards = new Cards({state(cards)});") == ["Data", "Checks", "Run", "Own"]
    standing = page("cards.tabsWith([PERFORMANCE_TAB])", f"const cards = new Cards({state(cards)});")
    assert standing == ["Data", "Checks", "Run", "Performance", "Own"]
    assert page("new Cards(undefined).tabs") == page("new Cards({ cards: [] }).tabs") == []


def test_an_exploding_loss_does_not_squeeze_the_rest_of_the_curve() -> None:
    falling = [2.0, 2.0, 1.5, 1.0, 1.2]
    quiet = page(f"lossExtent({falling}, {falling})")
    wild = [*falling, 1e3, 1e9]
    assert page(f"lossExtent({wild}, {wild})") == quiet
    assert quiet["min"] < 1.0 < 2.0 < quiet["max"] < 3.0
    assert page("lossExtent([NaN], [NaN])") == {"min": 0, "max": 1}


def test_noise_of_the_losses_is_within_the_picture() -> None:
    seen = page("lossExtent([1, 1, 1, 0.9], [0.5, 1.5, 0.5, 1.4])")
    assert seen["min"] < 0.5 and seen["max"] > 1.4


@pytest.mark.parametrize(
    ("name", "shape", "shown"),
    [("0/[64, 1, 28, 28]", "[64, 1, 28, 28]", "0"), ("encoder/mask", "[64]", "encoder/mask"), ("[64]", "[64]", "[64]")],
)
def test_A03_the_shape_stands_in_a_badge_and_not_in_the_name(name: str, shape: str, shown: str) -> None:
    content = json.dumps({"name": name, "shape": shape})
    assert page(f"nameOfTensor({content})") == shown


def test_columns_of_a_map_begin_at_their_steps() -> None:
    assert page("columnEdges([0, 10, 20, 25])") == [0, 10, 20, 25, 30]
    assert page("columnEdges([7])") == [7, 8]
