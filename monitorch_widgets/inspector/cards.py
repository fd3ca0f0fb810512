"""What a run shows besides curves: histograms, pictures, answers of checks, hyper-parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from monitorch_widgets.errors import CommandRefused
from monitorch_widgets.values import Card

Action = Callable[..., str]


class Shown:
    """The newest card of each key, in the order in which the keys first came.

    It knows nothing of what cards can do, and so it keeps nobody alive: a panel that outlives its inspector has it.
    """

    def __init__(self) -> None:
        self.version = 0
        self._cards: dict[str, tuple[int, Card]] = {}
        self._gone: dict[str, int] = {}

    def put(self, card: Card) -> None:
        """Take a card, in place of the one with the same key."""
        self._gone.pop(card.key, None)
        self.version += 1
        self._cards[card.key] = (self.version, card)

    def remove(self, key: str) -> None:
        """Take a card away; one that is not there is no mistake."""
        if self._cards.pop(key, None) is not None:
            self.version += 1
            self._gone[key] = self.version

    def since(self, version: int) -> tuple[int, list[Card], list[str]]:
        """What is new: the version now, cards that came after `version`, and keys that went."""
        now, cards, gone = self.version, list(self._cards.values()), list(self._gone.items())
        return now, [card for number, card in cards if number > version], [k for k, number in gone if number > version]

    @property
    def all(self) -> tuple[Card, ...]:
        """All cards."""
        return tuple(card for _, card in list(self._cards.values()))

    def __contains__(self, key: object) -> bool:
        return key in self._cards

    def __getitem__(self, key: str) -> Card:
        return self._cards[key][1]

    def __len__(self) -> int:
        return len(self._cards)


class Cards:
    """What is shown beside the curves, and what can be done with it.

    Attributes
    ----------
    shown : Shown
        The cards without their actions.

    Examples
    --------
    >>> cards = Cards()
    >>> cards.put(Card("hparams", "Run", "report", "Hyper-parameters", {"facts": [["lr", "0.1"]]}))
    >>> seen, came, gone = cards.since(0)
    >>> [card.title for card in came], gone, cards.since(seen)[1]
    (['Hyper-parameters'], [], [])
    """

    def __init__(self) -> None:
        self.shown = Shown()
        self._actions: dict[str, dict[str, Action]] = {}

    def put(self, card: Card, **actions: Action) -> None:
        """Show a card, in place of the one with the same key.

        Parameters
        ----------
        card : Card
            What to show.
        **actions : callable
            What the page may ask of it, by name; each is called with plain values by keyword, in the thread that
            trains, and says what it did.
        """
        self._actions[card.key] = actions
        self.shown.put(card)

    def remove(self, key: str) -> None:
        """Take a card away; one that is not there is no mistake."""
        self._actions.pop(key, None)
        self.shown.remove(key)

    def act(self, key: str, action: str, arguments: Mapping[str, Any]) -> str:
        """Do what the page asks of a card; what was done is told in words.

        Raises
        ------
        CommandRefused
            If the card is gone, or knows no such action.
        """
        found = self._actions.get(key, {}).get(action)
        if found is None:
            raise CommandRefused(f"there is nothing to do here any more: {action!r} of {key!r}")
        return found(**{str(name): value for name, value in arguments.items()})

    def since(self, version: int) -> tuple[int, list[Card], list[str]]:
        """What is new: the version now, cards that came after `version`, and keys that went."""
        return self.shown.since(version)

    @property
    def all(self) -> tuple[Card, ...]:
        """All cards."""
        return self.shown.all

    def __contains__(self, key: object) -> bool:
        return key in self.shown

    def __getitem__(self, key: str) -> Card:
        return self.shown[key]

    def __len__(self) -> int:
        return len(self.shown)
