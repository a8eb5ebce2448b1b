"""The stages of a U-Net: on the way down, in the middle, and on the way up.

Ronneberger et al., arXiv:1505.04597, with the residual blocks and attention of Ho et al., arXiv:2006.11239.
Images are (batch, channels, height, width), the time embedding (batch, temb_channels).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from engine.config import Config
from engine.errors import ConfigError, InvalidValue
from engine.models.halves import spread
from engine.models.mid_block import spatial_attention
from engine.models.resnet import Downsample2D, ResnetBlock2D, TimeEmbeddingNorm, Upsample2D
from engine.models.spatial_transformer import Context, SpatialTransformer
from engine.models.time_embeddings import Embedding

DownBlockType = Literal["DownBlock2D", "CrossAttnDownBlock2D", "AttnDownBlock2D", "ResnetDownsampleBlock2D"]
UpBlockType = Literal["UpBlock2D", "CrossAttnUpBlock2D", "AttnUpBlock2D", "ResnetUpsampleBlock2D"]
MidBlockType = Literal["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"]
ResampleType = Literal["conv", "resnet"]

NO_CONTEXT = Context()


def check_stage_lists(config: Config) -> None:
    """Raise `ConfigError` where the lists of a U-Net differ in length, or the groups do not divide its widths."""
    widths, groups = config.block_out_channels, config.norm_num_groups
    for key in ("down_block_types", "up_block_types"):
        if len(config[key]) != len(widths):
            raise ConfigError(
                f"{key} has {len(config[key])} entries, block_out_channels has {len(widths)}; give one for each stage."
            )
    for width in widths:
        if groups is not None and width % groups:
            raise ConfigError(f"norm_num_groups {groups} does not divide the {width} of block_out_channels.")


@dataclass(frozen=True, kw_only=True)
class Residual:
    """What all residual blocks of a network have in common; the fields are arguments of `ResnetBlock2D`."""

    temb_channels: int
    groups: int
    eps: float = 1e-5
    non_linearity: str = "silu"
    time_embedding_norm: TimeEmbeddingNorm = "default"
    dropout: float = 0.0
    output_scale_factor: float = 1.0
    skip_time_act: bool = False

    def block(self, in_channels: int, out_channels: int, up: bool = False, down: bool = False) -> ResnetBlock2D:
        """A residual block with these settings."""
        return ResnetBlock2D(in_channels=in_channels, out_channels=out_channels, up=up, down=down, **vars(self))


@dataclass(frozen=True, kw_only=True)
class CrossAttention:
    """The transformers of one stage; `layers[i]` transformer blocks follow residual block number i."""

    heads: int
    layers: Sequence[int]
    cross_attention_dim: int
    groups: int
    use_linear_projection: bool = False
    only_cross_attention: bool = False
    upcast_attention: bool = False

    def block(self, channels: int, index: int) -> nn.Module:
        """The transformer after residual block number `index`."""
        return SpatialTransformer(
            self.heads,
            channels // self.heads,
            channels,
            self.layers[index],
            self.cross_attention_dim,
            self.groups,
            self.use_linear_projection,
            self.only_cross_attention,
            self.upcast_attention,
        )


@dataclass(frozen=True, kw_only=True)
class SelfAttention:
    """Plain attention among the pixels of one stage, with `head_dim` channels a head."""

    head_dim: int
    groups: int
    eps: float

    def block(self, channels: int, index: int) -> nn.Module:
        """The attention after residual block number `index`."""
        del index
        return spatial_attention(channels, self.head_dim, self.groups, self.eps)


class _Stage(nn.Module):
    """Residual blocks, each followed by attention where the stage has it.

    They are made in the order in which they run, as everywhere here: then a seed gives the first weights that it
    gives in the reference.
    """

    def __init__(self, resnets: Iterator[ResnetBlock2D], attention: CrossAttention | SelfAttention | None) -> None:
        super().__init__()
        self.resnets, self.attentions = nn.ModuleList(), nn.ModuleList()
        for index, resnet in enumerate(resnets):
            self.resnets.append(resnet)
            if attention is not None:
                self.attentions.append(attention.block(resnet.out_channels, index))
        self.has_cross_attention = isinstance(attention, CrossAttention)

    def layer(self, index: int, hidden_states: Tensor, temb: Embedding | None, context: Context) -> Tensor:
        """Residual block number `index` and its attention."""
        hidden_states = self.resnets[index](hidden_states, temb)
        if not self.attentions:
            return hidden_states
        if self.has_cross_attention:
            return self.attentions[index](hidden_states, context)
        return self.attentions[index](hidden_states)


class DownStage(_Stage):
    """One stage on the way down: `num_layers` layers, then half the size if `downsample` says how.

    Returns the last features and those after every layer and the downsampling, for the way up.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_layers: int,
        residual: Residual,
        attention: CrossAttention | SelfAttention | None = None,
        downsample: ResampleType | None = None,
        downsample_padding: int = 1,
    ) -> None:
        widths = [in_channels, *[out_channels] * (num_layers - 1)]
        super().__init__((residual.block(width, out_channels) for width in widths), attention)
        self.downsamplers = nn.ModuleList()
        if downsample == "conv":
            self.downsamplers.append(Downsample2D(out_channels, use_conv=True, padding=downsample_padding))
        elif downsample == "resnet":
            self.downsamplers.append(residual.block(out_channels, out_channels, down=True))

    def forward(
        self,
        hidden_states: Tensor,
        temb: Embedding | None = None,
        context: Context = NO_CONTEXT,
        additional_residual: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """`additional_residual` is added after the last attention or, in a stage without one, to the result."""
        states: list[Tensor] = []
        for index in range(len(self.resnets)):
            hidden_states = self.layer(index, hidden_states, temb, context)
            states.append(hidden_states)
        if additional_residual is not None and self.has_cross_attention:
            hidden_states = states[-1] = add_residual(hidden_states, additional_residual)
        for downsampler in self.downsamplers:
            hidden_states = _resample(downsampler, hidden_states, temb)
            states.append(hidden_states)
        if additional_residual is not None and not self.has_cross_attention:
            hidden_states = states[-1] = add_residual(hidden_states, additional_residual)
        return hidden_states, tuple(states)


class UpStage(_Stage):
    """One stage on the way up: layers that each take in features from the way down, then twice the size.

    `in_channels` is the width of the stage below it on the way down, whose features its last layer takes in;
    `prev_output_channel` the width it gets from the stage before.
    """

    def __init__(
        self,
        in_channels: int,
        prev_output_channel: int,
        out_channels: int,
        num_layers: int,
        residual: Residual,
        attention: CrossAttention | SelfAttention | None = None,
        upsample: ResampleType | None = None,
    ) -> None:
        hidden = [prev_output_channel, *[out_channels] * (num_layers - 1)]
        skips = [*[out_channels] * (num_layers - 1), in_channels]
        widths = map(sum, zip(hidden, skips, strict=True))
        super().__init__((residual.block(width, out_channels) for width in widths), attention)
        self.upsamplers = nn.ModuleList()
        if upsample == "conv":
            self.upsamplers.append(Upsample2D(out_channels, use_conv=True))
        elif upsample == "resnet":
            self.upsamplers.append(residual.block(out_channels, out_channels, up=True))

    def forward(
        self,
        hidden_states: Tensor,
        skips: tuple[Tensor, ...],
        temb: Embedding | None = None,
        context: Context = NO_CONTEXT,
        upsample_size: tuple[int, int] | None = None,
        before_last: Callable[[Tensor], None] | None = None,
    ) -> Tensor:
        """`skips` are the features of the way down, the last one first to be used; `upsample_size` (height, width)
        is the size to return where a skip connection has an odd edge; `before_last` is shown what goes into the last
        layer."""
        for index, skip in enumerate(reversed(skips)):
            if before_last is not None and index == len(skips) - 1:
                before_last(hidden_states)
            hidden_states = self.layer(index, _join(hidden_states, skip), temb, context)
        for upsampler in self.upsamplers:
            if isinstance(upsampler, Upsample2D):
                hidden_states = upsampler(hidden_states, upsample_size)
            else:
                hidden_states = upsampler(hidden_states, temb)
        return hidden_states

    def last_layer(self, hidden_states: Tensor, skip: Tensor, temb: Embedding | None, context: Context) -> Tensor:
        """The last layer alone, of what `before_last` was shown and the features of the way down."""
        return self.layer(len(self.resnets) - 1, _join(hidden_states, skip), temb, context)


class UNetMidBlock2DCrossAttn(nn.Module):
    """The narrowest part of a conditional U-Net: a residual block, a transformer, a residual block."""

    def __init__(self, channels: int, residual: Residual, attention: CrossAttention) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([residual.block(channels, channels)])
        self.attentions = nn.ModuleList([attention.block(channels, 0)])
        self.resnets.append(residual.block(channels, channels))

    def forward(self, hidden_states: Tensor, temb: Embedding | None = None, context: Context = NO_CONTEXT) -> Tensor:
        """Input and output: (batch, channels, height, width)."""
        hidden_states = self.resnets[0](hidden_states, temb)
        hidden_states = self.attentions[0](hidden_states, context)
        return self.resnets[1](hidden_states, temb)


def add_residual(hidden_states: Tensor, residual: Tensor) -> Tensor:
    """Add features that another network (ControlNet, T2I-Adapter) made; raises `InvalidValue` if they do not fit."""
    if residual.shape[1:] != hidden_states.shape[1:] or len(residual) not in (1, len(hidden_states)):
        raise InvalidValue(
            f"A residual has the shape {tuple(residual.shape)}; the features it is added to have "
            f"{tuple(hidden_states.shape)}. Use the network that was made for this model, and the same picture size."
        )
    return hidden_states + residual


def _join(hidden_states: Tensor, skip: Tensor) -> Tensor:
    if skip.shape[-2:] != hidden_states.shape[-2:]:
        raise InvalidValue(
            f"Features of size {tuple(hidden_states.shape[-2:])} meet a skip connection of {tuple(skip.shape[-2:])}; "
            "choose a height and width that can be halved as often as the network does."
        )
    return torch.cat([hidden_states, spread(skip, hidden_states)], dim=1)


def _resample(layer: nn.Module, hidden_states: Tensor, temb: Embedding | None) -> Tensor:
    return layer(hidden_states, temb) if isinstance(layer, ResnetBlock2D) else layer(hidden_states)
