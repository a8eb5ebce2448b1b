"""Embeddings of timesteps and other numbers that condition a denoiser."""

from __future__ import annotations

import math
from numbers import Integral

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.errors import InvalidValue
from engine.models.activations import get_activation
from engine.models.linear import Linear


def get_timestep_embedding(
    timesteps: Tensor,
    embedding_dim: int,
    flip_sin_to_cos: bool = False,
    downscale_freq_shift: float = 1,
    scale: float = 1,
    max_period: int = 10000,
) -> Tensor:
    """Sinusoidal embeddings: (n,) timesteps, fractions allowed -> (n, embedding_dim), always float32.

    Frequencies fall geometrically from 1 to about 1 / `max_period`; sines come first, cosines with
    `flip_sin_to_cos`; an odd dimension ends in a zero. Vaswani et al., arXiv:1706.03762, section 3.5.
    """
    half = embedding_dim // 2
    exponent = -math.log(max_period) * torch.arange(half, dtype=torch.float32, device=timesteps.device)
    frequencies = torch.exp(exponent / (half - downscale_freq_shift))
    angles = scale * (timesteps[:, None].float() * frequencies)
    waves = (angles.cos(), angles.sin()) if flip_sin_to_cos else (angles.sin(), angles.cos())
    embedding = torch.cat(waves, dim=-1)
    return F.pad(embedding, (0, 1)) if embedding_dim % 2 else embedding


def expand_timesteps(timestep: Tensor | float, sample: Tensor) -> Tensor:
    """A timestep (int, float, 0-d, or 1-d of length 1 or batch) as one value per batch entry on `sample`'s device.

    Raises `InvalidValue` for any other shape.
    """
    batch = sample.shape[0]
    if not isinstance(timestep, Tensor):
        # Integers stay exact, fractions get all the digits the caller gave; MPS has no float64.
        fraction = torch.float32 if sample.device.type == "mps" else torch.float64
        dtype = torch.int64 if isinstance(timestep, Integral) else fraction
        timestep = torch.full((), timestep, dtype=dtype, device=sample.device)
    if timestep.ndim > 1 or (timestep.ndim == 1 and timestep.shape[0] not in (1, batch)):
        raise InvalidValue(
            f"timestep has the shape {tuple(timestep.shape)}; give one number, or one for each of the {batch} samples."
        )
    return timestep.to(sample.device).expand(batch)


class Timesteps(nn.Module):
    """`get_timestep_embedding` as a module: (n,) -> (n, num_channels), float32."""

    def __init__(self, num_channels: int, flip_sin_to_cos: bool, downscale_freq_shift: float, scale: float = 1) -> None:
        super().__init__()
        self.num_channels = num_channels
        self.flip_sin_to_cos = flip_sin_to_cos
        self.downscale_freq_shift = downscale_freq_shift
        self.scale = scale

    def forward(self, timesteps: Tensor) -> Tensor:
        return get_timestep_embedding(
            timesteps, self.num_channels, self.flip_sin_to_cos, self.downscale_freq_shift, self.scale
        )


class GaussianFourierProjection(nn.Module):
    """Random Fourier features of the noise level: (n,) -> (n, 2 * embedding_size). Song et al., arXiv:2011.13456, C.1.

    The frequencies are drawn once and stored with the weights; they are not trained. `log` takes the logarithm first.
    """

    def __init__(
        self, embedding_size: int = 256, scale: float = 1.0, log: bool = True, flip_sin_to_cos: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(embedding_size), requires_grad=False)
        nn.init.normal_(self.weight, std=scale)
        self.log = log
        self.flip_sin_to_cos = flip_sin_to_cos

    def forward(self, timesteps: Tensor) -> Tensor:
        x = timesteps.log() if self.log else timesteps
        angles = x[:, None] * self.weight * 2 * math.pi
        waves = (angles.cos(), angles.sin()) if self.flip_sin_to_cos else (angles.sin(), angles.cos())
        return torch.cat(waves, dim=-1)


class TimestepEmbedding(nn.Module):
    """Two linear layers with an activation between: (n, in_channels) -> (n, time_embed_dim).

    `condition` (n, cond_proj_dim), the guidance embedding of distilled models (arXiv:2210.03142), is projected and
    added to the input.
    """

    def __init__(
        self,
        in_channels: int,
        time_embed_dim: int,
        act_fn: str = "silu",
        out_dim: int | None = None,
        post_act_fn: str | None = None,
        cond_proj_dim: int | None = None,
        sample_proj_bias: bool = True,
    ) -> None:
        super().__init__()
        self.linear_1 = Linear(in_channels, time_embed_dim, bias=sample_proj_bias)
        self.cond_proj = None if cond_proj_dim is None else Linear(cond_proj_dim, in_channels, bias=False)
        self.act = get_activation(act_fn)
        self.linear_2 = Linear(time_embed_dim, out_dim or time_embed_dim, bias=sample_proj_bias)
        self.post_act = None if post_act_fn is None else get_activation(post_act_fn)

    def forward(self, sample: Tensor, condition: Tensor | None = None) -> Tensor:
        if condition is not None:
            if self.cond_proj is None:
                raise InvalidValue("This model has no guidance embedding; leave timestep_cond out.")
            sample = sample + self.cond_proj(condition)
        sample = self.linear_2(self.act(self.linear_1(sample)))
        return sample if self.post_act is None else self.post_act(sample)
