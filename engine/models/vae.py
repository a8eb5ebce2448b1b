"""The convolutional encoder and decoder that `AutoencoderKL` and `VQModel` share.

Source: Rombach et al., arXiv 2112.10752, appendix G; Esser et al., arXiv 2012.09841, table 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from torch import Tensor, nn

from engine.errors import ConfigError
from engine.models.checkpointing import GradientCheckpointing
from engine.models.convolution import Conv2d
from engine.models.in_place import activated
from engine.models.mid_block import UNetMidBlock2D
from engine.models.vae_blocks import NORM_EPS, DownEncoderBlock2D, UpDecoderBlock2D
from engine.output import Output

DownBlockType = Literal["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]
UpBlockType = Literal["UpDecoderBlock2D", "AttnUpDecoderBlock2D"]


@dataclass
class DecoderOutput(Output):
    """What `decode` returns.

    Attributes:
        sample: the image, shape (batch, out_channels, height, width), nominally in [-1, 1].
        commit_loss: the quantiser's loss, a scalar (`VQModel` only).
    """

    sample: Tensor
    commit_loss: Tensor | None = None


class Encoder(GradientCheckpointing, nn.Module):
    """Image (batch, in_channels, h, w) to features (batch, out_channels, h / f, w / f), f = 2 ** (stages - 1).

    `double_z` doubles the output channels: means and log variances.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        down_block_types: Sequence[DownBlockType] = ("DownEncoderBlock2D",),
        block_out_channels: Sequence[int] = (64,),
        layers_per_block: int = 2,
        norm_num_groups: int = 32,
        act_fn: str = "silu",
        double_z: bool = True,
        mid_block_add_attention: bool = True,
    ) -> None:
        super().__init__()
        first, last = block_out_channels[0], block_out_channels[-1]
        self.conv_in = Conv2d(in_channels, first, kernel_size=3, padding=1)
        self.down_blocks = nn.ModuleList(
            DownEncoderBlock2D(
                in_channels=before,
                out_channels=after,
                num_layers=layers_per_block,
                resnet_groups=norm_num_groups,
                resnet_act_fn=act_fn,
                add_downsample=stage < len(block_out_channels) - 1,
                add_attention=down_block_types[stage] == "AttnDownEncoderBlock2D",
            )
            for stage, (before, after) in enumerate(pairwise([first, *block_out_channels]))
        )
        self.mid_block = _mid_block(last, norm_num_groups, act_fn, mid_block_add_attention)
        self.conv_norm_out = nn.GroupNorm(norm_num_groups, last, eps=NORM_EPS)
        self.conv_act = nn.SiLU()
        self.conv_out = Conv2d(last, 2 * out_channels if double_z else out_channels, kernel_size=3, padding=1)

    def forward(self, sample: Tensor) -> Tensor:
        """Return the features of an image."""
        sample = self.conv_in(sample)
        for down_block in self.down_blocks:
            sample = self.run_stage(down_block, sample)
        sample = self.run_stage(self.mid_block, sample)
        return self.conv_out(activated(self.conv_act, self.conv_norm_out(sample)))


class Decoder(GradientCheckpointing, nn.Module):
    """Latents (batch, in_channels, h, w) to an image (batch, out_channels, h * f, w * f), f = 2 ** (stages - 1).

    `block_out_channels` are in the encoder's order: the last one comes first here.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        up_block_types: Sequence[UpBlockType] = ("UpDecoderBlock2D",),
        block_out_channels: Sequence[int] = (64,),
        layers_per_block: int = 2,
        norm_num_groups: int = 32,
        act_fn: str = "silu",
        mid_block_add_attention: bool = True,
    ) -> None:
        super().__init__()
        first, last = block_out_channels[-1], block_out_channels[0]
        self.conv_in = Conv2d(in_channels, first, kernel_size=3, padding=1)
        self.mid_block = _mid_block(first, norm_num_groups, act_fn, mid_block_add_attention)
        self.up_blocks = nn.ModuleList(
            UpDecoderBlock2D(
                in_channels=before,
                out_channels=after,
                # One more than the encoder has: the reference keeps the layout of a U-Net with skip connections.
                num_layers=layers_per_block + 1,
                resnet_groups=norm_num_groups,
                resnet_act_fn=act_fn,
                add_upsample=stage < len(block_out_channels) - 1,
                add_attention=up_block_types[stage] == "AttnUpDecoderBlock2D",
            )
            for stage, (before, after) in enumerate(pairwise([first, *reversed(block_out_channels)]))
        )
        self.conv_norm_out = nn.GroupNorm(norm_num_groups, last, eps=NORM_EPS)
        self.conv_act = nn.SiLU()
        self.conv_out = Conv2d(last, out_channels, kernel_size=3, padding=1)

    def forward(self, sample: Tensor) -> Tensor:
        """Return the image that the latents describe."""
        sample = self.run_stage(self.mid_block, self.conv_in(sample))
        for up_block in self.up_blocks:
            sample = self.run_stage(up_block, sample)
        return self.conv_out(activated(self.conv_act, self.conv_norm_out(sample)))


def _mid_block(channels: int, groups: int, act_fn: str, add_attention: bool) -> UNetMidBlock2D:
    return UNetMidBlock2D(
        in_channels=channels,
        temb_channels=None,
        resnet_eps=NORM_EPS,
        resnet_act_fn=act_fn,
        resnet_groups=groups,
        attention_head_dim=channels,
        add_attention=add_attention,
    )


def check_stages(
    owner: str,
    block_out_channels: Sequence[int],
    down_block_types: Sequence[str],
    up_block_types: Sequence[str],
    norm_num_groups: int,
) -> None:
    """Raise `ConfigError` unless every stage of the class `owner` has its block types, and channels fit the groups."""
    stages = len(block_out_channels)
    for key, types in (("down_block_types", down_block_types), ("up_block_types", up_block_types)):
        if len(types) != stages or stages == 0:
            raise ConfigError(
                f"{owner}: {key} has {len(types)} entries and block_out_channels has {stages}; "
                "give one of each for every stage."
            )
    if norm_num_groups < 1:
        raise ConfigError(f"{owner}: norm_num_groups cannot be {norm_num_groups}; give a whole number from 1 up.")
    for channels in block_out_channels:
        if channels < 1 or channels % norm_num_groups:
            raise ConfigError(
                f"{owner}: block_out_channels has {channels}, which norm_num_groups={norm_num_groups} does not divide; "
                f"give multiples of {norm_num_groups}."
            )
