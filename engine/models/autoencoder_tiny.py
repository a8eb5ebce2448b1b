"""The tiny autoencoder: a small distilled stand-in for the autoencoder of a latent diffusion model.

Source: Ollin Boer Bohan, TAESD, https://github.com/madebyollin/taesd.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, overload

import torch
from torch import Tensor, nn

from engine.config import register_to_config
from engine.errors import ConfigError
from engine.models.activations import ActivationName, get_activation
from engine.models.base import ModelMixin
from engine.models.checkpointing import GradientCheckpointing
from engine.models.tiling import SlicingTilingMixin, ramp_blended
from engine.models.vae import DecoderOutput
from engine.output import Output


@dataclass
class AutoencoderTinyOutput(Output):
    """What `AutoencoderTiny.encode` returns.

    Attributes:
        latents: shape (batch, latent_channels, height / 8, width / 8) with four stages.
    """

    latents: Tensor


class AutoencoderTinyBlock(nn.Module):
    """Three convolutions and a shortcut: (batch, in_channels, h, w) to (batch, out_channels, h, w)."""

    def __init__(self, in_channels: int, out_channels: int, act_fn: str) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
            get_activation(act_fn),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
            get_activation(act_fn),
            nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
        )
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, kernel_size=1, bias=False)
        self.fuse = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the features after the block."""
        return self.fuse(self.conv(x) + self.skip(x))


class EncoderTiny(GradientCheckpointing, nn.Module):
    """Image in [-1, 1] to latents; every stage after the first halves the size."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_blocks: Sequence[int],
        block_out_channels: Sequence[int],
        act_fn: str,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for stage, (blocks, channels) in enumerate(zip(num_blocks, block_out_channels, strict=True)):
            if stage == 0:
                layers.append(nn.Conv2d(in_channels, channels, kernel_size=3, padding=1))
            else:
                layers.append(nn.Conv2d(channels, channels, kernel_size=3, padding=1, stride=2, bias=False))
            layers += [AutoencoderTinyBlock(channels, channels, act_fn) for _ in range(blocks)]
        layers.append(nn.Conv2d(block_out_channels[-1], out_channels, kernel_size=3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the latents of the image `x`."""
        # The published weights expect images in [0, 1].
        return self.run_stage(self.layers, (x + 1) / 2)


class DecoderTiny(GradientCheckpointing, nn.Module):
    """Latents to an image in [-1, 1]; every stage but the last enlarges by `upsampling_scaling_factor`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_blocks: Sequence[int],
        block_out_channels: Sequence[int],
        upsampling_scaling_factor: int,
        act_fn: str,
        upsample_fn: str,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, block_out_channels[0], kernel_size=3, padding=1),
            get_activation(act_fn),
        ]
        for blocks, channels in zip(num_blocks[:-1], block_out_channels[:-1], strict=True):
            layers += [AutoencoderTinyBlock(channels, channels, act_fn) for _ in range(blocks)]
            layers.append(nn.Upsample(scale_factor=upsampling_scaling_factor, mode=upsample_fn))
            layers.append(nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False))
        channels = block_out_channels[-1]
        layers += [AutoencoderTinyBlock(channels, channels, act_fn) for _ in range(num_blocks[-1])]
        layers.append(nn.Conv2d(channels, out_channels, kernel_size=3, padding=1))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Return the image of the latents `x`, which are softly limited to [-3, 3] first."""
        return self.run_stage(self.layers, torch.tanh(x / 3) * 3) * 2 - 1


class AutoencoderTiny(GradientCheckpointing, SlicingTilingMixin, ModelMixin):
    """A tiny autoencoder without a posterior: images in [-1, 1] to latents and back.

    `scaling_factor` and `shift_factor` are kept for the pipelines. Two keys of the configuration are set here, whatever
    is given: `force_upcast` is false, and `block_out_channels`, by which pipelines count the stages, is the decoder's.
    Raises `ConfigError` where channels and numbers of blocks do not fit together.

    Attributes:
        tile_sample_min_size, tile_latent_min_size: side of a tile, in pixels and in latents (with tiling).
        tile_overlap_factor: the share of a tile that overlaps the next one.
        spatial_scale_factor: pixels per latent, along a side.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        encoder_block_out_channels: Sequence[int] = (64, 64, 64, 64),
        decoder_block_out_channels: Sequence[int] = (64, 64, 64, 64),
        act_fn: ActivationName = "relu",
        upsample_fn: Literal["nearest", "nearest-exact", "bilinear", "bicubic"] = "nearest",
        latent_channels: int = 4,
        upsampling_scaling_factor: int = 2,
        num_encoder_blocks: Sequence[int] = (1, 3, 3, 3),
        num_decoder_blocks: Sequence[int] = (3, 3, 3, 1),
        latent_magnitude: float = 3,
        latent_shift: float = 0.5,
        force_upcast: bool = False,
        scaling_factor: float = 1.0,
        shift_factor: float = 0.0,
        block_out_channels: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        _check_stages("encoder", encoder_block_out_channels, num_encoder_blocks)
        _check_stages("decoder", decoder_block_out_channels, num_decoder_blocks)
        self.config.update(block_out_channels=decoder_block_out_channels, force_upcast=False)
        self.encoder = EncoderTiny(
            in_channels=in_channels,
            out_channels=latent_channels,
            num_blocks=num_encoder_blocks,
            block_out_channels=encoder_block_out_channels,
            act_fn=act_fn,
        )
        self.decoder = DecoderTiny(
            in_channels=latent_channels,
            out_channels=out_channels,
            num_blocks=num_decoder_blocks,
            block_out_channels=decoder_block_out_channels,
            upsampling_scaling_factor=upsampling_scaling_factor,
            act_fn=act_fn,
            upsample_fn=upsample_fn,
        )
        self.latent_magnitude = latent_magnitude
        self.latent_shift = latent_shift
        self.spatial_scale_factor = 2 ** (len(encoder_block_out_channels) - 1)
        self.upscale_factor = upsampling_scaling_factor ** (len(decoder_block_out_channels) - 1)
        self.tile_overlap_factor = 0.125
        self.tile_sample_min_size = 512
        self.tile_latent_min_size = self.tile_sample_min_size // self.spatial_scale_factor

    def scale_latents(self, x: Tensor) -> Tensor:
        """Return latents mapped to [0, 1], as they are stored in a picture; values beyond are clipped."""
        return (x / (2 * self.latent_magnitude) + self.latent_shift).clamp(0, 1)

    def unscale_latents(self, x: Tensor) -> Tensor:
        """Return the latents that `scale_latents` mapped to `x`."""
        return (x - self.latent_shift) * (2 * self.latent_magnitude)

    @overload
    def encode(self, x: Tensor, return_dict: Literal[True] = True) -> AutoencoderTinyOutput: ...
    @overload
    def encode(self, x: Tensor, return_dict: Literal[False]) -> tuple[Tensor]: ...
    def encode(self, x: Tensor, return_dict: bool = True) -> AutoencoderTinyOutput | tuple[Tensor]:
        """Return the latents of the images `x`."""
        latents = self._sliced(self._latents, x)
        return AutoencoderTinyOutput(latents=latents) if return_dict else (latents,)

    @overload
    def decode(
        self, x: Tensor, generator: torch.Generator | None = None, return_dict: Literal[True] = True
    ) -> DecoderOutput: ...
    @overload
    def decode(
        self, x: Tensor, generator: torch.Generator | None = None, *, return_dict: Literal[False]
    ) -> tuple[Tensor]: ...
    def decode(
        self, x: Tensor, generator: torch.Generator | None = None, return_dict: bool = True
    ) -> DecoderOutput | tuple[Tensor]:
        """Return the images of the latents `x`; `generator` is there for autoencoders whose decoder draws noise."""
        sample = self._sliced(self._image, x)
        return DecoderOutput(sample=sample) if return_dict else (sample,)

    def forward(self, sample: Tensor, return_dict: bool = True) -> DecoderOutput | tuple[Tensor]:
        """Return `sample` encoded, rounded to bytes as if stored in a picture, and decoded."""
        stored = (self.scale_latents(self._sliced(self._latents, sample)) * 255).round()
        decoded = self._sliced(self._image, self.unscale_latents(stored / 255))
        return DecoderOutput(sample=decoded) if return_dict else (decoded,)

    def _latents(self, x: Tensor) -> Tensor:
        if not self.use_tiling:
            return self.encoder(x)
        overlap = int(self.tile_sample_min_size * self.tile_overlap_factor)
        return ramp_blended(self.encoder, x, self.tile_sample_min_size, overlap, 1 / self.spatial_scale_factor)

    def _image(self, z: Tensor) -> Tensor:
        if not self.use_tiling:
            return self.decoder(z)
        overlap = int(self.tile_latent_min_size * self.tile_overlap_factor)
        return ramp_blended(self.decoder, z, self.tile_latent_min_size, overlap, self.upscale_factor)


def _check_stages(part: str, channels: Sequence[int], blocks: Sequence[int]) -> None:
    if len(channels) != len(blocks) or not channels:
        raise ConfigError(
            f"AutoencoderTiny: {part}_block_out_channels has {len(channels)} entries and num_{part}_blocks has "
            f"{len(blocks)}; give one of each for every stage."
        )
    if len(set(channels)) > 1:
        raise ConfigError(
            f"AutoencoderTiny: {part}_block_out_channels cannot be {list(channels)}; give all stages the same."
        )
