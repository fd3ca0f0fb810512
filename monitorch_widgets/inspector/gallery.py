"""Pictures that the loop logs: the newest of each name."""

from __future__ import annotations

import warnings
from collections import deque
from dataclasses import dataclass

from monitorch_widgets.errors import NotWatched
from monitorch_widgets.values import Card

from .cards import Cards

NEWEST = 12
"""Pictures that are kept of a name."""

NAMES = 32
"""Names at most."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture, as a PNG file."""

    file: bytes
    width: int
    height: int
    step: int
    epoch: int
    caption: str = ""


class Gallery:
    """Keeps the newest pictures of each name in a card.

    Parameters
    ----------
    cards : Cards
        Where they are shown.
    """

    def __init__(self, cards: Cards) -> None:
        self._cards = cards
        self._pictures: dict[str, deque[Picture]] = {}
        self._told = False

    def add(self, name: str, picture: Picture) -> None:
        """Show a picture; that of a new name is left out where there are too many."""
        if name not in self._pictures and len(self._pictures) >= NAMES:
            self._tell(name)
            return
        kept = self._pictures.setdefault(name, deque(maxlen=NEWEST))
        kept.append(picture)
        items = [_item(place, one) for place, one in enumerate(kept)]
        content = {"name": name, "items": items}
        self._cards.put(Card(f"gallery/{name}", "Gallery", "gallery", name, content, tuple(one.file for one in kept)))

    def _tell(self, name: str) -> None:
        if not self._told:
            self._told = True
            warnings.warn(
                f"the gallery has pictures of {NAMES} names already, so {name!r} is left out: give pictures that "
                "belong together one name, without the step in it; it keeps the newest ones.",
                NotWatched,
                stacklevel=7,
            )


def _item(place: int, picture: Picture) -> dict[str, object]:
    return {
        "step": picture.step,
        "epoch": picture.epoch,
        "mime": "image/png",
        "buffer": place,
        "width": picture.width,
        "height": picture.height,
        "caption": picture.caption,
    }
