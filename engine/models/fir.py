"""Halving and doubling images with a smoothing filter, without aliasing. Karras et al., StyleGAN2, arXiv:1912.04958."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.rng import moved

_TAPS = (1.0, 3.0, 3.0, 1.0)  # binomial: the filter that NCSN++ and StyleGAN2 use


def _depthwise_kernel(like: Tensor, gain: float) -> Tensor:
    """The separable filter, summing to `gain`, once per channel: (channels, 1, 4, 4)."""
    taps = moved(torch.tensor(_TAPS), like.device)
    kernel = torch.outer(taps, taps)
    kernel = kernel * (gain / kernel.sum())
    return kernel.to(like.dtype).expand(like.shape[1], 1, -1, -1)


def fir_downsample(image: Tensor) -> Tensor:
    """(batch, channels, height, width) -> half the height and width; outside the image is zero."""
    return F.conv2d(image, _depthwise_kernel(image, 1.0), stride=2, padding=1, groups=image.shape[1])


def fir_upsample(image: Tensor) -> Tensor:
    """(batch, channels, height, width) -> twice the height and width; outside the image is zero."""
    # The filter is symmetric, so a transposed convolution is zero-stuffing followed by the filter.
    return F.conv_transpose2d(image, _depthwise_kernel(image, 4.0), stride=2, padding=1, groups=image.shape[1])
