"""Which U-Nets are measured, and what a guided step of each is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.loading.configurations import family_configuration

TOKENS, SCALE = 77, 8
SD15: dict[str, Any] = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
TINY: dict[str, Any] = {
    "block_out_channels": (32, 64),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": 32,
    "norm_num_groups": 8,
}


@dataclass(frozen=True)
class Kind:
    """A kind of model.

    Attributes:
        words: what a table calls it.
        unet: the configuration of its U-Net.
        size: the pixels of a side that it was made for.
    """

    words: str
    unet: dict[str, Any]
    size: int


def kind_of(name: str) -> Kind:
    """The kind called `name`: "sd15", "xl", or "tiny", whose times mean nothing."""
    if name == "xl":
        unet = {
            key: value for key, value in family_configuration("stable-diffusion-xl")["unet"].items() if key[0] != "_"
        }
        return Kind("Stable Diffusion XL's size", unet, 1024)
    return {"sd15": Kind("Stable Diffusion 1.5's size", SD15, 512), "tiny": Kind("a tiny network", TINY, 128)}[name]


KINDS = ("sd15", "xl", "tiny")


def is_xl(unet: Mapping[str, Any]) -> bool:
    """Whether a U-Net of this configuration is told sizes and a pooled prompt, as Stable Diffusion XL's is."""
    return unet.get("addition_embed_type") == "text_time"


def pooled_channels(unet: Mapping[str, Any]) -> int:
    """The channels of the pooled prompt of such a U-Net, which it gets together with six numbers' embeddings."""
    return unet["projection_class_embeddings_input_dim"] - 6 * unet["addition_time_embed_dim"]


def step_inputs(unet: dict[str, Any], pictures: int, size: int, device: str, dtype: torch.dtype) -> dict[str, Any]:
    """What a guided step of `pictures` pictures of `size` pixels gives the U-Net: twice as many samples as pictures."""
    generator = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator).to(device, dtype)

    given: dict[str, Any] = {
        # Guidance gives the same latents to both halves.
        "sample": drawn(pictures, 4, size // SCALE, size // SCALE).repeat(2, 1, 1, 1),
        "timestep": 500,
        "encoder_hidden_states": drawn(2 * pictures, TOKENS, unet["cross_attention_dim"]),
        "return_dict": False,
    }
    if is_xl(unet):
        pooled = pooled_channels(unet)
        sides = torch.tensor([[size, size, 0, 0, size, size]] * (2 * pictures), device=device, dtype=dtype)
        given["added_cond_kwargs"] = {"text_embeds": drawn(2 * pictures, pooled), "time_ids": sides}
    return given
