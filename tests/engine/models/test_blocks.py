"""The building blocks of the networks, against their formulas and, where a formula says too little, the reference's."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers.models.resnet import downsample_2d, upsample_2d
from torch import Tensor, nn
from torch.nn import functional

from engine.errors import ConfigError, InvalidValue
from engine.models.activations import GEGLU, GELU, get_activation
from engine.models.attention import Attention, BasicTransformerBlock, FeedForward, set_attention_slice
from engine.models.embeddings import (
    GaussianFourierProjection,
    TimestepEmbedding,
    expand_timesteps,
    get_timestep_embedding,
)
from engine.models.fir import fir_downsample, fir_upsample
from engine.models.resnet import Downsample2D, ResnetBlock2D, Upsample2D
from engine.models.unet_conditioning import mask_bias

BATCH, TOKENS, CHANNELS, HEADS = 2, 5, 12, 3


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    torch.manual_seed(0)


def by_hand(attention: Attention, tokens: Tensor, context: Tensor, bias: Tensor | float = 0.0) -> Tensor:
    """softmax(Q K^T / sqrt(d) + bias) V, head by head."""
    query, key, value = attention.to_q(tokens), attention.to_k(context), attention.to_v(context)
    heads = []
    for q, k, v in zip(*(tensor.chunk(attention.heads, dim=-1) for tensor in (query, key, value)), strict=True):
        scores = q @ k.transpose(1, 2) / math.sqrt(q.shape[-1]) + bias
        heads.append(scores.softmax(dim=-1) @ v)
    return attention.to_out[0](torch.cat(heads, dim=-1))


def test_self_and_cross_attention_follow_the_formula() -> None:
    tokens, context = torch.randn(BATCH, TOKENS, CHANNELS), torch.randn(BATCH, 7, 9)
    own = Attention(CHANNELS, heads=HEADS, dim_head=4)
    cross = Attention(CHANNELS, cross_attention_dim=9, heads=HEADS, dim_head=8, bias=True, out_bias=False)
    torch.testing.assert_close(own(tokens), by_hand(own, tokens, tokens))
    torch.testing.assert_close(cross(tokens, context), by_hand(cross, tokens, context))


def test_attention_masks_are_added_to_the_scores() -> None:
    attention = Attention(CHANNELS, heads=HEADS, dim_head=4)
    tokens = torch.randn(BATCH, TOKENS, CHANNELS)
    bias = torch.randn(BATCH, TOKENS)
    expected = by_hand(attention, tokens, tokens, bias[:, None])
    torch.testing.assert_close(attention(tokens, attention_mask=bias), expected)
    torch.testing.assert_close(attention(tokens, attention_mask=bias[:, None]), expected)
    per_query = torch.randn(BATCH, TOKENS, TOKENS)
    torch.testing.assert_close(
        attention(tokens, attention_mask=per_query), by_hand(attention, tokens, tokens, per_query)
    )
    with pytest.raises(InvalidValue, match="covers 4 tokens, but there are 5"):
        attention(tokens, attention_mask=torch.zeros(BATCH, 4))


def test_attention_over_an_image_keeps_it_an_image() -> None:
    attention = Attention(
        8, heads=2, dim_head=4, bias=True, norm_num_groups=4, residual_connection=True, rescale_output_factor=2.0
    )
    image = torch.randn(BATCH, 8, 3, 5)
    normed = functional.group_norm(image, 4, attention.group_norm.weight, attention.group_norm.bias, 1e-5)
    tokens = normed.flatten(2).transpose(1, 2)
    attended = by_hand(attention, tokens, tokens).transpose(1, 2).reshape(image.shape)
    torch.testing.assert_close(attention(image), (image + attended) / 2.0)


def test_slices_for_each_attention() -> None:
    block = BasicTransformerBlock(CHANNELS, HEADS, 4, cross_attention_dim=9)
    tokens, context = torch.randn(BATCH, TOKENS, CHANNELS), torch.randn(BATCH, 7, 9)
    whole = block(tokens, context)
    set_attention_slice(block, [1, 2])
    assert [block.attn1.slice_size, block.attn2.slice_size] == [1, 2]
    torch.testing.assert_close(block(tokens, context), whole)
    with pytest.raises(InvalidValue, match="3 entries; this model has 2"):
        set_attention_slice(block, [1, 2, 3])


def test_transformer_block_without_a_prompt_has_no_second_attention() -> None:
    block = BasicTransformerBlock(CHANNELS, HEADS, 4)
    assert not [name for name, _ in block.named_parameters() if "attn2" in name or "norm2" in name]
    assert block(torch.randn(BATCH, TOKENS, CHANNELS)).shape == (BATCH, TOKENS, CHANNELS)


def test_feed_forward_and_gates() -> None:
    x = torch.randn(BATCH, CHANNELS)
    geglu = GEGLU(CHANNELS, 6)
    value, gate = geglu.proj(x).split(6, dim=-1)
    torch.testing.assert_close(geglu(x), value * functional.gelu(gate))
    tanh = GELU(CHANNELS, 6, approximate="tanh")
    torch.testing.assert_close(tanh(x), functional.gelu(tanh.proj(x), approximate="tanh"))
    forward = FeedForward(CHANNELS, 4, mult=2, activation_fn="gelu")
    expected = forward.net[2](functional.gelu(forward.net[0].proj(x)))
    torch.testing.assert_close(forward(x), expected)
    with pytest.raises(ConfigError, match="activation_fn is 'tanh'"):
        FeedForward(CHANNELS, activation_fn="tanh")


def test_activations_by_name() -> None:
    assert isinstance(get_activation("SiLU"), nn.SiLU)
    with pytest.raises(ConfigError, match="'sine' is unknown; use one of swish"):
        get_activation("sine")


def test_timestep_embedding_follows_the_formula() -> None:
    timesteps = torch.tensor([0.0, 1.5, 999.0])
    embedding = get_timestep_embedding(timesteps, 8, downscale_freq_shift=1)
    for row, t in zip(embedding, timesteps.tolist(), strict=True):
        angles = [t * 10000 ** (-i / 3) for i in range(4)]
        expected = torch.tensor([math.sin(a) for a in angles] + [math.cos(a) for a in angles])
        torch.testing.assert_close(row, expected, atol=1e-4, rtol=0)
    flipped = get_timestep_embedding(timesteps, 9, flip_sin_to_cos=True, downscale_freq_shift=1)
    torch.testing.assert_close(flipped, torch.cat([embedding[:, 4:], embedding[:, :4], torch.zeros(3, 1)], dim=1))


def test_fourier_features() -> None:
    levels = torch.tensor([0.5, 2.0])
    plain = GaussianFourierProjection(3, log=False)
    angles = 2 * math.pi * levels[:, None] * plain.weight
    torch.testing.assert_close(plain(levels), torch.cat([angles.sin(), angles.cos()], dim=1))
    assert not plain.weight.requires_grad
    logarithmic = GaussianFourierProjection(3, flip_sin_to_cos=True)
    angles = 2 * math.pi * levels.log()[:, None] * logarithmic.weight
    torch.testing.assert_close(logarithmic(levels), torch.cat([angles.cos(), angles.sin()], dim=1))


def test_guidance_is_added_before_the_first_layer() -> None:
    embedding = TimestepEmbedding(4, 6, cond_proj_dim=3)
    x, condition = torch.randn(BATCH, 4), torch.randn(BATCH, 3)
    torch.testing.assert_close(embedding(x, condition), embedding(x + embedding.cond_proj(condition)))
    with pytest.raises(InvalidValue, match="no guidance embedding"):
        TimestepEmbedding(4, 6)(x, condition)


def test_timesteps_become_one_for_each_sample() -> None:
    sample = torch.zeros(3, 4, 8, 8)
    for timestep in (7, torch.tensor(7), torch.tensor([7]), torch.tensor([7, 7, 7])):
        assert torch.equal(expand_timesteps(timestep, sample), torch.tensor([7, 7, 7]))
    assert expand_timesteps(0.1, sample).tolist() == [0.1] * 3


def test_masks_become_biases() -> None:
    mask = torch.tensor([[True, False]])
    assert torch.equal(mask_bias(mask, torch.float64), torch.tensor([[[0.0, -10000.0]]], dtype=torch.float64))
    assert mask_bias(None, torch.float32) is None


@pytest.mark.parametrize(
    ("size", "padding", "expected"), [((8, 6), 1, (4, 3)), ((7, 5), 1, (4, 3)), ((7, 5), 0, (3, 2))]
)
def test_halving(size: tuple[int, int], padding: int, expected: tuple[int, int]) -> None:
    image = torch.randn(1, 4, *size)
    assert Downsample2D(4, use_conv=True, out_channels=6, padding=padding)(image).shape == (1, 6, *expected)
    averaged = Downsample2D(4)(image)
    torch.testing.assert_close(averaged[0, 0, 0, 0], image[0, 0, :2, :2].mean())
    with pytest.raises(ConfigError, match="4 channels into 6"):
        Downsample2D(4, out_channels=6)


def test_halving_pads_only_the_far_edges() -> None:
    layer = Downsample2D(1, use_conv=True, padding=0)
    with torch.no_grad():
        layer.conv.weight.fill_(1.0)
        layer.conv.bias.zero_()
    assert layer(torch.ones(1, 1, 4, 4)).flatten().tolist() == [9.0, 6.0, 6.0, 4.0]


def test_doubling_repeats_pixels_or_reaches_a_size() -> None:
    image = torch.arange(4.0).reshape(1, 1, 2, 2)
    assert Upsample2D(1)(image)[0, 0, 0].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert Upsample2D(1)(image, (3, 4)).shape == (1, 1, 3, 4)
    assert Upsample2D(1, use_conv=True, out_channels=5)(image).shape == (1, 5, 4, 4)


@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_filtered_resampling(size: tuple[int, int]) -> None:
    image = torch.randn(2, 3, *size, dtype=torch.float64)
    torch.testing.assert_close(fir_downsample(image), downsample_2d(image, kernel=(1, 3, 3, 1)), atol=1e-12, rtol=0)
    torch.testing.assert_close(fir_upsample(image), upsample_2d(image, kernel=(1, 3, 3, 1)), atol=1e-12, rtol=0)


def test_filters_keep_a_flat_image_flat_inside() -> None:
    flat = torch.full((1, 2, 8, 8), 3.0)
    torch.testing.assert_close(fir_downsample(flat)[..., 1:-1, 1:-1], torch.full((1, 2, 2, 2), 3.0))
    torch.testing.assert_close(fir_upsample(flat)[..., 1:-1, 1:-1], torch.full((1, 2, 14, 14), 3.0))


def test_residual_block_options() -> None:
    image, temb = torch.randn(BATCH, 8, 6, 6), torch.randn(BATCH, 10)
    sizes = {(): 6, ("up",): 12, ("down",): 3}
    for options, edge in sizes.items():
        block = ResnetBlock2D(in_channels=8, out_channels=4, temb_channels=10, groups=4, **dict.fromkeys(options, True))
        assert block(image, temb).shape == (BATCH, 4, edge, edge)
    plain = ResnetBlock2D(in_channels=8, temb_channels=None, groups=4, output_scale_factor=1.0)
    halved = ResnetBlock2D(in_channels=8, temb_channels=None, groups=4, output_scale_factor=2.0)
    halved.load_state_dict(plain.state_dict())
    assert plain.conv_shortcut is None
    torch.testing.assert_close(halved(image), plain(image) / 2)


def test_residual_block_needs_the_time_it_was_built_for() -> None:
    with pytest.raises(InvalidValue, match="`temb` is None"):
        ResnetBlock2D(in_channels=8, temb_channels=10, groups=4)(torch.zeros(1, 8, 4, 4))


@pytest.mark.parametrize("skip_time_act", [False, True])
def test_time_enters_by_scale_and_shift(skip_time_act: bool) -> None:
    block = ResnetBlock2D(
        in_channels=8, temb_channels=10, groups=4, time_embedding_norm="scale_shift", skip_time_act=skip_time_act
    )
    image, temb = torch.randn(BATCH, 8, 6, 6), torch.randn(BATCH, 10)
    hidden = block.conv1(functional.silu(block.norm1(image)))
    scale, shift = block.time_emb_proj(temb if skip_time_act else functional.silu(temb))[..., None, None].chunk(2, 1)
    hidden = block.norm2(hidden) * (1 + scale) + shift
    torch.testing.assert_close(block(image, temb), image + block.conv2(functional.silu(hidden)))
