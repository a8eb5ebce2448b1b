"""Stages of NCSN++, which carry a small RGB image along on both ways and resample with a smoothing filter.

Song et al., "Score-Based Generative Modeling through Stochastic Differential Equations", arXiv:2011.13456, appendix H.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from engine.models.fir import fir_downsample, fir_upsample
from engine.models.mid_block import spatial_attention
from engine.models.resnet import ResnetBlock2D, TimeEmbeddingNorm
from engine.models.time_embeddings import Embedding

SkipDownBlockType = Literal["SkipDownBlock2D", "AttnSkipDownBlock2D"]
SkipUpBlockType = Literal["SkipUpBlock2D", "AttnSkipUpBlock2D"]

IMAGE_CHANNELS = 3
# Each sum of two branches is divided by this, so that variances do not grow.
OUTPUT_SCALE = math.sqrt(2.0)
ATTENTION_GROUPS = 32


@dataclass(frozen=True, kw_only=True)
class SkipResidual:
    """What the residual blocks of these stages have in common; the fields are arguments of `ResnetBlock2D`."""

    temb_channels: int
    eps: float
    non_linearity: str
    time_embedding_norm: TimeEmbeddingNorm
    dropout: float

    def block(self, in_channels: int, out_channels: int, groups: int | None = None) -> ResnetBlock2D:
        """A residual block; `groups` of its first norm is a quarter of the channels, at most 32, unless given."""
        return ResnetBlock2D(
            in_channels=in_channels,
            out_channels=out_channels,
            groups=groups or _groups(in_channels),
            groups_out=_groups(out_channels),
            output_scale_factor=OUTPUT_SCALE,
            **vars(self),
        )

    def resampling_block(self, channels: int, up: bool) -> ResnetBlock2D:
        """A residual block that halves or doubles the size."""
        return ResnetBlock2D(
            in_channels=channels,
            groups=_groups(channels),
            output_scale_factor=OUTPUT_SCALE,
            use_in_shortcut=True,
            up=up,
            down=not up,
            kernel="fir",
            **vars(self),
        )


class SkipDownStage(nn.Module):
    """Layers on the way down; then half the size, where the image that comes along is taken in.

    `head_dim` None: no attention. Returns the features, those for the way up, and the image at the new size.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_layers: int,
        residual: SkipResidual,
        head_dim: int | None,
        downsample: bool,
    ) -> None:
        super().__init__()
        self.resnets, self.attentions = nn.ModuleList(), nn.ModuleList()
        for index in range(num_layers):
            self.resnets.append(residual.block(in_channels if index == 0 else out_channels, out_channels))
            if head_dim is not None:
                self.attentions.append(_attention(out_channels, head_dim, residual.eps))
        self.resnet_down = residual.resampling_block(out_channels, up=False) if downsample else None
        self.skip_conv = nn.Conv2d(IMAGE_CHANNELS, out_channels, 1) if downsample else None

    def forward(
        self, hidden_states: Tensor, temb: Embedding, image: Tensor
    ) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
        """`image`: (batch, 3, height, width), as large as `hidden_states`."""
        states: list[Tensor] = []
        for index, resnet in enumerate(self.resnets):
            hidden_states = resnet(hidden_states, temb)
            if self.attentions:
                hidden_states = self.attentions[index](hidden_states)
            states.append(hidden_states)
        if self.resnet_down is not None and self.skip_conv is not None:
            image = fir_downsample(image)
            hidden_states = self.skip_conv(image) + self.resnet_down(hidden_states, temb)
            states.append(hidden_states)
        return hidden_states, tuple(states), image


class SkipUpStage(nn.Module):
    """Layers on the way up and one attention after them; then the image is added to and the size doubled.

    `head_dim` None: no attention. Returns the features and the image.
    """

    def __init__(
        self,
        in_channels: int,
        prev_output_channel: int,
        out_channels: int,
        num_layers: int,
        residual: SkipResidual,
        head_dim: int | None,
        upsample: bool,
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList()
        for index in range(num_layers):
            skip_channels = in_channels if index == num_layers - 1 else out_channels
            hidden_channels = prev_output_channel if index == 0 else out_channels
            # With attention the reference divides only the second width by four.
            groups = None if head_dim is None else min(hidden_channels + skip_channels // 4, 32)
            self.resnets.append(residual.block(hidden_channels + skip_channels, out_channels, groups))
        self.attentions = nn.ModuleList()
        if head_dim is not None:
            self.attentions.append(_attention(out_channels, head_dim, residual.eps))
        self.resnet_up = residual.resampling_block(out_channels, up=True) if upsample else None
        self.skip_norm = nn.GroupNorm(_groups(out_channels), out_channels, eps=residual.eps) if upsample else None
        self.act = nn.SiLU()
        self.skip_conv = nn.Conv2d(out_channels, IMAGE_CHANNELS, 3, padding=1) if upsample else None

    def forward(
        self, hidden_states: Tensor, skips: tuple[Tensor, ...], temb: Embedding, image: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """`image`: (batch, 3, height / 2, width / 2), half as large as `hidden_states`; None before there is one."""
        for resnet, skip in zip(self.resnets, reversed(skips), strict=True):
            hidden_states = resnet(torch.cat([hidden_states, skip], dim=1), temb)
        for attention in self.attentions:
            hidden_states = attention(hidden_states)
        if image is not None:
            image = fir_upsample(image)
        if self.resnet_up is not None and self.skip_norm is not None and self.skip_conv is not None:
            addition = self.skip_conv(self.act(self.skip_norm(hidden_states)))
            image = addition if image is None else image + addition
            hidden_states = self.resnet_up(hidden_states, temb)
        return hidden_states, image


def _attention(channels: int, head_dim: int, eps: float) -> nn.Module:
    return spatial_attention(channels, head_dim, ATTENTION_GROUPS, eps, OUTPUT_SCALE)


def _groups(channels: int) -> int:
    return min(channels // 4, 32)
