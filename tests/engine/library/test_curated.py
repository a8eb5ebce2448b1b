"""The list of models to begin with: its sizes are those of the networks, and its sources can be asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from engine.formats.header import elements
from engine.library.curated import curated, find_card
from engine.library.download_source import HubSource, parse_source
from engine.library_messages import Card
from tests.engine.loading.full_size import shapes

# Card -> published model of the same networks, and the bytes of a number in its files.
NETWORKS = {
    "sd15": ("sd1", 2),
    "sd15-inpaint": ("sd1-inpaint", 2),
    "instruct-pix2pix": ("sd1-edit", 2),
    "lcm-dreamshaper": ("sd1-lcm", 4),
    "sd-turbo": ("sd2", 2),
    "sdxl": ("xl", 2),
    "sdxl-refiner": ("refiner", 2),
    "sdxl-turbo": ("xl", 2),
    "sd-vae-mse": ("sd1", 4),
    "sdxl-vae-fp16": ("xl", 4),
}


def used(name: str, kind: str) -> Iterator[int]:
    """The number of elements of each tensor that a folder of Diffusers has of a published file."""
    for key, shape in shapes(name).items():
        if kind == "vae" and not key.startswith("first_stage_model."):
            continue
        # Stable Diffusion 2 leaves the last layer of its text encoder out, and the projection with it.
        if name.startswith("sd2") and ("resblocks.23." in key or key.endswith("text_projection")):
            continue
        yield elements(shape)


@pytest.mark.parametrize("card", [card for card in curated() if card.name in NETWORKS], ids=lambda card: card.name)
def test_sizes_are_those_of_the_networks(card: Card) -> None:
    name, size = NETWORKS[card.name]
    assert card.size == pytest.approx(sum(used(name, card.kind)) * size, rel=0.005)


@pytest.mark.parametrize("card", curated(), ids=lambda card: card.name)
def test_cards_can_be_asked_for(card: Card) -> None:
    source = parse_source(card.source)
    assert isinstance(source, HubSource)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", source.repository)
    assert bool(source.file) == (card.kind == "lora" and ":" in card.source)
    assert find_card(card.title) == find_card(card.name) == card
    assert card.memory >= card.size or card.kind == "lora"


def test_every_whole_model_is_checked() -> None:
    assert {card.name for card in curated() if card.kind != "lora"} == NETWORKS.keys()
