"""The short list of models to begin with, as `resources/models.json` has it."""

from __future__ import annotations

from engine.files import read_json
from engine.library_messages import Card
from engine.resources_path import resource


def curated() -> tuple[Card, ...]:
    """The cards of the list, in its order; reads one small file."""
    return tuple(Card(**card) for card in read_json(resource("models.json"))["models"])


def find_card(name: str) -> Card | None:
    """The card of this name or title, if the list has it."""
    wanted = name.strip().casefold()
    return next((card for card in curated() if wanted in {card.name.casefold(), card.title.casefold()}), None)
