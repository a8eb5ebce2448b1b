"""A seed gives the first weights that it gives in Diffusers: the layers of each network are made in the same order."""

from __future__ import annotations

from typing import Any

import diffusers
import pytest
import torch

import engine

STAGES: dict[str, Any] = {"block_out_channels": (8, 16), "norm_num_groups": 4}
CROSS: dict[str, Any] = {
    **STAGES,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 8,
    "attention_head_dim": 2,
}
PLAIN: dict[str, Any] = {
    **STAGES,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": 4,
}
SKIP: dict[str, Any] = {
    "block_out_channels": (32, 64),
    "down_block_types": ("SkipDownBlock2D", "AttnSkipDownBlock2D"),
    "up_block_types": ("AttnSkipUpBlock2D", "SkipUpBlock2D"),
    "norm_num_groups": None,
}
RESAMPLED: dict[str, Any] = {
    "down_block_types": ("ResnetDownsampleBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "ResnetUpsampleBlock2D"),
}
TEXT_TIME: dict[str, Any] = {
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 80,
    "transformer_layers_per_block": (2, 1),
    "use_linear_projection": True,
    "time_cond_proj_dim": 8,
}
VAE: dict[str, Any] = {
    **STAGES,
    "down_block_types": ("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
    "up_block_types": ("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
}
TINY: dict[str, Any] = {
    "encoder_block_out_channels": (8, 8),
    "decoder_block_out_channels": (8, 8),
    "num_encoder_blocks": (1, 2),
    "num_decoder_blocks": (2, 1),
}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("UNet2DConditionModel", CROSS),
        ("UNet2DConditionModel", {**CROSS, **TEXT_TIME}),
        ("UNet2DConditionModel", {**CROSS, "class_embed_type": "timestep", "time_embedding_type": "fourier"}),
        ("UNet2DConditionModel", {**CROSS, **RESAMPLED}),
        ("UNet2DModel", PLAIN),
        ("UNet2DModel", {**PLAIN, **RESAMPLED, "downsample_type": "resnet", "upsample_type": "resnet"}),
        ("UNet2DModel", {**PLAIN, "num_class_embeds": 3, "resnet_time_scale_shift": "scale_shift"}),
        ("UNet2DModel", SKIP),
        ("AutoencoderKL", VAE),
        ("VQModel", VAE),
        ("AutoencoderTiny", TINY),
    ],
)
def test_initial_weights(name: str, options: dict[str, Any]) -> None:
    weights: list[dict[str, torch.Tensor]] = []
    for package in (engine, diffusers):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            weights.append(getattr(package, name)(**options).state_dict())
    ours, theirs = weights
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
