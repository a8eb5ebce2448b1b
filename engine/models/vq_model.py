"""The autoencoder with a codebook of early latent diffusion models.

Source: van den Oord et al., arXiv 1711.00937; Esser et al., "Taming Transformers", arXiv 2012.09841.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import torch
from torch import Tensor, nn

from engine.config import register_to_config
from engine.errors import InvalidValue
from engine.models.activations import ActivationName
from engine.models.base import ModelMixin
from engine.models.checkpointing import GradientCheckpointing
from engine.models.spatial_decoder import SpatialDecoder
from engine.models.vae import Decoder, DecoderOutput, DownBlockType, Encoder, UpBlockType, check_stages
from engine.output import Output

COMMITMENT_COST = 0.25


@dataclass
class VQEncoderOutput(Output):
    """What `VQModel.encode` returns.

    Attributes:
        latents: not yet quantised, shape (batch, vq_embed_dim, height / f, width / f).
    """

    latents: Tensor


class VectorQuantizer(nn.Module):
    """A codebook of `n_e` vectors of length `vq_embed_dim`; every latent vector is replaced by its nearest one."""

    def __init__(self, n_e: int, vq_embed_dim: int, beta: float = COMMITMENT_COST) -> None:
        super().__init__()
        self.vq_embed_dim = vq_embed_dim
        self.beta = beta
        self.embedding = nn.Embedding(n_e, vq_embed_dim)
        nn.init.uniform_(self.embedding.weight, -1.0 / n_e, 1.0 / n_e)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the quantised `z` (same shape; gradients pass straight through), the loss, and flat indices."""
        vectors = z.permute(0, 2, 3, 1).contiguous()
        indices = torch.cdist(vectors.view(-1, self.vq_embed_dim), self.embedding.weight).argmin(dim=1)
        nearest = self.embedding(indices).view(vectors.shape)
        # The paper weights the commitment of the encoder by beta; published models were trained with the weight on the
        # codebook's term instead, and the reference keeps that.
        loss = ((nearest.detach() - vectors) ** 2).mean() + self.beta * ((nearest - vectors.detach()) ** 2).mean()
        quantised = vectors + (nearest - vectors).detach()
        return quantised.permute(0, 3, 1, 2).contiguous(), loss, indices

    def get_codebook_entry(self, indices: Tensor, shape: Sequence[int] | None = None) -> Tensor:
        """Return the vectors at `indices`; with `shape` (batch, height, width, channels), channels first."""
        vectors = self.embedding(indices)
        return vectors if shape is None else vectors.view(tuple(shape)).permute(0, 3, 1, 2).contiguous()


class VQModel(GradientCheckpointing, ModelMixin):
    """An autoencoder whose latents are quantised with a codebook before they are decoded.

    Images (batch, in_channels, height, width) in [-1, 1]; latents (batch, vq_embed_dim, height / f, width / f) with
    f = 2 ** (stages - 1); `vq_embed_dim` is `latent_channels` unless given. `scaling_factor`, `sample_size` and
    `force_upcast` are kept for the pipelines. With `norm_type` "spatial" the norms of the decoder look at the latents.
    Raises `ConfigError` where stages, channels and groups do not fit.
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
        latent_channels: int = 3,
        sample_size: int = 32,
        num_vq_embeddings: int = 256,
        norm_num_groups: int = 32,
        vq_embed_dim: int | None = None,
        scaling_factor: float = 0.18215,
        norm_type: Literal["group", "spatial"] = "group",
        mid_block_add_attention: bool = True,
        lookup_from_codebook: bool = False,
        force_upcast: bool = False,
    ) -> None:
        super().__init__()
        check_stages("VQModel", block_out_channels, down_block_types, up_block_types, norm_num_groups)
        embed_dim = latent_channels if vq_embed_dim is None else vq_embed_dim
        self.encoder = Encoder(
            in_channels=in_channels,
            out_channels=latent_channels,
            down_block_types=down_block_types,
            block_out_channels=block_out_channels,
            layers_per_block=layers_per_block,
            norm_num_groups=norm_num_groups,
            act_fn=act_fn,
            double_z=False,
            mid_block_add_attention=mid_block_add_attention,
        )
        self.quant_conv = nn.Conv2d(latent_channels, embed_dim, 1)
        self.quantize = VectorQuantizer(num_vq_embeddings, embed_dim)
        self.post_quant_conv = nn.Conv2d(embed_dim, latent_channels, 1)
        shape: dict[str, Any] = {
            "in_channels": latent_channels,
            "out_channels": out_channels,
            "up_block_types": up_block_types,
            "block_out_channels": block_out_channels,
            "layers_per_block": layers_per_block,
            "act_fn": act_fn,
            "mid_block_add_attention": mid_block_add_attention,
        }
        spatial = norm_type == "spatial"
        self.decoder = SpatialDecoder(**shape) if spatial else Decoder(norm_num_groups=norm_num_groups, **shape)

    @overload
    def encode(self, x: Tensor, return_dict: Literal[True] = True) -> VQEncoderOutput: ...
    @overload
    def encode(self, x: Tensor, return_dict: Literal[False]) -> tuple[Tensor]: ...
    def encode(self, x: Tensor, return_dict: bool = True) -> VQEncoderOutput | tuple[Tensor]:
        """Return the latents of the images `x`, not yet quantised."""
        latents = self.quant_conv(self.encoder(x))
        return VQEncoderOutput(latents=latents) if return_dict else (latents,)

    @overload
    def decode(
        self,
        h: Tensor,
        force_not_quantize: bool = False,
        return_dict: Literal[True] = True,
        shape: Sequence[int] | None = None,
    ) -> DecoderOutput: ...
    @overload
    def decode(
        self,
        h: Tensor,
        force_not_quantize: bool = False,
        *,
        return_dict: Literal[False],
        shape: Sequence[int] | None = None,
    ) -> tuple[Tensor, Tensor]: ...
    def decode(
        self,
        h: Tensor,
        force_not_quantize: bool = False,
        return_dict: bool = True,
        shape: Sequence[int] | None = None,
    ) -> DecoderOutput | tuple[Tensor, Tensor]:
        """Return the images of the latents `h`, and the quantiser's loss.

        With `force_not_quantize`, `h` is decoded as it is, or, where the configuration says `lookup_from_codebook`, is
        taken as indices into the codebook for latents of `shape` (batch, height, width, channels).
        """
        if not force_not_quantize:
            latents, loss, _ = self.quantize(h)
        else:
            latents = self._looked_up(h, shape) if self.config.lookup_from_codebook else h
            loss = torch.zeros(h.shape[0], device=h.device, dtype=h.dtype)
        decoded_from = self.post_quant_conv(latents)
        spatial = self.config.norm_type == "spatial"
        sample = self.decoder(decoded_from, latents) if spatial else self.decoder(decoded_from)
        return DecoderOutput(sample=sample, commit_loss=loss) if return_dict else (sample, loss)

    def forward(self, sample: Tensor, return_dict: bool = True) -> DecoderOutput | tuple[Tensor, Tensor]:
        """Return `sample` encoded, quantised and decoded."""
        output = self.decode(self.quant_conv(self.encoder(sample)))
        return output if return_dict else (output[0], output[1])

    def _looked_up(self, indices: Tensor, shape: Sequence[int] | None) -> Tensor:
        if shape is None:
            raise InvalidValue(
                "Indices into the codebook need `shape`, the (batch, height, width, channels) of the latents."
            )
        return self.quantize.get_codebook_entry(indices, shape)
