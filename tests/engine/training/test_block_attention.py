"""Cross-attentions are pointed at the states that foretell blocks of latents."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional

from engine.errors import ConfigError
from engine.models.attention import Attention
from engine.training.block_attention import Examples, attend_to_blocks, block_of_positions, least_squares
from engine.training.events import Event, Measured
from engine.training.text_alignment import to_blocks
from engine.training.unet import UNetSettings, train_unet

SIDE, BLOCKS, STATES, WIDTH, CHANNELS = 8, 2, 12, 48, 4
FEATURES = 96  # more than there are positions, so that each can be told apart


class Denoiser(nn.Module):
    """An attention over positions that it can tell apart, and one over too few of them."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(1, SIDE**2, FEATURES))
        self.attention = Attention(FEATURES, WIDTH, heads=2, dim_head=20)
        self.small = Attention(FEATURES, WIDTH, heads=2, dim_head=20)

    def forward(self, latents: torch.Tensor, texts: torch.Tensor) -> torch.Tensor:
        seen = functional.pad(latents.flatten(2).mT, (0, FEATURES - CHANNELS)) + self.places
        self.small(seen[:, :9], texts)
        return self.attention(seen, texts)


@pytest.fixture
def examples() -> Examples:
    """Pictures whose last states say what is in their blocks, through a map that nobody was told."""
    torch.manual_seed(0)
    latents = torch.randn(64, CHANNELS, SIDE, SIDE)
    said = to_blocks(latents, BLOCKS) @ torch.randn(CHANNELS * (SIDE // BLOCKS) ** 2, WIDTH) / 8
    texts = torch.randn(64, STATES, WIDTH) * 0.1
    texts[:, -(BLOCKS**2) :] += said
    return Examples(latents, texts + torch.randn(STATES, WIDTH) * 2, lambda _: None, BLOCKS)


def test_each_position_looks_at_the_state_of_its_block(examples: Examples) -> None:
    model = Denoiser()
    before = [weight.clone() for weight in model.small.parameters()]
    seen = Examples(
        examples.latents, examples.texts, lambda rows: model(examples.latents[rows], examples.texts[rows]), BLOCKS
    )
    shares = attend_to_blocks(model, seen, torch.Generator().manual_seed(0), batch=20)
    assert len(shares) == 1  # 3 x 3 positions are no 2 x 2 blocks
    assert shares[0] > 0.9
    assert all(torch.equal(old, new) for old, new in zip(before, model.small.parameters(), strict=True))

    # What the attention itself then gives, with values that name the state.
    attention = model.attention
    with torch.no_grad():
        attention.to_v.weight[:20] = 0
        names = torch.eye(STATES, WIDTH).expand(64, -1, -1)
        query = examples.latents.flatten(2).mT
        query = functional.pad(query, (0, FEATURES - CHANNELS)) + model.places
        scores = attention.to_q(query)[..., :20] @ attention.to_k(examples.texts)[..., :20].mT / 20**0.5
        given = scores.softmax(-1) @ names[..., :STATES]
    where = block_of_positions(SIDE**2, BLOCKS)
    assert where is not None
    assert torch.equal(given.mean(0).argmax(-1), where + STATES - BLOCKS**2)


def test_nothing_is_disturbed_at_first(examples: Examples) -> None:
    model = Denoiser()
    with torch.no_grad():
        next(model.attention.to_out[0].parameters())[:, :20] = 0  # of the head that will be set
        before = model(examples.latents, examples.texts)
        run = Examples(
            examples.latents, examples.texts, lambda rows: model(examples.latents[rows], examples.texts[rows]), BLOCKS
        )
        attend_to_blocks(model, run, torch.Generator().manual_seed(0))
        assert torch.equal(model(examples.latents, examples.texts), before)


def test_values_are_what_the_states_foretell(examples: Examples) -> None:
    model = Denoiser()
    run = Examples(
        examples.latents, examples.texts, lambda rows: model(examples.latents[rows], examples.texts[rows]), BLOCKS
    )
    attend_to_blocks(model, run, torch.Generator().manual_seed(0))
    values = model.attention.to_v(examples.texts[:, -(BLOCKS**2) :])[..., :20]
    wanted = to_blocks(examples.latents, BLOCKS)
    wanted = wanted - wanted.mean((0, 1))
    left = wanted - values @ least_squares(values, wanted)
    # 20 directions of 64 carry at least their share, and 0 would mean that nothing was read.
    assert left.square().mean() < 0.75 * wanted.square().mean()


def test_least_squares_find_a_map() -> None:
    torch.manual_seed(0)
    inputs, wanted = torch.randn(30, 50, 8), torch.randn(8, 3)
    assert torch.allclose(least_squares(inputs, inputs @ wanted), wanted, rtol=5e-3, atol=5e-3)


def test_positions_lie_in_blocks_row_by_row() -> None:
    found = block_of_positions(16, 2)
    assert found is not None
    assert found.tolist() == [0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3, 2, 2, 3, 3]
    assert block_of_positions(9, 2) is None
    assert block_of_positions(15, 2) is None


def test_blocks_that_do_not_fit(examples: Examples) -> None:
    def cut(side: int) -> Examples:
        picture = functional.interpolate(examples.latents, (12, 12))
        return Examples(picture, examples.texts, lambda rows: model(examples.latents[rows], examples.texts[rows]), side)

    model = Denoiser()
    before = [weight.clone() for weight in model.attention.parameters()]
    with pytest.raises(ConfigError, match="must be less than the text's 12 states"):
        attend_to_blocks(model, cut(4), torch.Generator())
    with pytest.raises(ConfigError, match="blocks cannot be 5: it must divide the latents' side of 12"):
        attend_to_blocks(model, cut(5), torch.Generator())
    attend_to_blocks(model.attention, cut(3), torch.Generator())  # 8 x 8 positions are no 3 x 3 blocks
    assert all(torch.equal(old, new) for old, new in zip(before, model.attention.parameters(), strict=True))


def test_a_run_begins_with_them(unet_settings: Callable[..., UNetSettings]) -> None:
    events: list[Event] = list(train_unet(unet_settings(blocks=2)))
    measured = [event for event in events if isinstance(event, Measured)]
    assert len(measured) == 1
    assert measured[0].figures
    states = 77  # of the tiny text encoder: chance is one of them, and an untrained denoiser hardly tells places apart
    assert all(share > 1 / states for share in measured[0].figures.values())
    assert not [e for e in train_unet(unet_settings(blocks=2, steps=5)) if isinstance(e, Measured)]  # goes on


def test_blocks_are_counted_from_one(unet_settings: Callable[..., UNetSettings]) -> None:
    with pytest.raises(ConfigError, match="blocks"):
        unet_settings(blocks=0)
