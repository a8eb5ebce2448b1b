"""Classifier-free guidance: pure functions of what the model predicts with and without the prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import InvalidValue


@dataclass(frozen=True)
class Conditions:
    """What one denoising step is conditioned on.

    Attributes:
        positive: embeddings (batch, tokens, channels) with the weight of each; more than one are combined by adding
            their guidance (Liu et al. 2022, https://arxiv.org/abs/2206.01714, equation 11).
        negative: embeddings (batch, tokens, channels) of what to lead away from, None without guidance.
        pooled: embeddings of the whole prompts (batch, channels), one for each of `positive`, stacked on a first axis;
            None for models without them.
        negative_pooled: (batch, channels) of the negative prompt.
    """

    positive: tuple[tuple[Tensor, float], ...]
    negative: Tensor | None = None
    pooled: tuple[Tensor, ...] | None = None
    negative_pooled: Tensor | None = None


def guide(unconditional: Tensor, conditional: Tensor, guidance_scale: float) -> Tensor:
    """Return u + s (c - u): away from the unconditional prediction, https://arxiv.org/abs/2207.12598, equation 6.

    `guidance_scale` s is that of Imagen (https://arxiv.org/abs/2205.11487, equation 2): 1 is no guidance.
    """
    return unconditional + guidance_scale * (conditional - unconditional)


def combine(unconditional: Tensor | None, conditional: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Return u + sum of w_i (c_i - u), all of one shape: several prompts at once, https://arxiv.org/abs/2206.01714.

    Equation 11 there, with a guidance scale of 1. Without an unconditional prediction it is the weighted mean.
    """
    if len(conditional) == 1 and (weights[0] == 1 or unconditional is None):
        return conditional[0]
    if unconditional is None:
        total = sum(weights)
        if not total:
            raise InvalidValue(
                f"the weights {list(weights)} of the prompts add up to 0; use guidance, or other weights."
            )
        return torch.stack([w / total * c for w, c in zip(weights, conditional, strict=True)]).sum(0)
    return unconditional + torch.stack(
        [w * (c - unconditional) for w, c in zip(weights, conditional, strict=True)]
    ).sum(0)


def rescale_noise_cfg(guided: Tensor, conditional: Tensor, guidance_rescale: float = 0.0) -> Tensor:
    """Give `guided` the standard deviation of `conditional`, image by image, by the share `guidance_rescale`.

    Both are (batch, ...). https://arxiv.org/abs/2305.08891, section 3.4, against pictures that guidance overexposes.
    """
    dims = list(range(1, guided.ndim))
    rescaled = guided * (conditional.std(dim=dims, keepdim=True) / guided.std(dim=dims, keepdim=True))
    return guidance_rescale * rescaled + (1 - guidance_rescale) * guided


def guidance_scale_embedding(scales: Tensor, embedding_dim: int = 512, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return sines and cosines of guidance scales (batch,) as (batch, embedding_dim).

    What a model distilled from guided ones is conditioned on, https://arxiv.org/abs/2210.03142, section 3.
    """
    half = embedding_dim // 2
    frequencies = torch.exp(torch.arange(half, dtype=dtype) * -(math.log(10_000.0) / (half - 1)))
    angles = 1000.0 * scales.to(dtype)[:, None] * frequencies
    embedding = torch.cat([angles.sin(), angles.cos()], dim=1)
    return torch.nn.functional.pad(embedding, (0, embedding_dim % 2))
