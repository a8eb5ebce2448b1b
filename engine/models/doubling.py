"""The 3x3 convolution of a doubled image as operations on the image itself, for back ends that compile a graph.

Each pixel x of a row is there twice; between its neighbours a and b, the kernel (u, v, w) makes of it

    u a + (v + w) x = u (a - x) + (u + v + w) x        and        (u + v) x + w b = (u + v + w) x + w (b - x):

three products for two pixels. Along both sides these are nine 1x1 convolutions where the doubled image takes 36, and as
many weights as before. `winograd.DOUBLED` is the same in strips, for torch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_ROWS, _COLUMNS = 2, 3


def convolve_doubled(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the convolution of `x` (batch, in, height, width), doubled by repeating pixels, padded with zeros.

    `weight` is (out, in, 3, 3); the result is (batch, out, 2 height, 2 width).
    """
    images = [term for row in _terms(x, _ROWS) for term in _terms(row, _COLUMNS)]
    kernels = [kernel for row in _kernels(weight, _ROWS) for kernel in _kernels(row, _ROWS)]
    products = [F.conv2d(image, kernel[:, :, None, None]) for image, kernel in zip(images, kernels, strict=True)]
    # Of each row of terms the two columns that they make; then of those the two rows.
    columns = [(left + middle, middle + right) for left, middle, right in zip(*[iter(products)] * 3, strict=True)]
    before, here, after = columns
    shift = None if bias is None else bias[:, None, None]
    rows: list[Tensor] = []
    for one, other in ((before, here), (here, after)):
        pixels = [a + b for a, b in zip(one, other, strict=True)]
        rows.append(torch.stack([p if shift is None else p + shift for p in pixels], dim=-1).flatten(-2))
    return torch.stack(rows, dim=-2).flatten(-3, -2)


def _terms(x: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    """What a pixel's neighbours along `side` have more than it, around the pixel; beyond the border they are 0."""
    border = torch.zeros_like(x[:, :, :1] if side == _ROWS else x[..., :1])
    first, last = (x[:, :, :-1], x[:, :, 1:]) if side == _ROWS else (x[..., :-1], x[..., 1:])
    return torch.cat((border, first), side) - x, x, torch.cat((last, border), side) - x


def _kernels(weight: Tensor, side: int) -> tuple[Tensor, Tensor, Tensor]:
    first, middle, last = weight.unbind(side)
    return first, first + middle + last, last
