"""Cards on their way to the page: what it has of each, what it has not, and all of them as state."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any, Protocol

from monitorch_widgets.values import Card

from .payload import Json

LOOKED_BYTES = 100_000
"""About how many bytes of cards of the tab in sight may go with one refresh."""
UNSEEN_BYTES = 25_000
"""The same for cards that nobody looks at: they must not slow the curves down."""
MESSAGE_BYTES = 2**20
"""About how large one card may be in a message; what is left out of it comes with the next one, or at the end."""
MIDWAY_BYTES = 4 * 2**20
WHOLE_BYTES = 16 * 2**20
"""About how large all cards may be as state: in the midst of a run, and at its end and in a saved notebook."""
_WORD = 2**64 - 1


class Source(Protocol):
    """Where cards come from."""

    @property
    def all(self) -> tuple[Card, ...]:
        """All cards."""
        ...

    def since(self, version: int) -> tuple[int, list[Card], list[str]]:
        """The version now, cards that came after `version`, and keys that went."""
        ...


class NoCards:
    """A source of no cards."""

    @property
    def all(self) -> tuple[Card, ...]:
        """None."""
        return ()

    def since(self, version: int) -> tuple[int, list[Card], list[str]]:
        """Nothing."""
        return 0, [], []


NO_CARDS = NoCards()


@dataclass(frozen=True, slots=True)
class CardMessage:
    """One card, with those of its buffers that the page has not got.

    Attributes
    ----------
    content : dict
        ``{"t": "card", ...}``; ``ids`` names all buffers of the card, ``fresh`` the places of those that come with it.
    buffers : list of bytes
        The fresh ones.
    """

    card: Card
    content: Json
    buffers: list[bytes]
    size: int


class CardFeed:
    """What the page has not seen yet of the cards of a source: the newest of each key, nothing is queued.

    Attributes
    ----------
    source : Source
        Where they come from.
    look : (str, str)
        Tab and key that the page is looking at.

    Examples
    --------
    >>> from monitorch_widgets.inspector.cards import Shown
    >>> cards = Shown()
    >>> feed = CardFeed(cards)
    >>> cards.put(Card("hparams", "Run", "report", "Hyper-parameters", {}))
    >>> [message.card.key for message in feed.due()]
    ['hparams']
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.look = ("", "")
        self._version = 0
        self._waiting: dict[str, Card] = {}
        self._gone: set[str] = set()
        self._sent: dict[str, int] = {}  # by key: its turn, a smaller one is longer ago
        self._held: dict[str, frozenset[str]] = {}  # by key: buffers that the page has
        self._turn = count(1)

    def __repr__(self) -> str:
        return f"CardFeed({len(self._waiting)} of {len(self.source.all)} waiting)"

    @property
    def used(self) -> bool:
        """Whether there is, or ever was, a card."""
        return self._version > 0 or bool(self.source.all)

    @property
    def behind(self) -> bool:
        """Whether the page lacks something."""
        self._collect()
        return bool(self._waiting or self._gone)

    def seen(self, most_bytes: int = WHOLE_BYTES) -> None:
        """Take all cards for sent: the page gets the whole state, in about `most_bytes`."""
        self._collect()
        self._waiting.clear()
        self._gone.clear()
        kept = within(self.source.all, most_bytes)
        self._held = {card.key: frozenset(_ids(card, places)) for card, places in kept}

    def gone(self) -> list[str]:
        """Keys of cards that are gone since the last call."""
        self._collect()
        gone, self._gone = sorted(self._gone), set()
        return gone

    def due(self) -> Iterator[CardMessage]:
        """Messages for one refresh; one that was taken from here counts as sent when the next one is asked for.

        Cards in sight come first, then those that were sent the longest time ago.
        """
        self._collect()
        size = 0
        for key in sorted(self._waiting, key=self._rank):
            message = self._message(self._waiting[key])
            if size and size + message.size > self._room(message.card):
                return
            size += message.size
            yield message
            self._note(message)

    def _collect(self) -> None:
        self._version, came, gone = self.source.since(self._version)
        for card in came:
            self._waiting[card.key] = card
            self._gone.discard(card.key)
        for key in gone:
            self._gone.add(key)
            for kept in (self._waiting, self._sent, self._held):
                kept.pop(key, None)

    def _rank(self, key: str) -> tuple[bool, bool, int]:
        tab, looked = self.look
        return key != looked, self._waiting[key].tab != tab, self._sent.get(key, 0)

    def _room(self, card: Card) -> int:
        return LOOKED_BYTES if card.tab == self.look[0] else UNSEEN_BYTES

    def _message(self, card: Card) -> CardMessage:
        held, ids = self._held.get(card.key, frozenset()), _ids(card)
        ((_, places),) = within([card], MESSAGE_BYTES, held)
        fresh = [place for place in places if ids[place] not in held]
        content = {"t": "card", **_told(card), "ids": ids, "fresh": fresh}
        buffers = [card.buffers[place] for place in fresh]
        return CardMessage(card, content, buffers, len(json.dumps(content)) + sum(map(len, buffers)))

    def _note(self, message: CardMessage) -> None:
        """The message is out."""
        card, ids = message.card, message.content["ids"]
        fresh = {ids[place] for place in message.content["fresh"]}
        self._held[card.key] = (self._held.get(card.key, frozenset()) | fresh) & frozenset(ids)
        self._sent[card.key] = next(self._turn)
        if self._waiting.get(card.key) is card:
            del self._waiting[card.key]


def cards_content(source: Source, most_bytes: int = WHOLE_BYTES) -> Json:
    """All cards as state, their buffers in one piece: a saved notebook keeps the paths of buffers of former states."""
    cards: list[Json] = []
    pieces: list[bytes] = []
    start = 0
    for card, places in within(source.all, most_bytes):
        spans: list[list[int] | None] = [None] * len(card.buffers)
        for place in sorted(places):
            spans[place] = [start, len(card.buffers[place])]
            pieces.append(card.buffers[place])
            start += len(card.buffers[place])
        cards.append({**_told(card), "ids": _ids(card), "spans": spans})
    return {"cards": cards, "bytes": b"".join(pieces)} if cards else {"cards": []}


def cards_size(source: Source, most_bytes: int) -> int:
    """Bytes of all buffers in :func:`cards_content`."""
    kept = within(source.all, most_bytes)
    return sum(len(card.buffers[place]) for card, places in kept for place in places)


def within(
    cards: Iterable[Card], most_bytes: int, free: frozenset[str] = frozenset()
) -> list[tuple[Card, frozenset[int]]]:
    """Places of the buffers that `most_bytes` have room for, by card: the oldest pictures are left out first.

    Buffers whose names are in `free` cost nothing.
    """
    cards = list(cards)
    ranked = sorted((rank, i, place) for i, card in enumerate(cards) for place, rank in enumerate(_ranks(card)))
    kept: list[set[int]] = [set() for _ in cards]
    for _, i, place in ranked:
        buffer = cards[i].buffers[place]
        size = 0 if free and _name(buffer) in free else len(buffer)
        if size <= most_bytes:
            most_bytes -= size
            kept[i].add(place)
    return [(card, frozenset(places)) for card, places in zip(cards, kept, strict=True)]


def _ranks(card: Card) -> list[tuple[int, int]]:
    """How soon each buffer is let go of: the smallest last."""
    ranks = [(0, 0)] * len(card.buffers)
    if card.kind != "gallery":
        return ranks
    items = sorted(card.content.get("items", ()), key=lambda item: -int(item["step"]))
    for age, item in enumerate(items):
        ranks[item["buffer"]] = (1 if age == 0 else 2, -int(item["step"]))
    return ranks


def _told(card: Card) -> dict[str, Any]:
    return {"key": card.key, "tab": card.tab, "kind": card.kind, "title": card.title, "content": card.content}


def _ids(card: Card, places: Iterable[int] | None = None) -> list[str]:
    buffers = card.buffers if places is None else [card.buffers[place] for place in places]
    return [_name(buffer) for buffer in buffers]


def _name(buffer: bytes) -> str:
    """The same for the same bytes, in one process; Python keeps a hash with the bytes, so this is soon done."""
    return f"{hash(buffer) & _WORD:x}"
