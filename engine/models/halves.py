"""What both halves of a guided step have in common, computed once.

Classifier-free guidance (Ho & Salimans, arXiv:2207.12598) gives a network the same latents twice, with the prompt and
without it. All that comes before the first look at the prompt is the same for both: in Stable Diffusion's U-Net a
residual block and the most costly self-attention. So half of the rows go in, and each stands for two from where
the prompt comes in.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.models.exact import Win, is_on


def without_second_half(sample: Tensor, temb: Tensor) -> Tensor:
    """Return the first half of `sample` (batch, ...) where the second is the same, with the same `temb`; else all."""
    # On a GPU, comparing would wait for all that it has to do.
    if not is_on(Win.SHARED_HALVES) or torch.is_grad_enabled() or sample.device.type != "cpu" or len(sample) % 2:
        return sample
    (first, second), (one, other) = sample.chunk(2), temb.chunk(2)
    return first if torch.equal(first, second) and torch.equal(one, other) else sample


def spread(x: Tensor, other: Tensor) -> Tensor:
    """Return `x` (rows, ...) repeated to the rows of `other`: itself where it has as many."""
    if len(x) == len(other):
        return x
    return x.repeat(other.shape[0] // x.shape[0], *[1] * (x.ndim - 1))  # `len` would be fixed in an exported graph
