"""Cards on their way to the page: which go when, in how many bytes, and what a page that comes later gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from monitorch_widgets.inspector.cards import Cards
from monitorch_widgets.panel import cards as shown
from monitorch_widgets.panel.cards import CardFeed, cards_content, within
from monitorch_widgets.panel.dashboard import Dashboard, Subject
from monitorch_widgets.values import Card, Status

from .stage import Stage
from .test_dashboard import due
from .wire import Wire, page_says


def report(key: str = "hparams", words: str = "here", tab: str = "Run") -> Card:
    return Card(key, tab, "report", key, {"words": words})


def gallery(name: str, *pictures: bytes, first: int = 0) -> Card:
    items = [{"step": first + i, "buffer": i, "mime": "image/png"} for i in range(len(pictures))]
    return Card(f"gallery/{name}", "Gallery", "gallery", name, {"name": name, "items": items}, pictures)


def picture(number: int, size: int = 1000) -> bytes:
    return bytes([number]) * size


def subject(stage: Stage) -> Subject:
    return Subject(stage.title, stage.specs, stage.modules, stage.history, stage.status, stage.cards)


def told(wire: Wire, dashboard: Dashboard) -> list[dict[str, Any]]:
    return [content for content in wire.custom(dashboard) if content["t"].startswith("card")]


def keys(feed: CardFeed) -> list[str]:
    return [message.card.key for message in feed.due()]


def test_without_cards_nothing_is_added_to_messages_and_state(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    assert dashboard.get_state("cards") == {"cards": {"cards": []}}
    stage.train(3)
    dashboard.refresh()
    dashboard.finish()
    assert [content["t"] for content in wire.custom(dashboard)] == ["delta"]
    assert all("cards" not in state for state in wire.updates(dashboard))


def test_a_card_goes_with_the_next_refresh_and_only_once(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.cards.put(report())
    due(dashboard).refresh()
    due(dashboard).refresh()
    (card,) = told(wire, dashboard)
    assert card == {
        "t": "card", "key": "hparams", "tab": "Run", "kind": "report", "title": "hparams", "content": {"words": "here"},
        "ids": [], "fresh": [], "number": 1, "heard": 0,
    }  # fmt: skip


def test_the_latest_of_a_key_wins_and_what_is_gone_is_told(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    for i in range(50):
        stage.cards.put(report(words=str(i)))
    due(dashboard).refresh()
    assert [card["content"]["words"] for card in told(wire, dashboard)] == ["49"]
    stage.cards.remove("hparams")
    due(dashboard).refresh()
    assert (told(wire, dashboard)[-1]["t"], told(wire, dashboard)[-1]["keys"]) == ("card-gone", ["hparams"])
    stage.cards.put(report(words="back"))
    due(dashboard).refresh()
    assert told(wire, dashboard)[-1]["content"]["words"] == "back"


def test_a_picture_goes_over_the_wire_once(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    pictures = [picture(i) for i in range(4)]
    stage.cards.put(gallery("samples", *pictures[:3]))
    due(dashboard).refresh()
    assert wire.published[-1][3] == pictures[:3]
    stage.cards.put(gallery("samples", *pictures[1:], first=1))
    due(dashboard).refresh()
    assert wire.published[-1][3] == pictures[3:]
    first, second = told(wire, dashboard)
    assert (first["fresh"], second["fresh"]) == ([0, 1, 2], [2])
    assert second["ids"][:2] == first["ids"][1:]


def test_what_does_not_fit_goes_later_the_longest_waiting_first_and_what_is_seen_before_all() -> None:
    cards = Cards()
    feed = CardFeed(cards)

    def put(*names: str) -> None:
        for name in names:
            fresh = cards.shown.version.to_bytes(2, "big") * 5_000
            cards.put(Card(name, "Data", "histogram", name, {}, (fresh,)))

    put("a", "b", "c", "d")
    assert keys(feed) == ["a", "b"]  # 25 kB and nobody looks
    put("a", "b")
    assert keys(feed) == ["c", "d"]
    put("c", "d")
    assert keys(feed) == ["a", "b"]
    feed.look = ("Data", "d")
    put("a", "b", "c", "d")
    assert keys(feed) == ["d", "c", "a", "b"]  # 100 kB for the tab in sight
    assert keys(feed) == []


def test_the_bytes_of_one_refresh_are_bounded_and_one_larger_card_goes_alone() -> None:
    cards = Cards()
    feed = CardFeed(cards)
    for i in range(200):
        cards.put(Card(f"{i}", "Data", "histogram", "", {}, (i.to_bytes(2, "big") * 3_000,)))
    sizes = []
    while feed.behind:
        sizes.append(sum(message.size for message in feed.due()))
    assert max(sizes) <= shown.UNSEEN_BYTES
    assert sum(sizes) > 1_200_000
    cards.put(gallery("large", picture(1, 300_000)))
    cards.put(report())
    assert [len(list(feed.due())) for _ in range(3)] == [1, 1, 0]


def test_a_gallery_that_is_too_large_for_a_message_sends_its_newest_pictures_first() -> None:
    cards = Cards()
    feed = CardFeed(cards)
    cards.put(gallery("huge", *(picture(i, 400_000) for i in range(5))))
    assert [message.content["fresh"] for message in feed.due()] == [[3, 4]]
    cards.put(gallery("huge", *(picture(i, 400_000) for i in range(5))))
    assert [message.content["fresh"] for message in feed.due()] == [[1, 2]]


def test_cards_slow_the_messages_down_by_their_bytes(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.cards.put(gallery("samples", picture(1, 400_000)))
    dashboard._flow.due = 0.0
    dashboard.refresh()
    assert dashboard.due - dashboard._flow._asked == pytest.approx(1.0, rel=0.02)


def test_a_page_that_comes_later_gets_all_cards_as_state(wire: Wire) -> None:
    stage = Stage()
    stage.cards.put(gallery("samples", picture(1), picture(2)))
    stage.cards.put(report())
    dashboard = Dashboard(subject(stage))
    state = wire.of(dashboard, "comm_open")[0]["state"]["cards"]
    assert [card["key"] for card in state["cards"]] == ["gallery/samples", "hparams"]
    assert state["cards"][0]["spans"] == [[0, 1000], [1000, 1000]]
    due(dashboard).refresh()
    assert told(wire, dashboard) == []
    stage.cards.put(gallery("samples", picture(1), picture(2), picture(3)))
    due(dashboard).refresh()
    assert told(wire, dashboard)[0]["fresh"] == [2]


def test_the_end_of_a_cell_brings_all_cards_with_and_without_new_readings(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.cards.put(report())
    dashboard.finish()
    (alone,) = wire.updates(dashboard)
    assert list(alone) == ["cards"]
    stage.train(2)
    stage.cards.put(report(words="later"))
    dashboard.refresh()
    dashboard.finish()
    assert wire.updates(dashboard)[-1]["cards"]["cards"][0]["content"] == {"words": "later"}
    count = len(wire.published)
    dashboard.finish()
    assert len(wire.published) == count


def test_when_a_message_was_lost_the_whole_state_has_the_cards(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    wire.broken = True
    stage.cards.put(gallery("samples", picture(1)))
    with pytest.warns(UserWarning, match="could not be brought up to date"):
        dashboard.refresh()
    wire.broken = False
    due(dashboard).refresh()
    assert wire.updates(dashboard)[-1]["cards"]["cards"][0]["key"] == "gallery/samples"
    due(dashboard).refresh()
    assert told(wire, dashboard) == []


def test_the_oldest_pictures_are_left_out_where_all_take_too_much() -> None:
    cards = Cards()
    many = [picture(i, 100_000) for i in range(12)]
    cards.put(gallery("a", *many))
    cards.put(gallery("b", *(bytes(reversed(one[:-1])) + b"b" for one in many), first=100))
    cards.put(Card("histogram/x", "Data", "histogram", "x", {}, (b"h" * 6_000,)))
    kept = {card.key: sorted(places) for card, places in within(cards.all, 500_000)}
    assert kept == {"gallery/a": [11], "gallery/b": [9, 10, 11], "histogram/x": [0]}
    content = cards_content(cards, 500_000)
    assert len(content["bytes"]) == 406_000
    assert [span is not None for span in content["cards"][1]["spans"]] == [False] * 9 + [True] * 3
    json.dumps(content["cards"], allow_nan=False)


def test_what_the_page_looks_at_is_heard_and_nonsense_does_no_harm(wire: Wire) -> None:
    dashboard = Dashboard(subject(Stage()))
    page_says(dashboard, {"type": "look", "tab": "Data", "key": "histogram/x"})
    assert dashboard._cards.look == ("Data", "histogram/x")
    page_says(dashboard, {"type": "look", "tab": 3, "key": "k" * 10_000})
    assert dashboard._cards.look == ("3", "k" * 500)
    page_says(dashboard, {"type": "look"})
    assert dashboard._cards.look == ("", "")


def test_another_store_of_cards_takes_the_place_of_the_former(wire: Wire) -> None:
    stage, other = Stage(), Stage()
    stage.cards.put(report())
    dashboard = Dashboard(subject(stage))
    other.cards.put(report("metrics"))
    dashboard.watch(subject(other))
    assert [card["key"] for card in wire.updates(dashboard)[-1]["cards"]["cards"]] == ["metrics"]


def test_the_strip_has_items_and_the_time_left(wire: Wire) -> None:
    stage = Stage()
    dashboard = Dashboard(subject(stage))
    stage.now = Status("live", step=1, items=(("v_num", "3"),), eta_s=130.0)
    due(dashboard).refresh()
    stage.now = Status("live", step=2, items=(("v_num", "3"),))
    due(dashboard).refresh()
    first, second = (content["status"] for content in wire.custom(dashboard))
    assert (first["items"], first["eta_s"]) == ([["v_num", "3"]], 130.0)
    assert ("items" in second, second["eta_s"]) == (False, None)
    stage.now = Status("live", step=2, items=(("v_num", "3"),), eta_s=99.0)
    due(dashboard).refresh()  # the clock alone is no reason to send
    assert len(wire.custom(dashboard)) == 2
