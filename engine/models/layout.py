"""The layout in which images run through a network: the channels of a pixel side by side (`torch.channels_last`).

Then an image and its tokens are the same memory, so that a transformer inside a U-Net copies nothing, and convolutions
read whole pixels. Sums and concatenations keep the layout; a network brings its input into it and gives its output in
the layout that the input had, so that nobody outside sees it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.models.exact import Win, is_on


def working_layout(image: Tensor) -> Tensor:
    """Return `image` (batch, channels, height, width) in the layout in which this device computes it fastest.

    On a CPU, in float32 and without gradients, that is channels last. Everything else keeps what it is given: training
    and GPUs choose a layout together with their weights, and in lower precisions it has not been measured.
    """
    return image.contiguous(memory_format=torch.channels_last) if _has_one(image) else image


def outer_layout(image: Tensor, like: Tensor) -> Tensor:
    """Return what a network made of `like` in the layout that `like` came in."""
    return image if has_channels_last(like) else image.contiguous()


def in_working_layout(image: Tensor) -> bool:
    """Whether `working_layout` brought `image`, or what it was made of, into another layout than the plain one."""
    return _has_one(image) and has_channels_last(image)


def has_channels_last(tensor: Tensor) -> bool:
    """Whether `tensor` has the channels of a pixel side by side, and not only because it has one pixel or channel."""
    return tensor.is_contiguous(memory_format=torch.channels_last) and not tensor.is_contiguous()


def _has_one(image: Tensor) -> bool:
    exact = image.device.type == "cpu" and image.dtype == torch.float32 and not torch.is_grad_enabled()
    return exact and image.ndim == 4 and is_on(Win.CHANNELS_LAST)
