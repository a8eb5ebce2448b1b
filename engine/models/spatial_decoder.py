"""A decoder whose norms look at the latents everywhere: "MoVQ", https://arxiv.org/abs/2209.09002, section 3.2."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import ConfigError
from engine.models.activations import get_activation
from engine.models.attention import Attention
from engine.models.checkpointing import GradientCheckpointing
from engine.models.convolution import Conv2d
from engine.models.resnet import Upsample2D
from engine.models.vae_blocks import NORM_EPS

NORM_GROUPS = 32


class SpatialNorm(nn.Module):
    """Group norm whose scale and shift, at each place, are linear functions of the latents there."""

    def __init__(self, channels: int, latent_channels: int) -> None:
        super().__init__()
        if channels % NORM_GROUPS:
            raise ConfigError(f"norm_type 'spatial' has {NORM_GROUPS} groups, which do not divide {channels} channels.")
        self.norm_layer = nn.GroupNorm(NORM_GROUPS, channels, eps=NORM_EPS)
        self.conv_y = Conv2d(latent_channels, channels, 1)
        self.conv_b = Conv2d(latent_channels, channels, 1)

    def forward(self, features: Tensor, latents: Tensor) -> Tensor:
        latents = F.interpolate(latents, size=features.shape[-2:], mode="nearest")
        return self.norm_layer(features) * self.conv_y(latents) + self.conv_b(latents)


class SpatialResnetBlock2D(nn.Module):
    """Norm, activation, convolution, twice, around a shortcut."""

    def __init__(self, in_channels: int, out_channels: int, latent_channels: int, act_fn: str) -> None:
        super().__init__()
        self.norm1 = SpatialNorm(in_channels, latent_channels)
        self.conv1 = Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm2 = SpatialNorm(out_channels, latent_channels)
        self.conv2 = Conv2d(out_channels, out_channels, 3, padding=1)
        self.nonlinearity = get_activation(act_fn)
        self.conv_shortcut = None if in_channels == out_channels else Conv2d(in_channels, out_channels, 1)

    def forward(self, features: Tensor, latents: Tensor) -> Tensor:
        hidden_states = self.conv1(self.nonlinearity(self.norm1(features, latents)))
        hidden_states = self.conv2(self.nonlinearity(self.norm2(hidden_states, latents)))
        return hidden_states + (features if self.conv_shortcut is None else self.conv_shortcut(features))


class SpatialAttention(Attention):
    """Self-attention of one head over the pixels, after such a norm and around a residual."""

    def __init__(self, channels: int, latent_channels: int) -> None:
        super().__init__(channels, heads=1, dim_head=channels, bias=True)
        self.spatial_norm = SpatialNorm(channels, latent_channels)

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride] - looks at latents, not at tokens
        self, hidden_states: Tensor, latents: Tensor
    ) -> Tensor:
        return hidden_states + super().forward(self.spatial_norm(hidden_states, latents))


class SpatialStage(nn.Module):
    """`num_layers` residual blocks, each followed by attention if wanted, then twice the size if wanted."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_layers: int,
        latent_channels: int,
        act_fn: str,
        add_attention: bool,
        add_upsample: bool,
    ) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            SpatialResnetBlock2D(in_channels if layer == 0 else out_channels, out_channels, latent_channels, act_fn)
            for layer in range(num_layers)
        )
        self.attentions = nn.ModuleList(
            SpatialAttention(out_channels, latent_channels) for _ in range(num_layers * add_attention)
        )
        self.upsamplers = nn.ModuleList(
            Upsample2D(out_channels, use_conv=True, out_channels=out_channels) for _ in range(int(add_upsample))
        )

    def forward(self, features: Tensor, latents: Tensor) -> Tensor:
        for layer, resnet in enumerate(self.resnets):
            features = resnet(features, latents)
            if self.attentions:
                features = self.attentions[layer](features, latents)
        for upsampler in self.upsamplers:
            features = upsampler(features)
        return features


class SpatialMidBlock(nn.Module):
    """A residual block, attention if wanted, and another residual block."""

    def __init__(self, channels: int, latent_channels: int, act_fn: str, add_attention: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(
            SpatialResnetBlock2D(channels, channels, latent_channels, act_fn) for _ in range(2)
        )
        self.attentions = nn.ModuleList(SpatialAttention(channels, latent_channels) for _ in range(int(add_attention)))

    def forward(self, features: Tensor, latents: Tensor) -> Tensor:
        features = self.resnets[0](features, latents)
        for attention in self.attentions:
            features = attention(features, latents)
        return self.resnets[1](features, latents)


class SpatialDecoder(GradientCheckpointing, nn.Module):
    """Latents (batch, in_channels, h, w) to images; the arguments are those of `engine.models.vae.Decoder`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        up_block_types: Sequence[str],
        block_out_channels: Sequence[int],
        layers_per_block: int,
        act_fn: str,
        mid_block_add_attention: bool = True,
    ) -> None:
        super().__init__()
        first, last = block_out_channels[-1], block_out_channels[0]
        self.conv_in = Conv2d(in_channels, first, kernel_size=3, padding=1)
        self.mid_block = SpatialMidBlock(first, in_channels, act_fn, mid_block_add_attention)
        self.up_blocks = nn.ModuleList(
            SpatialStage(
                before,
                after,
                layers_per_block + 1,
                in_channels,
                act_fn,
                add_attention=up_block_types[stage] == "AttnUpDecoderBlock2D",
                add_upsample=stage < len(block_out_channels) - 1,
            )
            for stage, (before, after) in enumerate(pairwise([first, *reversed(block_out_channels)]))
        )
        self.conv_norm_out = SpatialNorm(last, in_channels)
        self.conv_act = nn.SiLU()
        self.conv_out = Conv2d(last, out_channels, kernel_size=3, padding=1)

    def forward(self, sample: Tensor, latents: Tensor) -> Tensor:
        """Return the image of `sample`; the norms look at `latents`, which it was made of, of the same shape."""
        sample = self.run_stage(self.mid_block, self.conv_in(sample), latents)
        for up_block in self.up_blocks:
            sample = self.run_stage(up_block, sample, latents)
        return self.conv_out(self.conv_act(self.conv_norm_out(sample, latents)))
