"""The variational autoencoder of latent diffusion: images to small Gaussian latents and back.

Source: Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", arXiv 2112.10752.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, overload

import torch
from torch import Tensor, nn

from engine.config import register_to_config
from engine.models.activations import ActivationName
from engine.models.base import ModelMixin
from engine.models.checkpointing import GradientCheckpointing
from engine.models.distributions import DiagonalGaussianDistribution
from engine.models.exact import memory_kept_within
from engine.models.tiling import SlicingTilingMixin, seam_blended
from engine.models.vae import Decoder, DecoderOutput, DownBlockType, Encoder, UpBlockType, check_stages
from engine.output import Output
from engine.rng import Generators


@dataclass
class AutoencoderKLOutput(Output):
    """What `AutoencoderKL.encode` returns.

    Attributes:
        latent_dist: the posterior; multiply its sample by `config.scaling_factor` before diffusing it.
    """

    latent_dist: DiagonalGaussianDistribution


class AutoencoderKL(GradientCheckpointing, SlicingTilingMixin, ModelMixin):
    """A variational autoencoder with a KL penalty.

    Images (batch, in_channels, height, width) in [-1, 1]; latents (batch, latent_channels, height / f, width / f) with
    f = 2 ** (stages - 1). `scaling_factor`, `shift_factor`, `latents_mean`, `latents_std` and `force_upcast` are kept
    for the pipelines, which apply them. Raises `ConfigError` where stages, channels and groups do not fit together.

    Attributes:
        tile_sample_min_size, tile_latent_min_size: side of a tile, in pixels and in latents (with tiling).
        tile_overlap_factor: the share of a tile that overlaps the next one.
    """

    @register_to_config
    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        down_block_types: Sequence[DownBlockType] = ("DownEncoderBlock2D",),
        up_block_types: Sequence[UpBlockType] = ("UpDecoderBlock2D",),
        block_out_channels: Sequence[int] = (64,),
        layers_per_block: int = 1,
        act_fn: ActivationName = "silu",
        latent_channels: int = 4,
        norm_num_groups: int = 32,
        sample_size: int | Sequence[int] = 32,
        scaling_factor: float = 0.18215,
        shift_factor: float | None = None,
        latents_mean: Sequence[float] | None = None,
        latents_std: Sequence[float] | None = None,
        force_upcast: bool = True,
        use_quant_conv: bool = True,
        use_post_quant_conv: bool = True,
        mid_block_add_attention: bool = True,
    ) -> None:
        super().__init__()
        check_stages("AutoencoderKL", block_out_channels, down_block_types, up_block_types, norm_num_groups)
        self.encoder = Encoder(
            in_channels=in_channels,
            out_channels=latent_channels,
            down_block_types=down_block_types,
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            norm_num_groups=norm_num_groups,
            act_fn=act_fn,
            mid_block_add_attention=mid_block_add_attention,
        )
        self.decoder = Decoder(
            in_channels=latent_channels,
            out_channels=out_channels,
            up_block_types=up_block_types,
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            norm_num_groups=norm_num_groups,
            act_fn=act_fn,
            mid_block_add_attention=mid_block_add_attention,
        )
        self.quant_conv = nn.Conv2d(2 * latent_channels, 2 * latent_channels, 1) if use_quant_conv else None
        self.post_quant_conv = nn.Conv2d(latent_channels, latent_channels, 1) if use_post_quant_conv else None

        self.tile_sample_min_size = sample_size if isinstance(sample_size, int) else sample_size[0]
        self.tile_latent_min_size = self.tile_sample_min_size // 2 ** (len(block_out_channels) - 1)
        self.tile_overlap_factor = 0.25

    @overload
    def encode(self, x: Tensor, return_dict: Literal[True] = True) -> AutoencoderKLOutput: ...
    @overload
    def encode(self, x: Tensor, return_dict: Literal[False]) -> tuple[DiagonalGaussianDistribution]: ...
    def encode(self, x: Tensor, return_dict: bool = True) -> AutoencoderKLOutput | tuple[DiagonalGaussianDistribution]:
        """Return the posterior over latents of the images `x`."""
        with self._memory_kept(x, pixels=1):
            posterior = DiagonalGaussianDistribution(self._sliced(self._moments, x))
        return AutoencoderKLOutput(latent_dist=posterior) if return_dict else (posterior,)

    @overload
    def decode(
        self, z: Tensor, return_dict: Literal[True] = True, generator: torch.Generator | None = None
    ) -> DecoderOutput: ...
    @overload
    def decode(
        self, z: Tensor, return_dict: Literal[False], generator: torch.Generator | None = None
    ) -> tuple[Tensor]: ...
    def decode(
        self, z: Tensor, return_dict: bool = True, generator: torch.Generator | None = None
    ) -> DecoderOutput | tuple[Tensor]:
        """Return the images of the latents `z`; `generator` is there for autoencoders whose decoder draws noise."""
        with self._memory_kept(z, pixels=4 ** (len(self.config.block_out_channels) - 1)):
            sample = self._sliced(self._image, z)
        return DecoderOutput(sample=sample) if return_dict else (sample,)

    def forward(
        self,
        sample: Tensor,
        sample_posterior: bool = False,
        return_dict: bool = True,
        generator: Generators = None,
    ) -> DecoderOutput | tuple[Tensor]:
        """Return `sample` encoded and decoded, through a sample of the posterior or through its mode."""
        posterior = self.encode(sample).latent_dist
        latents = posterior.sample(generator) if sample_posterior else posterior.mode()
        decoded = self.decode(latents).sample
        return DecoderOutput(sample=decoded) if return_dict else (decoded,)

    def _moments(self, x: Tensor) -> Tensor:
        """Return means and log variances, tile by tile where tiling is on and `x` larger than a tile."""
        tile, latent_tile = self.tile_sample_min_size, self.tile_latent_min_size
        if not (self.use_tiling and max(x.shape[-2:]) > tile):
            return self._encode_tile(x)
        blend = int(latent_tile * self.tile_overlap_factor)
        stride = int(tile * (1 - self.tile_overlap_factor))
        least = 2 ** (len(self.config.block_out_channels) - 1)
        return seam_blended(self._encode_tile, x, tile, stride, blend, keep=latent_tile - blend, least=least)

    def _image(self, z: Tensor) -> Tensor:
        """Return the decoded image, tile by tile where tiling is on and `z` larger than a tile."""
        tile, latent_tile = self.tile_sample_min_size, self.tile_latent_min_size
        if not (self.use_tiling and max(z.shape[-2:]) > latent_tile):
            return self._decode_tile(z)
        blend = int(tile * self.tile_overlap_factor)
        stride = int(latent_tile * (1 - self.tile_overlap_factor))
        return seam_blended(self._decode_tile, z, latent_tile, stride, blend, keep=tile - blend, least=1)

    def _encode_tile(self, x: Tensor) -> Tensor:
        moments = self.encoder(x)
        return moments if self.quant_conv is None else self.quant_conv(moments)

    def _decode_tile(self, z: Tensor) -> Tensor:
        return self.decoder(z if self.post_quant_conv is None else self.post_quant_conv(z))

    def _memory_kept(self, x: Tensor, pixels: int) -> AbstractContextManager[None]:
        """Keep freed memory where that is worth it, with `pixels` of the image for one of `x`."""
        largest_map = x[:, :1].numel() * pixels * self.config.block_out_channels[0] * x.element_size()
        return memory_kept_within(largest_map, x.device)
