"""Normalisation layers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.models.layout import in_working_layout, working_layout

# Numbers whose sums are taken at a time (8 MB), and how many standard deviations a mean may be away from 0 meanwhile.
STRIP_NUMBERS = 2**21
FAR = 3.0


class GroupNorm(nn.GroupNorm):
    """`nn.GroupNorm`, with the same arguments, weights and results, also for images with channels last."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in torch.nn
        return group_norm(input, self.num_groups, self.weight, self.bias, self.eps)


def group_norm(
    image: Tensor, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Return the group norm (Wu & He, arXiv:1803.08494) of `image` (batch, channels, height, width).

    PyTorch's kernel for channels last adds all pixels up one by one and computes a variance as E[x^2] - E[x]^2. Both
    lose digits: the more, the larger the image, and the larger the mean beside the deviation. Here the sums are those
    of `torch.sum`, which adds in pairs, and where the mean is large the kernel for the plain layout does it.
    """
    if not in_working_layout(image):
        return F.group_norm(image, groups, weight, bias, eps)
    mean, inverse_deviation, farthest = _moments(image, groups, eps)
    if farthest > FAR:
        return working_layout(F.group_norm(image.contiguous(), groups, weight, bias, eps))
    scale = _of_channels(inverse_deviation, image)
    if weight is not None:
        scale = scale * weight[:, None, None]
    shift = -scale * _of_channels(mean, image)
    return torch.addcmul(shift if bias is None else shift + bias[:, None, None], image, scale)


def _moments(image: Tensor, groups: int, eps: float) -> tuple[Tensor, Tensor, float]:
    """Return mean and 1 / sqrt(variance + eps) of the groups, (batch, groups) in float64.

    The third is how many deviations the farthest mean is away from 0.
    """
    batch, channels, height, width = image.shape
    pixels = image.permute(0, 2, 3, 1).reshape(batch, height * width, channels)
    strips = pixels.split(max(STRIP_NUMBERS // (batch * channels), 1), dim=1)
    sums = torch.stack([torch.stack([strip.sum(1), (strip * strip).sum(1)]) for strip in strips]).double().sum(0)
    mean, square = sums.unflatten(-1, (groups, -1)).mean(-1) / (height * width)
    inverse_deviation = ((square - mean * mean).clamp(min=0) + eps).rsqrt()
    return mean, inverse_deviation, (mean.abs() * inverse_deviation).max().item()


def _of_channels(of_groups: Tensor, image: Tensor) -> Tensor:
    """Return (batch, groups) as (batch, channels, 1, 1) in the precision of `image`."""
    return of_groups.to(image.dtype).repeat_interleave(image.shape[1] // of_groups.shape[1], dim=1)[:, :, None, None]
